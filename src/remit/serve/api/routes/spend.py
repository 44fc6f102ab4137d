"""What was used and what it cost, call by call and added up; budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, Limit, remove_limit
from remit.accounts.roles import Permission, Resource
from remit.bootstrap import Runtime
from remit.guard.budget_limits import BudgetView, read_budgets
from remit.guard.budget_rollup import By, Used, Where
from remit.kernel.canonical import Json
from remit.kernel.clock import micros_of
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.missions.limits import limit_spending
from remit.models import spending as spent
from remit.models import usage as used
from remit.models.true_up_order import order_true_up
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example, nothing
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, write_cursor
from remit.serve.edge.identity import Caller

ROUTES = APIRouter(prefix="/api/v1", tags=["spend"])
ACCESS = (
    Access("GET", "/api/v1/spend", Permission.READ, Resource.BUDGET),
    Access("GET", "/api/v1/usage", Permission.READ, Resource.BUDGET),
    Access("GET", "/api/v1/usage/calls", Permission.READ, Resource.BUDGET),
    Access("POST", "/api/v1/usage/true-up", Permission.ADMIN, Resource.BUDGET),
    Access("GET", "/api/v1/budgets", Permission.READ, Resource.BUDGET),
    Access("PUT", "/api/v1/budgets", Permission.ADMIN, Resource.BUDGET),
    Access("DELETE", "/api/v1/budgets", Permission.ADMIN, Resource.BUDGET),
)

type Name = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
type Filter = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
type When = Annotated[datetime | None, Query(description="An ISO time; UTC when it names no zone.")]


@dataclass(frozen=True, slots=True)
class Only:
    """Which usage: of whom, and from when to when."""

    where: Where
    since_us: int
    until_us: int | None


async def _only(
    *,
    agent: Filter = "",
    user: Filter = "",
    key: Filter = "",
    mission: Filter = "",
    provider: Filter = "",
    model: Filter = "",
    kind: Filter = "",
    since: When = None,
    until: When = None,
) -> Only:
    where = Where(agent, user, key, mission, provider, model, kind)
    return Only(where, _micros(since) or 0, _micros(until))


#: A route's parameter: only what fits.
Wanted = Annotated[Only, Depends(_only)]


class CostParts(Shown):
    """A cost by what it was for, in dollars."""

    tokens: str
    gpu: str
    storage: str
    network: str
    other: str


class UsedItem(Shown):
    """What a group used."""

    key: str = Field(description="Which group; `none`: what belongs to none.")
    attempts: int
    unknown_price: int = Field(description="Attempts whose price nobody knew: not in the cost.")
    cost_usd: str
    cost_parts_usd: CostParts
    estimated: int = Field(description="Attempts that were counted here, not by who bills.")
    kept_answers: int = Field(description="Answers that were kept and given again.")
    saved_usd: str = Field(description="What that saved.")
    corrected_usd: str = Field(description="What true-ups added to the cost, and is in it; may be below zero.")
    tokens_in: int
    tokens_out: int
    gpu_ms: int
    storage_bytes: int
    network_bytes: int
    tokens_cached: int = Field(description="Of `tokens_in`, read from a provider's cache.")
    tokens_cache_write: int = Field(description="Of `tokens_in`, written to a provider's cache.")
    share: float | None = Field(default=None, description="Of the whole known cost, 0 to 1.")


class OutlookShown(Shown):
    """Where the pace leads, if it stays."""

    spent_usd: str
    projected_usd: str
    ends_at: str
    window_hours: int = Field(description="Over how long the pace was measured.")


class Outlooks(Shown):
    """Where today and this month lead."""

    day: OutlookShown
    month: OutlookShown


class UsageReport(Shown):
    """What was used, by group."""

    by: By
    usage: list[UsedItem]
    total: UsedItem
    forecast: Outlooks


class CallItem(Shown):
    """One attempt."""

    action: str
    at: str
    seconds: float | None
    mission: str
    principal: str
    on_behalf_of: str
    key: str
    kind: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_cache_write: int | None = Field(description="null: from before anybody counted them.")
    estimated: bool
    kept: bool
    cost_usd: str | None = Field(description="null: nobody knows it, or the call is open.")
    reserved_usd: str
    saved_usd: str
    corrected_usd: str | None = Field(description="What true-ups added to the cost, and is in it. null: none did.")
    terms: dict[str, Json] = Field(
        description="What moved the price beside tokens: `service`, `raised`, `tools` that the provider ran, and those "
        "of them whose price nobody knows (`unpriced`)."
    )


class TrueUpAsked(Asked):
    """Which calls to reckon anew."""

    model_config = Asked.model_config | example(since="2026-11-01T00:00:00Z", until=None, dry_run=True)

    since: datetime = Field(description="Calls that began then or later; UTC when it names no zone.")
    until: datetime | None = Field(default=None, description="Calls that began before.")
    dry_run: bool = Field(default=False, description="Only tell what would be booked.")


class TruedUpModel(Shown):
    """The corrected calls of a model."""

    provider: str
    model: str
    calls: int
    charged_usd: str = Field(description="What they had been charged.")
    exact_usd: str = Field(description="What they cost.")
    over_usd: str = Field(description="What was charged too much; below zero: too little.")
    unknown: int


class TruedUp(Shown):
    """What was found, and (unless it was a dry run) booked."""

    dry_run: bool
    looked_at: int
    corrected: int
    unknown_price: int = Field(description="Calls whose price still nobody knows.")
    uncounted: int = Field(description="Calls from before tokens written to a cache were counted: left as they were.")
    booked_usd: str = Field(description="Below zero: less was spent than was thought.")
    models: list[TruedUpModel]


class BudgetForecast(Shown):
    """Where the pace of the last hours or days leads."""

    window_hours: int
    burned_usd: str
    projected_usd: str | None
    reached_at: str | None


class BudgetItem(Shown):
    """A limit and how it stands."""

    model_config = example(
        scope="workspace", name="", period="day", limit_usd="50", spent_usd="31.84", reserved_usd="0.71",
        left_usd="17.45", starts_at="2026-11-22T00:00:00Z", ends_at="2026-11-23T00:00:00Z", told_percent=[],
        forecast={"window_hours": 7, "burned_usd": "9.1", "projected_usd": "47.9", "reached_at": None},
    )  # fmt: skip

    scope: BudgetScope
    name: str
    period: Period
    limit_usd: str
    spent_usd: str
    reserved_usd: str
    left_usd: str
    starts_at: str | None
    ends_at: str | None
    told_percent: list[int] = Field(description="Thresholds that people were told of in this period.")
    forecast: BudgetForecast


class Budgets(Shown):
    """Every limit, the workspace's first."""

    items: list[BudgetItem]


class RefusedShown(Shown):
    """Actions that a budget refused in the span, of the 60 that were refused last."""

    count: int
    by_agent: dict[str, int]
    more: bool = Field(description="There may be others before them.")


class SpendShown(Shown):
    """What was spent in a span, in every way."""

    span: spent.Span
    total: UsedItem
    calls: int = Field(description="Calls of models, kept answers included.")
    models: list[UsedItem]
    teams: list[UsedItem]
    agents: list[UsedItem]
    users: list[UsedItem]
    keys: list[UsedItem]
    missions: list[UsedItem] = Field(description="The ten dearest.")
    curve_micros: list[int] = Field(description="Cumulative, by the end of each hour (a day) or day.")
    forecast: Outlooks
    budgets: list[BudgetItem]
    refused: RefusedShown


class NewBudget(Asked):
    """A limit."""

    model_config = Asked.model_config | example(scope="agent", name="coder", period="day", limit_usd="20")

    scope: BudgetScope
    name: Name = Field(default="", description="Of the agent, key or mission; empty for the workspace.")
    period: Period = Period.TOTAL
    limit_usd: str = Field(min_length=1, max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")


class BudgetSet(Shown):
    """A limit that holds now."""

    scope: BudgetScope
    name: str
    period: Period
    limit_usd: str
    before_usd: str | None = Field(description="What it was; null: there was none.")


@ROUTES.get("/spend", response_model=SpendShown, summary="What was spent")
async def overview(caller: Asking, runtime: Open, span: spent.Span = spent.Span.DAY) -> Response:
    """Today, seven days, this month or ninety days: in all, and by everything that it is counted by."""
    now_us = micros_of(runtime.clock.now())
    found = await _read(caller, runtime, lambda tx: spent.spending(tx, caller.workspace, span=span, now_us=now_us))
    shown = SpendShown(
        span=span,
        total=_used(found.total),
        calls=found.calls,
        models=[_used(each) for each in found.models],
        teams=[_used(each) for each in found.teams],
        agents=[_used(each) for each in found.agents],
        users=[_used(each) for each in found.users],
        keys=[_used(each) for each in found.keys],
        missions=[_used(each) for each in found.missions],
        curve_micros=list(found.curve),
        forecast=Outlooks.model_validate({"day": found.day.as_json(), "month": found.month.as_json()}),
        budgets=[_budget(view) for view in found.budgets],
        refused=RefusedShown(count=found.refused.count, by_agent=dict(found.refused.by_agent), more=found.refused.more),
    )
    return answer(shown)


@ROUTES.get("/usage", response_model=UsageReport, summary="Usage, added up")
async def usage(caller: Asking, runtime: Open, only: Wanted, by: By = By.AGENT) -> Response:
    """By agent, user, key, mission, provider, model, kind, hour or day: the dearest first, times in order.

    `since` counts from the full hour on in which it lies, `until` to the end of its own.
    """
    now_us = micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> used.Report:
        return used.usage(
            tx, caller.workspace, by=by, now_us=now_us, since_us=only.since_us, until_us=only.until_us, where=only.where
        )

    return answer(UsageReport.model_validate((await _read(caller, runtime, op)).as_json()))


@ROUTES.get("/usage/calls", response_model=Page[CallItem], summary="List calls")
async def calls(caller: Asking, runtime: Open, paging: AskedPage, only: Wanted) -> Response:
    """Every attempt that cost or used something, newest first. A page may be short, or empty, and `next` go on."""
    place = paging.timed()

    def op(tx: ReadTx) -> used.Page:
        return used.calls(
            tx,
            caller.workspace,
            where=only.where,
            since_us=only.since_us,
            until_us=only.until_us,
            after="" if place is None else f"{place[0]}.{place[1]}",
            limit=paging.limit,
        )

    found = await _read(caller, runtime, op)
    at, _, action = found.after.partition(".")
    following = write_cursor((int(at), action)) if found.after else None
    return answer(
        Page[CallItem](items=[CallItem.model_validate(each.as_json()) for each in found.calls], next=following)
    )


@ROUTES.post("/usage/true-up", response_model=TruedUp, summary="True prices up")
async def true_up(caller: Asking, runtime: Open, asked: TrueUpAsked) -> Response:
    """Reckon the calls of a span anew, at the prices that are right now, and book the difference in the budgets.

    Sent again, with no price changed meanwhile, it changes nothing.
    """
    found = await order_true_up(
        runtime.store,
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        since_us=_micros(asked.since) or 0,
        until_us=_micros(asked.until),
        dry_run=asked.dry_run,
    )
    return answer(TruedUp.model_validate(found.as_json()))


@ROUTES.get("/budgets", response_model=Budgets, summary="List budgets")
async def budgets(caller: Asking, runtime: Open) -> Response:
    """Every limit with what is spent, reserved and left, and where the pace leads."""
    now_us = micros_of(runtime.clock.now())
    found = await _read(caller, runtime, lambda tx: read_budgets(tx, caller.workspace, now_us=now_us))
    return answer(Budgets(items=[_budget(view) for view in found]))


@ROUTES.put("/budgets", response_model=BudgetSet, summary="Set a budget")
async def set_(caller: Asking, runtime: Open, asked: NewBudget) -> Response:
    """Let the workspace, an agent, a key or a mission spend at most so much in each period."""
    wanted, amount = Limit(asked.scope, asked.name, asked.period), usd(asked.limit_usd)
    before = await limit_spending(
        runtime.store, wanted, amount, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    told = None if before is None else str(Money(before).usd)
    shown = BudgetSet(
        scope=asked.scope, name=asked.name, period=asked.period, limit_usd=str(amount.usd), before_usd=told
    )
    return answer(shown)


@ROUTES.delete("/budgets", status_code=204, summary="Remove a budget")
async def remove(
    caller: Asking, runtime: Open, scope: BudgetScope, name: Filter = "", period: Period = Period.TOTAL
) -> Response:
    """Take a limit away: from then on the scope may spend without it."""
    await remove_limit(runtime.store, Limit(scope, name, period), workspace=caller.workspace, by=caller.principal)
    return nothing()


async def _read[T](caller: Caller, runtime: Runtime, op: Callable[[ReadTx], T]) -> T:
    """What whoever may look is shown, in one snapshot.

    Raises:
        Refused: They may not.
    """

    def asked(tx: ReadTx) -> T:
        who, workspace = caller.principal, caller.workspace
        require(tx, who, workspace=workspace, permission=Permission.READ, resource=Resource.BUDGET)
        return op(tx)

    return await reading(runtime.store, asked)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else max(micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)), 0)


def _used(one: Used) -> UsedItem:
    return UsedItem.model_validate(one.as_json())


def _budget(view: BudgetView) -> BudgetItem:
    return BudgetItem.model_validate(view.as_json())
