"""``remit models``: what is listed under which name, what it costs, who would be asked, how each one is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, settings_of
from remit.cli.models_import import import_
from remit.cli.output import common, emit, hint, say, table
from remit.cli.providers import carry_out
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.models.catalogue import Catalogue, Deployment
    from remit.models.health import Standing
    from remit.settings import Settings


@click.group()
def models() -> None:
    """Models: public names, other names, prices, who is asked, how each one is."""


models.add_command(import_)


@models.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """List what callers may ask for: each name with its deployments, prices and abilities; aliases, fallbacks."""
    del debug
    found = _catalogue(settings_of(home))
    if as_json:
        emit(
            {
                "models": [_told(each) for each in found.listed()],
                "aliases": dict(found.aliases),
                "fallbacks": {name: list(targets) for name, targets in found.fallbacks.items()},
            }
        )
        return 0
    if not found.providers:
        say("There are no models, for there are no providers: remit providers add openai --key secret://NAME")
        return 0
    rows = [
        (
            each.name,
            each.target,
            str(each.order),
            str(each.weight),
            str(each.quality),
            f"{each.context:,}" if each.context else "-",
            "not known" if each.rate is None else str(each.rate) + (" (own)" if each.prices else ""),
            " ".join(sorted(each.capabilities)) or ("not known" if not each.known else "-"),
        )
        for each in found.listed()
    ]
    if rows:
        head = ("name", "asks", "order", "weight", "quality", "context", "a million tokens", "can")
        say(table(rows, head=head))
    for alias, target in found.aliases.items():
        say(f"{alias} means {target}")
    for name, targets in found.fallbacks.items():
        say(f"after {name} come {', '.join(targets)}")
    say(f"Any model of {', '.join(found.providers)} can also be asked as PROVIDER/MODEL.")
    return 0


@models.command()
@click.argument("name")
@click.argument("target", metavar="PROVIDER/MODEL")
@click.option("--weight", default=1, type=int, show_default=True, help="Its share of calls among equals; 0: last.")
@click.option("--order", "order_", default=0, type=int, show_default=True, help="Lower ones are asked first.")
@click.option("--can", default=None, metavar="WORDS", help="What it can do, with commas; else as shipped.")
@click.option("--quality", default=None, type=int, metavar="0-100", help="How good it is; else as shipped.")
@click.option("--context", default=None, type=int, metavar="TOKENS", help="What it takes; else as published.")
@common
def add(
    name: str,
    target: str,
    weight: int,
    order_: int,
    can: str | None,
    quality: int | None,
    context: int | None,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """List PROVIDER/MODEL under the public name NAME, or change how; a name may have several."""
    del debug
    from remit.models.checks import target_of
    from remit.models.orders_listing import SetDeployment

    provider, model = target_of(target)
    words = None if can is None else frozenset(word for word in can.replace(" ", ",").split(",") if word)
    change = SetDeployment(name, provider, model, weight, order_, words, quality, context)
    changed = carry_out(settings_of(home), [change])
    return _done(name, f"asks {target}" if changed else "was so already", changed=bool(changed), as_json=as_json)


@models.command()
@click.argument("name")
@click.argument("target", required=False, default="", metavar="[PROVIDER/MODEL]")
@common
def remove(name: str, target: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Take NAME off the list: whole, or the one at PROVIDER/MODEL."""
    del debug
    from remit.models.checks import target_of
    from remit.models.orders_listing import RemoveDeployment

    provider, model = target_of(target) if target else ("", "")
    carry_out(settings_of(home), [RemoveDeployment(name, provider, model)])
    return _done(name, "is off the list", changed=True, as_json=as_json)


@models.command()
@click.argument("name")
@click.argument("target", required=False, default="")
@click.option("--remove", "gone", is_flag=True, help="Take the other name away.")
@common
def alias(name: str, target: str, home: str | None, *, gone: bool, as_json: bool, debug: bool) -> int:
    """Let NAME mean TARGET: a public name, PROVIDER/MODEL or auto; the name default is asked when none is named."""
    del debug
    from remit.models.orders_listing import SetAlias

    if bool(target) == gone:
        message = "Say what the name means, or --remove."
        raise InvalidInput(message, code="models.alias", hint="remit models alias NAME TARGET")
    changed = carry_out(settings_of(home), [SetAlias(name, target)])
    what = "means nothing any more" if gone else f"means {target}" if changed else "was so already"
    return _done(name, what, changed=bool(changed), as_json=as_json)


@models.command()
@click.argument("name")
@click.argument("targets", nargs=-1)
@click.option("--clear", is_flag=True, help="Let nobody stand in.")
@common
def fallback(name: str, targets: tuple[str, ...], home: str | None, *, clear: bool, as_json: bool, debug: bool) -> int:
    """Ask TARGETS, in order, when nobody of NAME answers; only before the first byte."""
    del debug
    from remit.models.orders_listing import SetFallbacks

    if bool(targets) == clear:
        message = "Say who stands in, or --clear."
        raise InvalidInput(message, code="models.fallback", hint="remit models fallback NAME TARGET ...")
    changed = carry_out(settings_of(home), [SetFallbacks(name, targets)])
    what = f"then {', '.join(targets)}" if targets else "nobody stands in"
    return _done(name, what if changed else "was so already", changed=bool(changed), as_json=as_json)


@models.command()
@click.argument("target", metavar="PROVIDER/MODEL")
@click.option("--input", "inward", default="", metavar="USD", help="For a million tokens of input; 0 is a price.")
@click.option("--output", "outward", default="", metavar="USD", help="For a million tokens of output.")
@click.option("--cached", default="", metavar="USD", help="For input from the provider's cache; else as input.")
@click.option("--cache-write", default="", metavar="USD", help="For input written to that cache; else as input.")
@click.option("--service", default="", metavar="NAME", help="That of a service tier: priority, flex, fast ...")
@click.option("--tool", default="", metavar="NAME", help="That of a tool which the provider runs: web_search ...")
@click.option("--each", default="", metavar="USD", help="For one use of the tool; 0 is a price.")
@click.option("--remove", "gone", is_flag=True, help="Forget the workspace's own price: the published one holds.")
@common
def price(
    target: str,
    inward: str,
    outward: str,
    cached: str,
    cache_write: str,
    service: str,
    tool: str,
    each: str,
    home: str | None,
    *,
    gone: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Show what PROVIDER/MODEL costs, or set the workspace's own price."""
    del debug
    from remit.kernel.errors import NotFound
    from remit.models.checks import target_of
    from remit.models.orders_listing import SetPrice, term_of
    from remit.models.prices import fee_of, rate_of

    provider, model = target_of(target)
    settings = settings_of(home)
    if (tool or each) and (service or inward or outward or not tool or bool(each) == gone):
        message = "The price of a tool has --tool and --each, and nothing else; or --tool and --remove."
        how = "remit models price PROVIDER/MODEL --tool web_search --each 0.01"
        raise InvalidInput(message, code="models.price", hint=how)
    if (
        bool(inward) != bool(outward)
        or (gone and inward)
        or ((cached or cache_write or service) and not (inward or gone))
    ):
        message = "A price of your own has --input and --output, and comes without --remove."
        raise InvalidInput(message, code="models.price", hint="remit models price PROVIDER/MODEL --input 0 --output 0")
    changed = False
    if inward or each or gone:
        tokens = rate_of(inward, outward, cached_in=cached, cache_write=cache_write) if inward else None
        rate = fee_of(each) if each else tokens
        changed = bool(carry_out(settings, [SetPrice(provider, model, rate, term_of(service, tool))]))
    at = _catalogue(settings).deployment(target)
    if at is None:
        message = f"There is no provider {provider!r} in the workspace {settings.workspace!r}."
        raise NotFound(message, code="models.provider", hint="remit providers list")
    whose = "none" if at.rate is None else "own" if at.prices else "published"
    told = {"target": target, "price": None if at.rate is None else at.rate.as_json(), "whose": whose}
    if as_json:
        emit({**told, "changed": changed})
    else:
        say(f"{target}: {'nobody knows its price' if at.rate is None else f'{at.rate} a million tokens ({whose})'}")
        for line in () if at.rate is None else at.rate.beside():
            say(f"  {line}")
        if at.rate is None:
            hint(f"set one: remit models price {target} --input USD --output USD")
    return 0


@models.command()
@click.argument("name", required=False, default="")
@click.option("--need", "needs", multiple=True, metavar="WORD", help="It must be able to: tools, vision, thinking ...")
@click.option("--tokens-in", default=1000, type=click.IntRange(0), show_default=True, help="Tokens of the request.")
@click.option("--max-out", default=1000, type=click.IntRange(0), show_default=True, help="Tokens of the answer.")
@click.option("--left", default="", metavar="USD", help="What is left of a budget.")
@click.option("--allow", multiple=True, metavar="PATTERN", help="What the key may ask; all when left out.")
@click.option("--quality", default=0, type=click.IntRange(0, 100), show_default=True, help="At least this, for auto.")
@click.option("--explain", is_flag=True, help="Say why, one by one, those left out included.")
@common
def route(
    name: str,
    needs: tuple[str, ...],
    tokens_in: int,
    max_out: int,
    left: str,
    allow: tuple[str, ...],
    quality: int,
    home: str | None,
    *,
    explain: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Show who would be asked for NAME, in which order; asks nobody. Without NAME: the workspace's default."""
    del debug
    from remit.kernel.money import usd
    from remit.models.capabilities import check_words
    from remit.models.router import Want

    settings = settings_of(home)
    catalogue, found = _catalogue(settings), _standings(settings, since_s=900)
    want = Want(
        name,
        check_words(needs),
        tokens_in,
        max_out,
        left=usd(left) if left else None,
        allowed=allow or ("*",),
        quality=quality,
    )
    chosen = _router(found).route(catalogue, want)
    targets = [each.target for each in chosen.candidates]
    if as_json:
        emit({"name": chosen.asked, "candidates": targets, "why": list(chosen.why)})
    else:
        for line in chosen.why if explain else targets:
            say(line)
    return 0


@models.command()
@click.option("--since", default="15m", show_default=True, metavar="TIME", help="Of the last 30m, 2h, 1d.")
@common
def health(since: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show how each model is: calls, errors, time to the first byte and in all, where its circuit stands."""
    del debug
    from remit.cli.queue import seconds_of

    found = _standings(settings_of(home), since_s=seconds_of(since))
    if as_json:
        emit({"health": [each.as_json() for each in found.values()]})
        return 0
    if not found:
        say("No model was asked in that time, and no circuit is open.")
        return 0

    def times(spread: tuple[float | None, float | None, float | None]) -> str:
        return " / ".join("-" if each is None else f"{each:.2f}" for each in spread)

    rows = [
        (
            each.target,
            str(each.calls),
            f"{each.error_share:.1%}",
            times(each.first),
            times(each.total),
            each.phase.value,
            each.why or ", ".join(f"{code} {count}" for code, count in sorted(each.codes.items())) or "-",
        )
        for each in found.values()
    ]
    spread = "p50 / p95 / p99 s"
    say(table(rows, head=("model", "calls", "errors", f"first byte {spread}", f"in all {spread}", "circuit", "why")))
    return 0


@models.command()
@click.argument("target", metavar="PROVIDER/MODEL")
@click.option("--reason", required=True, help="Why it may be asked again, for the audit log.")
@common
def reset(target: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Close the circuits of PROVIDER/MODEL: calls go through again, in every process within a quarter of a second."""
    del debug
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock
    from remit.models.standing import close_circuits

    settings = settings_of(home)
    with open_store(settings) as store:
        order = close_circuits(
            store, target, workspace=settings.workspace, reason=reason, by=acting(settings), clock=SystemClock()
        )
        stuck = list(asyncio.run(order))
        store.seal()
    if as_json:
        emit({"target": target, "circuits": stuck})
    else:
        say(f"{target}: closed ({reason})")
    return 0


# --------------------------------------------------------------------------------------------------------------- shared


def _catalogue(settings: Settings) -> Catalogue:
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock
    from remit.models.catalogue import read_catalogue
    from remit.models.prices import Rates

    with open_store(settings) as store:
        return store.view(lambda tx: read_catalogue(tx, settings.workspace, rates=Rates(SystemClock())))


def _standings(settings: Settings, *, since_s: int) -> dict[str, Standing]:
    """What was written down lately, and the circuits of models that aren't closed."""
    from remit.bootstrap import open_store
    from remit.guard.breaker import Phase
    from remit.guard.breakers import list_circuits
    from remit.kernel.clock import SystemClock, micros_of
    from remit.models.health import Cell, read_health, standing_of

    since_us = micros_of(SystemClock().now()) - since_s * 1_000_000
    with open_store(settings) as store:
        found = store.view(lambda tx: read_health(tx, settings.workspace, since_us=since_us))
        circuits = asyncio.run(list_circuits(store, workspace=settings.workspace))
    for view in circuits:
        if view.kind == "model" and view.phase is not Phase.CLOSED:
            target = view.operation.partition("#")[0]
            known = found.get(target) or standing_of(target, Cell(), last_us=0)
            found[target] = replace(known, phase=view.phase, why=view.why, until_us=view.until_us)
    return dict(sorted(found.items()))


def _router(found: dict[str, Standing]):  # noqa: ANN202 - imported where it is needed
    import random

    from remit.guard.breaker import Phase
    from remit.kernel.clock import SystemClock, micros_of
    from remit.models.router import Router

    now_us = micros_of(SystemClock().now())

    def refuses(_workspace: str, target: str) -> bool:
        known = found.get(target)
        return known is not None and known.phase is Phase.OPEN and (known.until_us is None or known.until_us > now_us)

    def latency(_workspace: str, target: str) -> float | None:
        known = found.get(target)
        return None if known is None else known.first[0]

    return Router(refuses=refuses, latency=latency, rand=random.Random(0).random)  # noqa: S311 - a look, no secret


def _told(at: Deployment) -> dict[str, object]:
    return {
        "name": at.name,
        "provider": at.provider,
        "model": at.model,
        "order": at.order,
        "weight": at.weight,
        "quality": at.quality,
        "context": at.context or None,
        "capabilities": sorted(at.capabilities) if at.known else None,
        "price": None if at.rate is None else at.rate.as_json(),
        "own_price": at.prices is not None,
    }


def _done(name: str, what: str, *, changed: bool, as_json: bool) -> int:
    if as_json:
        emit({"name": name, "changed": changed})
    else:
        say(f"{name}: {what}")
    return 0


COMMANDS = {"models": models}
