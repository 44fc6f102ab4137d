"""Answers of models that are kept and given again: which, what that spared, and giving them up. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission
from remit.models.cache_orders import clear, list_answers, stats
from remit.serve.api.access import Access
from remit.serve.api.answers import Shown, answer
from remit.serve.api.caller import Asking, Open

ROUTES = APIRouter(prefix="/api/v1/kept-answers", tags=["kept-answers"])
ACCESS = (
    Access("GET", "/api/v1/kept-answers", Permission.ADMIN),
    Access("GET", "/api/v1/kept-answers/statistics", Permission.ADMIN),
    Access("DELETE", "/api/v1/kept-answers", Permission.ADMIN),
)


class KeptAnswer(Shown):
    """A kept answer from outside: never what it says."""

    hash: str
    target: str = Field(description="`provider/model`.")
    wire: str
    kept_at: str
    until: str
    used_at: str
    hits: int
    bytes: int
    saves_usd: str = Field(description="What each time that it is given again spares.")


class KeptAnswers(Shown):
    """The answers that may be given now, the last given first."""

    items: list[KeptAnswer]


class OfTarget(Shown):
    """What is kept of one model."""

    target: str
    entries: int
    bytes: int
    hits: int


class KeptStatistics(Shown):
    """What is kept, and what it has spared."""

    entries: int
    bytes: int
    kept_answers: int = Field(description="Given again.")
    model_calls: int
    hit_rate: float | None = Field(description="Of all calls of models; null: there was none.")
    saved_usd: str
    targets: list[OfTarget]


class GivenUp(Shown):
    """How many were given up."""

    cleared: int


@ROUTES.get("", response_model=KeptAnswers, summary="List kept answers")
async def list_(caller: Asking, runtime: Open, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
    """Which answers may be given now; what they say is not read."""
    found = await list_answers(runtime.store, caller.workspace, by=caller.principal, clock=runtime.clock, limit=limit)
    return answer(KeptAnswers(items=[KeptAnswer.model_validate(view.as_json()) for view in found]))


@ROUTES.get("/statistics", response_model=KeptStatistics, summary="What kept answers spare")
async def statistics(caller: Asking, runtime: Open) -> Response:
    """How much is kept, how often it was given again, and what that spared."""
    found = await stats(runtime.store, caller.workspace, by=caller.principal)
    return answer(KeptStatistics.model_validate(found.as_json()))


@ROUTES.delete("", response_model=GivenUp, summary="Give up kept answers")
async def give_up(
    caller: Asking,
    runtime: Open,
    reason: Annotated[str, Query(min_length=1, max_length=500, description="For the audit log.")],
    target: Annotated[str, Query(max_length=200, description="Only this `provider/model`; empty: all.")] = "",
) -> Response:
    """Every kept answer, or a model's: no process gives them again after half a second."""
    gone = await clear(
        runtime.store,
        caller.workspace,
        by=caller.principal,
        reason=runtime.redactor.mask(reason),
        target=target,
    )
    return answer(GivenUp(cleared=gone))
