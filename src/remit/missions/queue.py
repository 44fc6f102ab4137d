"""The queue of missions: who waits, who runs, and every change of that as an operation on rows.

    waiting ──take──▶ taken ──end──▶ ended (kept for estimates until cleaned up)
       ▲                │
       └──give back─────┘  its process died, or stopped

A mission is taken in one transaction that first locks the turnstile row, so exactly one process takes each and a
workspace never runs more than its plan allows, on SQLite and on Postgres alike. The engine only executes what was
taken here. What runs counts while its process lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.plans import lifting
from remit.kernel.errors import RateLimited
from remit.kernel.ports import ReadTx, Row, Tx
from remit.missions.queue_order import EVERY, WEIGHTS, Priority, Tenant, Waiting, arrive, serve
from remit.missions.queue_snapshot import WORKERS, Alive, Snapshot, State, Taken
from remit.missions.queue_tables import QUEUE, SHARE, WORKER


@dataclass(frozen=True, slots=True)
class Entered:
    """A mission that comes into the queue. ``waiter``: the process that runs it itself; empty: any worker."""

    workspace: str
    mission: str
    run: int
    pack: str
    originator: str
    expected_us: int
    priority: Priority = Priority.NORMAL
    waiter: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mission stands in the queue.

    Attributes:
        position: 1 is next; 0: it doesn't wait.
        wait_us: Estimated microseconds until it starts; ``None``: no worker is there to take it.
    """

    workspace: str
    mission: str
    run: int
    state: State
    priority: Priority
    originator: str
    entered_us: int
    taker: str = ""
    position: int = 0
    wait_us: int | None = 0


_IS = (QUEUE.c.workspace == bindparam("of"), QUEUE.c.mission == bindparam("which"))
_LIVING = QUEUE.c.state.in_([State.WAITING.value, State.TAKEN.value])
_ONE = select(QUEUE).where(*_IS)
_COUNT_WAITING = (
    select(func.count().label("many"))
    .select_from(QUEUE)
    .where(QUEUE.c.workspace == bindparam("of"), QUEUE.c.state == State.WAITING.value)
)
_TURN = select(SHARE.c.pass_units).where(SHARE.c.workspace == EVERY, SHARE.c.originator == "").with_for_update()
_PUT_SHARE = insert(SHARE)
_SHARE = _PUT_SHARE.on_conflict_do_update(
    index_elements=[SHARE.c.workspace, SHARE.c.originator], set_={"pass_units": _PUT_SHARE.excluded.pass_units}
)
_FIRST_SHARE = insert(SHARE).on_conflict_do_nothing()
_PUT = insert(QUEUE)
_ENTER = _PUT.on_conflict_do_update(
    index_elements=[QUEUE.c.workspace, QUEUE.c.mission],
    set_={
        column.name: _PUT.excluded[column.name]
        for column in QUEUE.columns
        if column.name not in {"workspace", "mission"}
    },
)
_SET_TAKEN = (
    update(QUEUE)
    .where(*_IS, QUEUE.c.state == State.WAITING.value)
    .values(state=State.TAKEN.value, taken_us=bindparam("at"), taker=bindparam("by"), waiter="")
)
_SET_WAITING = (
    update(QUEUE)
    .where(*_IS, QUEUE.c.state == State.TAKEN.value, QUEUE.c.taker == bindparam("by"))
    .values(state=State.WAITING.value, taken_us=0, taker="", waiter="")
)
_SET_ENDED = update(QUEUE).where(*_IS, _LIVING).values(state=State.ENDED.value, ended_us=bindparam("at"), waiter="")
_SET_WAITER = update(QUEUE).where(*_IS, QUEUE.c.state == State.WAITING.value).values(waiter=bindparam("by"))
_SET_RELEASED = (
    update(QUEUE)
    .where(
        *_IS,
        QUEUE.c.state == State.TAKEN.value,
        QUEUE.c.taker == bindparam("by"),
        QUEUE.c.run == bindparam("nth"),
    )
    .values(state=State.ENDED.value, ended_us=bindparam("at"), waiter="")
)
_SET_PRIORITY = update(QUEUE).where(*_IS, QUEUE.c.state == State.WAITING.value).values(priority=bindparam("urgency"))
_HIRE = insert(WORKER)
_FIRE = delete(WORKER).where(WORKER.c.executor == bindparam("who"))
_FORGET = delete(QUEUE).where(*_IS, QUEUE.c.state == State.ENDED.value)


def turnstile(tx: Tx) -> None:
    """Lock the queue: one change after the other, in every process."""
    if tx.row(_TURN) is None:
        tx.execute(_FIRST_SHARE, {"workspace": EVERY, "originator": "", "pass_units": 0})
        tx.row(_TURN)


def able(tx: ReadTx, *, alive: Alive, now_us: int) -> bool:
    """Whether anybody waits whose workspace has room: a look that locks nothing."""
    snapshot = Snapshot(tx, alive=alive, now_us=now_us)
    return any(snapshot.room(workspace) for workspace in {row["workspace"] for row in snapshot.waiting})


def enter(tx: Tx, entered: Entered, *, alive: Alive, now_us: int, bounded: bool = True) -> State:
    """Bring a mission in: taken at once by its own waiter when there is room, else waiting. Once for each run.

    The answer is ``TAKEN`` only when the waiter has it.

    ``bounded``: refuse when the queue is full (what was admitted before, and lost its process, comes back in any case).

    Raises:
        RateLimited: The workspace's queue is full: it says how full, when to come back, and which plan has more.
    """
    turnstile(tx)
    known = tx.row(_ONE, {"of": entered.workspace, "which": entered.mission})
    if known is not None and known["run"] == entered.run and known["state"] != State.ENDED:
        return State.TAKEN if known["taker"] == entered.waiter != "" else State.WAITING
    snapshot = Snapshot(tx, alive=alive, now_us=now_us)
    snapshot.taken = [
        row for row in snapshot.taken if (row["workspace"], row["mission"]) != tuple(_at(entered).values())
    ]
    others = [row for row in snapshot.waiting if (row["workspace"], row["mission"]) != tuple(_at(entered).values())]
    mine = [row for row in others if row["workspace"] == entered.workspace]
    at_once = bool(entered.waiter) and snapshot.room(entered.workspace)
    plan = snapshot.plan(entered.workspace)
    if bounded and not at_once and len(mine) >= plan.queued_missions:
        raise full(snapshot, entered.workspace, waiting=len(mine))
    state = State.TAKEN if at_once else State.WAITING
    tx.execute(_ENTER, _row(entered, state, now_us))
    newcomer = Waiting(entered.workspace, entered.mission, entered.originator, entered.priority, now_us)
    before = dict(snapshot.passes)
    arrive(snapshot.passes, newcomer, (snapshot.one(row) for row in others))
    if at_once:
        serve(snapshot.passes, newcomer, weight=WEIGHTS[plan.name])
    _keep(tx, before, snapshot.passes)
    return state


def full(snapshot: Snapshot, workspace: str, *, waiting: int) -> RateLimited:
    """The answer of a queue that is full (LIM-4, MSN-7)."""
    plan = snapshot.plan(workspace)
    waits = [wait for (of, _), (_, wait) in snapshot.forecast().items() if of == workspace]
    soonest = min(waits, default=None)
    lifts = lifting(plan, "queued_missions", waiting + 1)
    when = "No worker is running that would take them: remit worker."
    if soonest is not None:
        when = f"The next place is free in about {max(round(soonest / 1_000_000), 1)} s."
    more = f" The plan {lifts} would let more wait." if lifts else ""
    message = f"The queue of the workspace {workspace!r} is full: {waiting} of {plan.queued_missions} missions wait. "
    return RateLimited(
        f"{message}{when}{more}",
        code="queue.full",
        hint="remit queue",
        limit=f"{plan.queued_missions} missions waiting in the workspace {workspace}",
        remaining=0,
        retry_after=None if soonest is None else max(soonest / 1_000_000, 1.0),
        position=waiting + 1,
        wait=None if not waits else max(waits) / 1_000_000,
        plan=lifts,
    )


def take(tx: Tx, taker: str, *, alive: Alive, now_us: int, only: tuple[str, str] | None = None) -> Taken | None:
    """Take the next mission that may run; ``only`` (workspace, mission): if that is the next of its workspace.

    ``None``: nobody may go.
    """
    turnstile(tx)
    snapshot = Snapshot(tx, alive=alive, now_us=now_us)
    rows: Iterable[Row] = snapshot.waiting
    if only is not None:
        rows = [row for row in snapshot.movable() if row["workspace"] == only[0]]
    line = snapshot.line(rows)
    chosen = line.pick(snapshot.room)
    if chosen is None or (only is not None and chosen.mission != only[1]):
        return None
    at = {"of": chosen.workspace, "which": chosen.mission}
    if not tx.execute(_SET_TAKEN, at | {"at": now_us, "by": taker}):
        return None
    _keep(tx, snapshot.passes, line.passes)
    (row,) = (row for row in snapshot.waiting if (row["workspace"], row["mission"]) == tuple(at.values()))
    return Taken(chosen.workspace, chosen.mission, int(row["run"]), taker)


def give_back(tx: Tx, taken: Taken) -> bool:
    """Put a mission back where it was in line: its process died or stopped. Whether it still had it."""
    turnstile(tx)
    at = {"of": taken.workspace, "which": taken.mission}
    row = tx.row(_ONE, at)
    if row is None or row["run"] != taken.run:
        return False
    return tx.execute(_SET_WAITING, at | {"by": taken.taker}) > 0


def wait_self(tx: Tx, workspace: str, mission: str, *, waiter: str) -> None:
    """A process waits to run this mission itself."""
    tx.execute(_SET_WAITER, {"of": workspace, "which": mission, "by": waiter})


def release(tx: Tx, taken: Taken, *, now_us: int) -> None:
    """A mission that its taker drove no more has come to rest, if it still had it."""
    tx.execute(
        _SET_RELEASED,
        {"of": taken.workspace, "which": taken.mission, "by": taken.taker, "nth": taken.run, "at": now_us},
    )


def end(tx: Tx, workspace: str, mission: str, *, now_us: int) -> None:
    """A mission came to rest: it waits and runs no more. In the transaction that says so of the mission."""
    tx.execute(_SET_ENDED, {"of": workspace, "which": mission, "at": now_us})


def move(tx: Tx, workspace: str, mission: str, priority: Priority) -> bool:
    """Give a waiting mission another priority; its time in line counts as before. Whether it waited."""
    turnstile(tx)
    return tx.execute(_SET_PRIORITY, {"of": workspace, "which": mission, "urgency": int(priority)}) > 0


def forget(tx: Tx, workspace: str, mission: str) -> None:
    """Delete the row of a mission that has ended."""
    tx.execute(_FORGET, {"of": workspace, "which": mission})


def hire(tx: Tx, executor: str, *, concurrency: int, alive: Alive, now_us: int) -> None:
    """Write down a worker; those of dead processes are struck out."""
    for row in tx.rows(WORKERS):
        if row["executor"] == executor or not alive(row["executor"]):
            tx.execute(_FIRE, {"who": row["executor"]})
    row = {"workspace": EVERY, "executor": executor, "concurrency": concurrency, "started_us": now_us}
    tx.execute(_HIRE, row)


def fire(tx: Tx, executor: str) -> None:
    """Strike out a worker."""
    tx.execute(_FIRE, {"who": executor})


def find(tx: ReadTx, workspace: str, mission: str) -> Row | None:
    """A mission's row of the queue."""
    return tx.row(_ONE, {"of": workspace, "which": mission})


def count_waiting(tx: ReadTx, workspace: str) -> int:
    """How many missions of a workspace wait for a worker: one statement, over an index alone."""
    row = tx.row(_COUNT_WAITING, {"of": workspace})
    return 0 if row is None else int(row["many"])


def place(tx: ReadTx, workspace: str, mission: str, *, alive: Alive, now_us: int) -> Place | None:
    """Where a mission stands; ``None`` when it neither waits nor runs."""
    found = [each for each in places(tx, workspace, alive=alive, now_us=now_us) if each.mission == mission]
    return found[0] if found else None


def places(tx: ReadTx, workspace: str, *, alive: Alive, now_us: int) -> list[Place]:
    """The missions of a workspace that run or wait: those that run first, then in the order in which they will start.

    Those that nobody would take come last, in the order of their arrival.
    """
    snapshot = Snapshot(tx, alive=alive, now_us=now_us)
    starts = snapshot.forecast()
    found: list[Place] = []
    for row in [*snapshot.taken, *snapshot.waiting]:
        if row["workspace"] != workspace:
            continue
        position, wait = starts.get((workspace, row["mission"]), (0, None))
        if row["state"] == State.TAKEN:
            position, wait = 0, 0
        found.append(_place(row, position, wait))
    stuck = max((each.position for each in found), default=0)
    late: list[Place] = []
    for each in sorted(found, key=lambda one: (one.priority, one.entered_us, one.mission)):
        if each.state is State.WAITING and each.position == 0:
            stuck += 1
            late.append(replace(each, position=stuck))
    known = [each for each in found if each.state is State.TAKEN or each.position]
    return [*sorted(known, key=lambda one: (one.position, one.entered_us)), *late]


def _place(row: Row, position: int, wait_us: int | None) -> Place:
    return Place(
        row["workspace"],
        row["mission"],
        int(row["run"]),
        State(row["state"]),
        Priority(row["priority"]),
        row["originator"],
        int(row["entered_us"]),
        row["taker"],
        position,
        wait_us,
    )


def _keep(tx: Tx, before: Mapping[Tenant, int], after: Mapping[Tenant, int]) -> None:
    for (workspace, originator), units in sorted(after.items()):
        if before.get((workspace, originator)) != units:
            tx.execute(_SHARE, {"workspace": workspace, "originator": originator, "pass_units": units})


def _at(entered: Entered) -> dict[str, Any]:
    return {"of": entered.workspace, "which": entered.mission}


def _row(entered: Entered, state: State, now_us: int) -> dict[str, Any]:
    taken = state is State.TAKEN
    return {
        "workspace": entered.workspace,
        "mission": entered.mission,
        "run": entered.run,
        "pack": entered.pack,
        "originator": entered.originator,
        "priority": int(entered.priority),
        "state": state.value,
        "expected_us": entered.expected_us,
        "entered_us": now_us,
        "taken_us": now_us if taken else 0,
        "ended_us": 0,
        "waiter": "" if taken else entered.waiter,
        "taker": entered.waiter if taken else "",
    }
