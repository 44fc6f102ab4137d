"""One run of a mission: ready steps in parallel, their commits one after the other in plan order.

A step is ready when everything it needs is done. At most ``deps.parallel`` attempts happen at once, the earliest in
plan order first. A step that changed files is committed when every earlier step has come to rest, so that history is
the same however the attempts were interleaved; a step that changed none is finished at once. Nothing can wait in a
circle: the earliest step that is not at rest always has its needs done.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace

from remit.kernel.errors import ApprovalPending, Cancelled, Failed, Fenced, RemitError, Unavailable
from remit.kernel.mission import MissionStatus, OnFailure, StepStatus
from remit.kernel.ports import Tx
from remit.kernel.tracing import span
from remit.missions import telling
from remit.missions.checkpoint import commit
from remit.missions.holding import Holding
from remit.missions.pack import Pack
from remit.missions.progress import StepRetrying
from remit.missions.rows import CANCEL, AttemptOutcome, Standing, StepRow, insert_attempt, peek, read_steps, set_step
from remit.missions.step import Again, Broken, Done, Ending, Made, Parked, Stop, Woken, attempt

WATCH_SECONDS = 0.5
GRACE_SECONDS = 5.0  # for attempts that were told to stop


type Message = Ending | Woken | Stop


class Run:
    """Drives the steps of a mission that this process holds."""

    def __init__(self, holding: Holding, pack: Pack) -> None:
        self.holding = holding
        self.pack = pack
        self.stop: Stop | None = None
        self._inbox: asyncio.Queue[asyncio.Task[Message]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Message]] = set()
        self._attempts: dict[asyncio.Task[Message], str] = {}
        self._ready: list[int] = []
        self._made: dict[int, Made] = {}
        self._committer: asyncio.Task[Message] | None = None
        self._cursor = 0
        self._resting: set[str] = set()
        self._unmet: dict[str, int] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def drive(self) -> Stop:
        """Run until every step is at rest or something ends the run early; what the mission's status should be.

        Raises:
            Fenced: Another worker took the mission; nothing was written since.
            Unavailable: The store is away.
            asyncio.CancelledError: This process is going down; rows stay as they are, a resume takes over.
        """
        self._survey()
        telling.planned(self.holding, self._resting)
        self._watcher = asyncio.create_task(self._watch())
        try:
            while True:
                self._launch()
                if not self._tasks:
                    break
                task = await self._inbox.get()
                self._tasks.discard(task)
                self._attempts.pop(task, None)
                if task is self._committer:
                    self._committer = None
                self._handle(self._result(task))
                if self.stop is not None and self.stop.status is not MissionStatus.WAITING:
                    break
        finally:
            self._watcher.cancel()
            await self._end_tasks()
        if self.holding.lost:
            raise Fenced(f"Another worker owns mission {self.holding.mission.id} now; this one wrote nothing more.")
        if self.stop is not None:
            if self.stop.status in {MissionStatus.FAILED, MissionStatus.WAITING}:
                await self._keep_made()
            await self._record_stopped(self.stop)
        return self.stop or self._verdict()

    # ----------------------------------------------------------------------------------------------------- schedule

    def _survey(self) -> None:
        """What is at rest, what is ready, what waits for a moment that was set before."""
        holding = self.holding
        for spec in holding.plan.steps:
            row = holding.rows[spec.name]
            if row.done:
                self._resting.add(spec.name)
        for spec in holding.plan.steps:
            if spec.name not in self._resting:
                self._unmet[spec.name] = sum(need not in self._resting for need in set(spec.needs))
                if not self._unmet[spec.name]:
                    self._enqueue(spec.name)

    def _enqueue(self, name: str) -> None:
        """Ready now, or when its retry delay is over."""
        if self.stop is not None:
            return
        at_us = self.holding.rows[name].not_before_us
        wait = (at_us - self.holding.deps.now()) / 1_000_000
        if at_us and wait > 0:
            self._spawn(self._wake(name, wait))
        else:
            heapq.heappush(self._ready, self.holding.plan.position[name])

    async def _wake(self, name: str, seconds: float) -> Message:
        await self.holding.deps.sleep(seconds)
        return Woken(name)

    def _launch(self) -> None:
        """Start what may start. While a person is waited for nothing begins, and what runs comes to its end."""
        if self.stop is None:
            while self._ready and len(self._attempts) < self.holding.deps.parallel:
                spec = self.holding.plan.steps[heapq.heappop(self._ready)]
                telling.started(self.holding, self.holding.rows[spec.name])
                task = self._spawn(attempt(self.holding, self.pack, spec))
                self._attempts[task] = spec.name
        self._commit_next()

    def _commit_next(self) -> None:
        """Hand the committer the next step, once every earlier one is at rest."""
        steps = self.holding.plan.steps
        while self._cursor < len(steps) and steps[self._cursor].name in self._resting:
            self._cursor += 1
        if self._committer is not None or (self.stop is not None and self.stop.status is not MissionStatus.WAITING):
            return
        made = self._made.pop(self._cursor, None)
        if made is not None:
            self._committer = self._spawn(_committed(self.holding, made))

    def _spawn(self, work: Coroutine[None, None, Message]) -> asyncio.Task[Message]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._inbox.put_nowait)
        return task

    # -------------------------------------------------------------------------------------------------------- react

    def _result(self, task: asyncio.Task[Message]) -> Message:
        try:
            return task.result()
        except asyncio.CancelledError:
            return self.stop or Stop(MissionStatus.CANCELLED, Failed("a step's task was cancelled from outside"))
        except Cancelled:
            return Stop(MissionStatus.CANCELLED)
        except Fenced:
            self.holding.lost = True
            return Stop(MissionStatus.RUNNING)
        except Unavailable:
            raise  # the store is away: whoever claims the mission next goes on
        except RemitError as error:
            return Stop(MissionStatus.FAILED, error)

    def _handle(self, message: Message) -> None:
        match message:
            case Done(row):
                self._rest(row)
            case Made(spec):
                self._made[self.holding.plan.position[spec.name]] = message
            case Again(row, at_us):
                event = StepRetrying(row.mission, row.name, row.attempts, row.error, at_us)
                self.holding.deps.progress.publish(event)
                self._enqueue(row.name)
            case Woken(name):
                heapq.heappush(self._ready, self.holding.plan.position[name])
            case Broken(row, error):
                self._broken(row, error)
            case Parked(_, error):
                self._park(error)
            case Stop():
                waiting = self.stop is None or self.stop.status is MissionStatus.WAITING
                self.stop = message if waiting else self.stop

    def _rest(self, row: StepRow) -> None:
        self._resting.add(row.name)
        for follower in self.holding.plan.dependants[row.name]:
            if follower in self._unmet:
                self._unmet[follower] -= 1
                if not self._unmet[follower]:
                    self._enqueue(follower)
        telling.rested(self.holding, row, self._resting)

    def _broken(self, row: StepRow, error: RemitError) -> None:
        telling.rested(self.holding, row, self._resting)
        match self.holding.plan.spec(row.name).on_failure:
            case OnFailure.CONTINUE:
                self._resting |= self.holding.plan.downstream([row.name])
            case OnFailure.ROLLBACK:
                self.stop = self.stop or Stop(MissionStatus.ROLLED_BACK, error)
            case OnFailure.STOP:
                self.stop = self.stop or Stop(MissionStatus.FAILED, error)

    def _park(self, error: RemitError) -> None:
        """A step waits for a person: what runs may end, nothing new begins."""
        self.stop = self.stop or Stop(MissionStatus.WAITING, error)
        if isinstance(error, ApprovalPending) and error.approval_id and self.stop.status is MissionStatus.WAITING:
            self.stop = replace(self.stop, waits_for=(*self.stop.waits_for, error.approval_id))

    def _verdict(self) -> Stop:
        """Failures that were allowed don't fail a mission; a step that could not run because of one does."""
        left = [
            name
            for name in self.holding.open_steps()
            if self.holding.plan.spec(name).on_failure is not OnFailure.CONTINUE
        ]
        if not left:
            return Stop(MissionStatus.SUCCEEDED)
        return Stop(
            MissionStatus.FAILED,
            Failed(f"Not run, because a step they need failed: {', '.join(left[:20])}.", code="step.blocked"),
        )

    # --------------------------------------------------------------------------------------------------------- stop

    async def _watch(self) -> None:
        """Re-read the mission's row: a person's cancel, another owner. A hint makes it look at once."""
        holding = self.holding
        mission = holding.mission
        hint = holding.deps.hints.setdefault(mission.id, asyncio.Event())
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(hint.wait(), WATCH_SECONDS)
                hint.clear()
                try:
                    control = await holding.deps.journal.read(
                        lambda tx: peek(tx, mission.workspace, mission.id, fence=mission.fence)
                    )
                except Fenced:
                    holding.lost = True
                    self._spawn(_say(Stop(MissionStatus.RUNNING)))
                    return
                if control == CANCEL:
                    self._spawn(_say(Stop(MissionStatus.CANCELLED)))
                    return
        finally:
            holding.deps.hints.pop(mission.id, None)

    async def _end_tasks(self) -> None:
        """Cancel what runs and wait, within limits; a commit that has begun is let through."""
        tasks = set(self._tasks)
        for task in tasks - {self._committer}:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            for task in stuck:
                task.cancel()
        self.holding.over = True
        for task in tasks:
            if task.done() and not task.cancelled():
                error = task.exception()
                self.holding.lost = self.holding.lost or isinstance(error, Fenced)

    async def _keep_made(self) -> None:
        """Outputs that met their postconditions and only waited for their turn are kept: they need not be made again.

        History is then not in plan order; the tree is the same, for no two of them wrote the same file.
        """
        for position in sorted(self._made):
            ending = await commit(self.holding, self._made.pop(position))
            telling.rested(self.holding, ending.row, self._resting)

    async def _record_stopped(self, stop: Stop) -> None:
        """Steps that were running are cancelled, or wait for the next run; their attempts get their rows.

        Looked up inside the operation: writes of attempts that were told to stop may still be in the queue before it.
        """
        holding = self.holding
        cancelled = stop.status is MissionStatus.CANCELLED
        status = StepStatus.CANCELLED if cancelled else StepStatus.PENDING
        outcome = AttemptOutcome.CANCELLED if cancelled else AttemptOutcome.INTERRUPTED
        now = holding.stamp()

        def change(tx: Tx) -> None:
            for row in read_steps(tx, holding.mission):
                if row.status == StepStatus.RUNNING:
                    set_step(tx, row, status=status, standing=int(Standing.NONE), changed_us=now)
                    insert_attempt(tx, holding.attempt(row, outcome, began_us=row.changed_us))

        await holding.write("step.fail", change)
        await holding.reload()


async def _committed(holding: Holding, made: Made) -> Message:
    with span("step.commit", mission=holding.mission.id, step=made.spec.name):
        return await commit(holding, made)


async def _say(message: Stop) -> Message:
    await asyncio.sleep(0)
    return message
