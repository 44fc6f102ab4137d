"""``remit audit show|verify|prove``: what happened, whether it still stands, and a proof for somebody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from remit.audit.note import Verifier, open_note, parse_checkpoint, parse_verifier
from remit.audit.proof import parse_proof
from remit.audit.query import Filter, Record, find, pick, prove
from remit.audit.report import Discrepancy
from remit.bootstrap import KEY, Store, check_export, check_home, open_store, verify_if_due
from remit.cli import audit_orders as orders
from remit.cli.context import settings_of
from remit.cli.moments import since_us
from remit.cli.output import common, emit, say, table
from remit.guard.why import why as story_of
from remit.kernel.clock import SystemClock, iso
from remit.kernel.errors import InvalidInput
from remit.kernel.ids import is_id
from remit.settings import Settings

FOLLOW_SECONDS = 1.0


@click.group()
def audit() -> None:
    """The audit log: a Merkle log under signed checkpoints that other people's code can verify."""


@audit.command()
@click.option("--mission", default="", help="Only entries of this mission.")
@click.option(
    "--action", default="", help="Only of this kind, for instance guard.intent; or about this action, by its id."
)
@click.option("--actor", default="", help="Only this actor, for instance agent:coder.")
@click.option("--since", default="", help="Only from then on: an ISO time, or 30m, 2h, 7d ago.")
@click.option("--after", default=-1, help="Only entries after this number.")
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="At most this many.")
@click.option("--follow", is_flag=True, help="Go on printing what is added, until interrupted.")
@common
def show(
    mission: str,
    action: str,
    actor: str,
    since: str,
    after: int,
    limit: int,
    home: str | None,
    *,
    follow: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Print entries, oldest first."""
    del debug
    settings = settings_of(home)
    wanted = Filter(
        settings.workspace,
        mission=mission,
        action=action,
        actor=actor,
        since_us=since_us(since),
        after=after,
        limit=limit,
    )
    with open_store(settings) as store:
        if is_id(action):
            story = asyncio.run(story_of(store, action, workspace=settings.workspace))
            seqs = [each.seq for one in story.actions for each in (*one.said, *one.decisions)]
            records = store.view(lambda tx: pick(tx, settings.workspace, seqs))
        else:
            records = store.view(lambda tx: find(tx, wanted))
        _print(records, as_json=as_json)
        while follow and not is_id(action):
            wanted = replace(wanted, after=records[-1].seq if records else wanted.after)
            time.sleep(FOLLOW_SECONDS)
            records = store.view(partial(find, wanted=wanted))
            if records:
                _print(records, as_json=as_json)


def _print(records: Sequence[Record], *, as_json: bool) -> None:
    if as_json:
        emit({"entries": [record.as_json() for record in records]})
        return
    say(table([_line(record) for record in records], head=("seq", "time", "actor", "action", "result", "about")))


def _line(record: Record) -> tuple[str, ...]:
    header = record.header
    about = " ".join(str(header[name]) for name in ("domain", "step", "reason", "subject") if header[name])
    moment = iso(int(header["ts_us"]))[:23]
    return str(record.seq), moment, str(header["actor"]), str(header["action"]), str(header["result"]), about


@audit.command()
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--key", default="", help="The log's public key, or a file with it; needs no home then.")
@click.option("--scheduled", is_flag=True, help="Only what is due by the schedule, with an entry of what it found.")
@common
def verify(folder: Path | None, key: str, home: str | None, *, scheduled: bool, as_json: bool, debug: bool) -> int:
    """Check every row of the log against its hashes, its signatures and the heads kept outside; or an export in DIR."""
    del debug
    settings = settings_of(home)
    if folder is not None:
        return _verify_export(folder, _keys(settings, key), as_json=as_json)
    if scheduled:
        return _verify_due(settings, as_json=as_json)
    with open_store(settings, migrate=False) as store:
        report = store.verify()
        checkpoint = last_checkpoint(store) if report.ok else None  # the newest note may be what is damaged
    if as_json:
        emit({**report.as_json(), "checkpoint": checkpoint})
    elif report.ok:
        say(
            f"OK: {report.size} entries, {report.signed} under a signed checkpoint, {report.heads} heads outside agree."
        )
        if report.pruned or report.erased:
            say(f"{report.pruned} payloads were pruned and {report.erased} erased, as entries of the log say.")
        say(f"root {report.root.hex()}")
    else:
        _not_ok(report.discrepancies, "restore the database from a backup; until then nothing in it proves anything")
    return 0 if report.ok else 1


def _verify_due(settings: Settings, *, as_json: bool) -> int:
    with open_store(settings) as store:
        report = asyncio.run(verify_if_due(store, SystemClock(), every_s=settings.audit_verify_every_s))
    if as_json:
        emit({"due": report is not None, **({} if report is None else report.as_json())})
    elif report is None:
        say("nothing is due")
    elif report.ok:
        say(f"OK: {report.size} entries, {report.signed} under a signed checkpoint.")
    else:
        _not_ok(report.discrepancies, "remit audit verify, then remit audit acknowledge --reason WHY")
    return 0 if report is None or report.ok else 1


def _keys(settings: Settings, key: str) -> list[Verifier]:
    """The public keys given, or those of the home."""
    if key:
        given = Path(key).read_text(encoding="utf-8") if Path(key).is_file() else key
        return [parse_verifier(line) for line in given.splitlines() if line.strip()]
    check_home(settings)
    with open_store(settings, migrate=False) as store:
        return list(store.verifiers)


def _verify_export(folder: Path, keys: list[Verifier], *, as_json: bool) -> int:
    checked = check_export(folder, keys)
    if as_json:
        emit(checked.as_json())
    elif checked.ok:
        say(f"OK: {checked.rows} entries, {checked.payloads} with their payload, under a head over {checked.size}.")
    else:
        _not_ok(checked.discrepancies, "ask for the export once more; this one proves only what is not listed")
    return 0 if checked.ok else 1


def _not_ok(found: Sequence[Discrepancy], advice: str) -> None:
    say(f"NOT OK: {len(found)} places are not as they were written.")
    for discrepancy in found:
        say(f"  {discrepancy}")
    say(f"hint: {advice}")


@audit.command(name="prove")
@click.argument("seq", type=int, required=False)
@click.option("--check", type=click.Path(exists=True, dir_okay=False), help="Check a proof file instead.")
@common
def prove_command(seq: int | None, check: str | None, home: str | None, *, as_json: bool, debug: bool) -> None:
    """Print the proof (c2sp.org/tlog-proof) that an entry is in the log, or check one that was printed before."""
    del debug
    settings = settings_of(home)
    if (seq is None) == (check is None):
        message = "Say which entry to prove, or which proof to check."
        raise InvalidInput(message, hint="remit audit prove 0, or: remit audit prove --check FILE")
    with open_store(settings) as store:
        if check is not None:
            proof = parse_proof(Path(check).read_bytes().decode("utf-8", "replace"))
            proof.verify(store.verifiers)
            answer: dict[str, object] = {"ok": True, "seq": proof.index, "header": proof.header.decode()}
        else:
            proof = store.view(lambda tx: prove(tx, seq or 0, verifiers=store.verifiers))
            answer = {"seq": proof.index, "proof": proof.export(), "key": store.verifiers[0].vkey}
    if as_json:
        emit(answer)
    else:
        say(f"OK: entry {proof.index} is under the signed checkpoint" if check else proof.export().rstrip("\n"))


@audit.group(invoke_without_command=True)
@common
@click.pass_context
def key(context: click.Context, home: str | None, *, as_json: bool, debug: bool) -> None:
    """Print the public keys that others verify checkpoints with, the one that signs first."""
    del debug
    if context.invoked_subcommand is not None:
        return
    settings = settings_of(home)
    check_home(settings)
    with open_store(settings) as store:
        keys = [verifier.vkey for verifier in store.verifiers]
    emit({"keys": keys, "file": str(settings.home / KEY)}) if as_json else say("\n".join(keys))


for _order in orders.COMMANDS:
    audit.add_command(_order)
key.add_command(orders.rotate)


def last_checkpoint(store: Store) -> dict[str, object] | None:
    """The newest signed checkpoint, opened."""
    from remit.audit.query import latest_note

    note = store.view(latest_note)
    if note is None:
        return None
    head = parse_checkpoint(open_note(note, store.verifiers))
    return {"size": head.size, "root": head.root.hex(), "note": note}


COMMANDS = {"audit": audit}
