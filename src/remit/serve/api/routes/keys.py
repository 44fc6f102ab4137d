"""Virtual keys of the gateway; a token is in the answer to the order that made it, and nowhere else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.budget_periods import Period
from remit.accounts.key_orders import create_key, revoke_key, rotate_key
from remit.accounts.key_tokens import Word
from remit.accounts.keys import WIRES, Key, KeyScope, patterns
from remit.accounts.roles import Permission, Resource
from remit.bootstrap import Runtime
from remit.guard.key_overview import KeyBudget, KeyShown, keys_page, set_rates, show_key
from remit.guard.rate_limits import Measure
from remit.kernel.clock import micros_of
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.edge.identity import Caller

ROUTES = APIRouter(prefix="/api/v1/keys", tags=["keys"])
_KEY = "/api/v1/keys/{key}"
ACCESS = (
    Access("GET", "/api/v1/keys", Permission.READ, Resource.AGENT),
    Access("POST", "/api/v1/keys", Permission.ADMIN, Resource.AGENT),
    Access("GET", _KEY, Permission.READ, Resource.AGENT),
    Access("DELETE", _KEY, Permission.ADMIN, Resource.AGENT),
    Access("POST", f"{_KEY}/rotate", Permission.ADMIN, Resource.AGENT),
    Access("PUT", f"{_KEY}/rates", Permission.ADMIN, Resource.POLICY),
)

_DAY_US = 86_400_000_000
_WEEK_S = 604_800
type Id = Annotated[str, Path(min_length=1, max_length=48, pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
type Pattern = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
type Amount = Annotated[int, Field(ge=1, le=1_000_000_000)]


class TokenItem(Shown):
    """A token, as far as it may be shown."""

    begins: str
    created_at: str
    until: str | None = Field(description="When it ends; null: it holds.")
    used_at: str | None = Field(description="To the minute.")


class BudgetOfKey(Shown):
    """What it may spend in a period, and has."""

    period: Period
    limit_usd: str
    spent_usd: str
    reserved_usd: str


class KeyItem(Shown):
    """A key."""

    key: str
    agent: str = Field(description="Whom whoever shows it acts as.")
    owner: str = Field(description="On whose behalf.")
    models: list[str] = Field(description="Patterns of what it may ask, within what its agent may.")
    scopes: list[KeyScope]
    addresses: list[str] = Field(description="Networks that it may be shown from; empty: any.")
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    status: str = Field(description="`active`, `expired` or `revoked`.")
    used_at: str | None
    tokens: list[TokenItem]
    budgets: list[BudgetOfKey]
    rates: list[str] = Field(description="Its own limits, in words.")
    token: str | None = Field(default=None, description="In the answer that made it, and never again.")


class NewKey(Asked):
    """A key to be made."""

    model_config = Asked.model_config | example(key="ci", agent="coder", models=["openai/gpt-4o*"], days=90)

    key: str = Field(min_length=1, max_length=48, pattern=r"^[a-z][a-z0-9_-]{0,47}$", description="Its name, for good.")
    agent: str = Field(min_length=1, max_length=64)
    owner: str = Field(default="", max_length=64, description="Empty: its agent's owner.")
    models: list[Pattern] = Field(
        default_factory=list[str], max_length=50, description="Empty: any that its agent may."
    )
    scopes: list[KeyScope] = Field(default_factory=lambda: sorted(WIRES), min_length=1, max_length=len(KeyScope))
    addresses: list[Pattern] = Field(default_factory=list[str], max_length=50)
    days: int | None = Field(default=None, ge=1, le=3650, description="null: until it is revoked.")
    budget_usd: str | None = Field(
        default=None, max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$", description="A month."
    )


class Rotation(Asked):
    """How long the tokens that it had hold on."""

    overlap_s: int = Field(default=0, ge=0, le=_WEEK_S)


class NewRates(Asked):
    """What it may ask in a time; null takes its limit away."""

    requests: Amount | None = None
    tokens: Amount | None = None
    every_s: int = Field(default=60, ge=1, le=31 * 86_400)


@ROUTES.get("", response_model=Page[KeyItem], summary="List keys")
async def list_(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    ended: Annotated[bool, Query(description="Those that are expired or revoked, too.")] = False,
) -> Response:
    """Keys by name."""
    now_us = micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> list[KeyShown]:
        _require(tx, caller)
        return keys_page(tx, caller.workspace, now_us=now_us, after=paging.text(), limit=paging.limit + 1, ended=ended)

    shown, following = cut(await reading(runtime.store, op), paging, lambda each: (each.view.key.id,))
    return answer(Page[KeyItem](items=[_key(each) for each in shown], next=following))


@ROUTES.post("", response_model=KeyItem, status_code=201, summary="Make a key")
async def make(caller: Asking, runtime: Open, asked: NewKey) -> Response:
    """Make a key; its token is in this answer alone."""
    until = None if asked.days is None else micros_of(runtime.clock.now()) + asked.days * _DAY_US
    key = Key(
        workspace=caller.workspace,
        id=asked.key,
        agent=asked.agent,
        owner=asked.owner,
        models=patterns(asked.models),
        scopes=frozenset(asked.scopes),
        addresses=tuple(asked.addresses),
        expires_us=until,
    )
    token = await create_key(
        runtime.store,
        key,
        by=caller.principal,
        clock=runtime.clock,
        rand=runtime.entrance.rand,
        word=_word(runtime),
        budget=None if asked.budget_usd is None else usd(asked.budget_usd),
    )
    found = created(_key(await _show(caller, runtime, asked.key), token), f"/api/v1/keys/{asked.key}")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.get("/{key}", response_model=KeyItem, summary="Show a key")
async def show(request: Request, caller: Asking, runtime: Open, key: Id) -> Response:
    """One key with its tokens' beginnings, budgets and rates."""
    return resource(request, _key(await _show(caller, runtime, key)))


@ROUTES.post("/{key}/rotate", response_model=KeyItem, status_code=201, summary="Give a key a new token")
async def rotate(caller: Asking, runtime: Open, key: Id, asked: Rotation) -> Response:
    """A new token, in this answer alone; name, limits, budgets and usage stay."""
    token = await rotate_key(
        runtime.store,
        key,
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        rand=runtime.entrance.rand,
        overlap_us=asked.overlap_s * 1_000_000,
        word=_word(runtime),
    )
    found = created(_key(await _show(caller, runtime, key), token), f"/api/v1/keys/{key}")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.put("/{key}/rates", status_code=204, summary="Set a key's own rates")
async def rates(caller: Asking, runtime: Open, key: Id, asked: NewRates) -> Response:
    """Hold a key to so many requests and tokens in a time, beside every other limit."""
    await set_rates(
        runtime.store,
        key,
        {Measure.REQUESTS: asked.requests, Measure.TOKENS: asked.tokens},
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        every_s=asked.every_s,
    )
    return nothing()


@ROUTES.delete("/{key}", status_code=204, summary="Revoke a key")
async def revoke(
    caller: Asking, runtime: Open, key: Id, reason: Annotated[str, Query(max_length=2000)] = ""
) -> Response:
    """Let a key open nothing any more, in every process within a quarter of a second, and for good."""
    await revoke_key(
        runtime.store,
        key,
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        reason=runtime.redactor.mask(reason),
    )
    return nothing()


def _require(tx: ReadTx, caller: Caller) -> None:
    require(tx, caller.principal, workspace=caller.workspace, permission=Permission.READ, resource=Resource.AGENT)


async def _show(caller: Caller, runtime: Runtime, name: str) -> KeyShown:
    now_us = micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> KeyShown:
        _require(tx, caller)
        return show_key(tx, name, workspace=caller.workspace, now_us=now_us)

    return await reading(runtime.store, op)


def _word(runtime: Runtime) -> Word:
    return Word.LIVE if runtime.settings.production else Word.TEST


def _key(each: KeyShown, token: str | None = None) -> KeyItem:
    more = {"budgets": [_budget(budget) for budget in each.budgets], "rates": [str(limit) for limit in each.limits]}
    return KeyItem.model_validate({**each.view.as_json(), **more, "token": token})


def _budget(one: KeyBudget) -> BudgetOfKey:
    limit, spent, reserved = (
        str(Money(each).usd) for each in (one.limit_micros, one.spent_micros, one.reserved_micros)
    )
    return BudgetOfKey(period=one.period, limit_usd=limit, spent_usd=spent, reserved_usd=reserved)
