"""Retention by days, legal holds and erasure: what goes, what stays, and that every proof still holds.

``REMIT_PROVE=1`` fills the log with 1,000,000 entries, else 2,000.
"""

import asyncio
import os
import random
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.audit import Entry, Result, query
from remit.audit.holds import Hold, Scope, holds, place_hold, release_hold
from remit.audit.retention import DAY_US, Retained, retain
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound
from remit.testing.clock import ManualClock

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

ADA = Principal(ActorKind.USER, "ada")
ENTRIES = 1_000_000 if os.environ.get("REMIT_PROVE") == "1" else 2_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def anybody(_tx: object) -> None:
    """Everybody may."""


def nobody(_tx: object) -> None:
    message = "no"
    raise Denied(message, code="test.denied")


def entry(n: int, *, mission: str = "") -> Entry:
    return Entry(
        actor=Principal(ActorKind.AGENT, "coder"),
        action="test.entry",
        domain="test",
        result=Result.SUCCESS,
        workspace="acme" if n % 10 else "globex",
        mission=mission or f"m{n % 7}",
        step=f"s{n}",
    )


def fill(store: Store, first: int, stop: int) -> None:
    for start in range(first, stop, 500):
        last = min(start + 500, stop)
        store.write(
            "guard.intent",
            lambda tx, a=start, b=last: [
                tx.append(entry(n), {"n": n, "text": f"text {n}"}, subject="bob" if n % 5 == 3 else "")
                for n in range(a, b)
            ],
        )


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def run(store: Store, now: datetime, *, days: int = 30, dry: bool = False, workspace: str = "acme") -> Retained:
    return asyncio.run(
        retain(store, workspace=workspace, days=days, now_us=micros_of(now), by=ADA, allow=anybody, dry=dry)
    )


def payloads(store: Store) -> dict[int, bool]:
    found = store.view(lambda tx: query.find(tx, query.Filter("acme", limit=10_000_000)))
    return {record.seq: record.payload is not None for record in found}


@pytest.mark.timeout(1800)
def test_pruned_nine_tenths_and_every_proof_still_holds(tmp_path: Path) -> None:
    clock = ManualClock(START)
    with open_store(tmp_path, clock=clock) as store:
        old = ENTRIES * 9 // 10
        fill(store, 1, old)
        clock.advance(40 * 86_400)
        fill(store, old, ENTRIES)
        store.seal()
        for workspace in ("acme", "globex"):
            told = run(store, clock.now(), workspace=workspace, dry=True)
            assert run(store, clock.now(), workspace=workspace).pruned == told.pruned > 0
        store.seal()
        report = store.verify()
        assert report.ok, report.discrepancies[:3]
        assert (report.pruned, report.signed) == (old - 1, report.size)
        rand = random.Random(17)
        kept = list(range(old, ENTRIES)) if ENTRIES <= 2000 else rand.sample(range(old, ENTRIES), 100_000)
        gone = rand.sample(range(1, old), min(1000, old // 2))

        def prove(tx) -> None:  # noqa: ANN001 - a read transaction
            for seq in [*kept, *gone]:
                assert query.prove(tx, seq, verifiers=store.verifiers).index == seq

        store.view(prove)
        assert run(store, clock.now()).pruned == 0


def test_only_what_is_older_goes_and_only_of_this_workspace(tmp_path: Path, url: str) -> None:
    clock = ManualClock(START)
    with open_store(tmp_path, url=url, clock=clock) as store:
        fill(store, 1, 30)
        clock.advance(31 * 86_400)
        fill(store, 30, 40)
        store.seal()
        told = run(store, clock.now())
        assert (told.pruned, told.held, told.batches) == (27, 0, 1)
        store.seal()
        kept = payloads(store)
        assert [seq for seq, there in kept.items() if not there] == [n for n in range(1, 30) if n % 10]
        report = store.verify()
        assert (report.ok, report.pruned) == (True, 27)
        (said,) = store.view(lambda tx: query.find(tx, query.Filter("acme", action="audit.prune")))
        assert said.header["subject"] == "payloads:1-29"
        assert said.header["actor"] == "user:ada"


SCOPES = [
    (Scope(), lambda _: True),
    (Scope(mission="m3"), lambda n: n % 7 == 3),
    (Scope(subject="bob"), lambda n: n % 5 == 3),
    (Scope(subject="bob", mission="m3"), lambda n: n % 5 == 3 and n % 7 == 3),
    (Scope(until_us=micros_of(START)), lambda _: True),
    (Scope(since_us=micros_of(START) + 1), lambda _: False),
]


@pytest.mark.parametrize(("scope", "covered"), SCOPES)
def test_a_hold_keeps_what_it_covers_until_it_is_released(tmp_path: Path, scope: Scope, covered) -> None:  # noqa: ANN001 - a predicate
    clock = ManualClock(START)
    with open_store(tmp_path, clock=clock) as store:
        fill(store, 1, 300)
        hold = Hold("acme", "case-17", scope)
        store.write("audit.hold", lambda tx: place_hold(tx, hold, by=ADA, reason="court", allow=anybody))
        assert store.view(lambda tx: holds(tx, "acme")) == (hold,)
        clock.advance(31 * 86_400)
        told = run(store, clock.now())
        kept = {seq for seq, there in payloads(store).items() if there and seq < 300}
        assert kept == {n for n in range(1, 300) if n % 10 and covered(n)}
        assert told.held - len(kept) in (0, 1)  # the payload of the hold's own entry may be under it
        store.seal()
        assert store.verify().ok
        store.write(
            "audit.release",
            lambda tx: release_hold(tx, "case-17", workspace="acme", by=ADA, reason="closed", allow=anybody),
        )
        run(store, clock.now())
        assert not any(there for seq, there in payloads(store).items() if seq < 300)
        store.seal()
        assert store.verify().ok


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("DELETE FROM audit_hold", "audit_hold case-17"),
        ("UPDATE audit_hold SET mission = 'm5'", "audit_hold case-17"),
        ("UPDATE audit_hold SET salt = x'00'", "audit_hold case-17"),
        ("UPDATE audit_hold SET until_us = 5", "audit_hold case-17"),
        ("UPDATE audit_hold SET name = 'case-18'", "audit_hold case-18"),
        ("INSERT INTO audit_hold VALUES ('acme', 'more', x'00', '', '', 0, 0)", "audit_hold more"),
    ],
)
def test_a_hold_that_was_changed_outside_is_named(tmp_path: Path, statement: str, place: str) -> None:
    with open_store(tmp_path) as store:
        hold = Hold("acme", "case-17", Scope(mission="m3"))
        store.write("audit.hold", lambda tx: place_hold(tx, hold, by=ADA, reason="court", allow=anybody))
        store.seal()
        assert store.verify().ok
        with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
            db.execute(statement)
            db.commit()
        assert place in {found.place for found in store.verify().discrepancies}


def test_orders_that_make_no_sense_or_are_not_allowed_change_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 1, 5)
        hold = Hold("acme", "case-17", Scope())
        for wrong, error in ((Hold("acme", "Case 17", Scope()), InvalidInput), (hold, Denied)):
            allow = anybody if error is InvalidInput else nobody
            with pytest.raises(error):
                store.write("audit.hold", lambda tx, w=wrong, a=allow: place_hold(tx, w, by=ADA, reason="", allow=a))
        store.write("audit.hold", lambda tx: place_hold(tx, hold, by=ADA, reason="", allow=anybody))
        with pytest.raises(Conflict):
            store.write("audit.hold", lambda tx: place_hold(tx, hold, by=ADA, reason="", allow=anybody))
        with pytest.raises(NotFound):
            store.write(
                "audit.release", lambda tx: release_hold(tx, "x", workspace="acme", by=ADA, reason="", allow=anybody)
            )
        with pytest.raises(Denied):
            asyncio.run(retain(store, workspace="acme", days=1, now_us=1, by=ADA, allow=nobody))
        with pytest.raises(InvalidInput):
            run(store, START, days=0)
        with pytest.raises(Denied):
            store.erase("bob", workspace="acme", by=ADA, reason="", allow=nobody)
        with pytest.raises(InvalidInput):
            store.erase("", workspace="acme", by=ADA, reason="", allow=anybody)


# ------------------------------------------------------------------------------------------------------------- erasure


def wrapped(home: Path, subject: str) -> bytes:
    with closing(sqlite3.connect(home / "remit.db")) as db:
        return db.execute("SELECT wrapped FROM audit_dek WHERE subject = ?", (subject,)).fetchone()[0]


def everything(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_an_erased_persons_key_is_in_no_file_and_their_payloads_are_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with open_store(home) as store:
        store.write(  # enough subjects for the table of keys to have been split many times
            "guard.intent",
            lambda tx: [tx.append(entry(n), {"text": f"secret of {n}"}, subject=f"person-{n}") for n in range(1, 900)],
        )
        fill(store, 1000, 1050)
        store.seal()
        body_of_bob = wrapped(home, "bob")
        assert body_of_bob in everything(home)
        erased, shredded = store.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        assert shredded
        assert len(erased.keys) == 1
        assert body_of_bob not in everything(home)
        assert body_of_bob[12:] not in everything(home)
        assert b'"bob"' not in everything(home)
        report = store.verify()
        assert (report.ok, report.erased) == (True, len(erased.entries))
        shutil.copytree(home, tmp_path / "backup")
        fill(store, 2000, 2010)
        store.seal()
        assert store.verify().ok
    assert body_of_bob[12:] not in everything(tmp_path / "backup")
    with open_store(tmp_path / "backup") as store:
        assert all(not payloads(store)[seq] for seq in erased.entries)


def test_erasing_on_either_database_is_told_by_the_log_alone(tmp_path: Path, url: str) -> None:
    with open_store(tmp_path, url=url) as store:
        fill(store, 1, 60)
        store.seal()
        erased, done = store.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        assert done
        there = payloads(store)
        assert [seq for seq, kept in there.items() if not kept] == list(erased.entries)
        assert set(erased.entries) == {n for n in range(1, 60) if n % 5 == 3}
        (said,) = store.view(lambda tx: query.find(tx, query.Filter("acme", action="audit.erase")))
        assert (said.header["subject"], said.header["result"]) == (erased.keys[0], "success")
        assert "bob" not in str(said.header) + str(said.payload)
        fill(store, 60, 70)  # later entries about the same person are under a new key
        store.seal()
        assert payloads(store)[max(payloads(store))]
        report = store.verify()
        assert (report.ok, report.erased) == (True, len(erased.entries))
        assert store.erase("stranger", workspace="acme", by=ADA, reason="", allow=anybody)[0].keys == ()


def test_another_process_does_not_go_on_with_a_destroyed_key(tmp_path: Path, url: str) -> None:
    create_key(tmp_path / "audit.key")
    (tmp_path / "heads.log").touch()
    with open_store(tmp_path, url=url) as one, open_store(tmp_path, url=url) as two:
        for store in (one, two):
            fill(store, 1, 10)
            store.seal()
        two.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        fill(one, 10, 20)
        fill(two, 20, 30)
        one.seal()
        texts = one.view(lambda tx: query.find(tx, query.Filter("acme", limit=1000)))
        late = [r for r in texts if r.header["action"] == "test.entry" and int(r.header["step"][1:]) >= 10]
        assert len(late) == 18
        assert all(record.payload for record in late)
        assert one.verify().ok
        assert two.verify().ok


@pytest.mark.parametrize("scope", [Scope(), Scope(subject="bob"), Scope(mission="m3"), Scope(until_us=DAY_US * 40_000)])
def test_a_hold_forbids_erasing_and_the_refusal_is_logged(tmp_path: Path, scope: Scope) -> None:
    with open_store(tmp_path) as store:
        fill(store, 1, 60)
        hold = Hold("acme", "case-17", scope)
        store.write("audit.hold", lambda tx: place_hold(tx, hold, by=ADA, reason="court", allow=anybody))
        before = payloads(store)
        erased, _ = store.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        assert erased.holds == ("case-17",)
        assert {seq: there for seq, there in payloads(store).items() if seq in before} == before
        (said,) = store.view(lambda tx: query.find(tx, query.Filter("acme", action="audit.erase")))
        assert (said.header["result"], said.header["reason"]) == ("blocked", "audit.hold")
        assert store.verify().ok


def test_a_payload_that_went_without_its_keys_erasure_is_missed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 1, 60)
        store.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
            db.execute("DELETE FROM audit_payload WHERE seq = 4")
            db.commit()
        assert [found.place for found in store.verify().discrepancies] == ["audit_payload 4"]


def test_a_key_that_came_back_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        fill(store, 1, 60)
        with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
            row = db.execute("SELECT * FROM audit_dek WHERE subject = 'bob'").fetchone()
        store.erase("bob", workspace="acme", by=ADA, reason="asked for", allow=anybody)
        with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
            db.execute("DELETE FROM audit_dek WHERE id = ?", (row[0],))
            db.execute("INSERT INTO audit_dek VALUES (?, ?, ?, ?, ?, ?)", row)
            db.commit()
        assert [found.place for found in store.verify().discrepancies] == [f"audit_dek {row[0]}"]
