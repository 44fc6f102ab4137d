"""Orders about missions: go on, go back, branch off, stop, deploy."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.kernel.canonical import Json
from remit.kernel.ids import check_id
from remit.missions.deployments import SMOKE, Deployed
from remit.missions.detail import show_mission
from remit.missions.queue_order import Priority
from remit.missions.rows import OnDrift
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.held import held
from remit.serve.api.routes.mission_models import Id, MissionShown, QueuePlace, mission_shown, place_shown
from remit.serve.api.targets import held_to, place_of

ROUTES = APIRouter(prefix="/api/v1/missions", tags=["missions"])
_ONE = "/api/v1/missions/{mission}"
ACCESS = tuple(
    Access(method, f"{_ONE}/{word}", Permission.WRITE, Resource.MISSION)
    for method, word in (
        *(("POST", "resume"), ("POST", "rollback"), ("POST", "branches"), ("POST", "cancel"), ("PUT", "priority")),
        ("POST", "deployments"),
    )
)
MOST_INPUT = 8 << 20


class Resume(Asked):
    """How to go on."""

    model_config = example(from_step="tests", drift="refuse")

    from_step: str = Field(default="", max_length=128, description="Run this step and what needs it again.")
    drift: OnDrift = Field(default=OnDrift.REFUSE, description="What to do about files that changed since their step.")


class Rollback(Asked):
    """How far back: everything, to a step's checkpoint, or without one feature."""

    model_config = example(to_step="scaffold")

    to_step: str = Field(default="", max_length=128)
    feature: str = Field(default="", max_length=200)


class Branch(Asked):
    """A variation that shares everything up to a finished step."""

    model_config = example(from_step="scaffold")

    from_step: str = Field(min_length=1, max_length=128)
    input: str | None = Field(default=None, max_length=MOST_INPUT, description="Another input; null: the same.")
    name: str = Field(default="input.yaml", min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f\x7f]+$")


class NewPriority(Asked):
    """Another class in the queue."""

    model_config = example(priority="high")

    priority: Literal["critical", "high", "normal", "low"]


class Deploy(Asked):
    """Where to deploy to, and what tests a release."""

    model_config = example(target="/srv/clinic", smoke=["python", "scripts/smoke.py"], keep=5)

    target: str = Field(min_length=2, max_length=1000, description="An absolute folder on the server.")
    smoke: list[str] = Field(default_factory=lambda: list(SMOKE), min_length=1, max_length=50)
    keep: int = Field(default=5, ge=1, le=100, description="Releases to keep.")


class DeployedShown(Shown):
    """What a deployment came to; `running`: it goes on, look at the mission's report."""

    model_config = example(
        mission="0193a2f4-6b1e-7d20-9c55-3f0ae81c90a4",
        status="deployed",
        target="/srv/clinic",
        release="f1c2",
        previous=None,
        live="f1c2",
        action="0193a2f4-6b1e-7d20-9c55-3f0ae81c90a5",
        text="",
    )

    mission: str
    status: Literal["deployed", "already", "switched_back", "smoke_failed", "running"]
    target: str
    release: str | None
    previous: str | None
    live: str | None
    action: str | None
    text: str


@ROUTES.post("/{mission}/resume", response_model=MissionShown, status_code=202, summary="Go on with a mission")
async def resume(caller: Asking, runtime: Open, mission: Id, asked: Resume) -> Response:
    """Order it to go on, by any worker. What is done stays done, but for `from_step` and what needs it."""
    order = runtime.missions.resume(
        caller.workspace,
        check_id(mission, "mission"),
        actor=caller.principal,
        from_step=asked.from_step,
        drift=asked.drift,
        queued=True,
    )
    await held(order, what=f"resume {mission}")
    return await _shown(caller, runtime, mission)


@ROUTES.post("/{mission}/rollback", response_model=MissionShown, status_code=202, summary="Roll a mission back")
async def rollback(caller: Asking, runtime: Open, mission: Id, asked: Rollback) -> Response:
    """Back to the start, to a step's checkpoint, or without one feature (what is left runs again, by any worker)."""
    order = runtime.missions.rollback(
        caller.workspace,
        check_id(mission, "mission"),
        actor=caller.principal,
        to_step=asked.to_step,
        feature=asked.feature,
        queued=True,
    )
    await held(order, what=f"rollback {mission}")
    return await _shown(caller, runtime, mission)


@ROUTES.post("/{mission}/branches", response_model=MissionShown, status_code=201, summary="Branch off a mission")
async def branch(caller: Asking, runtime: Open, mission: Id, asked: Branch) -> Response:
    """Start a variation at a finished step; it is queued at once."""
    other = None if asked.input is None else (asked.input.encode(), asked.name)
    child = await runtime.missions.branch(
        caller.workspace, mission, from_step=asked.from_step, actor=caller.principal, other=other
    )
    await runtime.missions.submit(caller.workspace, child, queued=True)
    detail = await show_mission(runtime.missions.deps, caller.workspace, child, by=caller.principal)
    return created(mission_shown(detail), f"/api/v1/missions/{child}")


@ROUTES.post("/{mission}/cancel", response_model=MissionShown, status_code=202, summary="Stop a mission")
async def cancel(caller: Asking, runtime: Open, mission: Id) -> Response:
    """End a mission that is queued, runs or waits; within a second when a worker holds it."""
    await held(runtime.missions.cancel(caller.workspace, mission, actor=caller.principal), what=f"cancel {mission}")
    return await _shown(caller, runtime, mission)


@ROUTES.put("/{mission}/priority", response_model=QueuePlace, summary="Move a waiting mission")
async def priority(caller: Asking, runtime: Open, mission: Id, asked: NewPriority) -> Response:
    """Give a waiting mission another class; `critical` takes an administrator."""
    found = await runtime.missions.move(
        caller.workspace, mission, Priority[asked.priority.upper()], actor=caller.principal
    )
    return answer(place_shown(found))


@ROUTES.post("/{mission}/deployments", response_model=DeployedShown, status_code=202, summary="Deploy a mission")
async def deploy(caller: Asking, runtime: Open, mission: Id, asked: Deploy) -> Response:
    """Test, ask, switch, test again. When a person must approve first (409), the same order goes on afterwards."""
    place = place_of(asked.target)
    await held_to(runtime, place, by=caller.principal, workspace=caller.workspace)
    order = runtime.deployments.deploy(
        caller.workspace,
        check_id(mission, "mission"),
        place,
        actor=caller.principal,
        smoke=tuple(asked.smoke),
        keep=asked.keep,
    )
    found = await held(order, what=f"deploy {mission}")
    return answer(_deployed(found, mission, place), 202)


def _deployed(found: Deployed | None, mission: str, place: str) -> DeployedShown:
    if found is None:
        none: dict[str, Json] = {"release": None, "previous": None, "live": None, "action": None, "text": ""}
        return DeployedShown.model_validate({"mission": mission, "status": "running", "target": place, **none})
    return DeployedShown.model_validate(found.as_json())


async def _shown(caller: Asking, runtime: Open, mission: str) -> Response:
    detail = await show_mission(runtime.missions.deps, caller.workspace, mission, by=caller.principal)
    return answer(mission_shown(detail), 202)
