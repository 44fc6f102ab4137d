"""Around a deployment: what it would change, a person's word on what is deployed, and the way back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.guard.evidence import attest
from remit.kernel.clock import iso
from remit.kernel.errors import NotFound
from remit.kernel.ids import check_id
from remit.kernel.ports import ReadTx
from remit.missions.deploy_outlook import Outlook, read_outlook
from remit.missions.rows import read_mission
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.held import held
from remit.serve.api.routes.mission_models import Id
from remit.serve.api.targets import held_to, place_of

ROUTES = APIRouter(prefix="/api/v1/missions", tags=["missions"])
_ONE = "/api/v1/missions/{mission}"
ACCESS = (
    Access("GET", f"{_ONE}/deployments/plan", Permission.READ, Resource.MISSION),
    Access("POST", f"{_ONE}/deployments/back", Permission.WRITE, Resource.MISSION),
    Access("POST", f"{_ONE}/attestations", Permission.APPROVE),
)


class DeployPlan(Shown):
    """What deploying a mission to a place would change, and what is known and decided about that."""

    model_config = example(
        mission="0193a2f4-6b1e-7d20-9c55-3f0ae81c90a4",
        target="/srv/clinic",
        release="f1c2",
        live=None,
        summary="/srv/clinic: nothing is live, release f1c2 is to be",
        diff="",
        holds=["tests", "security"],
        fails=[],
        missing=["review"],
        approval=None,
        approval_state=None,
    )

    mission: str
    target: str
    release: str = Field(description="The tree that would be live.")
    live: str | None = Field(description="The tree that is.")
    summary: str
    diff: str = Field(description="Unified, masked.")
    holds: list[str] = Field(description="Critics, and people's words, that hold for this tree.")
    fails: list[str] = Field(description="Those that say no.")
    missing: list[str] = Field(description="What the shipped rules want to know and nobody has said.")
    approval: str | None = Field(description="The request that was made for this place last.")
    approval_state: str | None


class Back(Asked):
    """Where to switch back."""

    model_config = example(target="/srv/clinic")

    target: str = Field(min_length=2, max_length=1000, description="An absolute folder on the server.")


class SwitchedBack(Shown):
    """What is live again; `running`: it goes on, ask what is deployed there."""

    model_config = example(mission="0193a2f4-6b1e-7d20-9c55-3f0ae81c90a4", status="back", target="/srv/x", live="f1c2")

    mission: str
    status: Literal["back", "running"]
    target: str
    live: str | None


class Attestation(Asked):
    """A person's word on what no program can judge."""

    model_config = example(critic="review", reason="read every line", subject="")

    critic: Literal["review", "kyc", "compliance", "jurisdiction", "risk_ack"]
    reason: str = Field(min_length=1, max_length=2000, description="What the word rests on, for the audit log.")
    passed: bool = True
    subject: str = Field(
        default="", max_length=128, pattern=r"^[0-9a-f]*$", description="The tree it is about; empty: any."
    )


class Attested(Shown):
    """It is kept."""

    model_config = example(
        mission="0193a2f4-6b1e-7d20-9c55-3f0ae81c90a4",
        critic="review",
        subject="",
        passed=True,
        by="user:ada",
        at="2026-11-22T14:19:20Z",
    )

    mission: str
    critic: str
    subject: str
    passed: bool
    by: str
    at: str


@ROUTES.get("/{mission}/deployments/plan", response_model=DeployPlan, summary="What a deployment would change")
async def plan(
    caller: Asking,
    runtime: Open,
    mission: Id,
    target: Annotated[str, Query(min_length=2, max_length=1000, description="An absolute folder on the server.")],
) -> Response:
    """The difference to what is live, what is known of the tree, and where its approval stands; nothing is written."""
    which, place = check_id(mission, "mission"), place_of(target)
    await held_to(runtime, place, by=caller.principal, workspace=caller.workspace, permission=Permission.READ)
    now_us = runtime.missions.deps.now()

    def op(tx: ReadTx) -> Outlook:
        return read_outlook(tx, caller.workspace, which, place, now_us=now_us)

    found = await reading(runtime.store, op)
    if not found.mission.tree:
        message = "This mission has no files yet that could be deployed."
        raise NotFound(message, code="deploy.unfinished", hint=f"GET /api/v1/missions/{which}")
    live = await runtime.deployments.look(caller.workspace, place)
    preview = await runtime.deployments.preview(caller.workspace, which, place)
    return answer(
        DeployPlan(
            mission=which,
            target=place,
            release=found.mission.tree,
            live=live.tree or None,
            summary=preview.summary,
            diff=preview.diff,
            holds=[each.critic for each in found.evidence if each.holds],
            fails=[each.critic for each in found.evidence if not each.holds],
            missing=list(found.missing),
            approval=found.request.id if found.request is not None else None,
            approval_state=found.request_state or None,
        )
    )


@ROUTES.post("/{mission}/deployments/back", response_model=SwitchedBack, status_code=202, summary="Switch back")
async def back(caller: Asking, runtime: Open, mission: Id, asked: Back) -> Response:
    """Make live again what was before this mission's deployment, while its release is the live one."""
    which, place = check_id(mission, "mission"), place_of(asked.target)
    await held_to(runtime, place, by=caller.principal, workspace=caller.workspace)
    order = runtime.deployments.switch_back(caller.workspace, which, place, actor=caller.principal)
    live = await held(order, what=f"switch back {which}")
    made = SwitchedBack(mission=which, status="running" if live is None else "back", target=place, live=live or None)
    return answer(made, 202)


@ROUTES.post("/{mission}/attestations", response_model=Attested, status_code=201, summary="Attest of a mission")
async def attestation(caller: Asking, runtime: Open, mission: Id, asked: Attestation) -> Response:
    """Give your word on what no program can judge; a deployment to production wants `review`."""
    which = check_id(mission, "mission")

    def op(tx: ReadTx) -> None:
        require(tx, caller.principal, workspace=caller.workspace, permission=Permission.APPROVE)
        read_mission(tx, caller.workspace, which)

    await reading(runtime.store, op)
    made = await attest(
        runtime.store,
        asked.critic,
        workspace=caller.workspace,
        mission=which,
        subject=asked.subject,
        passed=asked.passed,
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    return answer(
        Attested(
            mission=which,
            critic=made.critic,
            subject=made.subject,
            passed=made.passed,
            by=made.source,
            at=iso(made.at_us),
        ),
        201,
    )
