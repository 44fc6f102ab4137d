"""``remit cache``: answers of models that are given again; an administrator looks, counts and clears."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table

if TYPE_CHECKING:
    from remit.kernel.action import Principal
    from remit.settings import Settings


@click.group()
def cache() -> None:
    """Answers of models that are kept and given again: show, clear, stats. Administrators only."""


@cache.command()
@click.argument("answer", required=False, default="", metavar="[HASH]")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Answers in the list.")
@common
def show(answer: str, limit: int, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Every kept answer, the last given first; with a HASH what one says (masked, and the look is logged)."""
    del debug
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock, iso
    from remit.models.cache_orders import list_answers
    from remit.models.cache_orders import show as show_one
    from remit.redact import sinks

    settings = settings_of(home)
    with open_store(settings) as store:
        if answer:
            order = show_one(store, settings.workspace, answer, by=_by(settings), mask=sinks.mask)
            view, text = asyncio.run(order)
            store.seal()
            if as_json:
                emit({**view.as_json(), "answer": text})
            else:
                say(f"{view.target} ({view.wire}), kept {iso(view.kept_us)}, until {iso(view.until_us)}")
                say(text)
            return 0
        found = asyncio.run(list_answers(store, settings.workspace, by=_by(settings), clock=SystemClock(), limit=limit))
    if as_json:
        emit({"answers": [view.as_json() for view in found]})
    elif not found:
        say("No answer is kept.")
    else:
        head = ("answer", "model", "kept", "until", "hits", "bytes", "saves")
        rows = [
            (
                view.hash[:12],
                view.target,
                iso(view.kept_us)[:19],
                iso(view.until_us)[:19],
                str(view.hits),
                str(view.size),
                str(view.saves),
            )
            for view in found
        ]
        say(table(rows, head=head))
    return 0


@cache.command()
@click.argument("answer", required=False, default="", metavar="[HASH]")
@click.option("--model", "target", default="", metavar="PROVIDER/MODEL", help="Only this model's answers.")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def clear(answer: str, target: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Give up every kept answer, a model's, or one: no process gives them again after half a second."""
    del debug
    from remit.bootstrap import open_store
    from remit.models.cache_orders import clear as order

    settings = settings_of(home)
    with open_store(settings) as store:
        gone = asyncio.run(
            order(store, settings.workspace, by=_by(settings), reason=reason, target=target, hashed=answer)
        )
        store.seal()
    if as_json:
        emit({"cleared": gone})
    else:
        say(f"cleared {gone} kept {'answer' if gone == 1 else 'answers'}")
    return 0


@cache.command()
@click.option("--since", default="", metavar="TIME", help="Savings since an ISO time, or 30m, 2h, 7d ago.")
@common
def stats(since: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """How much is kept, how often it was given again, and what that spared."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.models.cache_orders import stats as order

    settings = settings_of(home)
    begun = since_us(since)
    with open_store(settings) as store:
        found = asyncio.run(order(store, settings.workspace, by=_by(settings), since_us=begun))
    if as_json:
        emit(found.as_json())
        return 0
    say(f"kept: {found.entries} answers, {found.size} bytes")
    say(f"given again: {found.given} of {found.calls} calls of models, which saved {found.saved}")
    if found.targets:
        rows = [tuple(str(each[name]) for name in ("target", "entries", "bytes", "hits")) for each in found.targets]
        say(table(rows, head=("model", "answers", "bytes", "hits")))
    return 0


def _by(settings: Settings) -> Principal:
    from remit.kernel.action import ActorKind, Principal

    return Principal(ActorKind.USER, settings.acting)


COMMANDS = {"cache": cache}
