"""Requests that are turned away before the guard is asked: who asked what, and why not, is on record.

What the guard refuses it writes down itself. Of these the first is written at once, and of those that follow within a
minute from the same key for the same reason only how many they were, with the next one: a client that sends the same
broken request a thousand times a second does not fill the log.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from remit.accounts.keys import Key
from remit.audit.entry import Entry, Result
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.errors import Denied, InvalidInput, NotFound, RemitError
from remit.kernel.ports import Journal, Tx
from remit.redact.redactor import Redactor

WINDOW_S = 60.0
MOST = 4096


@dataclass(slots=True)
class _Told:
    at: float
    more: int = 0  # that came since


class TurnedAway:
    """Writes them down. Nobody waits for it, and nothing hangs on it: the request is refused either way.

    Args:
        journal: Where the log stands.
        redactor: Masks what is written.
        clock: What time it is.
    """

    def __init__(self, journal: Journal, redactor: Redactor, clock: Clock) -> None:
        self._journal = journal
        self._redactor = redactor
        self._clock = clock
        self._told: dict[tuple[str, str, str], _Told] = {}

    def note(self, key: Key, what: str, error: RemitError) -> None:
        """A request of this key for ``what`` (the interface, or a path) ended with this error."""
        if not isinstance(error, InvalidInput | Denied | NotFound) or getattr(error, "decision_id", ""):
            return  # no refusal, or one that the guard has written
        now = self._clock.monotonic()
        at = (key.workspace, key.id, error.code)
        told = self._told.get(at)
        if told is not None and now - told.at < WINDOW_S:
            told.more += 1
            return
        if len(self._told) >= MOST:
            self._told.clear()
        self._told[at] = _Told(now)
        entry = Entry(
            actor=key.principal,
            action="gateway.refused",
            domain="gateway",
            result=Result.BLOCKED,
            workspace=key.workspace,
            reason=error.code,
            subject=key.id,
        )
        payload: dict[str, Json] = {
            "for": str(key.on_behalf_of),
            "asked": what,
            "why": self._redactor.mask(error.message, cards=True)[:500],
            "before": 0 if told is None else told.more,
        }

        def op(tx: Tx) -> None:
            tx.append(entry, payload)

        with suppress(RemitError):
            self._journal.submit("guard.refused", op, patient=True)
