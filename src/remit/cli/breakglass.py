"""``remit breakglass``: two persons lift one stop, rule or policy for somebody, for minutes."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.output import common, emit, say, table
from remit.kernel.clock import SystemClock, iso, micros_of
from remit.kernel.ids import is_id


@click.group()
def breakglass() -> None:
    """Lift one stop, rule or policy for somebody, for minutes: one person asks, another confirms."""


@breakglass.command()
@click.argument("what")
@click.option(
    "--lifts",
    type=click.Choice(["stop", "rule", "policy"]),
    default="stop",
    show_default=True,
    help="What WHAT is: a stop ('agent NAME', 'team SLUG', 'mission ID', install), a rule's id, a policy's @id.",
)
@click.option("--for", "name", required=True, help="The agent, team or mission for which it holds.")
@click.option("--scope", type=click.Choice(["agent", "team", "mission"]), default=None, help="What --for names.")
@click.option("--minutes", default=15, show_default=True, help="How long it holds once confirmed, at most 60.")
@click.option("--reason", required=True, help="Why, for whoever confirms it and for the audit log.")
@common
def request(
    what: str,
    lifts: str,
    name: str,
    scope: str | None,
    minutes: int,
    reason: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Ask for it; nothing is lifted until another person confirms."""
    del debug
    from remit.accounts.break_glass import Lift, Lifts, request_glass
    from remit.accounts.kills import KillScope
    from remit.bootstrap import open_store

    settings = settings_of(home)
    kind = scope or ("mission" if is_id(name) else "agent")
    lift = Lift(Lifts(lifts), what, KillScope(kind), name, minutes)
    by, of, mask = acting(settings), settings.workspace, masking(settings)
    with open_store(settings) as store:
        made = asyncio.run(
            request_glass(store, lift, workspace=of, reason=reason, by=by, clock=SystemClock(), mask=mask)
        )
        store.seal()
    told = f"asked for {lift}\nsomebody else confirms it with: remit breakglass confirm {made}"
    emit({"grant": made, "status": "requested", "minutes": minutes}) if as_json else say(told)
    return 0


@breakglass.command()
@click.argument("grant")
@common
def confirm(grant: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Open it, as another person than the one who asked, with the approve permission."""
    del debug
    from remit.accounts.break_glass import confirm_glass
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        opened = asyncio.run(
            confirm_glass(store, grant, workspace=settings.workspace, by=acting(settings), clock=SystemClock())
        )
        store.seal()
    now = micros_of(SystemClock().now())
    emit(opened.as_json(now)) if as_json else say(f"open until {iso(opened.expires_us)}: {opened.lift}")
    return 0


@breakglass.command()
@click.argument("grant")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def close(grant: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End it before its time; what it let start is stopped again within a second."""
    del debug
    from remit.accounts.break_glass import close_glass
    from remit.bootstrap import open_store

    settings = settings_of(home)
    by, of, mask = acting(settings), settings.workspace, masking(settings)
    with open_store(settings) as store:
        asyncio.run(close_glass(store, grant, workspace=of, reason=reason, by=by, clock=SystemClock(), mask=mask))
        store.seal()
    emit({"grant": grant, "status": "closed"}) if as_json else say(f"closed {grant}")
    return 0


@breakglass.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """List every request and grant, newest first."""
    del debug
    from remit.accounts.break_glass import list_glass
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        found = asyncio.run(list_glass(store, workspace=settings.workspace, by=acting(settings)))
    now = micros_of(SystemClock().now())
    if as_json:
        emit({"grants": [one.as_json(now) for one in found]})
        return 0
    rows = [
        (one.id, one.status(now), str(one.lift), one.requested_by, one.confirmed_by or "-", str(one.uses))
        for one in found
    ]
    say(table(rows, head=("grant", "status", "lifts", "asked by", "confirmed by", "uses")))
    return 0


COMMANDS = {"breakglass": breakglass}
