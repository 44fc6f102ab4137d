"""What may be spent and what was: ``budget`` (show, set, remove) and ``usage``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.accounts.budgets import Limit
    from remit.guard.budget_limits import BudgetView
    from remit.guard.budget_rollup import Used
    from remit.kernel.ports import ReadTx

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
    from remit.accounts.budgets import set_limit
    from remit.bootstrap import open_store
    from remit.kernel.action import ActorKind, Principal
    from remit.kernel.money import Money, usd

    home, as_json = _given(context, home, as_json=as_json)
    limit, amount = _limit(scope, words[:-1], period), usd(words[-1])
    settings = settings_of(home)
    by = Principal(ActorKind.USER, settings.acting)
    with open_store(settings) as store:
        store.view(lambda tx: _check_known(tx, settings.workspace, limit))
        order = set_limit(
            store,
            limit.scope,
            workspace=settings.workspace,
            name=limit.name,
            limit=amount,
            by=by,
            period=limit.period,
        )
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


def _check_known(tx: ReadTx, workspace: str, limit: Limit) -> None:
    """A limit for a name that nobody has would never hold anything back.

    Raises:
        NotFound: There is no such agent, key or mission.
    """
    from remit.accounts.agents import find_agent
    from remit.accounts.budgets import BudgetScope
    from remit.accounts.key_orders import find_key
    from remit.missions.rows import read_mission

    if limit.scope is BudgetScope.AGENT:
        find_agent(tx, workspace=workspace, name=limit.name)
    elif limit.scope is BudgetScope.KEY:
        find_key(tx, limit.name, workspace=workspace)
    elif limit.scope is BudgetScope.MISSION:
        read_mission(tx, workspace, limit.name)


def _json(limit: Limit) -> dict[str, str]:
    return {"scope": limit.scope.value, "name": limit.name, "period": limit.period.value}


@click.command()
@click.option(
    "--by",
    type=click.Choice(["agent", "mission", "model", "kind", "day"]),
    default="agent",
    help="What is added up.",
)
@click.option("--since", default="", metavar="TIME", help="An ISO time, or 30m, 2h, 7d ago; from the full hour on.")
@common
def usage(by: str, since: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """What attempts used and cost: tokens, graphics time, storage, network, and whatever else is billed."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.guard.budget_rollup import By, usage_by

    settings = settings_of(home)
    begun = since_us(since)
    with open_store(settings) as store:
        found = store.view(lambda tx: usage_by(tx, settings.workspace, by=By(by), since_us=begun))
    if as_json:
        emit({"by": by, "usage": [used.as_json() for used in found]})
    elif not found:
        say("Nothing was used that costs.")
    else:
        head = (by, "attempts", "cost", "tokens in", "tokens out", "gpu s", "storage B", "network B", "unknown price")
        say(table([_used(used) for used in found], head=head))
    return 0


def _used(used: Used) -> tuple[str, ...]:
    sums = used.sums
    return (
        used.key,
        str(used.attempts),
        str(used.cost),
        str(sums["tokens_in"]),
        str(sums["tokens_out"]),
        f"{sums['gpu_ms'] / 1000:g}",
        str(sums["storage_bytes"]),
        str(sums["network_bytes"]),
        str(used.unpriced),
    )


COMMANDS = {"budget": budget, "usage": usage}
