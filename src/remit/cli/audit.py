"""``remit audit show|verify|prove``: what happened, whether it still stands, and a proof for somebody else."""

from __future__ import annotations

from pathlib import Path

import click

from remit.audit.note import open_note, parse_checkpoint
from remit.audit.proof import parse_proof
from remit.audit.query import Filter, Record, find, prove
from remit.bootstrap import KEY, Store, check_home, open_store
from remit.cli.context import settings_of
from remit.cli.moments import since_us
from remit.cli.output import common, emit, say, table
from remit.kernel.clock import iso
from remit.kernel.errors import InvalidInput


@click.group()
def audit() -> None:
    """The audit log: a Merkle log under signed checkpoints that other people's code can verify."""


@audit.command()
@click.option("--mission", default="", help="Only entries of this mission.")
@click.option("--action", default="", help="Only this action, for instance guard.intent.")
@click.option("--actor", default="", help="Only this actor, for instance agent:coder.")
@click.option("--since", default="", help="Only from then on: an ISO time, or 30m, 2h, 7d ago.")
@click.option("--after", default=-1, help="Only entries after this number.")
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="At most this many.")
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
        records = store.view(lambda tx: find(tx, wanted))
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
@common
def verify(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Check every row of the log against its hashes, its signatures and the heads kept outside the database."""
    del debug
    settings = settings_of(home)
    with open_store(settings, migrate=False) as store:
        report = store.verify()
        checkpoint = last_checkpoint(store) if report.ok else None  # the newest note may be what is damaged
    if as_json:
        emit({**report.as_json(), "checkpoint": checkpoint})
    elif report.ok:
        say(
            f"OK: {report.size} entries, {report.signed} under a signed checkpoint, {report.heads} heads outside agree."
        )
        say(f"root {report.root.hex()}")
    else:
        say(f"NOT OK: {len(report.discrepancies)} places are not as they were written.")
        for discrepancy in report.discrepancies:
            say(f"  {discrepancy}")
        say("hint: restore the database from a backup; until then nothing in it proves anything")
    return 0 if report.ok else 1


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


@audit.command()
@common
def key(home: str | None, *, as_json: bool, debug: bool) -> None:
    """Print the public key that others verify checkpoints with."""
    del debug
    settings = settings_of(home)
    check_home(settings)
    with open_store(settings) as store:
        keys = [verifier.vkey for verifier in store.verifiers]
    emit({"keys": keys, "file": str(settings.home / KEY)}) if as_json else say("\n".join(keys))


def last_checkpoint(store: Store) -> dict[str, object] | None:
    """The newest signed checkpoint, opened."""
    from remit.audit.query import latest_note

    note = store.view(latest_note)
    if note is None:
        return None
    head = parse_checkpoint(open_note(note, store.verifiers))
    return {"size": head.size, "root": head.root.hex(), "note": note}


COMMANDS = {"audit": audit}
