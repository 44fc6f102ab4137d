"""A worker: takes missions off the queue, so many at once, and gives back what dead processes had in hand.

The engine runs what was taken here and nothing else: it asks nobody who is next. Order, fairness and limits are the
queue's (``queue_order``); that a mission goes on after a crash is the engine's and the fence's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from remit.kernel.errors import Cancelled, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import Engine, ReadTx, Tx
from remit.missions import queue
from remit.missions.deps import Deps
from remit.missions.drive import run_id, run_parts
from remit.missions.queue_order import Priority
from remit.missions.queue_snapshot import Snapshot, State, Taken
from remit.missions.rows import MissionRow, read_mission

log = logging.getLogger("remit.queue")

#: Seconds between two looks at the queue, at the dead, and at what may be cleaned up.
LOOK_S = 0.2
RECOVER_S = 1.0
CLEAN_S = 3600.0


class Workers(Engine, Protocol):
    """An engine that runs only what is handed to it, and says which runs wait for anybody."""

    async def loose(self) -> list[str]:
        """Runs that no living process has in hand, as far as the engine knows: given back by a watchdog."""
        ...


class Worker:
    """One process's worker. ``start``, then ``halt``, stop the engine, and ``close``.

    Args:
        deps: The missions' surroundings.
        engine: The same engine as theirs.
        concurrency: Missions at once.
        lease_s: How long a process on another host counts as alive without a sign.
        clean: Removes what was finished long ago; called once an hour.
    """

    def __init__(
        self,
        deps: Deps,
        engine: Workers,
        *,
        concurrency: int,
        lease_s: float,
        clean: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        if concurrency < 1:
            message = f"A worker takes at least 1 mission at once, not {concurrency}."
            raise InvalidInput(message, hint="remit worker --concurrency 2")
        self.deps = deps
        self.engine = engine
        self.concurrency = concurrency
        self._lease_us = round(lease_s * 1_000_000)
        self._clean = clean
        self._loop: asyncio.Task[None] | None = None
        self._hands: dict[Taken, asyncio.Task[None]] = {}
        self._halted = False

    async def start(self) -> None:
        """Write the worker down and begin to take missions."""
        await self.deps.journal.commit("queue.worker", self._hire)
        self._loop = asyncio.create_task(self._run())

    def _hire(self, tx: Tx) -> None:
        now = self.deps.now()
        queue.hire(tx, self.deps.engine.executor, concurrency=self.concurrency, alive=self.deps.alive, now_us=now)

    async def halt(self) -> None:
        """Take nothing more; what is in hand goes on until the engine stops."""
        self._halted = True
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop

    async def close(self) -> None:
        """After the engine stopped: put back what is unfinished, strike the worker out."""
        if self._loop is None:
            return
        self._loop = None
        await asyncio.gather(*self._hands.values(), return_exceptions=True)
        executor = self.deps.engine.executor
        with suppress(RemitError):
            await self.deps.journal.commit("queue.worker", lambda tx: queue.fire(tx, executor))

    @property
    def in_hand(self) -> int:
        """Missions that this worker has taken and that have not ended."""
        return len(self._hands)

    async def _run(self) -> None:
        clock = self.deps.clock.monotonic
        recovered = cleaned = clock() - CLEAN_S
        failing = False
        while True:
            try:
                if clock() - recovered >= RECOVER_S:
                    await self._recover()
                    recovered = clock()
                while len(self._hands) < self.concurrency and await self._take():
                    pass
                if self._clean is not None and clock() - cleaned >= CLEAN_S:
                    await self._clean()
                    cleaned = clock()
            except RemitError as error:  # the store is away, for instance: tried again
                if not failing:
                    log.warning("the worker could not look at the queue and goes on: %s", error.code)
                failing = True
            else:
                failing = False
            await asyncio.sleep(LOOK_S)

    # -------------------------------------------------------------------------------------------------------- taking

    async def _take(self) -> bool:
        deps = self.deps

        def anybody(tx: ReadTx) -> bool:
            return queue.able(tx, alive=deps.alive, now_us=deps.now())

        def op(tx: Tx) -> Taken | None:
            return queue.take(tx, deps.engine.executor, alive=deps.alive, now_us=deps.now())

        if not await deps.journal.read(anybody):
            return False
        taken = await deps.journal.commit("queue.take", op)
        if taken is None:
            return False
        task = asyncio.create_task(self._drive(taken))
        self._hands[taken] = task
        task.add_done_callback(lambda _: self._hands.pop(taken, None))
        return True

    async def _drive(self, taken: Taken) -> None:
        name = run_id(taken.workspace, taken.mission, taken.run)
        ended = False
        try:
            await self.engine.submit(name)
            await self.engine.wait(name)
            ended = True
        except (RemitError, Cancelled) as error:  # the mission's row says what became of it
            ended = not isinstance(error, Unavailable)
        finally:
            with suppress(RemitError):
                await self.deps.journal.commit("queue.give_back", lambda tx: self._put_down(tx, taken, ended=ended))

    def _put_down(self, tx: Tx, taken: Taken, *, ended: bool) -> None:
        """What the engine has not brought to an end waits again, where it was in line."""
        row = _mission(tx, taken.workspace, taken.mission)
        if ended or row is None or at_rest(row, taken.run):
            queue.release(tx, taken, now_us=self.deps.now())
        else:
            queue.give_back(tx, taken)

    # ---------------------------------------------------------------------------------------------------- recovering

    async def _recover(self) -> None:
        """Give back what dead processes took, and bring in runs that the engine has and the queue hasn't."""
        journal = self.deps.journal
        loose = await self.engine.loose()
        lost, finished, strange = await journal.read(lambda tx: self._look(tx, loose))
        for taken in lost:
            if await journal.commit("queue.give_back", lambda tx, taken=taken: queue.give_back(tx, taken)):
                log.warning("mission %s is given back: %s is gone", taken.mission, taken.taker)
        for name in finished:
            await self.engine.submit(name)  # its driver finds that there is nothing to do, and that ends the run
        for name in strange:
            await journal.commit("queue.enter", lambda tx, name=name: self._bring_in(tx, name))

    def _look(self, tx: ReadTx, loose: list[str]) -> tuple[set[Taken], list[str], list[str]]:
        """What is in dead hands; and of the engine's loose runs those that have ended, and that the queue lacks."""
        now_us = self.deps.now()
        lost = set(Snapshot(tx, alive=self.deps.alive, now_us=now_us).lost())
        finished: list[str] = []
        strange: list[str] = []
        for name in loose:
            workspace, mission, number = run_parts(name)
            row, known = _mission(tx, workspace, mission), queue.find(tx, workspace, mission)
            if row is None or at_rest(row, number):
                finished.append(name)
            elif known is None or known["run"] != number or known["state"] == State.ENDED:
                strange.append(name)
            elif known["state"] == State.TAKEN and now_us - int(known["taken_us"]) > self._lease_us:
                lost.add(Taken(workspace, mission, number, known["taker"]))
        return lost - self._hands.keys(), finished, strange

    def _bring_in(self, tx: Tx, name: str) -> None:
        workspace, mission, number = run_parts(name)
        row = _mission(tx, workspace, mission)
        if row is None or at_rest(row, number):
            return
        came = entered_of(row, number, priority=Priority.NORMAL, expected_us=0)
        queue.enter(tx, came, alive=self.deps.alive, now_us=self.deps.now(), bounded=False)


def entered_of(row: MissionRow, run: int, *, priority: Priority, expected_us: int, waiter: str = "") -> queue.Entered:
    """A run of a mission as it comes into the queue."""
    return queue.Entered(row.workspace, row.id, run, row.pack, row.originator, expected_us, priority, waiter)


def at_rest(row: MissionRow, run: int) -> bool:
    """Whether nothing is to be done for that run of a mission any more."""
    status = MissionStatus(row.status)
    return row.run != run or status.over or status is MissionStatus.WAITING


def _mission(tx: ReadTx, workspace: str, mission: str) -> MissionRow | None:
    try:
        return read_mission(tx, workspace, mission)
    except NotFound:
        return None
