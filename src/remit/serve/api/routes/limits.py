"""Limits of rate: which hold, what is left of them, setting one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.guard import rate_limits
from remit.guard.rate_limits import FOREVER_US, Limit, Limits, Measure, Per
from remit.guard.rate_use import Use, read_use
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example, nothing, resource, unchanged
from remit.serve.api.caller import Asking, Open
from remit.serve.api.reads import read

LIMITS = "/api/v1/limits"
_ONE = f"{LIMITS}/{{limit}}"
ROUTES = APIRouter(prefix=LIMITS, tags=["limits"])
ACCESS = (
    Access("GET", LIMITS, Permission.READ, Resource.WORKSPACE),
    Access("GET", _ONE, Permission.READ, Resource.WORKSPACE),
    Access("PUT", _ONE, Permission.ADMIN, Resource.WORKSPACE),
    Access("POST", f"{_ONE}/off", Permission.ADMIN, Resource.WORKSPACE),
    Access("DELETE", _ONE, Permission.ADMIN, Resource.WORKSPACE),
)

Name = Annotated[str, Path(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9._-]*$")]


class LimitShown(Shown):
    """A limit in force."""

    model_config = example(
        name="coder.minute", per="agent", amount=20, period_s=60, measure="requests", kind="model",
        agent_kind="coder", target="", burst=0, plan="rate_factor", key="", text="20 model requests a minute",
    )  # fmt: skip

    name: str
    per: Per = Field(description="Who shares it.")
    amount: int
    period_s: int = Field(description="Seconds; 0: in all, nothing comes back.")
    measure: Measure
    kind: str = Field(description="The effects that it holds for.")
    agent_kind: str = Field(description="Agents of this kind only; empty: all.")
    target: str = Field(description="This tool, model or domain only; empty: all.")
    burst: int = Field(description="At once; 0: the amount.")
    plan: str = Field(description="The plan's figure that goes with it; empty: none.")
    key: str = Field(description="The virtual key that it is of; empty: none.")
    text: str


class UseShown(Shown):
    """What is used of a limit that is not full."""

    model_config = example(limit="coder.minute", whose="coder", used=3, remaining=17, full_in_s=9.0)

    limit: str
    whose: str = Field(description="Empty: the workspace.")
    used: int
    remaining: int
    full_in_s: float | None = Field(description="Seconds until it is full again; null: never.")


class LimitsShown(Shown):
    """The limits of a workspace; what no line of `used` names is full."""

    plan: str
    limits: list[LimitShown]
    used: list[UseShown] = Field(description="At most 1000.")


class LimitAsked(Asked):
    """What a limit is to be. Of one in force, what is left out stays; a new one needs amount, period and who."""

    model_config = example(amount=20, period_s=60, per="agent", agent_kind="coder")

    amount: int | None = None
    period_s: int | None = None
    burst: int | None = None
    measure: Measure | None = None
    per: Per | None = None
    kind: str | None = Field(default=None, max_length=64)
    agent_kind: str | None = Field(default=None, max_length=64)
    target: str | None = Field(default=None, max_length=256)


@ROUTES.get("", response_model=LimitsShown, summary="List limits")
async def list_(request: Request, caller: Asking, runtime: Open) -> Response:
    """Every limit in force, and what is used of those that are not full."""

    def op(tx: ReadTx) -> tuple[Limits, list[Use]]:
        known = rate_limits.read_limits(tx, caller.workspace)
        return known, read_use(tx, caller.workspace, known)

    known, used = await read(runtime, caller, op)
    limits = [_shown(limit) for limit in known.by_name.values()]
    return resource(request, LimitsShown(plan=known.plan.name.value, limits=limits, used=[_used(use) for use in used]))


@ROUTES.get("/{limit}", response_model=LimitShown, summary="Show a limit")
async def show(request: Request, limit: Name, caller: Asking, runtime: Open) -> Response:
    """One limit in force."""
    return resource(request, await read(runtime, caller, lambda tx: _find(tx, caller.workspace, limit)))


@ROUTES.put("/{limit}", response_model=LimitShown, summary="Set a limit")
async def set_(request: Request, limit: Name, caller: Asking, runtime: Open, asked: LimitAsked) -> Response:
    """Change a limit of this workspace, or make one of its own. Audited; it holds within a quarter of a second."""
    given = {name: value for name, value in asked.model_dump(mode="json").items() if value is not None}
    known = await runtime.store.read(lambda tx: rate_limits.read_limits(tx, caller.workspace))
    wanted = rate_limits.changed(limit, known.by_name.get(limit), given)
    with unchanged(request, lambda tx: _find(tx, caller.workspace, limit)):
        await rate_limits.set_limit(
            runtime.store, wanted, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
        )
    return answer(_shown(wanted))


@ROUTES.post("/{limit}/off", status_code=204, summary="Take a limit out of force")
async def off(limit: Name, caller: Asking, runtime: Open) -> Response:
    """In this workspace nothing is held to it any more, until it is set or forgotten."""
    await rate_limits.lift_limit(
        runtime.store, limit, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return nothing()


@ROUTES.delete("/{limit}", status_code=204, summary="Forget what was set of a limit")
async def forget(limit: Name, caller: Asking, runtime: Open) -> Response:
    """The workspace's own order about it goes: what is shipped under that name holds again, if anything is."""
    await rate_limits.reset_limit(
        runtime.store, limit, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return nothing()


def _find(tx: ReadTx, workspace: str, name: str) -> LimitShown:
    found = rate_limits.read_limits(tx, workspace).by_name.get(name)
    if found is None:
        message = f"There is no limit {name!r}."
        raise NotFound(message, code="rate.limit", hint="remit limits")
    return _shown(found)


def _shown(limit: Limit) -> LimitShown:
    return LimitShown.model_validate({"key": "", **limit.as_json(), "text": str(limit)})


def _used(use: Use) -> UseShown:
    never = use.full_in_us >= FOREVER_US // 2
    return UseShown(
        limit=use.limit.name,
        whose=use.subject,
        used=use.used,
        remaining=use.remaining,
        full_in_s=None if never else use.full_in_us / 1_000_000,
    )
