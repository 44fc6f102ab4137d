"""Missions as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from remit.guard.approval_rows import Request
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.missions.detail import Asked as AskedAction
from remit.missions.detail import Detail, StepDetail, seconds_left, step_word
from remit.missions.estimate import Estimate
from remit.missions.listing import Summary
from remit.missions.planning import Ahead
from remit.missions.queue import Place
from remit.missions.rows import AttemptRow
from remit.missions.shown import Shown as Status
from remit.serve.api.answers import Shown, example

type Id = Annotated[
    str, Path(min_length=36, max_length=36, pattern=r"^[0-9a-f-]{36}$", description="The mission's id.")
]
type StepName = Annotated[str, Path(min_length=1, max_length=128, description="The step's name.")]

_ID = "0193a2f4-6b1e-7d20-9c55-3f0ae81c90a4"


class Range(Shown):
    """From, to."""

    low: str
    high: str


class EstimateShown(Shown):
    """What was expected and what it took; money in dollars, times in seconds."""

    cost_usd: Range
    seconds: Range
    from_missions: int = Field(description="Earlier missions that it stands on; 0: the preset's or plan's own figures.")
    actual_cost_usd: str | None
    actual_seconds: float | None


class StepCounts(Shown):
    """How far the steps are."""

    total: int
    done: int
    running: int
    failed: int
    retry_at: str | None


class MissionItem(Shown):
    """A mission in a list."""

    model_config = example(
        mission=_ID,
        title="Clinic: 5 features, 7 entities, 24 steps",
        status="running",
        pack="build",
        input="clinic.yaml",
        originator="user:ines",
        agents=["coder"],
        parent=None,
        steps={"total": 24, "done": 3, "running": 1, "failed": 0, "retry_at": None},
        cost_usd="0.02",
        created_at="2026-11-22T00:00:00Z",
        updated_at="2026-11-22T00:00:31Z",
        waits_for=[],
        stuck_seconds=0,
        error=None,
        estimate=None,
    )

    mission: str
    title: str
    status: Status
    pack: str
    input: str = Field(description="What the input was called.")
    originator: str
    agents: list[str] = Field(description="Those that its plan names.")
    parent: str | None = Field(description="The mission that it is a branch of.")
    steps: StepCounts
    cost_usd: str
    estimate: EstimateShown | None
    created_at: str
    updated_at: str
    waits_for: list[str] = Field(description="Requests for approval that nobody has decided.")
    stuck_seconds: int = Field(description="For how long it has not moved though it runs; 0: it moves.")
    error: str | None


class AttemptShown(Shown):
    """An attempt that ended."""

    attempt: int
    generation: int
    outcome: str
    started_at: str
    seconds: float
    retry_after_seconds: float = Field(description="The delay before the next one; 0: none.")
    cost_usd: str
    error_code: str | None
    error: str | None
    log: str


class VerdictShown(Shown):
    """What a critic found."""

    critic: str
    passed: bool
    at: str
    subject: str
    findings: list[dict[str, str]]


class StepShown(Shown):
    """A step."""

    step: str
    title: str
    feature: str | None
    agent: str
    critic: str | None
    status: str
    word: str = Field(description="Where it stands, for people.")
    needs: list[str]
    waits_for: list[str]
    attempts: list[AttemptShown]
    next_attempt_at: str | None
    generation: int
    seconds: float
    expected_seconds: float
    cost_usd: str
    commit: str | None
    paths: list[str]
    result: dict[str, object] = Field(description="What it handed on.")
    error_code: str | None
    error: str | None
    verdicts: list[VerdictShown]
    approvals: list[str]


class QueuePlace(Shown):
    """A place in the queue."""

    model_config = example(
        mission=_ID,
        state="waiting",
        priority="normal",
        position=3,
        wait_seconds=120.0,
        originator="user:ines",
        since="2026-11-22T00:00:00Z",
        worker=None,
    )

    mission: str
    state: str
    priority: Literal["critical", "high", "normal", "low"]
    position: int | None = Field(description="1 is next; null: it runs.")
    wait_seconds: float | None = Field(description="Until it starts, about; null: no worker would take it.")
    originator: str
    since: str
    worker: str | None


class MissionShown(Shown):
    """A mission in full."""

    mission: str
    title: str
    status: Status
    pack: str
    pack_version: str
    input: str
    input_sha256: str
    plan_sha256: str
    revision: int
    originator: str
    parent: str | None
    parent_step: str | None
    created_at: str
    updated_at: str
    cost_usd: str
    budget_usd: str | None
    seconds_left: float
    estimate: EstimateShown | None
    queue: QueuePlace | None
    critical_path: list[str]
    features: list[str]
    tree: str | None
    commit: str | None
    actions: dict[str, int] = Field(description="How many actions ended how.")
    waits_for: list[str]
    error_code: str | None
    error: str | None
    steps: list[StepShown]


class ActionShown(Shown):
    """An action that the guard was asked for."""

    action: str
    step: str
    attempt: int
    kind: str
    target: str
    state: str
    reason: str | None
    principal: str
    subject_hash: str
    opened_at: str
    closed_at: str | None
    cost_usd: str


class PlanShown(Shown):
    """What a mission would be."""

    pack: str
    preset: str | None
    risk: str | None
    approval: str | None = Field(description="What of it a person must approve.")
    summary: str
    notes: list[str]
    steps: list[dict[str, object]]
    critical_path: list[str]
    critical_seconds: float
    estimate: EstimateShown


def usd(micros: int) -> str:
    """Micro-dollars in dollars."""
    return str(Money(micros).usd)


def item(one: Summary) -> MissionItem:
    """A row of a list."""
    steps = one.steps
    return MissionItem(
        mission=one.id,
        title=one.name,
        status=one.status,
        pack=one.pack,
        input=one.input_name,
        originator=one.originator,
        agents=list(one.agents),
        parent=one.parent or None,
        steps=StepCounts(
            total=steps.total,
            done=steps.done,
            running=steps.running,
            failed=steps.failed,
            retry_at=iso(steps.retry_us) if steps.retry_us else None,
        ),
        cost_usd=usd(one.cost_micros),
        estimate=estimate_shown(one.estimate),
        created_at=iso(one.created_us),
        updated_at=iso(one.updated_us),
        waits_for=list(one.waits_for),
        stuck_seconds=one.stuck_us // 1_000_000,
        error=one.error or None,
    )


def estimate_shown(found: Estimate | None) -> EstimateShown | None:
    """An estimate."""
    if found is None:
        return None
    return EstimateShown(
        cost_usd=Range(low=usd(found.cost_low), high=usd(found.cost_high)),
        seconds=Range(low=str(found.time_low_us / 1_000_000), high=str(found.time_high_us / 1_000_000)),
        from_missions=found.samples,
        actual_cost_usd=usd(found.cost_micros) if found.ended else None,
        actual_seconds=found.time_us / 1_000_000 if found.ended else None,
    )


def attempt_shown(one: AttemptRow) -> AttemptShown:
    """An attempt."""
    return AttemptShown(
        attempt=one.number,
        generation=one.generation,
        outcome=str(one.outcome),
        started_at=iso(one.started_us),
        seconds=round(max(one.ended_us - one.started_us, 0) / 1_000_000, 6),
        retry_after_seconds=one.delay_us / 1_000_000,
        cost_usd=usd(one.cost_micros),
        error_code=one.error_code or None,
        error=one.error or None,
        log=one.log,
    )


def step_shown(one: StepDetail, *, now_us: int) -> StepShown:
    """A step."""
    row, spec = one.row, one.spec
    return StepShown(
        step=row.name,
        title=spec.title,
        feature=spec.feature or None,
        agent=spec.agent,
        critic=spec.critic or None,
        status=str(row.status),
        word=step_word(one, now_us=now_us)[1],
        needs=list(spec.needs),
        waits_for=list(one.waits_for),
        attempts=[attempt_shown(each) for each in one.attempts],
        next_attempt_at=iso(row.not_before_us) if row.not_before_us > now_us else None,
        generation=row.generation,
        seconds=round(one.seconds, 6),
        expected_seconds=spec.weight,
        cost_usd=usd(row.cost_micros),
        commit=row.commit_id or None,
        paths=list(row.wrote),
        result=dict(row.outcome),
        error_code=row.error_code or None,
        error=row.error or None,
        verdicts=[
            VerdictShown(
                critic=each.critic,
                passed=each.passed,
                at=iso(each.at_us),
                subject=each.subject,
                findings=[
                    {
                        "kind": found.kind,
                        "severity": found.severity.value,
                        "message": found.message,
                        "place": found.place,
                        "fix": found.fix,
                    }
                    for found in each.findings
                ],
            )
            for each in one.verdicts
        ],
        approvals=[each.id for each in one.asks],
    )


def mission_shown(detail: Detail) -> MissionShown:
    """A mission in full."""
    row = detail.mission
    return MissionShown(
        mission=row.id,
        title=detail.title,
        status=detail.status,
        pack=row.pack,
        pack_version=row.pack_version,
        input=row.input_name,
        input_sha256=row.input_sha256,
        plan_sha256=row.plan_hash,
        revision=row.revision,
        originator=row.originator,
        parent=row.parent or None,
        parent_step=row.parent_step or None,
        created_at=iso(row.created_us),
        updated_at=iso(row.updated_us),
        cost_usd=usd(row.cost_micros),
        budget_usd=usd(row.budget_micros) if row.budget_micros else None,
        seconds_left=seconds_left(detail),
        estimate=estimate_shown(detail.estimate),
        queue=None if detail.place is None else place_shown(detail.place),
        critical_path=list(detail.plan.critical_path),
        features=list(detail.features),
        tree=row.tree or None,
        commit=row.head_commit or None,
        actions={state.value: many for state, many in detail.actions.items()},
        waits_for=[each.id for each in detail.waits_for],
        error_code=row.error_code or None,
        error=row.error or None,
        steps=[step_shown(each, now_us=detail.seen_us) for each in detail.steps],
    )


def place_shown(place: Place) -> QueuePlace:
    """A place in the queue."""
    return QueuePlace(
        mission=place.mission,
        state=place.state.value,
        priority=place.priority.name.lower(),  # pyright: ignore[reportArgumentType] - the names are these
        position=place.position or None,
        wait_seconds=None if place.wait_us is None else round(place.wait_us / 1_000_000, 1),
        originator=place.originator,
        since=iso(place.entered_us),
        worker=place.taker or None,
    )


def action_shown(one: AskedAction) -> ActionShown:
    """An action in short."""
    return ActionShown(
        action=one.id,
        step=one.step,
        attempt=one.attempt,
        kind=one.kind,
        target=one.target,
        state=one.state.value,
        reason=one.reason or None,
        principal=one.principal,
        subject_hash=one.subject_hash,
        opened_at=iso(one.opened_us),
        closed_at=iso(one.closed_us) if one.closed_us else None,
        cost_usd=usd(one.cost_micros),
    )


def plan_shown(ahead: Ahead) -> PlanShown:
    """A plan with its estimate."""
    plan, preset = ahead.plan, ahead.preset
    estimate = estimate_shown(ahead.estimate)
    assert estimate is not None  # noqa: S101 - there always is one
    return PlanShown(
        pack=plan.plan.pack,
        preset=preset.name if preset is not None else None,
        risk=preset.risk.value if preset is not None else None,
        approval=(preset.approval or None) if preset is not None else None,
        summary=plan.plan.summary,
        notes=list(plan.plan.notes),
        steps=[
            {
                "step": step.name,
                "title": step.title,
                "needs": list(step.needs),
                "feature": step.feature or None,
                "agent": step.agent,
                "critic": step.critic or None,
                "expected_seconds": step.weight,
                "cost_usd": str(step.estimate.usd),
            }
            for step in plan.steps
        ],
        critical_path=list(plan.critical_path),
        critical_seconds=plan.critical_seconds,
        estimate=estimate,
    )


def request_shown(one: Request, *, now_us: int) -> dict[str, Json]:
    """A request for approval, in short."""
    return {"approval": one.id, "what": one.what, "status": one.state(now_us), "requested_at": iso(one.requested_us)}
