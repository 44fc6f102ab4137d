"""Providers, models, how they are, and who would be asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission
from remit.bootstrap import Runtime
from remit.kernel.canonical import Json
from remit.kernel.clock import micros_of
from remit.kernel.ports import ReadTx
from remit.models.catalogue import Deployment, ProviderStatus
from remit.models.health import Standing
from remit.models.orders import MoveProvider, order, told_of
from remit.models.router import Want
from remit.models.standing import LONGEST, ProviderStanding, Standings, close_circuits, explain, standings
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.edge.identity import Caller

ROUTES = APIRouter(prefix="/api/v1", tags=["models"])
ACCESS = (
    Access("GET", "/api/v1/providers"),
    Access("PUT", "/api/v1/providers/{provider}/status", Permission.ADMIN),
    Access("GET", "/api/v1/models"),
    Access("GET", "/api/v1/models/health"),
    Access("GET", "/api/v1/models/route"),
    Access("POST", "/api/v1/models/reset", Permission.ADMIN),
)

type Minutes = Annotated[int, Query(ge=1, le=LONGEST, description="How far back.")]
type Reason = Annotated[str, Field(min_length=1, max_length=2000)]
type Name = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Spread(Shown):
    """Seconds; null: nothing answered."""

    p50: float | None
    p95: float | None
    p99: float | None


class HealthItem(Shown):
    """How a deployment, or all of a provider's together, answered."""

    target: str
    calls: int
    errors: int
    error_share: float = Field(description="0 to 1.")
    first_byte_s: Spread
    total_s: Spread
    codes: dict[str, int] = Field(description="What failed, and how often.")
    last_minute: str | None
    circuit: str = Field(description="`closed`, `open` or `half_open`.")
    why: str
    until: str | None


class HistoryPoint(Shown):
    """A stretch of time."""

    calls: int
    errors: int
    p50_s: float | None
    p95_s: float | None


class ModelHealth(HealthItem):
    """A deployment with its history."""

    history: list[HistoryPoint] = Field(description="Stretches of equal length, the oldest first.")


class Health(Shown):
    """How deployments were."""

    items: list[ModelHealth]


class ProviderItem(Shown):
    """A provider; of its headers the names alone, of its key the reference."""

    provider: str
    kind: str
    base_url: str
    key: str
    headers: list[str]
    status: ProviderStatus
    open_circuits: int
    health: HealthItem


class Providers(Shown):
    """Every provider, by name."""

    items: list[ProviderItem]


class ModelItem(Shown):
    """A deployment that is listed."""

    name: str
    target: str
    order: int
    weight: int
    quality: int
    context: int | None
    capabilities: list[str]
    price: dict[str, Json] | None = Field(description="For a million tokens, in dollars; null: nobody knows it.")
    own_price: bool


class ModelList(Shown):
    """What callers may ask for."""

    items: list[ModelItem]
    aliases: dict[str, str]
    fallbacks: dict[str, list[str]]


class RouteShown(Shown):
    """Who would be asked, in order, and why."""

    model_config = example(name="smart", candidates=["openai/gpt-4o"], why=["smart: those of the name, ..."])

    name: str
    candidates: list[str]
    why: list[str]


class NewStatus(Asked):
    """Whether a provider may be asked."""

    status: ProviderStatus
    reason: Reason


class Changed(Shown):
    """Whether anything changed."""

    changed: bool


class Reset(Asked):
    """Which breaker is closed, and why."""

    model_config = Asked.model_config | example(target="openai/gpt-4o", reason="their status page is green again")

    target: str = Field(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="`provider/model`.")
    reason: Reason


class WasReset(Shown):
    """What was closed."""

    circuits: list[str]


@ROUTES.get("/providers", response_model=Providers, summary="List providers")
async def providers(caller: Asking, runtime: Open, minutes: Minutes = 60) -> Response:
    """Where models are asked, and how their answers came."""
    found = await _standings(caller, runtime, minutes)
    return answer(Providers(items=[_provider(each) for each in found.providers]))


@ROUTES.put("/providers/{provider}/status", response_model=Changed, summary="Pause or resume a provider")
async def move(caller: Asking, runtime: Open, provider: Name, asked: NewStatus) -> Response:
    """Let a provider be asked no more, or again; others of the same name stand in meanwhile."""
    change = MoveProvider(provider, asked.status, asked.reason, runtime.redactor.mask)
    changed = await order(runtime.store, [change], workspace=caller.workspace, by=caller.principal, clock=runtime.clock)
    runtime.models.catalogues.forget(caller.workspace)
    return answer(Changed(changed=bool(changed)))


@ROUTES.get("/models", response_model=ModelList, summary="List models")
async def list_(caller: Asking, runtime: Open) -> Response:
    """Every name with its deployments, what they can do and cost; other names; who stands in."""
    catalogue = (await _standings(caller, runtime, 1)).catalogue
    shown = ModelList(
        items=[_model(each) for each in catalogue.listed()],
        aliases=dict(catalogue.aliases),
        fallbacks={name: list(targets) for name, targets in catalogue.fallbacks.items()},
    )
    return answer(shown)


@ROUTES.get("/models/health", response_model=Health, summary="How models are")
async def health(caller: Asking, runtime: Open, minutes: Minutes = 60) -> Response:
    """Calls, errors, times to the first byte and in all, breakers: of what was asked or whose breaker is open."""
    found = await _standings(caller, runtime, minutes)
    return answer(Health(items=[_health(target, each, found) for target, each in found.health.items()]))


@ROUTES.get("/models/route", response_model=RouteShown, summary="Who would be asked")
async def route(
    caller: Asking,
    runtime: Open,
    name: Annotated[str, Query(max_length=200, description="As a caller writes it; empty: the default.")] = "",
    tokens_in: Annotated[int, Query(ge=0, le=10_000_000)] = 1000,
    max_out: Annotated[int, Query(ge=0, le=10_000_000)] = 1000,
) -> Response:
    """Who would be asked for a model, in which order, and why others are left out; asks nobody."""
    found = await _standings(caller, runtime, 15)
    want = Want(name, tokens_in=tokens_in, max_out=max_out)
    chosen = explain(found, want, now_us=micros_of(runtime.clock.now()))
    shown = RouteShown(name=chosen.asked, candidates=[each.target for each in chosen.candidates], why=list(chosen.why))
    return answer(shown)


@ROUTES.post("/models/reset", response_model=WasReset, summary="Reset the breakers of a model")
async def reset(caller: Asking, runtime: Open, asked: Reset) -> Response:
    """Let calls of a model go through again, in every process within a quarter of a second."""
    closed = await close_circuits(
        runtime.store,
        asked.target,
        workspace=caller.workspace,
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    return answer(WasReset(circuits=list(closed)))


async def _standings(caller: Caller, runtime: Runtime, minutes: int) -> Standings:
    """What whoever may look is shown, in one snapshot.

    Raises:
        Refused: They may not.
    """
    now_us, workspace = micros_of(runtime.clock.now()), caller.workspace
    await runtime.models.catalogues.catalogue(workspace)  # the data of prices is imported, once, in a thread
    rates = runtime.models.catalogues.rates

    def asked(tx: ReadTx) -> Standings:
        require(tx, caller.principal, workspace=workspace, permission=Permission.READ)
        return standings(tx, workspace, rates=rates, minutes=minutes, now_us=now_us)

    return await reading(runtime.store, asked)


def _provider(one: ProviderStanding) -> ProviderItem:
    told = told_of(one.provider)
    return ProviderItem.model_validate({**told, "open_circuits": one.open_circuits, "health": one.health.as_json()})


def _model(at: Deployment) -> ModelItem:
    return ModelItem(
        name=at.name,
        target=at.target,
        order=at.order,
        weight=at.weight,
        quality=at.quality,
        context=at.context or None,
        capabilities=sorted(at.capabilities),
        price=None if at.rate is None else at.rate.as_json(),
        own_price=at.prices is not None,
    )


def _health(target: str, each: Standing, found: Standings) -> ModelHealth:
    history = [
        HistoryPoint(calls=point.calls, errors=point.errors, p50_s=point.p50, p95_s=point.p95)
        for point in found.history.get(target, ())
    ]
    return ModelHealth.model_validate({**each.as_json(), "history": history})
