"""Breakers: the circuits of outside services."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.guard.breaker import Phase
from remit.guard.breakers import LONGEST_REASON, CircuitView, Order, list_circuits, move
from remit.kernel.clock import iso
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, bad_cursor, cut
from remit.serve.api.reads import read

BREAKERS = "/api/v1/breakers"
ROUTES = APIRouter(prefix=BREAKERS, tags=["breakers"])
ACCESS = (
    Access("GET", BREAKERS, Permission.READ, Resource.WORKSPACE),
    Access("POST", f"{BREAKERS}/moves", Permission.ADMIN, Resource.WORKSPACE),
)


class BreakerShown(Shown):
    """A circuit that opened at least once."""

    model_config = example(
        kind="model", operation="acme/large", phase="open", why="5 failures in a row", moved_by="",
        changed_at="2026-11-22T00:00:00Z", until=None, trials=0, successes=0, trips=1, trips_ever=3, tripped_at=None,
    )  # fmt: skip

    kind: str
    operation: str
    phase: Phase
    why: str
    moved_by: str = Field(description="Who moved it; empty: it did by itself.")
    changed_at: str
    until: str | None = Field(description="When it may be tried again; null: it isn't open, or open until it is reset.")
    trials: int
    successes: int
    trips: int = Field(description="In a row.")
    trips_ever: int
    tripped_at: str | None


class MoveAsked(Asked):
    """Hold a circuit open until it is reset, or close (reset) it."""

    model_config = example(kind="model", operation="acme/large", to="closed", reason="they say it works again")

    kind: str = Field(min_length=1, max_length=64)
    operation: str = Field(min_length=1, max_length=256)
    to: str = Field(pattern="^(open|closed)$")
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


@ROUTES.get("", response_model=Page[BreakerShown], summary="List breakers")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Every circuit that ever opened: those that aren't closed first."""
    await read(runtime, caller, lambda _tx: None)
    found = await list_circuits(runtime.store, workspace=caller.workspace)
    if paging.after is not None:
        match paging.after:
            case (int(closed), str(kind), str(operation)):
                after = (bool(closed), kind, operation)
            case _:
                raise bad_cursor()
        found = [view for view in found if (view.phase is Phase.CLOSED, view.kind, view.operation) > after]
    shown, following = cut(found, paging, lambda view: (int(view.phase is Phase.CLOSED), view.kind, view.operation))
    return answer(Page[BreakerShown](items=[_shown(view) for view in shown], next=following))


@ROUTES.post("/moves", response_model=BreakerShown, summary="Reset or open a breaker")
async def moved(caller: Asking, runtime: Open, asked: MoveAsked) -> Response:
    """Every process obeys within a quarter of a second; audited with its reason."""
    view = await move(
        runtime.store,
        Order(caller.workspace, asked.kind, asked.operation),
        opened=asked.to == "open",
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    return answer(_shown(view))


def _shown(view: CircuitView) -> BreakerShown:
    return BreakerShown(
        kind=view.kind,
        operation=view.operation,
        phase=view.phase,
        why=view.why,
        moved_by=view.moved_by,
        changed_at=iso(view.changed_us),
        until=None if view.until_us is None else iso(view.until_us),
        trials=view.trials,
        successes=view.successes,
        trips=view.trips,
        trips_ever=view.trips_ever,
        tripped_at=iso(view.tripped_us) if view.tripped_us else None,
    )
