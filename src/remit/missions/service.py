"""The use cases of missions: what the command line, the API and the console call."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from remit.accounts.access import Permission, reading, require
from remit.guard.approval_rows import Request, Status, of_mission
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import check_id
from remit.kernel.mission import MissionStatus
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import ReadTx, RunTicket, Tx
from remit.missions import branch as branching
from remit.missions import queue_clean as cleaning
from remit.missions import queue_service as queueing
from remit.missions import rollback as back
from remit.missions.claim import stored_plan
from remit.missions.creation import create
from remit.missions.deps import Deps
from remit.missions.drive import drive, run_id
from remit.missions.estimate import Estimate, read_estimate
from remit.missions.intake import planned, refuse_secrets
from remit.missions.listing import Cursor, Summary, Wanted, find_missions
from remit.missions.orders import check_may, control, held, no_steps, retry_steps, row_of
from remit.missions.plan import OrderedPlan
from remit.missions.queue import Place, place
from remit.missions.queue_order import Priority
from remit.missions.queue_snapshot import State
from remit.missions.resume import Validation, end_leftovers, interrupt, prepare, show_head
from remit.missions.rows import (
    ATTEMPTS_SELECT,
    CANCEL,
    AttemptRow,
    MissionRow,
    OnDrift,
    StepRow,
    read_mission,
    read_steps,
)
from remit.missions.shown import Shown, lives, shown_status

CANCEL_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class View:
    """A mission as shown: its row, steps in plan order, plan, workspace, what it asks people for, its estimate."""

    mission: MissionRow
    status: Shown
    steps: tuple[StepRow, ...]
    plan: OrderedPlan
    workspace: str
    waits_for: tuple[Request, ...] = ()
    estimate: Estimate | None = None
    place: Place | None = None  # in the queue, while it waits


class Missions:
    """Bound to its surroundings; any number of calls at once."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    # ----------------------------------------------------------------------------------------------------- beginning

    async def create(
        self,
        workspace: str,
        pack: str,
        data: bytes,
        *,
        name: str,
        originator: Principal,
        budget: Money = ZERO,
        preset: str = "",
        queue: bool | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> str:
        """Plan a mission and store it; its id. On bad input nothing is written anywhere.

        ``preset`` is its pack's own unless another is named. ``queue``: order it too, in the same transaction: for any
        worker (true), or to be run by this process when it is its turn (false; ``run`` does it). ``None``: it is only
        stored.

        Raises:
            RateLimited: The workspace's queue is full; nothing is written but that.
            NotFound: There is no such pack or preset.
            InvalidInput: The input is wrong, holds a secret, or its plan can't run or lacks a critic that the preset
                demands; says where.
        """
        await check_may(self.deps, workspace, originator)
        return await create(
            self.deps,
            workspace,
            pack,
            data,
            name=name,
            originator=originator,
            budget=budget,
            preset=preset,
            queue=queue,
            priority=priority,
        )

    async def submit(self, workspace: str, mission: str, *, queued: bool = False) -> str:
        """Order a stored mission to run: here, at once when there is room, or (``queued``) on any worker; the run's id.

        Raises:
            RateLimited: The workspace's queue is full.
            NotFound: There is no such mission.
            Conflict: It is over: ``resume`` orders it again.
        """
        row = await self._row(workspace, mission)
        if MissionStatus(row.status).over:
            raise Conflict(f"Mission {mission} is {row.status}.", hint=f"remit resume {mission}")
        if not row.run:
            await control(self.deps, row, no_steps, actor=None, run=1)
        number, plan, originator = max(row.run, 1), stored_plan(row), Principal.parse(row.originator)
        state = await self.deps.journal.commit(
            "queue.enter",
            lambda tx: queueing.enter_run(tx, self.deps, row, run=number, plan=plan, queued=queued, by=originator),
        )
        name = run_id(workspace, mission, number)
        if state is State.TAKEN:
            await self.deps.engine.submit(name)
        return name

    async def run(self, workspace: str, mission: str, *, told: queueing.Told | None = None) -> View:
        """Submit and wait until the run has ended; how the mission stands then.

        Args:
            workspace: The mission's workspace.
            mission: Its id.
            told: Hears where it stands while it waits for its turn.

        Raises:
            RemitError: What ``drive`` raises.
        """
        await self.wait(await self.submit(workspace, mission), told=told)
        return await self.show(workspace, mission)

    async def wait(self, name: str, *, told: queueing.Told | None = None) -> None:
        """Wait until a run has ended: for its turn, if it must, then here or wherever it was taken.

        Raises:
            RemitError: What ``drive`` raises.
        """
        await queueing.wait(self.deps, name, told=told)

    async def queue(self, workspace: str) -> list[Place]:
        """Missions that run or wait: those that run, then in the order in which they will start."""
        return await queueing.places(self.deps, workspace)

    async def move(self, workspace: str, mission: str, priority: Priority, *, actor: Principal) -> Place:
        """Give a waiting mission another priority; where it stands now.

        Raises:
            Denied: ``actor`` may not.
            Conflict: It doesn't wait.
        """
        check_id(mission, "mission")
        return await queueing.move(self.deps, workspace, mission, priority, by=actor)

    async def drive(self, ticket: RunTicket) -> None:
        """What the engine is started with; see ``remit.missions.drive``."""
        await drive(self.deps, ticket)

    async def resume(
        self,
        workspace: str,
        mission: str,
        *,
        actor: Principal,
        from_step: str = "",
        drift: OnDrift = OnDrift.REFUSE,
        queued: bool = False,
    ) -> str:
        """Order a mission to go on; the new run's id, or an empty text when it is done already.

        Steps that are done stay done, but for ``from_step`` and what needs it: they run again as a new generation.

        Raises:
            NotFound: No such mission or step.
            Conflict: It is running now.
            IntegrityError: The log, the plan, the repository or a checkpoint is damaged. Nothing was changed.
            Drift: Artefacts changed since their steps, and ``drift`` says to refuse.
        """
        await check_may(self.deps, workspace, actor)
        row = await self._row(workspace, mission)
        self._not_running(row)
        if row.status == MissionStatus.SUCCEEDED and not from_step and drift is OnDrift.REFUSE:
            return ""
        if row.fence:
            await self.deps.verify_log(workspace, mission)
        if from_step:
            async with held(self.deps, row, drift=drift) as holding:
                await back.rerun(holding, [from_step], why="ordered", actor=actor)
                await show_head(holding)
            row = await self._row(workspace, mission)
        number, plan, states = row.run + 1, stored_plan(row), list[State]()

        def order(tx: Tx, found: MissionRow, now: int) -> None:
            retry_steps(tx, found, now)
            states[:] = [queueing.enter_run(tx, self.deps, found, run=number, plan=plan, queued=queued, by=actor)]

        await control(
            self.deps, row, order, actor=actor, run=number, drift=drift, status=MissionStatus.QUEUED, control=""
        )
        name = run_id(workspace, mission, number)
        if states[0] is State.TAKEN:
            await self.deps.engine.submit(name)
        return name

    async def validate(self, workspace: str, mission: str, *, drift: OnDrift = OnDrift.REFUSE) -> Validation:
        """Check a mission that does not run as a resume would, and change nothing that a resume would not.

        Raises:
            Conflict, IntegrityError, Drift: As ``resume``.
        """
        row = await self._row(workspace, mission)
        self._not_running(row)
        if row.fence:
            await self.deps.verify_log(workspace, mission)
        async with held(self.deps, row, drift=drift, prepared=False) as holding:
            return await prepare(holding)

    # -------------------------------------------------------------------------------------------------- going back

    async def rollback(
        self,
        workspace: str,
        mission: str,
        *,
        actor: Principal,
        to_step: str = "",
        feature: str = "",
        queued: bool = False,
    ) -> View:
        """Roll back everything, to a step's checkpoint, or one feature (then the rest is run again where it changed).

        That run is awaited, or (``queued``) left to any worker.

        Raises:
            NotFound: No such mission, step or feature.
            Conflict: It is running, or an effect outside can't be undone.
            IntegrityError: What stands is damaged.
        """
        if to_step and feature:
            raise InvalidInput("A rollback goes to a step or takes out a feature, not both.", hint="remit rollback ID")
        await check_may(self.deps, workspace, actor)
        row = await self._row(workspace, mission)
        self._not_running(row)
        await self.deps.verify_log(workspace, mission)
        pack = self.deps.pack(row.pack, row.pack_version)
        async with held(self.deps, row, drift=OnDrift.RESET) as holding:
            if feature:
                await back.rollback_feature(holding, pack, feature, actor=actor)
            elif to_step:
                await back.rollback_to(holding, to_step, why="ordered", actor=actor)
            else:
                await back.rollback_all(holding, why="ordered", actor=actor)
            if not feature:
                await show_head(holding)
                await holding.rest(MissionStatus.ROLLED_BACK)
        if feature:
            row = await self._row(workspace, mission)
            status = MissionStatus.QUEUED
            await control(self.deps, row, retry_steps, actor=actor, run=row.run + 1, status=status, control="")
            if not queued:
                return await self.run(workspace, mission)
            await self.submit(workspace, mission, queued=True)
        return await self.show(workspace, mission)

    async def branch(
        self,
        workspace: str,
        mission: str,
        *,
        from_step: str,
        actor: Principal,
        other: tuple[bytes, str] | None = None,
    ) -> str:
        """Start a variation at a finished step, optionally with another input (bytes, name); the new mission's id.

        Raises:
            NotFound, InvalidInput: No such mission or step; it is not finished; the other input is wrong.
        """
        await check_may(self.deps, workspace, actor)
        row = await self._row(workspace, mission)
        pack = self.deps.pack(row.pack, row.pack_version)
        if other is not None:
            refuse_secrets(self.deps.redactor, *other)
        plan = None if other is None else (other[0], other[1], planned(pack, *other))
        return await branching.branch(self.deps, workspace, mission, step=from_step, actor=actor, other=plan)

    async def cancel(self, workspace: str, mission: str, *, actor: Principal) -> View:
        """End a mission that is queued, running or waiting; within a second when a worker holds it.

        Raises:
            Conflict: It is over already.
        """
        await check_may(self.deps, workspace, actor)
        row = await self._row(workspace, mission)
        if MissionStatus(row.status).over:
            raise Conflict(f"Mission {mission} is {row.status} already.", hint=f"remit show {mission}")
        await control(self.deps, row, no_steps, actor=actor, control=CANCEL)
        if self._lives(row.owner):
            await self._await_end(row)
        else:
            async with held(self.deps, row, drift=OnDrift.REFUSE, prepared=False) as holding:
                await end_leftovers(holding)
                await interrupt(holding)
                await holding.repository.discard()
                await holding.rest(MissionStatus.CANCELLED)
        if row.run:
            await self.deps.engine.cancel(run_id(workspace, mission, row.run))
        return await self.show(workspace, mission)

    async def clean(self, workspace: str, *, older_than: datetime, actor: Principal) -> cleaning.Cleaned:
        """Remove what finished work left behind, where that ended before ``older_than`` (aware); see ``queue_clean``.

        The engine must be started. A mission that somebody orders meanwhile is left alone.

        Raises:
            Denied: ``actor`` may not.
        """
        journal, before_us = self.deps.journal, micros_of(older_than)
        if actor.kind is not ActorKind.SYSTEM:
            await reading(journal, lambda tx: require(tx, actor, workspace=workspace, permission=Permission.DELETE))
        gone: list[str] = []
        kept: list[str] = []
        for mission in await journal.read(lambda tx: cleaning.finished(tx, workspace, before_us=before_us)):
            with suppress(Conflict, NotFound):
                row = await self._row(workspace, mission)
                async with held(self.deps, row, drift=OnDrift.REFUSE, prepared=False, idle=True) as holding:
                    done = await cleaning.clean(holding, by=actor)
                (gone if done else kept).append(mission)
        buckets = await journal.commit("queue.clean", lambda tx: cleaning.sweep(tx, workspace, before_us=before_us))
        runs = await self.deps.engine.retain(older_than=older_than)
        return cleaning.Cleaned(tuple(gone), tuple(kept), runs, buckets)

    async def _await_end(self, row: MissionRow) -> None:
        hint = self.deps.hints.get(row.id)
        if hint is not None:
            hint.set()
        try:
            async with asyncio.timeout(CANCEL_WAIT_S):
                while not MissionStatus((await self._row(row.workspace, row.id)).status).over:  # noqa: ASYNC110 - the row is in another process's hands
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return  # the order stands in the row; its owner obeys when it next reads it

    # ----------------------------------------------------------------------------------------------------- showing

    async def show(self, workspace: str, mission: str) -> View:
        """A mission with its steps.

        Raises:
            NotFound: This workspace has no such mission.
        """
        check_id(mission, "mission")

        def op(tx: ReadTx) -> View:
            row = read_mission(tx, workspace, mission)
            asked = tuple(one for one in of_mission(tx, workspace, mission) if one.status == Status.PENDING)
            line = None
            if row.status == MissionStatus.QUEUED:
                line = place(tx, workspace, mission, alive=self.deps.alive, now_us=self.deps.now())
            estimate, steps = read_estimate(tx, workspace, mission), tuple(read_steps(tx, row))
            return View(row, self._shown(row.status, row.owner), steps, stored_plan(row), where, asked, estimate, line)

        where = self.deps.repository_for(mission).workspace
        return await self.deps.journal.read(op)

    async def list(self, workspace: str, *, limit: int = 50, after: Cursor | None = None) -> list[Summary]:
        """Missions, newest first; ``after`` is the cursor of the last one seen."""
        wanted, now_us = Wanted(), self.deps.now()
        found = await self.deps.journal.read(
            lambda tx: find_missions(
                tx, workspace, wanted, size=limit, alive=self.deps.alive, now_us=now_us, after=after
            )
        )
        return list(found.missions)

    async def logs(self, workspace: str, mission: str) -> list[AttemptRow]:
        """Every finished attempt with its masked log, oldest first.

        Raises:
            NotFound: This workspace has no such mission.
        """
        await self._row(workspace, mission)
        params = {"workspace": workspace, "mission": mission}
        return [AttemptRow(**row) for row in await self.deps.journal.read(lambda tx: tx.rows(ATTEMPTS_SELECT, params))]

    # ------------------------------------------------------------------------------------------------------ private

    async def _row(self, workspace: str, mission: str) -> MissionRow:
        return await row_of(self.deps, workspace, mission)

    def _lives(self, owner: str) -> bool:
        return lives(owner, alive=self.deps.alive)

    def _shown(self, status: str, owner: str) -> Shown:
        return shown_status(status, owner, alive=self.deps.alive)

    def _not_running(self, row: MissionRow) -> None:
        if row.status == MissionStatus.RUNNING and self._lives(row.owner):
            raise Conflict(
                f"Mission {row.id} is running now.", code="mission.running", hint=f"remit cancel {row.id}, or wait"
            )
