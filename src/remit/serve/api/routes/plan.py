"""The plan: how much of everything the workspace may use."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.plans import PlanName
from remit.accounts.roles import Permission, Resource
from remit.accounts.workspaces import set_plan, show_plan
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example, resource
from remit.serve.api.caller import Asking, Open

PLAN = "/api/v1/plan"
ROUTES = APIRouter(prefix=PLAN, tags=["plan"])
ACCESS = (
    Access("GET", PLAN, Permission.READ, Resource.WORKSPACE),
    Access("PUT", PLAN, Permission.ADMIN, Resource.PLAN),
)


class PlanShown(Shown):
    """The plan in force."""

    model_config = example(plan="pro", numbers={"parallel_missions": 4, "members": None}, own=[], plans=["free", "pro"])

    plan: PlanName
    numbers: dict[str, int | None] = Field(description="Each by its name; null: no limit.")
    own: list[str] = Field(description="Those that are the workspace's own, not the plan's.")
    plans: list[PlanName] = Field(description="Every plan, smallest first.")


class PlanAsked(Asked):
    """The plan that is to hold, with the numbers that are to differ from it."""

    model_config = example(plan="pro", numbers={"parallel_missions": 8})

    plan: PlanName
    numbers: dict[str, int | None] = Field(default={}, max_length=16, description="Null: no limit, where that can be.")


@ROUTES.get("", response_model=PlanShown, summary="Show the plan")
async def show(request: Request, caller: Asking, runtime: Open) -> Response:
    """The plan in force, every number, and which of them are the workspace's own."""
    told = await show_plan(runtime.store, workspace=caller.workspace, by=caller.principal)
    return resource(request, PlanShown.model_validate(told))


@ROUTES.put("", response_model=PlanShown, summary="Set the plan")
async def set_(caller: Asking, runtime: Open, asked: PlanAsked) -> Response:
    """Put the workspace on a plan; an owner's order, audited with what held before."""
    await set_plan(runtime.store, asked.plan, workspace=caller.workspace, by=caller.principal, numbers=asked.numbers)
    told = await show_plan(runtime.store, workspace=caller.workspace, by=caller.principal)
    return answer(PlanShown.model_validate(told))
