"""What may be spent and what was: ``budget`` (show, set, remove) and ``usage``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from remit.accounts.budgets import Limit
    from remit.guard.budget_limits import BudgetView
    from remit.guard.budget_rollup import Used, Where
    from remit.models.usage import Call, Page, Report

_SCOPES = click.Choice(["workspace", "agent", "key", "mission"])
_PERIODS = click.Choice(["total", "month", "day"])


@click.group(invoke_without_command=True)
@click.option("--scope", type=_SCOPES, default=None, help="Only limits of this scope.")
@common
@click.pass_context
def budget(context: click.Context, scope: str | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Every limit: what was spent, what is reserved, what is left, where the pace leads; or set and remove one."""
    del debug
    if context.invoked_subcommand is not None:
        context.obj = (home, as_json)
        return 0
    from remit.bootstrap import keep_ledger, open_store
    from remit.guard.budget_limits import read_budgets
    from remit.kernel.clock import SystemClock, micros_of

    settings, clock = settings_of(home), SystemClock()
    with open_store(settings) as store:
        asyncio.run(keep_ledger(store, settings, clock=clock))
        now_us = micros_of(clock.now())
        found = store.view(lambda tx: read_budgets(tx, settings.workspace, now_us=now_us))
    shown = [view for view in found if scope in (None, view.limit.scope.value)]
    if as_json:
        emit({"budgets": [view.as_json() for view in shown]})
    elif not shown:
        say("No limit is set. Set one: remit budget set workspace USD --period month")
    else:
        head = ("scope", "name", "period", "limit", "spent", "reserved", "left", "forecast", "until")
        say(table([_line(view) for view in shown], head=head))
    return 0


def _line(view: BudgetView) -> tuple[str, ...]:
    from remit.kernel.clock import iso

    forecast = view.forecast
    leads = "-" if forecast.projected is None else str(forecast.projected)
    if forecast.reached_us is not None:
        leads = f"{leads}, reached {iso(forecast.reached_us)[:16]}Z".removeprefix("-, ")
    return (
        view.limit.scope.value,
        view.limit.name or "-",
        view.limit.period.value,
        str(view.amount),
        str(view.spent),
        str(view.reserved),
        str(view.left),
        leads,
        "-" if view.ends_us is None else f"{iso(view.ends_us)[:16]}Z",
    )


@budget.command("set")
@click.argument("scope", type=_SCOPES)
@click.argument("words", nargs=-1, required=True, metavar="NAME USD")
@click.option("--period", type=_PERIODS, default="total", help="For how long it holds before it begins anew.")
@common
@click.pass_context
def set_(
    context: click.Context,
    scope: str,
    words: tuple[str, ...],
    period: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Let SCOPE spend at most USD in each period: the workspace (without NAME), an agent, a key, a mission."""
    del debug
    from remit.bootstrap import open_store
    from remit.kernel.action import ActorKind, Principal
    from remit.kernel.clock import SystemClock
    from remit.kernel.money import Money, usd
    from remit.missions.limits import limit_spending

    home, as_json = _given(context, home, as_json=as_json)
    limit, amount = _limit(scope, words[:-1], period), usd(words[-1])
    settings = settings_of(home)
    by = Principal(ActorKind.USER, settings.acting)
    with open_store(settings) as store:
        order = limit_spending(store, limit, amount, workspace=settings.workspace, by=by, clock=SystemClock())
        before = asyncio.run(order)
        store.seal()
    told = None if before is None else str(Money(before).usd)
    if as_json:
        emit({"set": {**_json(limit), "limit_usd": str(amount.usd), "before_usd": told}})
    else:
        say(f"{limit} is {amount} now" + ("" if before is None else f", it was {Money(before)}"))
    return 0


@budget.command()
@click.argument("scope", type=_SCOPES)
@click.argument("name", required=False, default="")
@click.option("--period", type=_PERIODS, default="total", help="Which of its limits.")
@common
@click.pass_context
def remove(
    context: click.Context, scope: str, name: str, period: str, home: str | None, *, as_json: bool, debug: bool
) -> int:
    """Take the limit of SCOPE away: it may spend without it. What was spent stays in the ledger."""
    del debug
    from remit.accounts.budgets import remove_limit
    from remit.bootstrap import open_store
    from remit.kernel.action import ActorKind, Principal
    from remit.kernel.money import Money

    home, as_json = _given(context, home, as_json=as_json)
    limit = _limit(scope, (name,) if name else (), period)
    settings = settings_of(home)
    by = Principal(ActorKind.USER, settings.acting)
    with open_store(settings) as store:
        before = asyncio.run(remove_limit(store, limit, workspace=settings.workspace, by=by))
        store.seal()
    if as_json:
        emit({"removed": {**_json(limit), "before_usd": str(Money(before).usd)}})
    else:
        say(f"{limit} of {Money(before)} is removed")
    return 0


def _given(context: click.Context, home: str | None, *, as_json: bool) -> tuple[str | None, bool]:
    """``--home`` and ``--json``, which may stand before or after the subcommand's name."""
    before_home, before_json = context.obj or (None, False)
    return home or before_home, as_json or before_json


def _limit(scope: str, names: tuple[str, ...], period: str) -> Limit:
    from remit.accounts.budget_periods import Period
    from remit.accounts.budgets import BudgetScope, Limit

    if len(names) > 1:
        message = f"One name at most, then the amount: {' '.join(names)[:80]!r} are {len(names)}."
        raise InvalidInput(message, hint="remit budget set --help")
    return Limit(BudgetScope(scope), names[0] if names else "", Period(period))


def _json(limit: Limit) -> dict[str, str]:
    return {"scope": limit.scope.value, "name": limit.name, "period": limit.period.value}


@click.group(invoke_without_command=True)
@click.option(
    "--by",
    type=click.Choice(["agent", "user", "key", "mission", "provider", "model", "kind", "hour", "day"]),
    default="agent",
    help="What is added up.",
)
@click.option("--since", default="", metavar="TIME", help="An ISO time, or 30m, 2h, 7d ago; from the full hour on.")
@click.option("--until", default="", metavar="TIME", help="As --since; to the end of its hour.")
@click.option("--only", multiple=True, metavar="NAME=VALUE", help="Only this agent, user, key, mission, ...; repeat.")
@click.option("--calls", type=click.IntRange(1, 1000), default=None, metavar="N", help="List so many calls instead.")
@click.option("--after", default="", metavar="PLACE", help="With --calls: go on where the list before ended.")
@common
@click.pass_context
def usage(
    context: click.Context,
    by: str,
    since: str,
    until: str,
    only: tuple[str, ...],
    calls: int | None,
    after: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """What attempts used and cost: tokens, graphics time, storage, network, and whatever else is billed."""
    del debug
    if context.invoked_subcommand is not None:
        context.obj = (home, as_json)
        return 0
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.kernel.clock import SystemClock, micros_of
    from remit.models import usage as used

    settings, where = settings_of(home), _where(only)
    begun, ended = since_us(since), since_us(until) if until else None
    with open_store(settings) as store:
        if calls is not None:
            page = store.view(
                lambda tx: used.calls(
                    tx, settings.workspace, where=where, since_us=begun, until_us=ended, after=after, limit=calls
                )
            )
            return _say_calls(page, as_json=as_json)
        now_us = micros_of(SystemClock().now())
        report = store.view(
            lambda tx: used.usage(
                tx, settings.workspace, by=used.By(by), now_us=now_us, since_us=begun, until_us=ended, where=where
            )
        )
    if as_json:
        emit(report.as_json())
    elif not report.groups:
        say("Nothing was used that costs.")
    else:
        _say_report(report)
    return 0


@usage.command("true-up")
@click.option("--since", required=True, metavar="TIME", help="Calls that began then or later: an ISO time, or 7d ago.")
@click.option("--until", default="", metavar="TIME", help="Calls that began before; all since when left out.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be booked.")
@common
@click.pass_context
def true_up(
    context: click.Context,
    since: str,
    until: str,
    home: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Reckon calls of models anew at the prices that are right now, and book the difference in the budgets."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.context import acting
    from remit.cli.moments import since_us
    from remit.kernel.clock import SystemClock
    from remit.models.true_up_order import order_true_up

    home, as_json = _given(context, home, as_json=as_json)
    settings = settings_of(home)
    begun, ended = since_us(since), since_us(until) if until else None
    with open_store(settings) as store:
        order = order_true_up(
            store,
            workspace=settings.workspace,
            by=acting(settings),
            clock=SystemClock(),
            since_us=begun,
            until_us=ended,
            dry_run=dry_run,
        )
        found = asyncio.run(order)
        store.seal()
    if as_json:
        emit(found.as_json())
        return 0
    if found.models:
        head = ("model", "calls", "charged", "costs", "difference")
        rows = [
            (f"{each.provider}/{each.model}", str(each.calls), str(each.charged), str(each.exact), f"${-each.over_usd}")
            for _, each in sorted(found.models.items())
        ]
        say(table(rows, head=head))
    verb = "would be corrected" if dry_run else "corrected"
    say(f"calls looked at: {found.looked}; {verb}: {found.corrected}, by {found.more} in all")
    if found.unknown:
        say(f"calls whose price still nobody knows: {found.unknown}; set it: remit models price PROVIDER/MODEL")
    if found.uncounted:
        say(f"calls from before tokens written to a cache were counted, left as they were: {found.uncounted}")
    return 0


def _where(only: tuple[str, ...]) -> Where:
    import dataclasses

    from remit.guard.budget_rollup import Where

    known = [each.name for each in dataclasses.fields(Where)]
    given: dict[str, str] = {}
    for text in only:
        name, _, value = text.partition("=")
        if name not in known or not value:
            message = f"{text[:80]!r} is no filter: write NAME=VALUE, NAME being {', '.join(known)}."
            raise InvalidInput(message, hint="remit usage")
        given[name] = value
    return Where(**given)


def _say_report(report: Report) -> None:
    head = (
        report.by.value,
        "attempts",
        "cost",
        "share",
        "tokens in",
        "out",
        "cached",
        "gpu s",
        "storage B",
        "network B",
    )
    rows = [_used(used, report.share(used)) for used in report.groups]
    if len(rows) > 1:
        rows.append(_used(report.total, None))
    say(table(rows, head=head))
    if report.total.sums["kept"]:
        say(f"kept answers given again: {report.total.sums['kept']}, which saved {report.total.saved}")
    if report.total.unpriced:
        say(f"attempts whose price nobody knew: {report.total.unpriced}; their cost is not in these sums")
    day, month = report.day, report.month
    say(f"today {day.spent}, at this pace {day.projected}; this month {month.spent}, at this pace {month.projected}")


def _used(used: Used, share: Decimal | None) -> tuple[str, ...]:
    sums = used.sums
    return (
        used.key,
        str(used.attempts),
        _cost(used),
        "-" if share is None else f"{share * 100:.1f}%",
        str(sums["tokens_in"]),
        str(sums["tokens_out"]),
        str(sums["tokens_cached"]),
        f"{sums['gpu_ms'] / 1000:g}",
        str(sums["storage_bytes"]),
        str(sums["network_bytes"]),
    )


def _cost(used: Used) -> str:
    """Unknown is never zero."""
    if not used.unpriced:
        return str(used.cost)
    return f"{used.cost} + unknown" if used.cost else "unknown"


def _notes(call: Call) -> Iterator[str]:
    """What is to be known of a call's cost."""
    yield from (word for word, true in (("kept", call.kept), ("estimated", call.estimated)) if true)
    if service := call.terms.get("service"):
        yield f"served as {service}"
    unpriced = call.terms.get("unpriced")
    if isinstance(unpriced, list):
        yield f"without {', '.join(map(str, unpriced))}"


def _say_calls(page: Page, *, as_json: bool) -> int:
    from remit.kernel.clock import iso

    if as_json:
        emit({"calls": [call.as_json() for call in page.calls], "after": page.after})
        return 0
    if not page.calls:
        say("No call fits.")
    rows = [
        (
            iso(call.opened_us)[:19],
            call.action,
            call.principal,
            call.key[:13] or "-",
            "/".join(text for text in (call.provider, call.model) if text) or call.kind,
            str(call.tokens_in),
            str(call.tokens_out),
            ("open" if call.settled_us is None else "unknown") if call.cost is None else str(call.cost),
            ", ".join(_notes(call)) or "-",
        )
        for call in page.calls
    ]
    if rows:
        say(table(rows, head=("at", "action", "by", "key", "model", "tokens in", "out", "cost", "notes")))
    if page.after:
        say(f"more: add --after {page.after}")
    return 0


COMMANDS = {"budget": budget, "usage": usage}
