"""What bootstrap gives the missions: the outside world behind ports, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import Vaults
from remit.guard.retry import Profile
from remit.guard.written import Written
from remit.kernel.action import Action, Principal
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.effects import Effect, Reversal
from remit.kernel.errors import IntegrityError, NotFound
from remit.kernel.mission import Outcome
from remit.kernel.ports import Engine, Journal, Tx
from remit.missions.pack import Pack
from remit.missions.progress import Progress
from remit.missions.repository import Repository
from remit.redact.redactor import Redactor


class Guard(Protocol):
    """The one path to an effect."""

    @property
    def personal(self) -> PersonalTerms:
        """What the policy says about personal data."""
        ...

    @property
    def vaults(self) -> Vaults:
        """Where missions' tokens of personal data are kept."""
        ...

    async def run(
        self,
        action: Action,
        *,
        within: Callable[[Tx], None] | None = None,
        pending: list[Written] | None = None,
        alternatives: Sequence[Effect] = (),
        keep_s: float = 0.0,
        profile: Profile | None = None,
    ) -> Outcome:
        """Do it, if it may be done; ``within`` runs first in the intent's and the outcome's transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Performed:
    """An effect on the outside world that was performed and not undone since."""

    action: str
    step: str
    kind: str
    target: str
    reversal: Reversal


class Ledger(Protocol):
    """What the guard knows of a mission's effects."""

    async def performed(self, workspace: str, mission: str) -> Sequence[Performed]:
        """Effects whose reversal is ``COMPENSATE`` or ``IRREVERSIBLE``, newest first."""
        ...

    async def compensate(self, performed: Performed, *, workspace: str, actor: Principal) -> None:
        """Undo one, through the guard, for whoever ordered it.

        Raises:
            Conflict, Denied, Failed, Unavailable: It could not be undone; names what stands in the way.
        """
        ...

    def settle_abandoned(self, tx: Tx, workspace: str, mission: str) -> None:
        """Close what dead runs of this mission left open, in the holder's own transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Deps:
    """The missions' surroundings.

    Args:
        repository_for: The repository of a mission id; made on first use by ``Repository.init``.
        verify_log: Checks the audit log's integrity for a mission; raises ``IntegrityError``.
        kill_leftover: Ends what is left of a process group (group id, start time); whether anything was.
        alive: Whether the executor of that name lives.
        host: Names this machine in ``child_process``.
        sleep: Waits for retry delays; moved by hand in tests.
        rand: Numbers in [0, 1) for jitter.
        parallel: Steps of one mission at the same time.
        hints: For each mission driven here, an event that says "look at your row now".
    """

    journal: Journal
    guard: Guard
    ledger: Ledger
    engine: Engine
    packs: Mapping[str, Pack]
    repository_for: Callable[[str], Repository]
    redactor: Redactor
    verify_log: Callable[[str, str], Awaitable[None]]
    kill_leftover: Callable[[int, str], bool]
    alive: Callable[[str], bool]
    host: str = "localhost"
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rand: Callable[[], float] = random.random
    parallel: int = 2
    progress: Progress = field(default_factory=Progress)
    hints: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    def now(self) -> int:
        """Microseconds since the epoch."""
        return micros_of(self.clock.now())

    def pack(self, name: str, version: str = "") -> Pack:
        """The pack of that name, and of that version when one is given.

        Raises:
            NotFound: There is none.
            IntegrityError: This install has another version than the mission was planned with.
        """
        pack = self.packs.get(name)
        if pack is None:
            known = ", ".join(sorted(self.packs)) or "none"
            raise NotFound(f"There is no pack {name!r}; installed: {known}.", hint="remit run --help")
        if version and pack.version != version:
            raise IntegrityError(
                f"The mission was planned with {name} {version}, and {pack.version} is installed.",
                code="pack.version",
                hint="install that version, or start a branch: remit branch ID --from STEP",
            )
        return pack
