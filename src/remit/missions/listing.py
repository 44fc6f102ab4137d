"""Lists of missions: newest first, by filter, in pages, with what a row of a list shows.

A page costs the same few statements whatever its size and however many missions there are: one finds its ids in an
index that holds all that is filtered by, the others read what belongs to exactly those.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, case, func, select, tuple_

from remit.guard.approval_rows import Status
from remit.guard.approval_tables import APPROVAL
from remit.kernel.mission import MissionStatus, StepStatus
from remit.kernel.ports import ReadTx, Row
from remit.kernel.tables import literal
from remit.missions.estimate import Estimate
from remit.missions.estimate_tables import ESTIMATE
from remit.missions.labels import agents_in, searched
from remit.missions.shown import Shown, lives, shown_status
from remit.missions.tables import MISSION, STEP

MOST = 500
LAST = 1 << 62
#: A mission that runs, waits for no retry and has done nothing for so long is called stuck.
STUCK_US = 15 * 60 * 1_000_000
#: What could be either end of an id; anything else is not looked for in ids.
_ID_PART = re.compile(r"[0-9a-f-]{4,36}")

type Alive = Callable[[str], bool]
type Cursor = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which missions: empty means any.

    Attributes:
        statuses: As people see them.
        pack: Of this pack.
        originator: Ordered by this principal, as ``user:ines``.
        agent: Whose plan names this agent.
        text: In the title, the input's name, or at the end or the beginning of the id; case does not count.
        since_us: Created at this time or later, microseconds since the epoch.
        until_us: Created before this time; 0: no end.
    """

    statuses: tuple[Shown, ...] = ()
    pack: str = ""
    originator: str = ""
    agent: str = ""
    text: str = ""
    since_us: int = 0
    until_us: int = 0


@dataclass(frozen=True, slots=True)
class Steps:
    """How far a mission's steps are. Times in microseconds; 0: none."""

    total: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    retry_us: int = 0
    moved_us: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A mission in a list: no input and no plan.

    ``waits_for`` are the ids of requests for approval that nobody has decided. ``stuck_us``: for how long a mission
    that should be moving has not moved; 0: it moves.
    """

    id: str
    title: str
    pack: str
    input_name: str
    status: Shown
    originator: str
    agents: tuple[str, ...]
    parent: str
    error_code: str
    error: str
    cost_micros: int
    created_us: int
    updated_us: int
    steps: Steps = field(default_factory=Steps)
    estimate: Estimate | None = None
    waits_for: tuple[str, ...] = ()
    stuck_us: int = 0

    @property
    def cursor(self) -> Cursor:
        """What the next page starts after."""
        return self.created_us, self.id

    @property
    def name(self) -> str:
        """What to call it: its title, or for one of an older version its input's name."""
        return self.title or self.input_name


@dataclass(frozen=True, slots=True)
class Found:
    """A page. ``next`` is what the one after it starts after; ``None``: this was the last."""

    missions: tuple[Summary, ...]
    next: Cursor | None


_COLUMNS = (
    *("id", "title", "pack", "input_name", "status", "owner", "originator", "agents", "parent", "error_code", "error"),
    *("cost_micros", "created_us", "updated_us", "revision"),
)
_THESE: BindParameter[str] = bindparam("these", expanding=True)
# Not the bare column: without statistics SQLite would rather read a whole workspace than fifty primary keys.
_ROWS = select(*(MISSION.c[name] for name in _COLUMNS)).where(
    MISSION.c.workspace.concat("") == bindparam("of"), MISSION.c.id.in_(_THESE)
)
_OWNERS = (
    select(MISSION.c.owner)
    .where(MISSION.c.workspace == bindparam("of"), MISSION.c.status == MissionStatus.RUNNING.value)
    .distinct()
)


def _times(*statuses: StepStatus) -> Any:  # noqa: ANN401 - SQLAlchemy's own
    return func.sum(case((STEP.c.status.in_([status.value for status in statuses]), 1), else_=0))


_STEPS = (
    select(
        STEP.c.mission,
        STEP.c.revision,
        func.count().label("total"),
        _times(StepStatus.SUCCEEDED, StepStatus.SKIPPED).label("done"),
        _times(StepStatus.RUNNING).label("running"),
        _times(StepStatus.FAILED).label("failed"),
        func.max(STEP.c.not_before_us).label("retry_us"),
        func.max(STEP.c.changed_us).label("moved_us"),
        func.sum(STEP.c.attempts).label("attempts"),
    )
    .where(STEP.c.workspace == bindparam("of"), STEP.c.mission.in_(_THESE))
    .group_by(STEP.c.mission, STEP.c.revision)
)
_ESTIMATES = select(*(ESTIMATE.c[each.name] for each in fields(Estimate))).where(
    ESTIMATE.c.workspace.concat("") == bindparam("of"), ESTIMATE.c.mission.in_(_THESE)
)
_ASKED = (
    select(APPROVAL.c.mission, APPROVAL.c.id)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.mission.in_(_THESE),
        APPROVAL.c.status == Status.PENDING.value,
    )
    .order_by(APPROVAL.c.requested_us, APPROVAL.c.id)
)
_COUNTS = (
    select(MISSION.c.status, func.count().label("many"))
    .where(MISSION.c.workspace == bindparam("of"))
    .group_by(MISSION.c.status)
)


def find_missions(
    tx: ReadTx,
    workspace: str,
    wanted: Wanted,
    *,
    size: int,
    alive: Alive,
    now_us: int,
    after: Cursor | None = None,
) -> Found:
    """A page of missions, newest first.

    Args:
        tx: Where to read; at most six statements.
        workspace: Whose.
        wanted: Which.
        size: At most so many, from 1 to 500.
        alive: Whether a process lives: a mission that runs in a dead one's hands is interrupted.
        now_us: The moment, for ``stuck_us``.
        after: The cursor of the last one seen.
    """
    size = max(1, min(size, MOST))
    living = _living(tx, workspace, alive) if _asks_owner(wanted) else ()
    statement, params = _ids(wanted, living)
    before_us, before_id = after or (LAST, "")
    asked = {"of": workspace, "before_us": before_us, "before_id": before_id, "size": size + 1, **params}
    ids = [row["id"] for row in tx.rows(statement, asked)]
    more, ids = len(ids) > size, ids[:size]
    missions = read_summaries(tx, workspace, ids, alive=alive, now_us=now_us)
    return Found(missions, missions[-1].cursor if more else None)


def read_summaries(tx: ReadTx, workspace: str, ids: Sequence[str], *, alive: Alive, now_us: int) -> tuple[Summary, ...]:
    """What a list shows of these missions, in this order; four statements. Those that aren't there are left out."""
    if not ids:
        return ()
    these = {"of": workspace, "these": list(ids)}
    rows = {row["id"]: row for row in tx.rows(_ROWS, these)}
    steps = {(row["mission"], row["revision"]): _steps(row) for row in tx.rows(_STEPS, these)}
    estimates = {row["mission"]: Estimate(**row) for row in tx.rows(_ESTIMATES, these)}
    asked: defaultdict[str, list[str]] = defaultdict(list)
    for row in tx.rows(_ASKED, these):
        asked[row["mission"]].append(row["id"])
    return tuple(
        _summary(
            rows[each],
            steps.get((each, rows[each]["revision"]), Steps()),
            estimate=estimates.get(each),
            waits_for=tuple(asked.get(each, ())),
            alive=alive,
            now_us=now_us,
        )
        for each in ids
        if each in rows
    )


def count_missions(tx: ReadTx, workspace: str, *, alive: Alive) -> Mapping[Shown, int]:
    """How many missions stand how, for those that there are: at most three statements."""
    counts = {Shown(row["status"]): int(row["many"]) for row in tx.rows(_COUNTS, {"of": workspace})}
    running = counts.get(Shown.RUNNING, 0)
    if running:
        owners = {"of": workspace, "living": _living(tx, workspace, alive)}
        lives = tx.row(_RUNNING, owners)
        counts[Shown.RUNNING] = 0 if lives is None else int(lives["many"])
        counts[Shown.INTERRUPTED] = running - counts[Shown.RUNNING]
    return {status: many for status, many in counts.items() if many}


_RUNNING = select(func.count().label("many")).where(
    MISSION.c.workspace == bindparam("of"),
    MISSION.c.status == MissionStatus.RUNNING.value,
    MISSION.c.owner.in_(bindparam("living", expanding=True)),
)


def _asks_owner(wanted: Wanted) -> bool:
    return len({Shown.RUNNING, Shown.INTERRUPTED}.intersection(wanted.statuses)) == 1


def _living(tx: ReadTx, workspace: str, alive: Alive) -> list[str]:
    owners = [row["owner"] for row in tx.rows(_OWNERS, {"of": workspace})]
    return [owner for owner in owners if lives(owner, alive=alive)]


def _ids(wanted: Wanted, living: Sequence[str]) -> tuple[Select[Any, Any], dict[str, Any]]:
    """The statement that finds a page's ids, and its parameters beside the page's own."""
    columns = MISSION.c
    rows = {_row_status(status) for status in wanted.statuses}
    # What is not over is little: found by its status and sorted, it takes no look at what is over.
    little = bool(rows) and not any(MissionStatus(status).over for status in rows)
    created = columns.created_us + 0 if little else columns.created_us
    statement = (
        select(columns.id, columns.created_us)
        .where(
            columns.workspace == bindparam("of"),
            tuple_(columns.created_us, columns.id) < tuple_(bindparam("before_us"), bindparam("before_id")),
        )
        .order_by(created.desc(), columns.id.desc())
        .limit(bindparam("size"))
    )
    params: dict[str, Any] = {}
    for name, value in (("pack", wanted.pack), ("originator", wanted.originator)):
        if value:
            statement = statement.where(columns[name] == bindparam(f"w_{name}"))
            params[f"w_{name}"] = value
    if rows:
        if len(rows) == 1:
            statement = statement.where(columns.status == bindparam("w_status"))
            params["w_status"] = next(iter(rows))
        else:
            statement = statement.where(columns.status.in_(bindparam("w_statuses", expanding=True)))
            params["w_statuses"] = sorted(rows)
    if _asks_owner(wanted):
        known = columns.owner.in_(bindparam("living", expanding=True))
        held = known if Shown.RUNNING in wanted.statuses else ~known
        statement = statement.where((columns.status != MissionStatus.RUNNING.value) | held)
        params["living"] = list(living)
    if wanted.agent:
        statement = statement.where(columns.agents.contains(bindparam("w_agent"), autoescape=False))
        params["w_agent"] = f" {wanted.agent} "
    if wanted.text.strip():
        found, sought = _searching(searched(wanted.text.strip()))
        statement = statement.where(found)
        params |= sought
    if wanted.since_us:
        statement = statement.where(columns.created_us >= bindparam("w_since"))
        params["w_since"] = wanted.since_us
    if wanted.until_us:
        statement = statement.where(columns.created_us < bindparam("w_until"))
        params["w_until"] = wanted.until_us
    return statement, params


def _searching(text: str) -> tuple[ColumnElement[bool], dict[str, Any]]:
    """Where a text is looked for, and its parameters."""
    found: ColumnElement[bool] = MISSION.c.searched.like(bindparam("w_text"), escape="\\")
    params = {"w_text": f"%{literal(text)}%"}
    if _ID_PART.fullmatch(text):
        found |= MISSION.c.id.like(bindparam("w_from")) | MISSION.c.id.like(bindparam("w_to"))
        params |= {"w_from": f"{text}%", "w_to": f"%{text}"}
    return found, params


def _row_status(status: Shown) -> str:
    return MissionStatus.RUNNING.value if status is Shown.INTERRUPTED else status.value


def _steps(row: Row) -> Steps:
    return Steps(**{each.name: int(row[each.name] or 0) for each in fields(Steps)})


def _summary(
    row: Row, steps: Steps, *, estimate: Estimate | None, waits_for: tuple[str, ...], alive: Alive, now_us: int
) -> Summary:
    status = shown_status(row["status"], row["owner"], alive=alive)
    still_us = now_us - max(steps.moved_us, row["updated_us"])
    stuck = status is Shown.RUNNING and still_us > STUCK_US and steps.retry_us <= now_us
    same = ("id", "title", "pack", "input_name", "originator", "parent", "error_code", "error", "cost_micros")
    return Summary(
        **{name: row[name] for name in (*same, "created_us", "updated_us")},
        status=status,
        agents=agents_in(row["agents"]),
        steps=steps,
        estimate=estimate,
        waits_for=waits_for,
        stuck_us=still_us if stuck else 0,
    )
