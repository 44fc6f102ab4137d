"""The use cases of the queue: coming in, waiting for one's turn, looking, moving, cleaning up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from remit.accounts.access import Permission, require
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import Cancelled, Conflict, NotFound, RateLimited, Unavailable
from remit.kernel.ports import ReadTx, Row, Tx
from remit.missions import queue
from remit.missions.deps import Deps
from remit.missions.drive import run_parts
from remit.missions.plan import OrderedPlan
from remit.missions.queue import Entered, Place
from remit.missions.queue_order import Priority
from remit.missions.queue_snapshot import Snapshot, State, Taken
from remit.missions.queue_worker import at_rest, entered_of
from remit.missions.rows import MissionRow, read_mission

#: Seconds between two looks of a process that waits for its own mission's turn.
TURN_S = 0.25

type Told = Callable[[Place], None]


def come_in(tx: Tx, deps: Deps, entered: Entered, *, by: Principal) -> State:
    """Bring a mission into the queue, in the transaction that orders it.

    What goes on after a person's decision (ordered by the system) was admitted before: it finds a place in any case.

    Raises:
        RateLimited: The queue is full.
        Denied: ``critical`` goes before everybody else's, so it takes an administrator.
    """
    before = queue.find(tx, entered.workspace, entered.mission)
    if before is not None:  # it keeps the class that it had
        entered = replace(entered, priority=Priority(before["priority"]))
    elif entered.priority is Priority.CRITICAL:
        require(tx, by, workspace=entered.workspace, permission=Permission.ADMIN)
    bounded = by.kind is not ActorKind.SYSTEM
    return queue.enter(tx, entered, alive=deps.alive, now_us=deps.now(), bounded=bounded)


def enter_run(
    tx: Tx,
    deps: Deps,
    row: MissionRow,
    *,
    run: int,
    plan: OrderedPlan,
    queued: bool,
    by: Principal,
    priority: Priority = Priority.NORMAL,
) -> State:
    """Bring a run of a mission into the queue: for any worker (``queued``), or for this process when it is its turn.

    Raises:
        RateLimited, Denied: As ``come_in``.
    """
    expected_us = round(plan.critical_seconds * 1_000_000)
    waiter = "" if queued else deps.engine.executor
    return come_in(tx, deps, entered_of(row, run, priority=priority, expected_us=expected_us, waiter=waiter), by=by)


async def refused(deps: Deps, workspace: str, refusal: RateLimited, *, by: Principal) -> None:
    """A full queue writes nothing but that somebody was refused."""
    entry = Entry(
        actor=by,
        action="mission.queue.refused",
        domain="missions",
        result=Result.BLOCKED,
        workspace=workspace,
        reason=refusal.code,
    )
    payload: Mapping[str, Json] = {"message": deps.redactor.mask(refusal.message)}
    await deps.journal.commit("queue.refused", lambda tx: tx.append(entry, payload))


async def wait(deps: Deps, name: str, *, told: Told | None = None) -> None:
    """Wait until a run that was ordered has ended: for its turn if it must, then here or wherever it was taken.

    A run that was cancelled has ended like any other.

    Args:
        deps: The surroundings; the engine must be started.
        name: The run.
        told: Hears, while it waits, where it stands; only when that changed.

    Raises:
        RemitError: What the run's driver raised.
        Unavailable: The store or the engine went away first.
    """
    workspace, mission, number = run_parts(name)
    if not await _turn(deps, (workspace, mission, number), told):
        # It ended before anything ran, or without an engine's record, or was cancelled: the mission's row says how.
        with suppress(NotFound, Cancelled):
            await deps.engine.wait(name)
        return
    taken = Taken(workspace, mission, number, deps.engine.executor)
    try:
        await deps.engine.submit(name)
        await deps.engine.wait(name)
    except Unavailable:
        raise  # a worker goes on with it
    except BaseException as error:
        with suppress(Exception):
            await deps.journal.commit("queue.give_back", lambda tx: queue.release(tx, taken, now_us=deps.now()))
        if not isinstance(error, Cancelled):  # the engine is told last: the mission's row says how it ended
            raise


async def _turn(deps: Deps, run: tuple[str, str, int], told: Told | None) -> bool:
    """Wait for a mission's turn; whether it is this process's to run. Otherwise it is at rest."""
    workspace, mission, number = run
    executor = deps.engine.executor
    shown: Place | None = None
    while True:
        row, rest = await deps.journal.read(lambda tx: _look(tx, run))
        if rest or row is None:
            return False
        if row["state"] == State.TAKEN:
            if row["taker"] == executor:
                return True
            if not deps.alive(row["taker"]):
                lost = Taken(workspace, mission, number, row["taker"])
                await deps.journal.commit("queue.give_back", lambda tx, lost=lost: queue.give_back(tx, lost))
                continue
        elif row["state"] == State.WAITING:
            if await _taken(deps, workspace, mission, mine=row["waiter"] == executor):
                return True
            place = await deps.journal.read(
                lambda tx: queue.place(tx, workspace, mission, alive=deps.alive, now_us=deps.now())
            )
            if told is not None and place is not None and (shown is None or shown.position != place.position):
                told(place)
                shown = place
        await asyncio.sleep(TURN_S)


async def _taken(deps: Deps, workspace: str, mission: str, *, mine: bool) -> bool:
    """Take one's own mission if it is the next of its workspace."""

    def possible(tx: ReadTx) -> bool:
        return Snapshot(tx, alive=deps.alive, now_us=deps.now()).room(workspace)

    def op(tx: Tx) -> Taken | None:
        if not mine:
            queue.wait_self(tx, workspace, mission, waiter=deps.engine.executor)
        only = (workspace, mission)
        return queue.take(tx, deps.engine.executor, alive=deps.alive, now_us=deps.now(), only=only)

    return (not mine or await deps.journal.read(possible)) and await deps.journal.commit("queue.take", op) is not None


def _look(tx: ReadTx, run: tuple[str, str, int]) -> tuple[Row | None, bool]:
    workspace, mission, number = run
    row = queue.find(tx, workspace, mission)
    over = at_rest(read_mission(tx, workspace, mission), number)
    return row, over or row is None or row["run"] != number or row["state"] == State.ENDED


async def places(deps: Deps, workspace: str) -> list[Place]:
    """The workspace's missions that run or wait, in order."""
    return await deps.journal.read(lambda tx: queue.places(tx, workspace, alive=deps.alive, now_us=deps.now()))


async def move(deps: Deps, workspace: str, mission: str, priority: Priority, *, by: Principal) -> Place:
    """Give a waiting mission another priority, and audit it; where it stands now.

    Raises:
        Denied: ``by`` may not; ``critical`` takes an administrator.
        Conflict: It doesn't wait.
    """
    needed = Permission.ADMIN if priority is Priority.CRITICAL else Permission.WRITE
    entry = Entry(
        actor=by,
        action="mission.priority",
        domain="missions",
        result=Result.SUCCESS,
        workspace=workspace,
        reason=priority.name.lower(),
        subject=mission,
        mission=mission,
    )

    def op(tx: Tx) -> Place | None:
        require(tx, by, workspace=workspace, permission=needed)
        read_mission(tx, workspace, mission)
        before = queue.find(tx, workspace, mission)
        if before is None or not queue.move(tx, workspace, mission, priority):
            message = f"Mission {mission} does not wait in the queue, so its priority changes nothing."
            raise Conflict(message, code="queue.not_waiting", hint=f"remit show {mission}")
        was = Priority(before["priority"]).name.lower()
        tx.append(entry, {"priority": priority.name.lower(), "was": was})
        return queue.place(tx, workspace, mission, alive=deps.alive, now_us=deps.now())

    found = await deps.journal.commit("queue.move", op)
    assert found is not None  # noqa: S101 - it waits, in that very transaction
    return found
