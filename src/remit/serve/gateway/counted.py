"""Telemetry of the gateway: how often which interface was asked, how that ended, how long it took; counted, by nobody.

A call costs a look into a dictionary, and nothing is read or written for it. Once a minute the sums are written, one
event for each interface and status, if the switch has been on for the whole of that minute; else they are forgotten.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from remit.accounts.telemetry_events import Event, Kind, record
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Wire
from remit.kernel.errors import RemitError
from remit.kernel.ports import Journal, Tx
from remit.serve.gateway.paths import LIST, PLACES, Ask
from remit.settings import Settings

EVERY_S = 60.0
MOST = 4096  # different sums; what is new beyond is not counted
MODELS = f"GET {LIST}"
GONE = 499  # whoever asked did not wait for the answer
_FAULT = 400
_NAMES = {place.wire: f"{place.method} {path}" for path, place in PLACES.items() if place.ask is Ask.CALL}


class Counted:
    """Counts, on one event loop.

    Args:
        journal: Where events are written.
        clock: Wall time.
        settings: How the switches stand until somebody turns them.
        every_s: How long is counted before it is written.
    """

    def __init__(self, journal: Journal, clock: Clock, settings: Settings, *, every_s: float = EVERY_S) -> None:
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._every_s = every_s
        self._sums: dict[tuple[str, str, int], list[float]] = {}
        self._since_us = 0
        self._due: asyncio.TimerHandle | None = None

    def call(self, workspace: str, wire: Wire, status: int, took_s: float) -> None:
        """A call came to its end."""
        self.note(workspace, _NAMES[wire], status, took_s)

    def note(self, workspace: str, name: str, status: int, took_s: float) -> None:
        """Something was asked, and answered so."""
        at = (workspace, name, status)
        found = self._sums.get(at)
        if found is not None:
            found[0] += 1
            found[1] += took_s
        elif len(self._sums) < MOST:
            if not self._sums:
                self._since_us = micros_of(self._clock.now()) - round(took_s * 1_000_000)
                self._due = asyncio.get_running_loop().call_later(self._every_s, self.flush)
            self._sums[at] = [1, took_s]

    def flush(self) -> None:
        """Write what was counted; nobody waits for it."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        sums, self._sums = self._sums, {}
        if not sums:
            return
        since_us, now_us = self._since_us, micros_of(self._clock.now())
        events = [
            (
                workspace,
                Event(
                    Kind.ERROR if status >= _FAULT else Kind.FEATURE,
                    "gateway",
                    name,
                    str(status),
                    round(took / times * 1_000_000),
                    at_us=now_us,
                    times=int(times),
                ),
            )
            for (workspace, name, status), (times, took) in sums.items()
        ]

        def op(tx: Tx) -> None:
            for workspace, event in events:
                record(tx, workspace, event, self._settings, since_us=since_us)

        with suppress(RemitError):  # the store is being closed: nothing hangs on it
            self._journal.submit("telemetry.event", op, patient=True)
