"""Virtual keys of the gateway: who acts as what, what each may spend; making, rotating, limiting, revoking them.

A token is shown once, in the answer to the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from remit.accounts.agents import AgentStatus, read_agents
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, Limit, remove_limit
from remit.accounts.key_orders import create_key, revoke_key, rotate_key
from remit.accounts.key_tokens import Word, shown_of
from remit.accounts.keys import WIRES, Key, KeyScope, patterns
from remit.accounts.roles import Resource
from remit.bootstrap import Runtime
from remit.guard.key_overview import KeyShown, keys_page, set_rates, show_key
from remit.guard.rate_limits import Measure
from remit.kernel.clock import micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.missions.limits import limit_spending
from remit.serve.console.asking import Ask, administers
from remit.serve.console.numbers import told
from remit.serve.console.page import Form, Shown, form, page

SIZE = 50
#: What a key can open at all: an agent that may ask for neither has no use for one, and gets none.
OPENED = frozenset({"model", "tool"})
OVERLAPS = (("0", "at once"), ("3600", "in an hour"), ("86400", "in a day"))
SAID = {"revoked": "The key is revoked", "limits": "The key's limits are set"}
MARKS = {"active": "running", "expired": "skipped", "revoked": "denied"}
_DAY_US = 86_400_000_000
_MOST_DAYS = 3650
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Row:
    """A key. Times in microseconds, 0: never. ``requests`` and ``tokens``: a minute, 0: no limit of its own."""

    id: str
    agent: str
    owner: str
    mark: str
    status: str
    models: tuple[str, ...]
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    begins: str
    used_us: int
    expires_us: int
    limits: tuple[str, ...]
    requests: int
    tokens: int
    spent_micros: int
    reserved_micros: int
    budget_micros: int
    active: bool


@dataclass(frozen=True, slots=True)
class Keys:
    """The page."""

    title: str
    said: str
    rows: tuple[Row, ...]
    all: bool
    next: str
    first: str
    agents: tuple[str, ...]
    scopes: tuple[tuple[str, bool], ...]
    overlaps: tuple[tuple[str, str], ...] = OVERLAPS


@page("/keys", template="gateway_keys.html", group="Install", label="Gateway keys")
async def keys(ask: Ask) -> Keys:
    """The keys of programs outside."""
    after, every = ask.query.get("after", "")[:64], ask.query.get("all") == "1"

    def op(tx: ReadTx) -> Keys:
        found = keys_page(tx, ask.workspace, now_us=ask.now_us, after=after, limit=SIZE + 1, ended=every)
        shown = [_row(each) for each in found[:SIZE]]
        there = read_agents(tx, ask.workspace).items()
        agents = [name for name, each in there if each.status is not AgentStatus.RETIRED and each.effects & OPENED]
        asked = {"all": "1"} if every else {}
        further = f"/keys?{urlencode({**asked, 'after': shown[-1].id})}" if len(found) > SIZE else ""
        word = "key opens" if not every else "key"
        return Keys(
            title=told(len(shown), word, "keys open" if not every else "keys", most=SIZE + 1)
            + (" the gateway" if not every else ""),
            said=SAID.get(ask.query.get("done", ""), ""),
            rows=tuple(shown),
            all=every,
            next=further,
            first=f"/keys?{urlencode(asked)}" if after else "",
            agents=tuple(agents),
            scopes=tuple((scope.value, scope in WIRES) for scope in KeyScope),
        )

    return await ask.read(op, resource=Resource.AGENT)


@form("/keys/{id}/revoke", again=keys)
async def revoke(ask: Ask) -> str:
    """Let a key open nothing any more."""
    reason = ask.runtime.redactor.mask(ask.form.get("reason", ""))[:2000]
    await revoke_key(
        ask.runtime.store, ask.path["id"], workspace=ask.workspace, by=ask.who, clock=ask.runtime.clock, reason=reason
    )
    return "/keys?done=revoked"


@form("/keys/{id}/limits", again=keys)
async def limits(ask: Ask) -> str:
    """Hold a key to rates and a month's budget; an empty field takes that limit away."""
    name, runtime = ask.path["id"], ask.runtime
    wanted: Mapping[Measure, int | None] = {
        Measure.REQUESTS: _amount(ask, "requests"),
        Measure.TOKENS: _amount(ask, "tokens"),
    }
    money = Limit(BudgetScope.KEY, name, Period.MONTH)
    amount = _budget(ask.form)
    await set_rates(runtime.store, name, wanted, workspace=ask.workspace, by=ask.who, clock=runtime.clock)
    if amount is not None:
        await limit_spending(runtime.store, money, amount, workspace=ask.workspace, by=ask.who, clock=runtime.clock)
    else:
        held = await ask.read(
            lambda tx: show_key(tx, name, workspace=ask.workspace, now_us=ask.now_us), resource=Resource.AGENT
        )
        if any(each.period is Period.MONTH for each in held.budgets):
            await remove_limit(runtime.store, money, workspace=ask.workspace, by=ask.who)
    return "/keys?done=limits"


@form("/keys", again=keys, about={"keys.effect": "agent", "accounts.user": "owner", "keys.expired": "days"})
async def make(ask: Ask) -> Shown:
    """Make a key."""
    runtime, typed = ask.runtime, ask.form
    days = _days(typed.get("days", ""))
    key = Key(
        workspace=ask.workspace,
        id=typed.get("name", "").strip(),
        agent=typed.get("agent", ""),
        owner=typed.get("owner", "").strip(),
        models=patterns(_listed(typed, "models")),
        scopes=frozenset(scope for scope in KeyScope if f"scope-{scope.value}" in typed),
        addresses=tuple(_listed(typed, "addresses")),
        expires_us=micros_of(runtime.clock.now()) + days * _DAY_US if days else None,
    )
    token = await create_key(
        runtime.store,
        key,
        by=administers(ask),
        clock=runtime.clock,
        rand=runtime.entrance.rand,
        word=word_of(runtime),
        budget=_budget(typed),
    )
    return _once(f"The key {key.id}", token)


@form("/keys/{id}/rotate", again=keys)
async def rotate(ask: Ask) -> Shown:
    """Give a key a new token."""
    runtime, name, word = ask.runtime, ask.path["id"], ask.form.get("overlap", "0")
    overlap_s = int(word) if word in {each for each, _ in OVERLAPS} else 0
    token = await rotate_key(
        runtime.store,
        name,
        workspace=ask.workspace,
        by=administers(ask),
        clock=runtime.clock,
        rand=runtime.entrance.rand,
        overlap_us=overlap_s * 1_000_000,
        word=word_of(runtime),
    )
    return _once(f"A new token of {name}", token)


FORMS: Sequence[Form] = (make, revoke, limits, rotate)


def word_of(runtime: Runtime) -> Word:
    """What tokens of this home begin with."""
    return Word.LIVE if runtime.settings.production else Word.TEST


def _once(title: str, token: str) -> Shown:
    lead = "Keep it where its program reads it (OPENAI_API_KEY, say). It is not shown again."
    return Shown(title, lead, secrets=(token,), back="/keys")


def _listed(typed: Mapping[str, str], name: str) -> list[str]:
    return typed.get(name, "").replace(",", " ").split()


def _budget(typed: Mapping[str, str]) -> Money | None:
    text = typed.get("budget", "").strip()
    try:
        return usd(text) if text else None
    except InvalidInput as error:
        raise InvalidInput(error.message, code="keys.budget", hint="12.50, say; empty for no limit") from error


def _days(text: str) -> int:
    if not text.strip():
        return 0
    if text.isascii() and text.isdigit() and 0 < len(text) < _DIGITS and 0 < int(text) <= _MOST_DAYS:
        return int(text)
    message = f"A key holds for 1 to {_MOST_DAYS} days, or with an empty field until it is revoked."
    raise InvalidInput(message, code="keys.days", hint="90, say")


def _amount(ask: Ask, name: str) -> int | None:
    text = ask.form.get(name, "").strip().replace(",", "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < _DIGITS and int(text):
        return int(text)
    message = f"{text[:20]!r} is no number of {name} a minute."
    raise InvalidInput(message, code=f"keys.{name}", hint="60, say; empty for no limit")


def _row(each: KeyShown) -> Row:
    key, view = each.view.key, each.view
    month = next((budget for budget in each.budgets if budget.period is Period.MONTH), None)
    newest = view.tokens[-1] if view.tokens else None
    rates = {limit.measure: limit.amount for limit in each.limits}
    return Row(
        id=key.id,
        agent=key.agent,
        owner=key.owner,
        mark=MARKS[view.status],
        status=view.status,
        models=tuple(sorted(key.models)),
        scopes=tuple(sorted(key.scopes)),
        addresses=key.addresses,
        begins=shown_of(newest.prefix) if newest else "",
        used_us=view.used_us or 0,
        expires_us=key.expires_us or 0,
        limits=tuple(str(limit) for limit in each.limits),
        requests=rates.get(Measure.REQUESTS, 0),
        tokens=rates.get(Measure.TOKENS, 0),
        spent_micros=month.spent_micros if month else 0,
        reserved_micros=month.reserved_micros if month else 0,
        budget_micros=month.limit_micros if month else 0,
        active=view.status == "active",
    )
