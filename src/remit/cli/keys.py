"""``remit keys``: virtual keys for programs outside, what each may spend and how fast, and the gateway's policy."""

from __future__ import annotations

import asyncio
import difflib
import json
import secrets
import sys
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.clock import SystemClock, iso, micros_of
from remit.kernel.errors import InvalidInput, NotFound
from remit.redact.hooks import Masked

if TYPE_CHECKING:
    from remit.accounts.key_orders import KeyView
    from remit.accounts.key_tokens import Word
    from remit.settings import Settings

_SCOPES = click.Choice(["chat", "responses", "messages", "embeddings", "models", "tools"])
_PERIODS = click.Choice(["total", "month", "day"])


@click.group()
def keys() -> None:
    """Virtual keys: tokens by which programs outside act as a registered agent, under the guard."""


@keys.command()
@click.argument("name")
@click.option("--agent", required=True, help="The registered agent that whoever shows it acts as.")
@click.option("--owner", default="", help="On whose behalf it acts; the agent's owner when left out.")
@click.option("--model", multiple=True, help="A model: provider/model, provider/prefix* or *; may be repeated.")
@click.option("--scope", type=_SCOPES, multiple=True, help="What it opens; all but tools when left out.")
@click.option("--from", "addresses", multiple=True, metavar="NETWORK", help="Only from there; may be repeated.")
@click.option("--expires", default="", metavar="TIME", help="In how long it ends: 12h, 90d; never when left out.")
@click.option("--budget", "usd", default="", metavar="USD", help="What it may spend a month.")
@common
def create(
    name: str,
    agent: str,
    owner: str,
    model: tuple[str, ...],
    scope: tuple[str, ...],
    addresses: tuple[str, ...],
    expires: str,
    usd: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Make the key NAME. Its token is shown once, here, and kept nowhere."""
    del debug
    from remit.accounts import key_orders
    from remit.accounts.agents import find_agent
    from remit.accounts.keys import WIRES, Key, KeyScope, patterns
    from remit.bootstrap import open_store
    from remit.cli.queue import seconds_of
    from remit.kernel.money import usd as money

    settings, clock = settings_of(home), SystemClock()
    limit = money(usd) if usd else None
    until = micros_of(clock.now()) + round(seconds_of(expires) * 1_000_000) if expires else None
    key = Key(
        workspace=settings.workspace,
        id=name,
        agent=agent,
        owner=owner,
        models=patterns(model),
        scopes=frozenset(KeyScope(each) for each in scope) or WIRES,
        addresses=addresses,
        expires_us=until,
    )
    with open_store(settings) as store:
        order = key_orders.create_key(
            store, key, by=acting(settings), clock=clock, rand=secrets.token_bytes, word=_word(settings), budget=limit
        )
        token = asyncio.run(order)
        store.seal()
        found = _view(store.view(lambda tx: key_orders.list_keys(tx, settings.workspace, now_us=_now_us())), name)
        known = store.view(lambda tx: find_agent(tx, workspace=settings.workspace, name=agent))
    code = _show_token(found, token, as_json=as_json)
    if not (as_json or known.models):
        hint(f"Its agent may ask no model yet: remit agents update {agent} --model PROVIDER/MODEL (or '*': any)")
    return code


@keys.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Those that are expired or revoked as well.")
@common
def list_(home: str | None, *, everything: bool, as_json: bool, debug: bool) -> int:
    """List keys: whom they act as, what they open, until when, when they were used last."""
    del debug
    found = [view for view in _views(settings_of(home)) if everything or view.status == "active"]
    if as_json:
        emit({"keys": [view.as_json() for view in found]})
    elif not found:
        say("There is no key. Make one: remit keys create NAME --agent AGENT")
    else:
        head = ("key", "status", "agent", "for", "models", "opens", "until", "used")
        say(table([_line(view) for view in found], head=head))
    return 0


@keys.command()
@click.argument("name")
@common
def show(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show one key with its tokens (their beginnings), budgets and limits."""
    del debug
    from remit.accounts.budgets import BudgetScope
    from remit.accounts.key_tokens import shown_of
    from remit.bootstrap import open_store
    from remit.guard.budget_limits import read_budgets
    from remit.guard.rate_limits import read_limits

    settings = settings_of(home)
    view = _view(_views(settings), name)
    with open_store(settings) as store:
        budgets = store.view(lambda tx: read_budgets(tx, settings.workspace, now_us=_now_us()))
        limits = store.view(lambda tx: read_limits(tx, settings.workspace)).by_name.values()
    mine = [each for each in budgets if (each.limit.scope, each.limit.name) == (BudgetScope.KEY, name)]
    held = [limit for limit in limits if limit.key == name]
    if as_json:
        rates = [{**limit.as_json(), "text": str(limit)} for limit in held]
        emit({**view.as_json(), "budgets": [each.as_json() for each in mine], "limits": rates})
        return 0
    key = view.key
    told = (
        ("key", f"{key.id}, {view.status}"),
        ("acts as", f"the agent {key.agent}, for {key.owner}"),
        ("models", " ".join(sorted(key.models))),
        ("opens", " ".join(sorted(key.scopes))),
        ("from", " ".join(key.addresses) or "anywhere"),
        ("until", "for good" if key.expires_us is None else iso(key.expires_us)),
        ("used", "never" if view.used_us is None else iso(view.used_us)),
        *(("token", f"{shown_of(token.prefix)}..., {_held(token.until_us)}") for token in view.tokens),
        *(("budget", f"{each.limit}: {each.spent} spent, {each.left} left of {each.amount}") for each in mine),
        *(("limit", str(limit)) for limit in held),
    )
    for label, text in told:
        say(f"{label:9}{text}")
    return 0


@keys.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def revoke(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Let the key NAME open nothing any more, within 250 ms and for good. What runs may finish."""
    del debug
    from remit.accounts.key_orders import revoke_key
    from remit.bootstrap import open_store

    settings = settings_of(home)
    why = masking(settings)(reason)
    with open_store(settings) as store:
        order = revoke_key(
            store, name, workspace=settings.workspace, by=acting(settings), clock=SystemClock(), reason=why
        )
        asyncio.run(order)
        store.seal()
    emit({"revoked": name}) if as_json else say(f"revoked {name}; remit kill AGENT stops what runs")
    return 0


@keys.command()
@click.argument("name")
@click.option("--overlap", default="0s", show_default=True, metavar="TIME", help="How long its old tokens still hold.")
@common
def rotate(name: str, overlap: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Give the key NAME a new token, shown once; its limits, budgets and usage stay."""
    del debug
    from remit.accounts.key_orders import rotate_key
    from remit.bootstrap import open_store
    from remit.cli.queue import seconds_of

    settings = settings_of(home)
    with open_store(settings) as store:
        order = rotate_key(
            store,
            name,
            workspace=settings.workspace,
            by=acting(settings),
            clock=SystemClock(),
            rand=secrets.token_bytes,
            overlap_us=round(seconds_of(overlap) * 1_000_000),
            word=_word(settings),
        )
        token = asyncio.run(order)
        store.seal()
    return _show_token(_view(_views(settings), name), token, as_json=as_json)


@keys.command()
@common
def check(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Say whether the token on standard input holds, and which key it is. It is written nowhere."""
    del debug
    from remit.accounts.key_orders import list_keys
    from remit.accounts.key_tokens import PREFIX, prefix_of
    from remit.accounts.keys import Keys
    from remit.bootstrap import open_store

    settings = settings_of(home)
    token = sys.stdin.readline().strip()
    if not prefix_of(token):
        message = "That is no token of a key: its form or its checksum is wrong."
        raise InvalidInput(message, code="keys.token", hint="remit keys list")
    with open_store(settings) as store:
        held = asyncio.run(Keys(store, SystemClock()).find(token))
        views = store.view(lambda tx: list_keys(tx, settings.workspace, now_us=_now_us()))
    named = [view.key.id for view in views if any(each.prefix == token[:PREFIX] for each in view.tokens)]
    status = "holds" if held is not None else "does not hold"
    told = {"key": named[0] if named else None, "holds": held is not None}
    emit(told) if as_json else say(f"{named[0] if named else 'no key of this workspace'}: the token {status}")
    return 0 if held is not None else 3


@keys.command()
@click.argument("name")
@click.option("--requests", type=int, default=None, help="How many requests.")
@click.option("--tokens", type=int, default=None, help="How many tokens, asked and answered.")
@click.option("--every", default="1m", show_default=True, metavar="TIME", help="In how long: 1m, 1h, 1d.")
@click.option("--off", is_flag=True, help="Take the key's own limits away.")
@common
def limit(
    name: str,
    requests: int | None,
    tokens: int | None,
    every: str,
    home: str | None,
    *,
    off: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Hold the key NAME to so many requests and tokens of models in a time, beside every other limit."""
    del debug
    from remit.accounts.key_orders import find_key
    from remit.bootstrap import open_store
    from remit.cli.queue import seconds_of
    from remit.guard import rate_limits
    from remit.guard.rate_limits import Measure, Per

    settings, clock = settings_of(home), SystemClock()
    given = {Measure.REQUESTS: requests, Measure.TOKENS: tokens}
    wanted = {each: amount for each, amount in given.items() if amount is not None}
    if off == bool(wanted):
        message = "Say --requests N or --tokens N (or both), or --off."
        raise InvalidInput(message, code="keys.limit", hint=f"remit keys limit {name[:60]} --requests 60")
    by, workspace = acting(settings), settings.workspace
    with open_store(settings) as store:
        store.view(lambda tx: find_key(tx, name, workspace=workspace))
        if off:
            held = store.view(lambda tx: rate_limits.read_limits(tx, workspace)).by_name.values()
            for mine in [each.name for each in held if each.key == name]:
                asyncio.run(rate_limits.reset_limit(store, mine, workspace=workspace, by=by, clock=clock))
        for measure, amount in wanted.items():
            called = f"key.{name}.{measure.value}"
            made = rate_limits.Limit(called, Per.KEY, amount, seconds_of(every), measure=measure, key=name)
            asyncio.run(rate_limits.set_limit(store, made, workspace=workspace, by=by, clock=clock))
        now = store.view(lambda tx: rate_limits.read_limits(tx, workspace)).by_name.values()
        store.seal()
    held_now = [each for each in now if each.key == name]
    if as_json:
        emit({"key": name, "limits": [{**each.as_json(), "text": str(each)} for each in held_now]})
    else:
        say(f"{name}: " + ("; ".join(str(each) for each in held_now) or "no limit of its own"))
    return 0


@keys.command()
@click.argument("name")
@click.argument("usd", required=False, default="")
@click.option("--period", type=_PERIODS, default="month", show_default=True, help="For how long it holds.")
@click.option("--off", is_flag=True, help="Take it away.")
@common
def budget(name: str, usd: str, period: str, home: str | None, *, off: bool, as_json: bool, debug: bool) -> int:
    """Let the key NAME spend at most USD in each period, within its agent's and the workspace's budgets."""
    del debug
    from remit.accounts import budgets
    from remit.accounts.budget_periods import Period
    from remit.accounts.key_orders import find_key
    from remit.bootstrap import open_store
    from remit.kernel.money import usd as money

    if off == bool(usd):
        message = "Say what it may spend, or --off."
        raise InvalidInput(message, code="keys.budget", hint=f"remit keys budget {name[:60]} 10")
    settings = settings_of(home)
    by, workspace = acting(settings), settings.workspace
    wanted = budgets.Limit(budgets.BudgetScope.KEY, name, Period(period))
    with open_store(settings) as store:
        store.view(lambda tx: find_key(tx, name, workspace=workspace))
        if off:
            asyncio.run(budgets.remove_limit(store, wanted, workspace=workspace, by=by))
            told = f"{wanted} is removed"
        else:
            amount = money(usd)
            order = budgets.set_limit(
                store, wanted.scope, workspace=workspace, name=name, limit=amount, by=by, period=wanted.period
            )
            asyncio.run(order)
            told = f"{wanted} is {amount} now"
        store.seal()
    shown = {"key": name, "period": period, "limit_usd": None if off else str(money(usd).usd)}
    emit(shown) if as_json else say(told)
    return 0


@keys.command()
@click.option("--set", "words", multiple=True, metavar="SWITCH=WORD", help="Change one; may be repeated.")
@common
def policy(words: tuple[str, ...], home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show how the gateway behaves in this workspace, or change it. Only who administers the workspace may."""
    del debug
    from remit.accounts.gateway_policy import read_policy, set_policy, switches
    from remit.bootstrap import open_store

    settings = settings_of(home)
    given: dict[str, str] = {}
    for text in words:
        name, equals, word = text.partition("=")
        if not equals:
            message = f"{text[:60]!r} is no SWITCH=WORD."
            raise InvalidInput(message, code="keys.policy", hint="remit keys policy --set mode=observe")
        given[name.strip()] = word.strip()
    with open_store(settings) as store:
        if given:
            order = set_policy(store, given, workspace=settings.workspace, by=acting(settings), clock=SystemClock())
            asyncio.run(order)
            store.seal()
        found = store.view(lambda tx: read_policy(tx, settings.workspace)).as_json()
    if as_json:
        emit({"policy": found})
        return 0
    rows = [(name, str(found[name]), " ".join(known)) for name, known in switches().items()]
    say(table(rows, head=("switch", "is", "can be")))
    say(f"revision {found['revision']}")
    return 0


# -------------------------------------------------------------------------------------------------------------- showing


def _views(settings: Settings) -> list[KeyView]:
    from remit.accounts.key_orders import list_keys
    from remit.bootstrap import open_store

    with open_store(settings) as store:
        return store.view(lambda tx: list_keys(tx, settings.workspace, now_us=_now_us()))


def _view(views: list[KeyView], name: str) -> KeyView:
    found = next((view for view in views if view.key.id == name), None)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, [view.key.id for view in views], 1)
    message = f"There is no key {name[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="keys.key", hint="remit keys list")


def _show_token(view: KeyView, token: str, *, as_json: bool) -> int:
    """The one time that a token is shown: past every sink that masks, for whoever ordered it."""
    out = (sys.__stdout__ or sys.stdout) if isinstance(sys.stdout, Masked) else sys.stdout
    if as_json:
        out.write(json.dumps({**view.as_json(), "token": token}) + "\n")
    else:
        out.write(f"{token}\n")
        hint(f"The token of {view.key.id}, shown once: keep it where its program reads it (OPENAI_API_KEY, say).")
    out.flush()
    return 0


def _line(view: KeyView) -> tuple[str, ...]:
    key = view.key
    return (
        key.id,
        view.status,
        key.agent,
        key.owner,
        " ".join(sorted(key.models)),
        " ".join(sorted(key.scopes)),
        "-" if key.expires_us is None else f"{iso(key.expires_us)[:16]}Z",
        "-" if view.used_us is None else f"{iso(view.used_us)[:16]}Z",
    )


def _held(until_us: int | None) -> str:
    if until_us is None:
        return "holds"
    return f"{'held' if until_us <= _now_us() else 'holds'} until {iso(until_us)}"


def _word(settings: Settings) -> Word:
    from remit.accounts.key_tokens import Word

    return Word.LIVE if settings.production else Word.TEST


def _now_us() -> int:
    return micros_of(SystemClock().now())


COMMANDS = {"keys": keys}
