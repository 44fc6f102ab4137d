"""``remit secrets list``, ``show``, ``stats`` and ``check``: which there are, who used them, whether one leaked."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.cli.secrets_desk import desk

FAILED = 1


@click.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Every secret: which backend has it, its version, who set it, how often it was used. Never a value."""
    del debug
    from remit.bootstrap import open_store, where_kept
    from remit.guard.secrets_orders import read_known
    from remit.guard.secrets_use import read_statistics
    from remit.kernel.clock import iso

    settings = settings_of(home)
    with open_store(settings) as store:
        known = {row.name: row for row in store.view(lambda tx: read_known(tx, settings.workspace))}
        uses = store.view(lambda tx: read_statistics(tx, settings.workspace))
    kept = where_kept(settings)
    shown: list[dict[str, object]] = []
    for name in sorted({*known, *kept}):
        row = known.get(name)
        mine = [each for each in uses if each.secret == name]
        backends = kept.get(name, [])
        shown.append(
            {
                "secret": name,
                "backend": backends[0] if backends else "",
                "shadowed": backends[1:],
                "version": row.version if row is not None and row.set_by else "",
                "status": "deleted"
                if row is not None and row.status == "deleted" and not backends
                else ("there" if backends else "missing"),
                "set_by": row.set_by if row is not None else "",
                "set": iso(row.set_us) if row is not None and row.set_by else "",
                "uses": sum(each.uses for each in mine),
                "last_use": iso(max((each.last_us for each in mine), default=0)) if mine else "",
            }
        )
    if as_json:
        emit({"secrets": shown})
    elif not shown:
        say("There is no secret. Set one: remit secrets set NAME")
    else:
        names = ("secret", "backend", "version", "status", "set_by", "uses", "last_use")
        rows = [tuple(str(each[name])[:26] or "-" for name in names) for each in shown]
        say(table(rows, head=("secret", "backend", "version", "status", "set by", "uses", "last use")))
    return 0


@click.command()
@click.argument("name")
@common
def show(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """One secret: its versions, who may use it, who did, and what was out of the ordinary. Never a value."""
    del debug
    from remit.guard.secrets_rules import read_in_force
    from remit.guard.secrets_use import read_anomalies, read_statistics
    from remit.kernel.clock import iso
    from remit.kernel.references import check_name

    check_name(name)
    settings = settings_of(home)
    with desk(settings) as (order, store):
        versions = order.secrets.backend.versions(name)
        lists = store.view(lambda tx: read_in_force(tx, settings.workspace)).rules
        uses = store.view(lambda tx: read_statistics(tx, settings.workspace))
        odd = store.view(lambda tx: read_anomalies(tx, settings.workspace))
    about = [rule for rule in lists if rule.covers(name)]
    mine = [each for each in uses if each.secret == name]
    events = [
        {
            "what": row["what"],
            "principal": row["principal"],
            "mission": row["mission"],
            "at": iso(row["at_us"]),
            "seen": row["seen"],
            "usual": row["usual"],
        }
        for row in odd
        if row["secret"] == name
    ]
    if as_json:
        told = {"secret": name, "versions": versions, "rules": [rule.as_json() for rule in about]}
        emit({**told, "uses": [each.as_json() for each in mine], "anomalies": events})
        return 0
    say(f"{name}: versions {', '.join(versions)}")
    say("\nrules:" if about else "\nNo rule is about it: no agent may use it.")
    for rule in about:
        say(f"  {rule}")
    for each in mine:
        where = f" in {each.mission}" if each.mission else ""
        say(f"used by {each.principal}{where}: {each.uses} times, denied {each.denied}, last {iso(each.last_us)[:19]}Z")
    for event in events:
        say(f"{event['at']}: {event['what']} by {event['principal']}")
    return 0


@click.command()
@click.option("--since", default="", metavar="TIME", help="Last used since an ISO time, or 30m, 2h, 7d ago.")
@common
def stats(since: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """How often each secret was used, by which agent, in which mission, first and last; and what was denied."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.guard.secrets_use import read_statistics

    settings = settings_of(home)
    begun = since_us(since)
    with open_store(settings) as store:
        found = store.view(lambda tx: read_statistics(tx, settings.workspace, since_us=begun))
    told = [each.as_json() for each in found]
    if as_json:
        emit({"uses": told})
    elif not told:
        say("No secret was used.")
    else:
        names = ("secret", "principal", "mission", "uses", "denied", "first", "last")
        say(table([tuple(str(each[name])[:36] or "-" for name in names) for each in told], head=names))
    return 0


@click.command()
@click.argument("place", required=False, default="", metavar="MISSION|PATH")
@common
def check(place: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Look for every current and retired value in a mission, below a path, or (without one) in the whole home.

    Tells where one stands, never the value; ends with 1 when one does.
    """
    del debug
    from remit.accounts.access import Permission
    from remit.bootstrap import find_leaks, known_values, where_kept
    from remit.guard.secrets_leaks import Search
    from remit.guard.secrets_orders import note_check
    from remit.kernel.references import Reference

    settings = settings_of(home)
    with desk(settings) as (order, store):
        asyncio.run(order.check(Permission.ADMIN))
        values = known_values(order, list(where_kept(settings)))
        search = Search(values)
        leaks = find_leaks(settings, store, search, values, place=place)
        asyncio.run(note_check(order, values=len(search), leaks=len(leaks), place=place))
    unsearched = sorted({str(Reference(value.name)) for value in search.unsearched})
    if as_json:
        emit({"values": len(search), "leaks": [leak.as_json() for leak in leaks], "unsearched": unsearched})
    else:
        for leak in leaks:
            old = "a retired value" if leak.retired else "the value"
            say(f"{leak.path}: {old} of {leak.secret} (version {leak.version}), {leak.count} times")
        say(f"looked for {len(search)} values: {'found ' + str(len(leaks)) + ' places' if leaks else 'none was found'}")
        for reference in unsearched:
            hint(f"{reference} is too short or too common to be looked for: rotate it")
    return FAILED if leaks else 0


COMMANDS = (list_, show, stats, check)
