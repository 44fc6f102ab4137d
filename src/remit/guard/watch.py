"""The kill switch while attempts run: every open permit is looked at again a few times a second, and cancelled.

One timer for each event loop that has open permits; none when there are none.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol
from weakref import WeakSet

from remit.guard.identify import stopped
from remit.guard.standing import Register
from remit.kernel.action import Action

EVERY_S = 0.2
BLIND_S = 0.75  # kill state unreadable for longer than this stops what runs: no answer is no leave

_log = logging.getLogger(__name__)


class Running(Protocol):
    """An attempt that can be stopped."""

    @property
    def action(self) -> Action:
        """What it performs."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where."""
        ...

    def stop(self, why: str) -> None:
        """Cancel it, in its own loop."""
        ...


class Watch:
    """The open permits of this process."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._running: dict[str, Running] = {}
        self._loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self._looks: set[asyncio.Task[None]] = set()

    def add(self, permit: Running) -> None:
        """Look at ``permit`` from now on."""
        self._running[permit.action.id] = permit
        if permit.loop not in self._loops:
            self._loops.add(permit.loop)
            permit.loop.call_later(EVERY_S, self._tick, permit.loop)

    def remove(self, permit: Running) -> None:
        """It is over."""
        self._running.pop(permit.action.id, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if not any(permit.loop is loop for permit in list(self._running.values())):
            self._loops.discard(loop)
            return
        look = loop.create_task(self._look(loop))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)
        loop.call_later(EVERY_S, self._tick, loop)

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        for workspace in {permit.action.workspace for permit in self._of(loop)}:
            try:
                standing = await self._register.current(workspace)
            except Exception as error:  # noqa: BLE001 - whatever keeps us from looking counts as not having looked
                _log.warning("the kill switch can't be read: %s", error)
                if self._register.age(workspace) > BLIND_S:
                    self._stop_all(loop, workspace)
                continue
            for permit in self._of(loop):
                if permit.action.workspace == workspace:
                    why = stopped(permit.action, standing)
                    if why:
                        permit.stop(why)

    def _stop_all(self, loop: asyncio.AbstractEventLoop, workspace: str) -> None:
        for permit in self._of(loop):
            if permit.action.workspace == workspace:
                permit.stop("The kill switch could not be read, so nothing may go on.")

    def _of(self, loop: asyncio.AbstractEventLoop) -> list[Running]:
        return [permit for permit in list(self._running.values()) if permit.loop is loop]
