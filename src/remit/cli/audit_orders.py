"""``remit audit hold|release|holds|retain|erase|export|acknowledge`` and ``key rotate``: orders about the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from remit.bootstrap import ask_timestamp, ask_witness, erase_person, export_log, open_store, rotate_log_key
from remit.cli.context import settings_of
from remit.cli.moments import since_us
from remit.cli.output import common, emit, say, table
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import Denied
from remit.kernel.ports import ReadTx
from remit.settings import Settings

_SHOWN = 20
_REASON = click.option("--reason", required=True, help="Why, for the audit log.")


def by(settings: Settings) -> Principal:
    """Who gives the order."""
    return Principal(ActorKind.USER, settings.acting)


def allow(settings: Settings, permission: str = "admin") -> Callable[[ReadTx], None]:
    """Refuses, when the order is carried out, whoever may not give it."""
    from remit.accounts.access import Permission, Resource, require

    who, workspace = by(settings), settings.workspace

    def check(tx: ReadTx) -> None:
        require(tx, who, workspace=workspace, permission=Permission(permission), resource=Resource.AUDIT)

    return check


@click.command()
@click.argument("name")
@_REASON
@click.option("--subject", default="", help="Only payloads about this person.")
@click.option("--mission", default="", help="Only entries of this mission.")
@click.option("--since", default="", help="Only entries from then on: an ISO time, or 30m, 2h, 7d ago.")
@click.option("--until", default="", help="Only entries up to then.")
@common
def hold(
    name: str,
    reason: str,
    subject: str,
    mission: str,
    since: str,
    until: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> None:
    """Put a legal hold in force: what it covers is neither pruned nor erased until it is released."""
    del debug
    from remit.audit.holds import Hold, Scope, place_hold

    settings = settings_of(home)
    placed = Hold(settings.workspace, name, Scope(subject, mission, since_us(since), since_us(until)))
    with open_store(settings) as store:
        order = partial(place_hold, hold=placed, by=by(settings), reason=reason, allow=allow(settings))
        store.write("audit.hold", order)
    emit({"hold": placed.as_json()}) if as_json else say(
        f"hold {name} is in force\nend it with: remit audit release {name} --reason WHY"
    )


@click.command()
@click.argument("name")
@_REASON
@common
def release(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> None:
    """End a legal hold."""
    del debug
    from remit.audit.holds import release_hold

    settings = settings_of(home)
    with open_store(settings) as store:
        ended = store.write(
            "audit.release",
            lambda tx: release_hold(
                tx, name, workspace=settings.workspace, by=by(settings), reason=reason, allow=allow(settings)
            ),
        )
    emit({"released": ended.as_json()}) if as_json else say(f"hold {name} is no longer in force")


@click.command(name="holds")
@common
def list_holds(home: str | None, *, as_json: bool, debug: bool) -> None:
    """List the legal holds in force."""
    del debug
    from remit.audit.holds import holds

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: holds(tx, settings.workspace))
    if as_json:
        emit({"holds": [each.as_json() for each in found]})
        return
    rows = [
        (
            each.name,
            each.scope.subject or "anybody",
            each.scope.mission or "any",
            iso(each.scope.since_us)[:19] if each.scope.since_us else "ever",
            iso(each.scope.until_us)[:19] if each.scope.until_us else "ever",
        )
        for each in found
    ]
    say(table(rows, head=("hold", "about", "mission", "since", "until")))


@click.command()
@click.option("--dry-run", is_flag=True, help="Count, and prune nothing.")
@common
def retain(home: str | None, *, dry_run: bool, as_json: bool, debug: bool) -> None:
    """Prune payloads that are older than the plan keeps them; headers and proofs stay."""
    del debug
    from remit.accounts.plans import plan_of
    from remit.audit.retention import retain as prune_old

    settings = settings_of(home)
    with open_store(settings) as store:
        days = settings.audit_retention_days or store.view(lambda tx: plan_of(tx, settings.workspace)).retention_days
        done = asyncio.run(
            prune_old(
                store,
                workspace=settings.workspace,
                days=days,
                now_us=micros_of(datetime.now(UTC)),
                by=by(settings),
                allow=allow(settings),
                dry=dry_run,
            )
        )
    if as_json:
        emit(done.as_json())
        return
    verb = "would be pruned" if dry_run else "pruned"
    say(f"{done.pruned} payloads from before {iso(done.before_us)[:19]} ({days} days) {verb}; {done.held} are held")


@click.command()
@click.argument("subject")
@_REASON
@click.option("--also", multiple=True, help="Another identifier of the person to look for: a name, an address.")
@common
def erase(subject: str, reason: str, also: tuple[str, ...], home: str | None, *, as_json: bool, debug: bool) -> None:
    """Destroy the keys of everything logged about a person, and report what remains elsewhere."""
    del debug
    settings = settings_of(home)
    with open_store(settings) as store:
        report = erase_person(
            store,
            subject,
            also=also,
            missions=settings.missions,
            workspace=settings.workspace,
            by=by(settings),
            reason=reason,
            allow=allow(settings),
            exports=settings.exports / settings.workspace,
        )
    if report.erased.holds:
        message = f"A legal hold covers what was logged about {subject}: {', '.join(report.erased.holds)}."
        raise Denied(message, code="audit.hold", hint="remit audit release NAME --reason WHY")
    if as_json:
        emit(report.as_json())
        return
    say(f"{len(report.erased.keys)} keys destroyed; {len(report.erased.entries)} payloads can never be read again.")
    say("Headers stay, with ids only; backups and exports made before now still hold what they held.")
    for name in report.exports:
        say(f"removed: the export {name} in this home, which held some of it")
    if not report.shredded:
        say("A reader kept the write-ahead log from being cut: run the command again.")
    for title, found in (("blanked", report.blanked), ("remains", report.remains)):
        for each in found:
            say(f"{title}: {each.table}.{each.column}, {each.rows} rows: {', '.join(each.keys)}")
    for mission, commit, paths in report.commits:
        say(f"remains: commit {commit} of mission {mission}: {', '.join(paths[:_SHOWN])}")
    for name in report.files:
        say(f"remains: file {name}")
    for name in report.unread:
        say(f"not searched: {name}")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), default="jsonl", help="Of the entries' file."
)
@click.option("--since", default="", help="Only from then on: an ISO time, or 30m, 2h, 7d ago.")
@click.option("--until", default="", help="Only up to then.")
@click.option("--user", default="", help="Only what this user or agent did, or what was done on their behalf.")
@click.option("--action", default="", help="Only this action, for instance guard.intent.")
@click.option("--domain", default="", help="Only this domain, for instance command.")
@click.option("--mission", default="", help="Only entries of this mission.")
@common
def export(
    folder: Path,
    form: str,
    since: str,
    until: str,
    user: str,
    action: str,
    domain: str,
    mission: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> None:
    """Write entries with their payloads and proofs into a new folder, signed, to be checked offline."""
    del debug
    from remit.audit.export import Selection

    settings = settings_of(home)
    wanted = Selection(
        settings.workspace,
        since_us=since_us(since),
        until_us=since_us(until),
        user=user,
        action=action,
        domain=domain,
        mission=mission,
    )
    with open_store(settings) as store:
        manifest = export_log(
            store,
            folder,
            wanted=wanted,
            form=form,
            by=by(settings),
            allow=allow(settings, "read"),
            made_at=iso(micros_of(datetime.now(UTC))),
        )
        vkey = store.verifiers[0].vkey
    if as_json:
        emit({"folder": str(folder), "key": vkey, "manifest": manifest})
    else:
        say(f"{manifest['rows']} entries in {folder}\ncheck it anywhere with: remit audit verify {folder} --key {vkey}")


@click.command()
@_REASON
@common
def acknowledge(reason: str, home: str | None, *, as_json: bool, debug: bool) -> None:
    """After a failed verification: say that you have looked, so that deploys, orders and publishing go on."""
    del debug
    from remit.audit.schedule import acknowledge as acknowledged

    settings = settings_of(home)
    with open_store(settings) as store:
        entry = store.write(
            "audit.acknowledged",
            lambda tx: acknowledged(tx, by=by(settings), reason=reason, allow=allow(settings)),
        )
    emit({"acknowledged": entry}) if as_json else say(f"the alarm of entry {entry} is acknowledged")


@click.command()
@_REASON
@common
def rotate(reason: str, home: str | None, *, as_json: bool, debug: bool) -> None:
    """Change the key that signs; the old one and the new one sign the entry that says so."""
    del debug
    settings = settings_of(home)
    with open_store(settings) as store:
        done = rotate_log_key(settings, store, by=by(settings), reason=reason, allow=allow(settings))
    if as_json:
        emit({"old": done.old.vkey, "new": done.new.vkey, "proof": done.proof})
    else:
        say(f"the log is signed by {done.new.vkey}\nbefore by  {done.old.vkey}\nwhich still verifies what it signed")


@click.command()
@common
def witness(home: str | None, *, as_json: bool, debug: bool) -> None:
    """Have the configured witness cosign the newest head, and keep what it signed in the home."""
    del debug
    settings = settings_of(home)
    with open_store(settings) as store:
        done = ask_witness(settings, store)
    at = iso(done.time_s * 1_000_000)
    emit({"size": done.size, "at": at, "note": done.note}) if as_json else say(
        f"the head over {done.size} entries was cosigned at {at}"
    )


@click.command()
@common
def timestamp(home: str | None, *, as_json: bool, debug: bool) -> None:
    """Have the configured RFC 3161 authority stamp the newest head, and keep the token in the home."""
    del debug
    settings = settings_of(home)
    with open_store(settings) as store:
        done = ask_timestamp(settings, store)
    at = iso(micros_of(done.at))
    emit({"size": done.size, "at": at}) if as_json else say(f"the head over {done.size} entries was stamped at {at}")


COMMANDS = (hold, release, list_holds, retain, erase, export, acknowledge, witness, timestamp)
