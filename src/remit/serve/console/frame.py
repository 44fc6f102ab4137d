"""What stands round every page: who and where, the way to other pages with what waits there, and the seal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from remit.accounts.break_glass import standing_glass
from remit.audit.state import LogState, Reader, log_state
from remit.guard.approval_listing import count_waiting
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.edge.identity import Caller

if TYPE_CHECKING:
    from remit.serve.console.page import Page

GROUPS = ("Work", "Control", "Proof", "Install")
MANY = 100  # a count beside a name stops there


@dataclass(frozen=True, slots=True)
class Way:
    """One line of the navigation."""

    path: str
    label: str
    waits: int = 0

    @property
    def number(self) -> str:
        """What stands behind the name; empty when nothing waits there."""
        return "" if not self.waits else f"{self.waits}" if self.waits < MANY else f"{MANY - 1}+"


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page.

    Attributes:
        caller: Who asks.
        environment: Of the install.
        ways: The navigation, in groups.
        log: Where the audit log stands.
        theme: ``light``, ``dark``, or empty: as the system prefers.
        keys: Whether single keys do something.
    """

    caller: Caller
    environment: str
    ways: tuple[tuple[str, tuple[Way, ...]], ...]
    log: LogState
    theme: str = ""
    keys: bool = True


def read_frame(tx: ReadTx, ask: Ask, pages: Sequence[Page], *, theme: str, keys: bool) -> Frame:
    """The frame, in one snapshot: a fixed number of statements."""
    waiting = count_waiting(tx, ask.workspace, now_us=ask.now_us, most=MANY)
    standing = standing_glass(tx, ask.workspace, now_us=ask.now_us, most=MANY)
    waits = {"/approvals": waiting, "/break-glass": sum(not each.confirmed_by for each in standing)}
    groups = tuple(
        (
            group,
            tuple(Way(page.path, page.label, waits.get(page.path, 0)) for page in pages if page.group == group),
        )
        for group in GROUPS
    )
    return Frame(
        ask.caller,
        ask.runtime.settings.environment.value,
        tuple((group, ways) for group, ways in groups if ways),
        log_state(cast("Reader", tx)),  # what every store's read transaction is
        theme,
        keys,
    )
