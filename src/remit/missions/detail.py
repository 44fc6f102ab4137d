"""One mission in full, as one snapshot: plan, steps with their attempts, verdicts, what it asked guard and people.

A fixed number of statements, however many steps and attempts there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, select

from remit.accounts.access import Permission, Resource, reading, require
from remit.guard.approval_rows import Request, Status, of_mission
from remit.guard.evidence import Evidence, find_evidence
from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.action import Principal
from remit.kernel.ids import check_id
from remit.kernel.mission import MissionStatus, StepSpec, StepStatus
from remit.kernel.ports import ReadTx, Row
from remit.missions.claim import stored_plan
from remit.missions.deployment_rows import Stood, deployments_of
from remit.missions.deps import Deps
from remit.missions.estimate import Estimate, busy, read_estimate
from remit.missions.plan import OrderedPlan
from remit.missions.queue import Place, place
from remit.missions.rows import ATTEMPTS_SELECT, AttemptRow, MissionRow, StepRow, read_mission, read_steps
from remit.missions.shown import Shown, shown_status

MOST_ACTIONS = 100
_MINUTE = 60  # seconds, and minutes of an hour

_OF = (ACTION.c.workspace == bindparam("of"), ACTION.c.mission == bindparam("which"))
_ACTION_COUNTS = select(ACTION.c.state, func.count().label("many")).where(*_OF).group_by(ACTION.c.state)
_BRIEF = (
    *(ACTION.c.id, ACTION.c.step, ACTION.c.attempt, ACTION.c.kind, ACTION.c.target, ACTION.c.state, ACTION.c.reason),
    *(ACTION.c.principal, ACTION.c.subject_hash, ACTION.c.opened_us, ACTION.c.closed_us, ACTION.c.cost_micros),
)
_ACTIONS = select(*_BRIEF).where(*_OF).order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc()).limit(bindparam("most"))
_ACTIONS_OF_STEP = (
    select(*_BRIEF)
    .where(*_OF, ACTION.c.step == bindparam("in_step"))
    .order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An action, in short. ``closed_us``: 0 while it is open."""

    id: str
    step: str
    attempt: int
    kind: str
    target: str
    state: State
    reason: str
    principal: str
    subject_hash: str
    opened_us: int
    closed_us: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step of the plan in force.

    Attributes:
        row: Where it stands.
        spec: What the plan says of it.
        attempts: Those that ended, oldest first, with their masked logs.
        waits_for: The steps it needs that are not done.
        verdicts: What its critic found, newest first.
        asks: The requests for approval that it waits for.
    """

    row: StepRow
    spec: StepSpec
    attempts: tuple[AttemptRow, ...] = ()
    waits_for: tuple[str, ...] = ()
    verdicts: tuple[Evidence, ...] = ()
    asks: tuple[Request, ...] = ()

    @property
    def seconds(self) -> float:
        """How long its attempts ran, added up; those that ran at the same time count once."""
        return busy((each.started_us, each.ended_us) for each in self.attempts) / 1_000_000


@dataclass(frozen=True, slots=True)
class Detail:
    """A mission.

    Attributes:
        mission: Its row.
        status: As people see it.
        plan: The plan in force.
        steps: In plan order.
        estimate: What was expected, and what it took.
        place: In the queue, while it waits or runs.
        requests: Every request for approval, newest first.
        deployments: The last 100, newest first.
        actions: How many actions ended how.
        busy_us: The time in which at least one attempt ran.
        seen_us: The moment of this snapshot.
    """

    mission: MissionRow
    status: Shown
    plan: OrderedPlan
    steps: tuple[StepDetail, ...]
    estimate: Estimate | None
    place: Place | None
    requests: tuple[Request, ...]
    deployments: tuple[Stood, ...]
    seen_us: int
    busy_us: int = 0
    actions: Mapping[State, int] = field(default_factory=dict[State, int])

    @property
    def waits_for(self) -> tuple[Request, ...]:
        """The requests that nobody has decided."""
        return tuple(one for one in self.requests if one.status == Status.PENDING)

    @property
    def title(self) -> str:
        """What to call it."""
        return self.mission.title or self.mission.input_name

    @property
    def features(self) -> tuple[str, ...]:
        """The features of the plan, in its order."""
        return tuple(dict.fromkeys(each.spec.feature for each in self.steps if each.spec.feature))

    @property
    def checkpoints(self) -> tuple[StepRow, ...]:
        """Steps that made a checkpoint, newest first."""
        made = (each.row for each in self.steps if each.row.commit_id and each.row.done)
        return tuple(sorted(made, key=lambda row: row.finished_us, reverse=True))

    def step(self, name: str) -> StepDetail | None:
        """The step of that name."""
        return next((each for each in self.steps if each.row.name == name), None)


async def show_mission(deps: Deps, workspace: str, mission: str, *, by: Principal) -> Detail:
    """A mission in full.

    Raises:
        Refused: ``by`` may not read here.
        NotFound: This workspace has no such mission.
        IntegrityError: Its plan is not the one that was stored.
    """
    check_id(mission, "mission")

    def op(tx: ReadTx) -> Detail:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
        return read_detail(tx, deps, workspace, mission)

    return await reading(deps.journal, op)


async def list_actions(
    deps: Deps, workspace: str, mission: str, *, by: Principal, step: str = "", most: int = MOST_ACTIONS
) -> list[Asked]:
    """What a mission, or one of its steps, asked the guard for: the newest first, at most ``most``.

    Raises:
        Refused, NotFound: As ``show_mission``.
    """
    check_id(mission, "mission")

    def op(tx: ReadTx) -> list[Asked]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
        read_mission(tx, workspace, mission)
        return read_actions(tx, workspace, mission, step=step, most=most)

    return await reading(deps.journal, op)


def read_actions(tx: ReadTx, workspace: str, mission: str, *, step: str = "", most: int = MOST_ACTIONS) -> list[Asked]:
    """As ``list_actions``, for whoever may read."""
    asked = {"of": workspace, "which": mission, "most": max(1, min(most, MOST_ACTIONS))}
    rows = tx.rows(_ACTIONS_OF_STEP, {**asked, "in_step": step}) if step else tx.rows(_ACTIONS, asked)
    return [_asked(row) for row in rows]


def read_detail(tx: ReadTx, deps: Deps, workspace: str, mission: str) -> Detail:
    """A mission in full, for whoever may read: ten statements, and those of the queue while it waits."""
    row = read_mission(tx, workspace, mission)
    plan, rows = stored_plan(row), read_steps(tx, row)
    attempts: defaultdict[str, list[AttemptRow]] = defaultdict(list)
    every = [AttemptRow(**each) for each in tx.rows(ATTEMPTS_SELECT, {"workspace": workspace, "mission": mission})]
    for each in every:
        if each.revision == row.revision:
            attempts[each.step].append(each)
    requests = tuple(of_mission(tx, workspace, mission))
    verdicts: defaultdict[str, list[Evidence]] = defaultdict(list)
    for evidence in find_evidence(tx, workspace, mission=mission):
        if evidence.mission == mission and evidence.source.startswith("step:"):
            verdicts[evidence.source[5:]].append(evidence)
    line = None
    if row.status in {MissionStatus.QUEUED, MissionStatus.RUNNING}:
        line = place(tx, workspace, mission, alive=deps.alive, now_us=deps.now())
    done = {each.name for each in rows if each.done}
    counts = {State(each["state"]): int(each["many"]) for each in tx.rows(_ACTION_COUNTS, _at(workspace, mission))}
    return Detail(
        mission=row,
        status=shown_status(row.status, row.owner, alive=deps.alive),
        plan=plan,
        steps=tuple(
            StepDetail(
                row=each,
                spec=plan.spec(each.name),
                attempts=tuple(attempts[each.name]),
                waits_for=tuple(need for need in plan.spec(each.name).needs if need not in done),
                verdicts=tuple(verdicts[each.name]),
                asks=tuple(one for one in requests if one.step == each.name and one.status == Status.PENDING),
            )
            for each in rows
            if each.name in plan.position
        ),
        estimate=read_estimate(tx, workspace, mission),
        place=line,
        requests=requests,
        deployments=tuple(deployments_of(tx, workspace, mission)),
        seen_us=deps.now(),
        busy_us=busy((each.started_us, each.ended_us) for each in every),
        actions=counts,
    )


def seconds_left(detail: Detail) -> float:
    """The weight of the heaviest path through what is not done: about how long it still takes."""
    open_steps = [each.row.name for each in detail.steps if not each.row.done]
    return detail.plan.seconds_left(open_steps) if not MissionStatus(detail.mission.status).over else 0.0


#: A step's kind of status, as the console draws it, and its word.
_WORDS = {
    StepStatus.RUNNING: ("running", "running"),
    StepStatus.SUCCEEDED: ("done", "done"),
    StepStatus.SKIPPED: ("skipped", "skipped"),
    StepStatus.FAILED: ("failed", "failed"),
    StepStatus.CANCELLED: ("cancelled", "cancelled"),
    StepStatus.ROLLED_BACK: ("back", "rolled back"),
}


def step_word(step: StepDetail, *, now_us: int) -> tuple[str, str]:
    """A step's status in words: its kind, and what it says (``retrying``, ``retry in 9 s``)."""
    row = step.row
    if step.asks:
        return "waiting", "needs approval"
    if row.not_before_us > now_us:
        return "retrying", retry_word(row.not_before_us - now_us)
    if row.status == StepStatus.PENDING:
        waits = step.waits_for
        named = f"waits for {waits[0]}" if len(waits) == 1 else f"waits for {len(waits)} steps"
        return "queued", named if waits else "queued"
    kind, word = _WORDS[StepStatus(row.status)]
    return kind, f"{word}, attempt {row.attempts}" if kind == "running" and row.attempts > 1 else word


def retry_word(micros: int) -> str:
    """``retry in 9 s``, ``retry in 4:07``, ``retry in 1 h 05 min``."""
    seconds = max(round(micros / 1_000_000), 1)
    if seconds < _MINUTE:
        return f"retry in {seconds} s"
    minutes, rest = divmod(seconds, _MINUTE)
    if minutes < _MINUTE:
        return f"retry in {minutes}:{rest:02}"
    return f"retry in {minutes // _MINUTE} h {minutes % _MINUTE:02} min"


def _asked(row: Row) -> Asked:
    same = (
        "id",
        "step",
        "attempt",
        "kind",
        "target",
        "reason",
        "principal",
        "subject_hash",
        "opened_us",
        "cost_micros",
    )
    values = {name: row[name] for name in same}
    return Asked(**values, state=State(row["state"]), closed_us=row["closed_us"] or 0)


def _at(workspace: str, mission: str) -> dict[str, str]:
    return {"of": workspace, "which": mission}
