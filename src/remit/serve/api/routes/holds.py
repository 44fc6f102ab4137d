"""Legal holds: what is neither pruned nor erased from the audit log while one is in force."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from remit.accounts.access import require
from remit.accounts.reasons import LONGEST_REASON, given
from remit.accounts.roles import Permission, Resource
from remit.audit import holds
from remit.audit.holds import Hold, Scope
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx, Tx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.api.reads import read
from remit.serve.edge.identity import Caller

HOLDS = "/api/v1/audit/holds"
ROUTES = APIRouter(prefix=HOLDS, tags=["holds"])
ACCESS = (
    Access("GET", HOLDS, Permission.READ, Resource.AUDIT),
    Access("POST", HOLDS, Permission.ADMIN, Resource.AUDIT),
    Access("DELETE", f"{HOLDS}/{{hold}}", Permission.ADMIN, Resource.AUDIT),
)

_NAME = "^[a-z0-9][a-z0-9._-]*$"


class HoldShown(Shown):
    """A legal hold in force."""

    model_config = example(name="case-17", subject="ann", mission="", since=None, until=None)

    name: str
    subject: str = Field(description="Only what is about this person; empty: anybody.")
    mission: str = Field(description="Only of this mission; empty: any.")
    since: str | None
    until: str | None


class HoldAsked(Asked):
    """What is to be held, and why."""

    model_config = example(name="case-17", subject="ann", reason="the court's letter of today")

    name: str = Field(min_length=1, max_length=64, pattern=_NAME)
    subject: str = Field(default="", max_length=256)
    mission: str = Field(default="", max_length=36)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


@ROUTES.get("", response_model=Page[HoldShown], summary="List legal holds")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Those in force, by name."""
    after = paging.text()
    found = await read(runtime, caller, lambda tx: holds.holds(tx, caller.workspace), resource=Resource.AUDIT)
    shown, following = cut([hold for hold in found if hold.name > after], paging, lambda hold: (hold.name,))
    return answer(Page[HoldShown](items=[_shown(hold) for hold in shown], next=following))


@ROUTES.post("", response_model=HoldShown, status_code=201, summary="Put a legal hold in force")
async def place(caller: Asking, runtime: Open, asked: HoldAsked) -> Response:
    """From now on what it covers is neither pruned nor erased, until it is released. Logged."""
    since, until = (0 if moment is None else max(micros_of(moment), 0) for moment in (asked.since, asked.until))
    placed = Hold(caller.workspace, asked.name, Scope(asked.subject, asked.mission, since, until))
    reason = given(asked.reason, mask=runtime.redactor.mask)

    def op(tx: Tx) -> None:
        holds.place_hold(tx, placed, by=caller.principal, reason=reason, allow=lambda tx: _allow(tx, caller))

    await runtime.store.commit("audit.hold", op)
    return created(_shown(placed), HOLDS)


@ROUTES.delete("/{hold}", status_code=204, summary="Release a legal hold")
async def release(
    hold: Annotated[str, Path(min_length=1, max_length=64, pattern=_NAME)],
    caller: Asking,
    runtime: Open,
    reason: Annotated[str, Query(min_length=1, max_length=LONGEST_REASON)],
) -> Response:
    """End it; logged with its reason."""
    why = given(reason, mask=runtime.redactor.mask)

    def op(tx: Tx) -> None:
        holds.release_hold(
            tx, hold, workspace=caller.workspace, by=caller.principal, reason=why, allow=lambda tx: _allow(tx, caller)
        )

    await runtime.store.commit("audit.release", op)
    return nothing()


def _allow(tx: ReadTx, caller: Caller) -> None:
    require(tx, caller.principal, workspace=caller.workspace, permission=Permission.ADMIN, resource=Resource.AUDIT)


def _shown(hold: Hold) -> HoldShown:
    scope = hold.scope
    since, until = (iso(moment) if moment else None for moment in (scope.since_us, scope.until_us))
    return HoldShown(name=hold.name, subject=scope.subject, mission=scope.mission, since=since, until=until)
