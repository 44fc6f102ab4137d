"""Missions: list them, make them, look at everything about one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import NotFound
from remit.kernel.ids import check_id
from remit.kernel.money import usd as money
from remit.kernel.ports import ReadTx
from remit.missions.artefacts import attempts_diff, list_artefacts, read_artefact, step_diff
from remit.missions.conversation import read_conversation
from remit.missions.detail import list_actions, show_mission
from remit.missions.listing import Found, Wanted, find_missions
from remit.missions.planning import look_ahead, require_installed
from remit.missions.queue_order import Priority
from remit.missions.shown import Shown as Status
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, write_cursor
from remit.serve.api.routes.mission_models import (
    ActionShown,
    AttemptShown,
    Id,
    MissionItem,
    MissionShown,
    PlanShown,
    StepName,
    StepShown,
    action_shown,
    attempt_shown,
    item,
    mission_shown,
    plan_shown,
    request_shown,
    step_shown,
)

ROUTES = APIRouter(prefix="/api/v1/missions", tags=["missions"])

_ONE = "/api/v1/missions/{mission}"
_READ, _WRITE, _MISSION = Permission.READ, Permission.WRITE, Resource.MISSION
ACCESS = (
    Access("GET", "/api/v1/missions", _READ, _MISSION),
    Access("POST", "/api/v1/missions", _WRITE, _MISSION),
    Access("POST", "/api/v1/missions/plan", _WRITE, _MISSION),
    Access("GET", _ONE, _READ, _MISSION),
    Access("GET", f"{_ONE}/steps", _READ, _MISSION),
    Access("GET", f"{_ONE}/steps/{{step}}", _READ, _MISSION),
    Access("GET", f"{_ONE}/steps/{{step}}/diff", _READ, _MISSION),
    Access("GET", f"{_ONE}/steps/{{step}}/calls", _READ, _MISSION),
    Access("GET", f"{_ONE}/logs", _READ, _MISSION),
    Access("GET", f"{_ONE}/actions", _READ, _MISSION),
    Access("GET", f"{_ONE}/artefacts", _READ, _MISSION),
    Access("GET", f"{_ONE}/artefacts/content", _READ, _MISSION),
    Access("GET", f"{_ONE}/report", _READ, _MISSION),
)
MOST_INPUT = 8 << 20
type When = Annotated[datetime | None, Query(description="With its zone.")]


class NewMission(Asked):
    """A mission to be made: it is queued at once, and a worker runs it."""

    model_config = example(pack="build", name="clinic.yaml", input="title: Clinic\n...", budget_usd="2.50")

    pack: str = Field(min_length=1, max_length=200)
    input: str = Field(max_length=MOST_INPUT, description="The input, as it would stand in its file.")
    name: str = Field(default="input.yaml", min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f\x7f]+$")
    preset: str = Field(default="", max_length=64)
    budget_usd: str = Field(default="", max_length=20, pattern=r"^[0-9]{0,9}(\.[0-9]{1,6})?$", description="At most.")
    priority: Literal["critical", "high", "normal", "low"] = "normal"


class NewPlan(Asked):
    """An input to be planned; nothing is written."""

    model_config = example(pack="build", name="clinic.yaml", input="title: Clinic\n...")

    pack: str = Field(min_length=1, max_length=200)
    input: str = Field(max_length=MOST_INPUT)
    name: str = Field(default="input.yaml", min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f\x7f]+$")
    preset: str = Field(default="", max_length=64)


class FileItem(Shown):
    """A file."""

    path: str
    content: str = Field(description="The id of its content: equal ids, equal bytes.")


class ArtefactsShown(Shown):
    """The files of a checkpoint."""

    commit: str | None
    tree: str | None
    files: list[FileItem]
    more: int = Field(description="How many files are left out.")


class TextShown(Shown):
    """Something to read, masked."""

    text: str
    cut: bool = Field(description="Whether there is more of it.")
    binary: bool = Field(description="Whether it is no text; none is given then.")


class CallsShown(Shown):
    """What a step asked of models and heard, masked."""

    calls: list[dict[str, object]] = Field(description="Model, tokens, cost and the action's state, oldest first.")
    messages: list[dict[str, object]] = Field(description="Prompts and answers that were kept.")
    absent: str = Field(description="Why there is no text, or not all of it.")


class StepAttempt(AttemptShown):
    """An attempt, and of which step."""

    step: str


class ReportShown(Shown):
    """What came of a mission, to be filed."""

    mission: MissionShown
    approvals: list[dict[str, object]]
    deployments: list[dict[str, object]]
    made_at: str


@ROUTES.get("", response_model=Page[MissionItem], summary="List missions")
async def list_(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    status: Annotated[list[Status] | None, Query(max_length=8)] = None,
    pack: Annotated[str, Query(max_length=200)] = "",
    originator: Annotated[str, Query(max_length=200, description="Ordered by, as `user:ines`.")] = "",
    agent: Annotated[str, Query(max_length=64, description="Whose plan names this agent.")] = "",
    q: Annotated[str, Query(max_length=100, description="In title or input's name, or either end of the id.")] = "",
    since: When = None,
    until: When = None,
) -> Response:
    """Missions, newest first."""
    wanted = Wanted(
        statuses=tuple(status or ()),
        pack=pack,
        originator=originator,
        agent=agent,
        text=q,
        since_us=0 if since is None else max(_micros(since), 0),
        until_us=0 if until is None else max(_micros(until), 1),
    )
    deps, after = runtime.missions.deps, paging.timed()

    def op(tx: ReadTx) -> Found:
        require(tx, caller.principal, workspace=caller.workspace, permission=_READ, resource=_MISSION)
        return find_missions(
            tx, caller.workspace, wanted, size=paging.limit, alive=deps.alive, now_us=deps.now(), after=after
        )

    found = await reading(runtime.store, op)
    following = None if found.next is None else write_cursor(found.next)
    return answer(Page[MissionItem](items=[item(one) for one in found.missions], next=following))


@ROUTES.post("", response_model=MissionShown, status_code=201, summary="Make a mission and queue it")
async def make(caller: Asking, runtime: Open, asked: NewMission) -> Response:
    """Plan a mission, store it and order it, in one transaction; any worker runs it."""
    require_installed(runtime.missions.deps, asked.pack)
    mission = await runtime.missions.create(
        caller.workspace,
        asked.pack,
        asked.input.encode(),
        name=asked.name,
        originator=caller.principal,
        budget=money(asked.budget_usd or runtime.settings.budget_usd),
        preset=asked.preset,
        queue=True,
        priority=Priority[asked.priority.upper()],
    )
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    return created(mission_shown(detail), f"/api/v1/missions/{mission}")


@ROUTES.post("/plan", response_model=PlanShown, summary="Plan a mission")
async def plan(caller: Asking, runtime: Open, asked: NewPlan) -> Response:
    """The plan and its estimate; nothing is written."""
    require_installed(runtime.missions.deps, asked.pack)
    found = await look_ahead(
        runtime.missions.deps,
        caller.workspace,
        asked.pack,
        asked.input.encode(),
        name=asked.name,
        by=caller.principal,
        preset=asked.preset,
    )
    return answer(plan_shown(found))


@ROUTES.get("/{mission}", response_model=MissionShown, summary="Show a mission")
async def show(request: Request, caller: Asking, runtime: Open, mission: Id) -> Response:
    """Everything about one mission, as one snapshot."""
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    return resource(request, mission_shown(detail))


@ROUTES.get("/{mission}/steps", response_model=Page[StepShown], summary="List a mission's steps")
async def steps(caller: Asking, runtime: Open, mission: Id) -> Response:
    """Every step of the plan, in its order; there is one page."""
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    found = [step_shown(each, now_us=detail.seen_us) for each in detail.steps]
    return answer(Page[StepShown](items=found, next=None))


@ROUTES.get("/{mission}/steps/{step}", response_model=StepShown, summary="Show a step")
async def step_(request: Request, caller: Asking, runtime: Open, mission: Id, step: StepName) -> Response:
    """One step with its attempts."""
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    found = detail.step(step)
    if found is None:
        message = f"The plan of mission {mission} has no step {step[:80]!r}."
        raise NotFound(message, code="step.missing", hint=f"remit show {mission}")
    return resource(request, step_shown(found, now_us=detail.seen_us))


@ROUTES.get("/{mission}/steps/{step}/calls", response_model=CallsShown, summary="A step's model calls")
async def calls(caller: Asking, runtime: Open, mission: Id, step: StepName) -> Response:
    """Each model call with tokens, cost and decision, and the prompts and answers as far as they were kept."""
    which = check_id(mission, "mission")
    found = await read_conversation(runtime.missions.deps, caller.workspace, which, step, by=caller.principal)
    return answer(
        CallsShown(
            calls=[asdict(each) for each in found.calls],
            messages=[asdict(each) for each in found.messages],
            absent=found.absent,
        )
    )


@ROUTES.get("/{mission}/steps/{step}/diff", response_model=TextShown, summary="What a step changed")
async def diff(
    caller: Asking,
    runtime: Open,
    mission: Id,
    step: StepName,
    *,
    old: Annotated[int, Query(ge=0, le=100_000, description="An attempt; 0: none.")] = 0,
    new: Annotated[int, Query(ge=0, le=100_000, description="A later attempt; 0: none.")] = 0,
) -> Response:
    """The patch of its checkpoint; with `old` and `new`, how what two attempts said differs."""
    deps, where, by = runtime.missions.deps, caller.workspace, caller.principal
    if old or new:
        found = await attempts_diff(deps, where, mission, step, by=by, old=old, new=new)
    else:
        found = await step_diff(deps, where, mission, step, by=by)
    return answer(TextShown(text=found.text, cut=found.cut, binary=found.binary))


@ROUTES.get("/{mission}/logs", response_model=Page[StepAttempt], summary="What a mission's steps said")
async def logs(
    caller: Asking,
    runtime: Open,
    mission: Id,
    step: Annotated[str, Query(max_length=128, description="Only this step's.")] = "",
) -> Response:
    """Every attempt that ended with its masked log, in plan order; there is one page."""
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    found = [
        StepAttempt(step=each.row.name, **attempt_shown(one).model_dump())
        for each in detail.steps
        if step in {"", each.row.name}
        for one in each.attempts
    ]
    return answer(Page[StepAttempt](items=found, next=None))


@ROUTES.get("/{mission}/actions", response_model=Page[ActionShown], summary="What a mission asked the guard for")
async def actions(
    caller: Asking,
    runtime: Open,
    mission: Id,
    step: Annotated[str, Query(max_length=128, description="Only this step's.")] = "",
) -> Response:
    """The newest 100 actions; the story of one is at `/api/v1/why`."""
    found = await list_actions(runtime.missions.deps, caller.workspace, mission, by=caller.principal, step=step)
    return answer(Page[ActionShown](items=[action_shown(one) for one in found], next=None))


@ROUTES.get("/{mission}/artefacts", response_model=ArtefactsShown, summary="List a mission's files")
async def artefacts(
    caller: Asking,
    runtime: Open,
    mission: Id,
    step: Annotated[str, Query(max_length=128, description="As this step left them.")] = "",
) -> Response:
    """The files as the mission stands, or as a step left them."""
    found = await list_artefacts(runtime.missions.deps, caller.workspace, mission, by=caller.principal, step=step)
    files = [FileItem(path=path, content=content) for path, content in found.files]
    return answer(ArtefactsShown(commit=found.commit or None, tree=found.tree or None, files=files, more=found.more))


@ROUTES.get("/{mission}/artefacts/content", response_model=TextShown, summary="Read one of a mission's files")
async def content(
    caller: Asking,
    runtime: Open,
    mission: Id,
    path: Annotated[str, Query(min_length=1, max_length=1000)],
    step: Annotated[str, Query(max_length=128, description="As this step left it.")] = "",
) -> Response:
    """A file's text, masked, at most 512 KiB of it."""
    found = await read_artefact(runtime.missions.deps, caller.workspace, mission, path, by=caller.principal, step=step)
    return answer(TextShown(text=found.text, cut=found.cut, binary=found.binary))


@ROUTES.get("/{mission}/report", response_model=ReportShown, summary="What came of a mission")
async def report(request: Request, caller: Asking, runtime: Open, mission: Id) -> Response:
    """The mission with who approved what of it and where it was deployed, to be filed."""
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    return resource(
        request,
        ReportShown(
            mission=mission_shown(detail),
            approvals=[dict(request_shown(one, now_us=detail.seen_us)) for one in detail.requests],
            deployments=[
                {
                    "action": each.row.action,
                    "target": each.row.target,
                    "release": each.row.tree or None,
                    "state": each.state.value,
                    "ordered_by": each.row.ordered_by,
                    "at": iso(each.row.at_us),
                }
                for each in detail.deployments
            ],
            made_at=iso(detail.mission.updated_us),
        ),
    )


def _micros(at: datetime) -> int:
    return micros_of(at if at.tzinfo else at.replace(tzinfo=UTC))
