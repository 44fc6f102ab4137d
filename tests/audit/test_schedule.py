"""Verification by the clock, the alarm, and a change of key."""

import asyncio
import random
import shutil
import sqlite3
from base64 import b64decode, b64encode
from contextlib import closing
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import KeyFile, LogKeys, load_key
from remit.adapters.store.rotation import Rotated, rotate_key
from remit.audit import Entry, Result, parse_proof, query, verify_consistency
from remit.audit.keychain import follow
from remit.audit.note import new_signer, open_note, parse_checkpoint, sign_note
from remit.audit.schedule import FULL_EVERY_US, Due, acknowledge, alarm, check_alarm, due, record_verified
from remit.audit.walk import CHUNK
from remit.bootstrap import verify_if_due
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict, IntegrityError, NotFound
from remit.testing.clock import ManualClock

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

ADA = Principal(ActorKind.USER, "ada")
DAY = 86_400


def anybody(_tx: object) -> None:
    """Everybody may."""


def entry(n: int) -> Entry:
    return Entry(actor=ADA, action="test.entry", domain="test", result=Result.SUCCESS, workspace="acme", step=f"s{n}")


def fill(store: Store, count: int) -> None:
    store.write("guard.intent", lambda tx: [tx.append(entry(n), {"n": n}) for n in range(count)])
    store.seal()


def is_due(store: Store, clock: ManualClock, every_s: int = DAY) -> Due | None:
    return store.view(lambda tx: due(tx, now_us=micros_of(clock.now()), every_s=every_s))


def check(store: Store, clock: ManualClock) -> bool | None:
    report = asyncio.run(verify_if_due(store, clock, every_s=DAY))
    store.seal()
    return None if report is None else report.ok


def change(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "remit.db")) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
        db.commit()


def test_the_first_is_full_then_increments_and_a_full_one_every_week(tmp_path: Path) -> None:
    clock = ManualClock()
    with open_store(tmp_path, clock=clock) as store:
        fill(store, 3)
        kinds: list[str] = []
        for _ in range(16):
            found = is_due(store, clock)
            assert found is not None
            kinds.append("full" if found.full else "part")
            assert check(store, clock) is True
            assert is_due(store, clock) is None
            assert check(store, clock) is None
            clock.advance(DAY)
            fill(store, 2)
        assert kinds[0] == "full"
        assert kinds.count("full") == 3
        assert FULL_EVERY_US == 7 * DAY * 1_000_000
        assert is_due(store, clock, every_s=0) is None
        said = store.view(lambda tx: query.find(tx, query.Filter("system", action="audit.verified")))
        assert len(said) == 16
        assert all(record.header["result"] == "success" for record in said)


@pytest.mark.parametrize("old", [5, CHUNK - 1, CHUNK, 3 * CHUNK + 17])
def test_an_increment_finds_what_changed_since_and_a_full_one_the_rest(tmp_path: Path, old: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with open_store(home) as store:
        fill(store, old)
        size = store.verify().size
        fill(store, CHUNK + 40)
        partial, full = store.verify(start=size), store.verify()
        assert partial.ok
        assert (partial.size, partial.root, partial.signed) == (full.size, full.root, full.signed)
    for number, (seq, seen) in enumerate(((full.size - 3, True), (size + 2, True), (1, size < CHUNK))):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(home, copy)
        change(copy, f"UPDATE audit_entry SET actor = 'user:eve' WHERE seq = {seq}")  # noqa: S608 - our own number
        with open_store(copy) as store:
            assert store.verify(start=size).ok is not seen
            assert [found.place for found in store.verify().discrepancies] == [f"audit_entry {seq}"]


def test_an_increment_sees_a_cut_tail_and_a_rewritten_past(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, CHUNK)
        size = store.verify().size
        fill(store, 30)
    change(tmp_path, f"DELETE FROM audit_entry WHERE seq > {size + 10}")  # noqa: S608 - our own number
    with open_store(tmp_path) as store:
        assert any("are missing" in found.problem for found in store.verify(start=size).discrepancies)


def test_a_failure_is_an_alarm_until_a_person_has_looked(tmp_path: Path) -> None:
    clock = ManualClock()
    with open_store(tmp_path, clock=clock) as store:
        fill(store, 20)
        assert check(store, clock) is True
        store.view(check_alarm)
        with pytest.raises(NotFound):
            store.write("audit.acknowledged", lambda tx: acknowledge(tx, by=ADA, reason="x", allow=anybody))
        change(tmp_path, "UPDATE audit_payload SET workspace = 'globex' WHERE seq = 5")
        clock.advance(8 * DAY)
        assert check(store, clock) is False
        raised = store.view(alarm)
        assert raised is not None
        with pytest.raises(Conflict) as told:
            store.view(check_alarm)
        assert (told.value.code, told.value.hint) == ("guard.audit_alarm", "remit audit verify")
        change(tmp_path, "UPDATE audit_payload SET workspace = 'acme' WHERE seq = 5")
        clock.advance(DAY)
        assert check(store, clock) is True  # and a full one, though the last full one is a day old
        with pytest.raises(Conflict):
            store.view(check_alarm)  # that it holds again explains nothing: a person must have looked
        store.write("audit.acknowledged", lambda tx: acknowledge(tx, by=ADA, reason="restored", allow=anybody))
        store.seal()
        store.view(check_alarm)
        (said,) = store.view(lambda tx: query.find(tx, query.Filter("system", action="audit.alarm")))
        assert said.payload is not None
        assert said.payload["discrepancies"] == ["audit_payload 5: column workspace is not the entry's"]


# ------------------------------------------------------------------------------------------------- a change of key


def rotate(store: Store, home: Path) -> Rotated:
    return rotate_key(store, KeyFile(home / "audit.key"), by=ADA, reason="yearly", allow=anybody)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def test_after_a_change_of_key_everything_before_still_holds(tmp_path: Path, url: str) -> None:
    with open_store(tmp_path, url=url) as store:
        fill(store, 5)
        old = store.verifiers[0]
        remembered = parse_checkpoint(open_note(store.view(query.latest_note) or "", [old]))
        early = store.view(lambda tx: query.prove(tx, 2, verifiers=store.verifiers))
        done = rotate(store, tmp_path)
        assert (done.old, store.verifiers[0].vkey) == (old, done.new.vkey)
        assert done.new.vkey != old.vkey
        assert done.new.name == old.name
        fill(store, 5)
        report = store.verify()
        assert report.ok, report.discrepancies
        # The checkpoint over the change is signed by both; what follows by the new key alone.
        proof = parse_proof(done.proof)
        assert proof.verify([old]) == proof.verify([done.new])
        note = store.view(query.latest_note) or ""
        with pytest.raises(IntegrityError):
            open_note(note, [old])
        # Who trusts the old key alone follows the chain, and continues the head that they remembered.
        known = follow([old], [done.proof])
        head = parse_checkpoint(open_note(note, known))
        path = store.view(lambda tx: query.prove_consistency(tx, remembered.size, head.size))
        verify_consistency(remembered.size, head.size, path, remembered.root, head.root)
        assert early.verify(known) == remembered.size
        again = rotate(store, tmp_path)
        fill(store, 2)
        assert store.verify().ok
        proofs = [each.export() for each in store.view(lambda tx: query.rotations(tx, store.verifiers))]
        assert [each.vkey for each in follow([old], proofs)] == [old.vkey, done.new.vkey, again.new.vkey]
        assert [each.vkey for each in follow([done.new], proofs)] == [done.new.vkey, again.new.vkey]
    assert "PRIVATE" not in (tmp_path / "audit.key").read_text().split("\n", 1)[1]
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    with open_store(tmp_path, url=url) as store:
        fill(store, 1)
        assert store.verify().ok


def test_a_running_process_signs_with_the_new_key_from_then_on(tmp_path: Path) -> None:
    with open_store(tmp_path) as server, open_store(tmp_path) as command:
        fill(server, 3)
        done = rotate(command, tmp_path)
        fill(server, 3)
        note = server.view(query.latest_note) or ""
        open_note(note, [done.new], exact=True)
        assert server.verify().ok


def test_a_change_that_was_interrupted_is_taken_up(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 3)
        file = KeyFile(tmp_path / "audit.key")
        keys = file.read()
        fresh = new_signer(keys.signers[0].name, random.Random(5).randbytes)
        file.replace(LogKeys((*keys.signers, fresh), (), keys.pending))
    with open_store(tmp_path) as store:
        fill(store, 3)  # both sign: the change was ordered and not finished
        assert store.verify().ok
        done = rotate(store, tmp_path)
        assert done.new.vkey == fresh.verifier.vkey
        fill(store, 3)
        assert store.verify().ok
        assert len(store.view(query.announced)) == 1


def test_a_retired_key_signs_nothing_any_more(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 3)
        stolen = load_key(tmp_path / "audit.key")
        rotate(store, tmp_path)
        fill(store, 3)
        note = store.view(query.latest_note) or ""
        size = parse_checkpoint(open_note(note, store.verifiers)).size
        forged = sign_note(open_note(note, store.verifiers), [stolen])
        lines = (tmp_path / "heads.log").read_bytes().splitlines(keepends=True)
    import orjson

    (tmp_path / "heads.log").write_bytes(b"".join([*lines[:-1], orjson.dumps(forged) + b"\n"]))
    with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
        db.execute("DROP TRIGGER audit_checkpoint_no_update")
        db.execute("UPDATE audit_checkpoint SET note = ? WHERE size = ?", (forged, size))
        db.commit()
    with open_store(tmp_path) as store:
        found = store.verify().discrepancies
    assert any(each.kind == "key" and each.place == f"audit_checkpoint {size}" for each in found), found


def test_a_chain_is_followed_only_under_signatures_of_a_trusted_and_the_new_key(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 3)
        old = store.verifiers[0]
        other = store.view(lambda tx: query.prove(tx, 1, verifiers=store.verifiers)).export()
        done = rotate(store, tmp_path)
    stranger = new_signer("x", random.Random(1).randbytes).verifier
    assert follow([stranger], [done.proof]) == [stranger]
    with pytest.raises(IntegrityError):
        follow([old], [other])
    lines = done.proof.split("\n")
    header = b64decode(lines[1].removeprefix("extra "))
    lines[1] = f"extra {b64encode(header.replace(b'user:ada', b'user:eve')).decode()}"
    assert follow([old], ["\n".join(lines)]) == [old]
    cut = done.proof.rstrip("\n").rpartition("\n")[0] + "\n"  # without the new key's line
    with pytest.raises(IntegrityError):
        follow([old], [cut])


def test_what_is_recorded_names_at_most_twenty_places(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 60)
        change(tmp_path, "UPDATE audit_payload SET workspace = 'globex'")
        report = store.verify()
        store.write("audit.verified", lambda tx: record_verified(tx, report, Due(0)))
        (said,) = store.view(lambda tx: query.find(tx, query.Filter("system", action="audit.verified")))
        assert said.payload is not None
        assert len(said.payload["discrepancies"]) == 20
