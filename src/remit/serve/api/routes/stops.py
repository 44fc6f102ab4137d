"""The kill switch: what is stopped and was, what a stop would reach, stopping and letting go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts import kills
from remit.accounts.agent_listing import StopRow, newest_stop, stops_page
from remit.accounts.kills import LONGEST_REASON, KillScope, Mode, Target
from remit.accounts.roles import Permission, Resource
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import InternalError
from remit.kernel.ports import ReadTx
from remit.missions.stopping import Reach, under_way
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.api.reads import read

STOPS = "/api/v1/stops"
ROUTES = APIRouter(prefix=STOPS, tags=["stops"])
ACCESS = (
    Access("GET", STOPS, Permission.READ, Resource.AGENT),
    Access("GET", f"{STOPS}/reach", Permission.READ, Resource.AGENT),
    Access("POST", STOPS, Permission.WRITE, Resource.AGENT),
    Access("POST", f"{STOPS}/lift", Permission.ADMIN, Resource.AGENT),
)


class StopShown(Shown):
    """Something that was stopped or paused."""

    model_config = example(
        id="019d7a0e-7c00-7000-8000-000000000001",
        scope="agent",
        name="coder",
        mode="kill",
        reason="it reads too much",
        by="user:ann",
        at="2026-11-22T00:00:00Z",
        in_force=True,
        lifted_by=None,
        lifted_at=None,
        lifted_reason=None,
    )

    id: str
    scope: KillScope
    name: str = Field(description="What of that scope; empty for the install.")
    mode: Mode = Field(description="`kill`: what runs is cancelled; `pause`: it may finish.")
    reason: str
    by: str
    at: str
    in_force: bool
    lifted_by: str | None
    lifted_at: str | None
    lifted_reason: str | None


class ReachShown(Shown):
    """What a stop would reach, if it were given now."""

    model_config = example(agents=1, running=2, queued=3, calls=1, requests=1, keys=0, more=False)

    agents: int = Field(description="Agents that start nothing more.")
    running: int = Field(description="Missions that go on or wait for a person, with a step of such an agent.")
    queued: int = Field(description="Missions in line, which go on waiting.")
    calls: int = Field(description="Effects under way: a kill cuts them off, a pause lets them finish.")
    requests: int = Field(description="Open requests for approval, of no use until the stop is lifted.")
    keys: int = Field(description="Keys of the gateway that are refused.")
    more: bool = Field(description="Whether there is more than was counted.")


class Order(Asked):
    """What to stop or let go, and why."""

    model_config = example(scope="agent", name="coder", mode="kill", reason="it reads too much")

    scope: KillScope
    name: str = Field(default="", max_length=64, description="What of that scope; empty for the install.")
    mode: Mode = Mode.KILL
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


@ROUTES.get("", response_model=Page[StopShown], summary="List stops")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """What is or was stopped, newest first."""
    after = paging.timed()

    def op(tx: ReadTx) -> list[StopRow]:
        return stops_page(tx, caller.workspace, after=after, limit=paging.limit + 1)

    shown, following = cut(
        await read(runtime, caller, op, resource=Resource.AGENT), paging, lambda row: (row.at_us, row.id)
    )
    return answer(Page[StopShown](items=[_shown(row) for row in shown], next=following))


@ROUTES.get("/reach", response_model=ReachShown, summary="What a stop would reach")
async def reach(
    caller: Asking,
    runtime: Open,
    scope: Annotated[KillScope, Query()],
    name: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """What would stop, counted now: ask before the order is given."""
    target = Target(scope, name)
    now_us = micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> Reach:
        return under_way(tx, caller.workspace, now_us=now_us).reach(target)

    found = await read(runtime, caller, op, resource=Resource.AGENT)
    return answer(ReachShown.model_validate(found, from_attributes=True))


@ROUTES.post("", response_model=StopShown, status_code=201, summary="Stop or pause")
async def stop(caller: Asking, runtime: Open, asked: Order) -> Response:
    """Stop an agent, a mission, a team or the install: it holds within a second, in every process.

    Whoever may write there may stop there; the whole install takes an owner.
    """
    order = kills.pause if asked.mode is Mode.PAUSE else kills.kill
    target = Target(asked.scope, asked.name)
    await order(
        runtime.store,
        target,
        workspace=caller.workspace,
        reason=asked.reason,
        by=caller.principal,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    made = await runtime.store.read(lambda tx: newest_stop(tx, caller.workspace, target, asked.mode))
    if made is None:
        message = "A stop that was just given can't be found."
        raise InternalError(message)
    return created(_shown(made), STOPS)


@ROUTES.post("/lift", status_code=204, summary="Let go")
async def lift(caller: Asking, runtime: Open, asked: Order) -> Response:
    """Lift a stop or a pause: new work may start; what was cancelled stays cancelled. Takes an administrator."""
    order = kills.resume if asked.mode is Mode.PAUSE else kills.unkill
    target = Target(asked.scope, asked.name)
    await order(
        runtime.store,
        target,
        workspace=caller.workspace,
        reason=asked.reason,
        by=caller.principal,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    return nothing()


def _shown(row: StopRow) -> StopShown:
    return StopShown(
        id=row.id,
        scope=row.scope,
        name=row.name,
        mode=row.mode,
        reason=row.reason,
        by=row.by,
        at=iso(row.at_us),
        in_force=row.lifted_us is None,
        lifted_by=row.lifted_by,
        lifted_at=None if row.lifted_us is None else iso(row.lifted_us),
        lifted_reason=row.lifted_reason,
    )
