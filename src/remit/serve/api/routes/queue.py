"""The queue of missions, what missions may be made of, what is deployed where, and why something was not done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.bootstrap import prover
from remit.guard.why import why
from remit.kernel.clock import iso
from remit.missions.lines import Line, Queued, read_line
from remit.missions.planning import list_presets
from remit.missions.queue_pause import pause as pause_queue
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import Page
from remit.serve.api.routes.mission_models import Id, MissionShown, QueuePlace, place_shown
from remit.serve.api.routes.mission_orders import cancel
from remit.serve.api.targets import held_to, place_of

ROUTES = APIRouter(prefix="/api/v1", tags=["queue"])
_MISSION = Resource.MISSION
ACCESS = (
    Access("GET", "/api/v1/queue", Permission.READ, _MISSION),
    Access("PUT", "/api/v1/queue/pause", Permission.ADMIN),
    Access("DELETE", "/api/v1/queue/{mission}", Permission.WRITE, _MISSION),
    Access("GET", "/api/v1/presets", Permission.READ, _MISSION),
    Access("GET", "/api/v1/deployments", Permission.READ, _MISSION),
    Access("GET", "/api/v1/why", Permission.READ, _MISSION),
)


class QueuedItem(QueuePlace):
    """A mission in the queue, and why it waits."""

    title: str
    pack: str
    reason: str


class QueueShown(Shown):
    """The queue of a workspace."""

    running: list[QueuedItem]
    waiting: list[QueuedItem]
    workers: int
    slots: int = Field(description="Missions that the workers run at once.")
    plan: str
    parallel_missions: int = Field(description="That may run at once under the plan.")
    queued_missions: int = Field(description="That may wait under the plan.")
    hint: str = Field(description="What would make it faster.")
    paused_since: str | None = Field(description="Since when nothing is taken up; null: it is.")
    paused_home: bool = Field(description="Whether that holds for every workspace of this home.")


class Pause(Asked):
    """Whether missions are taken up."""

    model_config = example(paused=True, reason="the model is down")

    paused: bool
    reason: str = Field(min_length=1, max_length=2000, description="For the audit log.")


class PresetShown(Shown):
    """What missions of a kind come with."""

    model_config = example(
        name="build",
        title="Build",
        pack="build",
        installed=True,
        risk="low",
        cost_usd={"from": "0.10", "to": "0.50"},
        seconds={"from": 120, "to": 600},
        agents=["Coder"],
        tools=["Git"],
        guardrails=["tests required"],
        critics=["tests"],
        approval=None,
    )

    name: str
    title: str
    pack: str
    installed: bool = Field(description="Whether its missions can run here.")
    risk: str
    cost_usd: dict[str, str]
    seconds: dict[str, int]
    agents: list[str]
    tools: list[str]
    guardrails: list[str]
    critics: list[str]
    approval: str | None = Field(description="What of it a person must approve.")


class LiveShown(Shown):
    """What stands at a place."""

    target: str
    live: str | None
    mission: str | None
    releases: list[str]
    history: list[dict[str, object]]


class StoryShown(Shown):
    """The story behind an id: each action with every check's verdict, who decided, and where the log says so."""

    id: str
    kind: str
    actions: list[dict[str, object]]


@ROUTES.get("/queue", response_model=QueueShown, summary="Show the queue")
async def queue(caller: Asking, runtime: Open) -> Response:
    """Who runs, who waits for what, and when each is about to start."""
    line = await read_line(runtime.missions.deps, caller.workspace, by=caller.principal)
    return answer(queue_shown(line))


@ROUTES.put("/queue/pause", response_model=QueueShown, summary="Pause the queue, or let it go on")
async def pause(caller: Asking, runtime: Open, asked: Pause) -> Response:
    """Take up nothing more in this workspace, in any process, until it is resumed; what runs goes on."""
    deps = runtime.missions.deps
    await pause_queue(deps, caller.workspace, by=caller.principal, reason=asked.reason, paused=asked.paused)
    return answer(queue_shown(await read_line(deps, caller.workspace, by=caller.principal)))


@ROUTES.delete("/queue/{mission}", response_model=MissionShown, status_code=202, summary="Take a mission out")
async def leave(caller: Asking, runtime: Open, mission: Id) -> Response:
    """Cancel a mission that waits or runs."""
    return await cancel(caller, runtime, mission)


@ROUTES.get("/presets", response_model=Page[PresetShown], summary="List presets")
async def presets(caller: Asking, runtime: Open) -> Response:
    """Every preset with its estimate and risk; there is one page."""
    offers = await list_presets(runtime.missions.deps, caller.workspace, by=caller.principal)
    found = [PresetShown.model_validate({**one.preset.as_json(), "installed": one.installed}) for one in offers]
    return answer(Page[PresetShown](items=found, next=None))


@ROUTES.get("/deployments", response_model=LiveShown, summary="What is deployed at a place")
async def deployments(
    caller: Asking,
    runtime: Open,
    target: Annotated[str, Query(min_length=2, max_length=1000, description="An absolute folder on the server.")],
) -> Response:
    """What is live there, how it came there, and what else is there."""
    place = place_of(target)
    await held_to(runtime, place, by=caller.principal, workspace=caller.workspace, permission=Permission.READ)
    found = await runtime.deployments.look(caller.workspace, place)
    return answer(
        LiveShown(
            target=found.target,
            live=found.tree or None,
            mission=found.mission or None,
            releases=list(found.releases),
            history=[
                {
                    "action": each.row.action,
                    "mission": each.row.mission,
                    "release": each.row.tree or None,
                    "state": each.state.value,
                    "at": iso(each.row.at_us),
                }
                for each in found.history
            ],
        )
    )


@ROUTES.get("/why", response_model=StoryShown, summary="Why something was, or was not, done")
async def why_(
    caller: Asking,
    runtime: Open,
    id: Annotated[str, Query(min_length=1, max_length=400, description="An action, an effect key or a mission.")],  # noqa: A002 - the parameter's name in the API
) -> Response:
    """The story of an action, an effect across its attempts, or all of a mission that isn't plainly done."""
    await reading(
        runtime.store,
        lambda tx: require(
            tx, caller.principal, workspace=caller.workspace, permission=Permission.READ, resource=_MISSION
        ),
    )
    story = await why(runtime.store, id, workspace=caller.workspace, prove=prover(runtime.store))
    return answer(StoryShown.model_validate(story.as_json()))


def queue_shown(line: Line) -> QueueShown:
    """The queue."""
    return QueueShown(
        running=[_queued(one) for one in line.running],
        waiting=[_queued(one) for one in line.waiting],
        workers=line.workers,
        slots=line.slots,
        plan=line.plan.name.value,
        parallel_missions=line.plan.parallel_missions,
        queued_missions=line.plan.queued_missions,
        hint=line.hint,
        paused_since=iso(line.paused_us) if line.paused_us else None,
        paused_home=line.paused_home,
    )


def _queued(one: Queued) -> QueuedItem:
    return QueuedItem(**place_shown(one.place).model_dump(), title=one.title, pack=one.pack, reason=one.reason)
