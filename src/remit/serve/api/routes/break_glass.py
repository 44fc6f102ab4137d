"""Break-glass: one person asks to lift a stop, rule or policy for minutes, another confirms."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts import break_glass
from remit.accounts.break_glass import MOST_MINUTES, Grant, Lift, Lifts
from remit.accounts.kills import KillScope
from remit.accounts.reasons import LONGEST_REASON
from remit.accounts.roles import Permission, Resource
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.api.reads import read
from remit.serve.api.routes.mission_models import Id

GLASS = "/api/v1/break-glass"
_ONE = f"{GLASS}/{{grant}}"
ROUTES = APIRouter(prefix=GLASS, tags=["break-glass"])
ACCESS = (
    Access("GET", GLASS, Permission.READ, Resource.APPROVAL),
    Access("POST", GLASS, Permission.WRITE, Resource.APPROVAL),
    Access("GET", _ONE, Permission.READ, Resource.APPROVAL),
    Access("POST", f"{_ONE}/confirm", Permission.APPROVE, Resource.APPROVAL),
    Access("POST", f"{_ONE}/close", Permission.WRITE, Resource.APPROVAL),
)


class GrantShown(Shown):
    """A request for break-glass, and what became of it."""

    model_config = example(
        grant="019d7a0e-7c00-7000-8000-000000000001", status="open", lifts="stop", what="agent coder", scope="agent",
        name="coder", minutes=15, reason="the fix must go out", requested_by="user:ann", confirmed_by="user:ben",
        closed_by="", expires_at="2026-11-22T00:15:00Z", uses=1,
    )  # fmt: skip

    grant: str
    status: str = Field(description="`requested`, `open`, `closed` or `expired`.")
    lifts: Lifts
    what: str
    scope: KillScope = Field(description="What `name` is.")
    name: str = Field(description="For whom it holds.")
    minutes: int
    reason: str
    requested_by: str
    confirmed_by: str = Field(description="Empty: nobody has yet.")
    closed_by: str = Field(description="Empty: nobody ended it early.")
    expires_at: str
    uses: int = Field(description="Actions that it let through.")


class LiftAsked(Asked):
    """What is to be lifted, for whom and how long, and why."""

    model_config = example(
        lifts="stop", what="agent coder", scope="agent", name="coder", minutes=15, reason="the fix must go out"
    )

    lifts: Lifts = Lifts.STOP
    what: str = Field(
        min_length=1, max_length=128, description="`agent NAME`, `install` …; a rule's id; a policy's @id."
    )
    scope: KillScope = Field(default=KillScope.AGENT, description="What `name` is; never the install.")
    name: str = Field(min_length=1, max_length=64)
    minutes: int = Field(default=15, ge=1, le=MOST_MINUTES)
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class CloseAsked(Asked):
    """Why it ends."""

    model_config = example(reason="it is out")

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


@ROUTES.get("", response_model=Page[GrantShown], summary="List break-glass")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Every request and grant, newest first."""
    after = paging.timed()

    def op(tx: ReadTx) -> list[Grant]:
        return break_glass.glass_page(tx, caller.workspace, after=after, limit=paging.limit + 1)

    found = await read(runtime, caller, op, resource=Resource.APPROVAL)
    shown, following = cut(found, paging, lambda grant: (grant.requested_us, grant.id))
    now_us = micros_of(runtime.clock.now())
    return answer(Page[GrantShown](items=[_shown(grant, now_us) for grant in shown], next=following))


@ROUTES.post("", response_model=GrantShown, status_code=201, summary="Ask for break-glass")
async def ask(caller: Asking, runtime: Open, asked: LiftAsked) -> Response:
    """Nothing is lifted until another person confirms it, within the hour. Audited, as is every use."""
    made = await break_glass.request_glass(
        runtime.store,
        Lift(asked.lifts, asked.what, asked.scope, asked.name, asked.minutes),
        workspace=caller.workspace,
        reason=asked.reason,
        by=caller.principal,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    found = await runtime.store.read(lambda tx: break_glass.one_grant(tx, made, caller.workspace))
    return created(_shown(found, micros_of(runtime.clock.now())), f"{GLASS}/{made}")


@ROUTES.get("/{grant}", response_model=GrantShown, summary="Show break-glass")
async def show(request: Request, grant: Id, caller: Asking, runtime: Open) -> Response:
    """One request, and what became of it."""

    def op(tx: ReadTx) -> Grant:
        return break_glass.one_grant(tx, grant, caller.workspace)

    found = await read(runtime, caller, op, resource=Resource.APPROVAL)
    return resource(request, _shown(found, micros_of(runtime.clock.now())))


@ROUTES.post("/{grant}/confirm", response_model=GrantShown, summary="Confirm break-glass")
async def confirm(grant: Id, caller: Asking, runtime: Open) -> Response:
    """Open it, as another person than the one who asked: it lifts exactly what it names, for its minutes."""
    opened = await break_glass.confirm_glass(
        runtime.store, grant, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return answer(_shown(opened, micros_of(runtime.clock.now())))


@ROUTES.post("/{grant}/close", response_model=GrantShown, summary="End break-glass")
async def close(grant: Id, caller: Asking, runtime: Open, asked: CloseAsked) -> Response:
    """End it before its time; what it let start is stopped again within a second."""
    await break_glass.close_glass(
        runtime.store,
        grant,
        workspace=caller.workspace,
        reason=asked.reason,
        by=caller.principal,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    found = await runtime.store.read(lambda tx: break_glass.one_grant(tx, grant, caller.workspace))
    return answer(_shown(found, micros_of(runtime.clock.now())))


def _shown(grant: Grant, now_us: int) -> GrantShown:
    told = grant.as_json(now_us)
    del told["expires_us"]
    return GrantShown.model_validate({**told, "expires_at": iso(grant.expires_us)})
