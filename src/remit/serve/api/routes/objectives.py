"""Error budgets: what may fail, what has, and how fast more of it does."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission
from remit.kernel.clock import iso, micros_of
from remit.missions.objectives import error_budgets
from remit.serve.api.access import Access
from remit.serve.api.answers import Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.reads import read

ROUTES = APIRouter(prefix="/api/v1/error-budgets", tags=["operations"])
ACCESS = (Access("GET", "/api/v1/error-budgets", Permission.READ),)


class BurnShown(Shown):
    """How fast a budget burns over so many hours."""

    hours: int
    rate: float = Field(description="1 uses it up in exactly four weeks.")
    call: float = Field(description="At this rate somebody should be called.")


class ErrorBudgetShown(Shown):
    """An objective over four weeks, and what is used of what may fail."""

    model_config = example(
        what="actions", objective=0.95, good=970, bad=30, used=0.6, burns=[{"hours": 1, "rate": 0.0, "call": 14.4}],
        since=None,
    )  # fmt: skip

    what: str
    objective: float
    good: int
    bad: int
    used: float = Field(description="As a share: `bad / (good + bad) / (1 - objective)`; above 1 it is missed.")
    burns: list[BurnShown]
    since: str | None = Field(description="Only the newest 5000 were counted, from then on; null: all of four weeks.")


class ErrorBudgetsShown(Shown):
    """Every objective."""

    items: list[ErrorBudgetShown]


@ROUTES.get("", response_model=ErrorBudgetsShown, summary="Error budgets")
async def list_(caller: Asking, runtime: Open) -> Response:
    """Those of actions and missions, against the settings `objective_actions` and `objective_missions`."""
    now_us = micros_of(runtime.clock.now())
    found = await read(runtime, caller, lambda tx: error_budgets(tx, caller.workspace, runtime.settings, now_us=now_us))
    shown = [asdict(one) | {"since": iso(one.since_us) if one.capped else None} for one in found]
    return answer(ErrorBudgetsShown(items=[ErrorBudgetShown.model_validate(one) for one in shown]))
