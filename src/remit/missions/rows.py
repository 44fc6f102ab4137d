"""Statements over the missions' tables as module data, and the rows as frozen dataclasses.

Functions here run inside an operation of the journal. Every one that a runner calls first asks ``hold`` whether the
runner still owns the mission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import cast

import orjson
from sqlalchemy import Executable, Table, Update, and_, bindparam, delete, insert, select, update

from remit.kernel.canonical import Json, canonical
from remit.kernel.errors import Fenced, NotFound
from remit.kernel.mission import MissionStatus, StepStatus
from remit.kernel.ports import ReadTx, Tx
from remit.missions.pack import Result
from remit.missions.tables import ATTEMPT, CHILD, MISSION, STEP

CANCEL = "cancel"


class OnDrift(StrEnum):
    """What a resume does about artefacts that changed since their step."""

    REFUSE = "refuse"
    RESET = "reset"  # put the files back from their checkpoint
    RERUN = "rerun"  # and run the steps again that wrote them


class Standing(IntEnum):
    """What the output in a step's row is worth."""

    NONE = 0
    OFFERED = 1  # from an earlier plan or the parent mission: taken over when the skip key turns out the same
    PRODUCED = 2  # of this attempt, recorded just before its commit
    FINAL = 3


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class MissionRow:
    """A row of ``mission``."""

    id: str
    workspace: str
    pack: str
    pack_version: str
    input_name: str
    input: bytes
    input_sha256: str
    plan: bytes
    plan_hash: str
    originator: str
    created_us: int
    updated_us: int
    revision: int = 1
    status: str = MissionStatus.QUEUED
    run: int = 0
    fence: int = 0
    owner: str = ""
    parent: str = ""
    parent_step: str = ""
    control: str = ""
    pending: str = ""
    drift: str = OnDrift.REFUSE
    error_code: str = ""
    error: str = ""
    start_commit: str = ""
    floor_commit: str = ""
    head_commit: str = ""
    workspace_commit: str = ""
    tree: str = ""
    budget_micros: int = 0
    cost_micros: int = 0
    title: str = ""
    agents: str = ""
    searched: str = ""


@dataclass(frozen=True, slots=True)
class StepRow:
    """A row of ``step``."""

    workspace: str
    mission: str
    revision: int
    name: str
    position: int
    title: str = ""
    feature: str = ""
    status: str = StepStatus.PENDING
    generation: int = 0
    attempts: int = 0
    failures: int = 0
    standing: int = 0
    skip_key: str = ""
    commit_id: str = ""
    result: bytes = b"{}"
    output_hash: str = ""
    paths: bytes = b"[]"
    error_code: str = ""
    error: str = ""
    started_us: int = 0
    finished_us: int = 0
    not_before_us: int = 0
    changed_us: int = 0
    cost_micros: int = 0

    @property
    def done(self) -> bool:
        """Whether the step's result stands."""
        return StepStatus(self.status).done

    @property
    def outcome(self) -> Result:
        """The result, as JSON."""
        return cast("Result", orjson.loads(self.result))

    @property
    def wrote(self) -> tuple[str, ...]:
        """The paths that the step changed."""
        return tuple(cast("list[str]", orjson.loads(self.paths)))


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A row of ``step_attempt``."""

    workspace: str
    mission: str
    revision: int
    step: str
    number: int
    generation: int
    outcome: str
    started_us: int
    ended_us: int
    error_code: str = ""
    error: str = ""
    log: str = ""
    delay_us: int = 0
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A row of ``child_process``."""

    workspace: str
    mission: str
    step: str
    host: str
    pgid: int
    start_time: str
    recorded_us: int


def _update(table: Table, keys: tuple[str, ...], names: Iterable[str]) -> Update:
    """``UPDATE table SET name = :name … WHERE key = :k_key …``."""
    where = and_(*(table.c[key] == bindparam(f"k_{key}") for key in keys))
    return update(table).where(where).values({name: bindparam(f"v_{name}") for name in names})


_MISSION_KEY = ("workspace", "id")
_STEP_KEY = ("workspace", "mission", "revision", "name")
_ONE = and_(MISSION.c.workspace == bindparam("workspace"), MISSION.c.id == bindparam("id"))
_OF = and_(STEP.c.workspace == bindparam("workspace"), STEP.c.mission == bindparam("mission"))

MISSION_INSERT = insert(MISSION)
MISSION_SELECT = select(*(MISSION.c[field.name] for field in fields(MissionRow))).where(_ONE)
HOLD = select(MISSION.c.fence, MISSION.c.control).where(_ONE).with_for_update(read=True)  # for share; SQLite: its lock
PEEK = select(MISSION.c.fence, MISSION.c.control).where(_ONE)
LOCK = select(*(MISSION.c[field.name] for field in fields(MissionRow))).where(_ONE).with_for_update()
# Other names than the columns': in an UPDATE those are the values'.
SPEND = (
    update(MISSION)
    .where(MISSION.c.workspace == bindparam("of"), MISSION.c.id == bindparam("which"))
    .values(cost_micros=MISSION.c.cost_micros + bindparam("spent"))
)
STEP_INSERT = insert(STEP)
STEPS_SELECT = (
    select(*(STEP.c[field.name] for field in fields(StepRow)))
    .where(_OF, STEP.c.revision == bindparam("revision"))
    .order_by(STEP.c.position)
)
STEPS_SINCE = (
    select(*(STEP.c[field.name] for field in fields(StepRow)))
    .where(_OF, STEP.c.revision == bindparam("revision"), STEP.c.changed_us > bindparam("since"))
    .order_by(STEP.c.changed_us, STEP.c.position)
)
ATTEMPT_INSERT = insert(ATTEMPT)
ATTEMPTS_SELECT = (
    select(*(ATTEMPT.c[field.name] for field in fields(AttemptRow)))
    .where(ATTEMPT.c.workspace == bindparam("workspace"), ATTEMPT.c.mission == bindparam("mission"))
    .order_by(ATTEMPT.c.started_us, ATTEMPT.c.step, ATTEMPT.c.number)
)
CHILD_INSERT = insert(CHILD)
CHILD_SELECT = select(*(CHILD.c[field.name] for field in fields(ChildRow))).where(
    CHILD.c.workspace == bindparam("workspace"), CHILD.c.mission == bindparam("mission")
)
CHILD_DELETE = delete(CHILD).where(
    CHILD.c.workspace == bindparam("workspace"),
    CHILD.c.mission == bindparam("mission"),
    CHILD.c.host == bindparam("host"),
    CHILD.c.pgid == bindparam("pgid"),
    CHILD.c.start_time == bindparam("start_time"),
)

_UPDATES: dict[tuple[str, tuple[str, ...]], Update] = {}


def _set(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Update:
    """The one statement object for these columns, so that the store's cache knows it."""
    found = _UPDATES.get((table.name, names))
    if found is None:
        found = _UPDATES[table.name, names] = _update(table, keys, names)
    return found


def hold(tx: Tx, workspace: str, mission: str, *, fence: int) -> str:
    """What a person ordered for this mission, if the caller still owns it; it stays so until the operation ends.

    Raises:
        Fenced: Somebody has claimed the mission since.
    """
    return _owned(tx, HOLD, workspace, mission, fence=fence)


def peek(tx: ReadTx, workspace: str, mission: str, *, fence: int) -> str:
    """The same for a reader: true when it was read, no longer.

    Raises:
        Fenced: As ``hold``.
    """
    return _owned(tx, PEEK, workspace, mission, fence=fence)


def _owned(tx: ReadTx, statement: Executable, workspace: str, mission: str, *, fence: int) -> str:
    row = tx.row(statement, {"workspace": workspace, "id": mission})
    if row is None or row["fence"] != fence:
        raise Fenced(f"Another worker owns mission {mission} now; this one wrote nothing more.")
    return str(row["control"])


def read_mission(tx: ReadTx, workspace: str, mission: str, *, lock: bool = False) -> MissionRow:
    """The mission's row; with ``lock`` nobody else changes it until the operation ends.

    Raises:
        NotFound: This workspace has no such mission.
    """
    row = tx.row(LOCK if lock else MISSION_SELECT, {"workspace": workspace, "id": mission})
    if row is None:
        raise NotFound(f"There is no mission {mission} in workspace {workspace!r}.")
    return MissionRow(**row)


def read_steps(tx: ReadTx, mission: MissionRow) -> list[StepRow]:
    """The steps of the mission's current plan, in plan order."""
    params = {"workspace": mission.workspace, "mission": mission.id, "revision": mission.revision}
    return [StepRow(**row) for row in tx.rows(STEPS_SELECT, params)]


def insert_mission(tx: Tx, mission: MissionRow, steps: Iterable[StepRow]) -> None:
    """A new mission with its steps."""
    tx.execute(MISSION_INSERT, _params(mission))
    insert_steps(tx, steps)


def insert_steps(tx: Tx, steps: Iterable[StepRow]) -> None:
    """The steps of a (new) plan."""
    rows = [_params(step) for step in steps]
    if rows:
        tx.execute(STEP_INSERT, rows)


def set_mission(tx: Tx, mission: MissionRow, **values: str | int | bytes) -> None:
    """Change columns of the mission's row."""
    statement = _set(MISSION, _MISSION_KEY, tuple(values))
    tx.execute(
        statement,
        {"k_workspace": mission.workspace, "k_id": mission.id} | {f"v_{name}": value for name, value in values.items()},
    )


def spend(tx: Tx, workspace: str, mission: str, micros: int) -> None:
    """Add to what the mission has cost."""
    tx.execute(SPEND, {"of": workspace, "which": mission, "spent": micros})


def set_step(tx: Tx, step: StepRow, **values: str | int | bytes) -> None:
    """Change columns of a step's row."""
    params: dict[str, object] = {
        "k_workspace": step.workspace,
        "k_mission": step.mission,
        "k_revision": step.revision,
        "k_name": step.name,
    }
    for name, value in values.items():
        params[f"v_{name}"] = value
    tx.execute(_set(STEP, _STEP_KEY, tuple(values)), params)


def replace_steps(tx: Tx, steps: Iterable[StepRow]) -> None:
    """Write whole step rows over those of the same key."""
    names = tuple(field.name for field in fields(StepRow) if field.name not in _STEP_KEY)
    params = [
        {f"k_{key}": getattr(step, key) for key in _STEP_KEY} | {f"v_{name}": getattr(step, name) for name in names}
        for step in steps
    ]
    if params:
        tx.execute(_set(STEP, _STEP_KEY, names), params)


def insert_attempt(tx: Tx, attempt: AttemptRow) -> None:
    """Record a finished attempt."""
    tx.execute(ATTEMPT_INSERT, _params(attempt))


def record_child(tx: Tx, child: ChildRow) -> None:
    """Record a command's process group, before it executes anything (operation ``command.start``)."""
    tx.execute(CHILD_INSERT, _params(child))


def forget_child(tx: Tx, child: ChildRow) -> None:
    """The command has ended and nothing of it is left (operation ``command.end``)."""
    names = ("workspace", "mission", "host", "pgid", "start_time")
    tx.execute(CHILD_DELETE, {name: getattr(child, name) for name in names})


def _params(row: MissionRow | StepRow | AttemptRow | ChildRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def pack_json(value: Json) -> bytes:
    """JSON for a column."""
    return canonical(value)
