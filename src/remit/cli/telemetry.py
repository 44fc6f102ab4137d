"""``remit telemetry``: the two switches, what leaves the machine, the recorded events, and what people say."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.output import common, emit, say, table


@click.group(invoke_without_command=True)
@common
@click.pass_context
def telemetry(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """How the switches stand, what leaves this machine, and the last week's events in sums. Administrators only."""
    del debug
    if ctx.invoked_subcommand is not None:
        return 0
    from remit.accounts.access import Permission, reading, require
    from remit.accounts.telemetry import Turned, read_switches
    from remit.accounts.telemetry_events import Dashboard, dashboard
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock, micros_of
    from remit.kernel.ports import ReadTx
    from remit.operations.leaving import leaving

    settings = settings_of(home)
    now_us = micros_of(SystemClock().now())

    def op(tx: ReadTx) -> tuple[list[Turned], Dashboard]:
        require(tx, acting(settings), workspace=settings.workspace, permission=Permission.ADMIN)
        switches = read_switches(tx, settings.workspace, settings)
        return list(switches.values()), dashboard(tx, settings.workspace, now_us=now_us)

    with open_store(settings) as store:
        switches, sums = asyncio.run(reading(store, op))
    kinds = leaving(settings)
    if as_json:
        told = {"switches": [asdict(one) for one in switches], "leaving": [asdict(one) for one in kinds]}
        emit(told | {"kept_days": settings.telemetry_days, "week": asdict(sums)})
        return 0
    for one in switches:
        why = f"by {one.by}: {one.reason}" if one.by else "as the setting says"
        say(f"{one.name.value}: {'on' if one.on else 'off'}, {why}")
    for kind in kinds:
        say(f"{kind.what.lower()}: {f'to {kind.to}' if kind.to else 'nowhere'}, {kind.when}")
    say(f"events in seven days: {sums.events}{' and more' if sums.more else ''}, errors {sums.errors}")
    return 0


@telemetry.command(name="turn")
@click.argument("switch", type=click.Choice(["telemetry", "feedback"]))
@click.argument("position", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def turn_(switch: str, position: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Turn a switch; every process obeys within a second."""
    del debug
    from remit.accounts.telemetry import turn
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock

    settings = settings_of(home)
    mask = masking(settings)
    with open_store(settings) as store:
        order = turn(
            store,
            switch,
            on=position == "on",
            workspace=settings.workspace,
            reason=mask(reason),
            by=acting(settings),
            clock=SystemClock(),
        )
        asyncio.run(order)
        store.seal()
    if as_json:
        emit({"switch": switch, "on": position == "on"})
    else:
        say(f"{switch} is {position}")
    return 0


@telemetry.command()
@click.option("--kind", type=click.Choice(["feature", "error", "feedback"]), default=None, help="Only of this kind.")
@click.option("--surface", type=click.Choice(["api", "console", "cli", "gateway"]), default=None, help="Only there.")
@click.option("--name", default="", help="Only this feature: method and route.")
@click.option("--outcome", default="", help="Only what ended so: the answer's status.")
@click.option("--since", default="", metavar="TIME", help="From an ISO time, or 30m, 2h, 7d ago.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Events in the list.")
@common
def events(
    kind: str | None,
    surface: str | None,
    name: str,
    outcome: str,
    since: str,
    limit: int,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Recorded events, the newest first."""
    del debug
    from remit.accounts.access import Permission, reading, require
    from remit.accounts.telemetry_events import Asked, Event, list_events
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.kernel.clock import iso
    from remit.kernel.ports import ReadTx

    settings = settings_of(home)
    wanted = Asked(kind or "", surface or "", name, outcome, since_us=since_us(since))

    def op(tx: ReadTx) -> list[Event]:
        require(tx, acting(settings), workspace=settings.workspace, permission=Permission.ADMIN)
        return list_events(tx, settings.workspace, wanted, limit=limit)

    with open_store(settings) as store:
        found = asyncio.run(reading(store, op))
    if as_json:
        emit({"events": [one.as_json() for one in found]})
    elif not found:
        say("No event fits. They are recorded while the switch is on: remit telemetry")
    else:
        rows = [
            (
                *(iso(one.at_us)[:19], one.kind.value, one.surface, one.name, one.outcome),
                *(str(one.times), f"{one.took_us / 1000:.1f}"),
            )
            for one in found
        ]
        say(table(rows, head=("at", "kind", "where", "feature", "status", "times", "ms")))
    return 0


@telemetry.command()
@click.argument("rating", type=click.IntRange(1, 5))
@click.option("--comment", default="", help="What you want to say.")
@click.option("--about", default="", help="Which command or page it is about.")
@common
def feedback(rating: int, comment: str, about: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Say how good Remit is, 1 to 5; kept here, without your name, if the switch `feedback` is on."""
    del debug
    from remit.accounts.telemetry_events import say as order
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock

    settings = settings_of(home)
    mask = masking(settings)
    with open_store(settings) as store:
        kept = order(
            store,
            comment,
            rating=rating,
            about=mask(about),
            surface="cli",
            workspace=settings.workspace,
            by=acting(settings),
            settings=settings,
            clock=SystemClock(),
            mask=mask,
        )
        event = asyncio.run(kept)
        store.seal()
    if as_json:
        emit({"id": event.id})
    else:
        say("kept; nobody is told who said it")
    return 0


@telemetry.command()
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def forget(reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Delete every recorded event."""
    del debug
    from remit.accounts.telemetry_events import forget as order
    from remit.bootstrap import open_store

    settings = settings_of(home)
    mask = masking(settings)
    with open_store(settings) as store:
        gone = asyncio.run(order(store, workspace=settings.workspace, reason=mask(reason), by=acting(settings)))
        store.seal()
    if as_json:
        emit({"deleted": gone})
    else:
        say(f"deleted {gone} {'event' if gone == 1 else 'events'}")
    return 0


COMMANDS = {"telemetry": telemetry}
