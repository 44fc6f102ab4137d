"""A full disk, a lost connection, a deadlock, a torn line: the waiter hears of it, nothing is half done."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, text, update

from remit.adapters.store import open_store
from remit.adapters.store.heads import HeadsFile
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key, create_payload_key
from remit.adapters.store.sqlite import SqliteStore
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import Entry, Result, query
from remit.audit.heads import decode_heads
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Durability
from remit.kernel.errors import IntegrityError, Unavailable

ENTRY = Entry(
    actor=Principal(ActorKind.AGENT, "a"), action="a.b", domain="test", result=Result.SUCCESS, workspace="acme"
)
ROW = Table("row", MetaData(), Column("id", Text, primary_key=True), Column("n", Integer))


def add(tx: WriteTransaction) -> None:
    tx.append(ENTRY, {"filler": "x" * 2000})


def test_too_little_space_is_answered_before_anything_is_written(tmp_path: Path) -> None:
    signer = create_key(tmp_path / "audit.key")
    with SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log", free_floor=1 << 60) as store:
        store.migrate()
        with pytest.raises(Unavailable, match="full") as caught:
            store.write("guard.intent", add)
        assert (caught.value.code, caught.value.row.exit) == ("store.full", 5)
        assert store.verify().size == 0


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert isinstance(store, SqliteStore)
        pages = store.write("guard.intent", lambda tx: tx.tuples(text("PRAGMA page_count"))[0][0])
        store.write("guard.intent", lambda tx: tx.tuples(text(f"PRAGMA max_page_count = {pages + 30}")))
        futures = [store.submit("guard.intent", add) for _ in range(300)]
        errors = [future.exception() for future in futures]
        acknowledged = errors.count(None)
        refused = [error for error in errors if error is not None]
        assert refused
        assert all(isinstance(error, Unavailable) and error.code == "store.full" for error in refused), refused[:3]
        store.write("guard.intent", lambda tx: tx.tuples(text(f"PRAGMA max_page_count = {pages + 9000}")))
        store.write("guard.intent", add, durable=Durability.SEALED)
        report = store.verify()
        assert (report.discrepancies, report.size) == ((), acknowledged + 2)


def test_a_line_cut_short_by_a_crash_is_mended_by_the_next_head(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write("guard.intent", add, durable=Durability.SEALED)
    heads = tmp_path / "heads.log"
    whole = heads.read_bytes()
    heads.write_bytes(whole + whole[:40])
    with open_store(tmp_path) as store:
        assert store.verify().ok
        store.write("guard.intent", add, durable=Durability.SEALED)
        assert store.verify().ok
    assert heads.read_bytes().startswith(whole)
    assert all(line.note for line in decode_heads(heads.read_bytes()))


def test_a_crash_between_the_head_and_its_row_is_mended(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write("guard.intent", add, durable=Durability.SEALED)
    with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
        db.execute("DROP TRIGGER audit_checkpoint_no_delete")
        db.execute("DELETE FROM audit_checkpoint WHERE size = (SELECT max(size) FROM audit_checkpoint)")
        db.commit()
    with open_store(tmp_path) as store:
        assert [d.kind for d in store.verify().discrepancies] == ["unrecorded"]
        store.seal()
        assert store.verify().ok


def test_nothing_is_signed_while_the_heads_are_gone(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write("guard.intent", add, durable=Durability.SEALED)
    (tmp_path / "heads.log").unlink()
    with open_store(tmp_path) as store:
        with pytest.raises(IntegrityError, match=r"heads\.log"):
            store.write("guard.intent", add, durable=Durability.SEALED)
        assert store.statistics().seal_error
        assert not store.verify().ok
    assert not (tmp_path / "heads.log").exists()


def test_the_newest_head_is_found_behind_long_ones(tmp_path: Path) -> None:
    file = HeadsFile(tmp_path / "heads.log")
    assert (file.last(), file.read()) == (None, b"")
    for n in range(600):
        file.append(f"{n}\n" + "x" * 200)
    assert (file.last() or "").startswith("599\n")
    assert len(decode_heads(file.read())) == 600


def test_a_lost_connection_is_replaced(postgres_url: str, tmp_path: Path) -> None:
    import psycopg

    with open_store(tmp_path, url=postgres_url) as store:
        store.write("guard.intent", add, durable=Durability.SEALED)
        store.check()
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        store.write("guard.intent", add)
        try:
            store.seal()
        except Unavailable:  # the sealer notices that its connection died, and takes another
            store.seal()
        assert store.view(query.size) == 3
        assert store.verify().ok


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Postgres is not there") as caught:
        open_store(tmp_path, url=f"postgresql://remit@/none?host={tmp_path}")
    assert caught.value.row.exit == 5


def test_two_workers_that_deadlock_both_get_through(reopen_postgres: Callable[[], Store]) -> None:
    one, two = reopen_postgres(), reopen_postgres()
    one.write("mission.create", lambda tx: tx.execute(text('CREATE TABLE "row" (id text PRIMARY KEY, n bigint)')))
    one.write("mission.create", lambda tx: tx.execute(ROW.insert(), [{"id": "a", "n": 0}, {"id": "b", "n": 0}]))

    def rise(name: str) -> Callable:
        def op(tx: WriteTransaction) -> None:
            tx.execute(update(ROW).where(ROW.c.id == name).values(n=ROW.c.n + 1))
            tx.append(ENTRY)

        return op

    gates = [threading.Event(), threading.Event()]
    futures = []
    for store, gate, order in ((one, gates[0], "ab"), (two, gates[1], "ba")):
        store.submit("mission.create", lambda _tx, gate=gate: gate.wait(10))  # so that what follows is one batch
        futures += [store.submit("mission.create", rise(name)) for name in order * 20]
    for gate in gates:
        gate.set()
    for future in futures:
        future.result(60)
    assert one.view(lambda tx: tx.tuples(text('SELECT n FROM "row" ORDER BY id'))) == [(40,), (40,)]
    one.seal()
    two.seal()
    assert (one.verify().size, one.verify().ok) == (80, True)


def test_a_forged_waiting_entry_is_never_signed(postgres_url: str, tmp_path: Path) -> None:
    with open_store(tmp_path, url=postgres_url) as store:
        store.seal()
        forged = "INSERT INTO audit_pending VALUES ('0', 'acme', 1, '{}', '', '', '')"
        store.write("mission.create", lambda tx: tx.execute(text(forged)))
        with pytest.raises(IntegrityError, match="not written by Remit"):
            store.seal()
        report = store.verify()
        assert report.size == 1
        assert [d.place for d in report.discrepancies] == ["audit_pending 0"]
        store.write("mission.create", lambda tx: tx.execute(text("DELETE FROM audit_pending WHERE id = '0'")))
        store.seal()


def test_two_homes_with_the_same_key_share_one_log(postgres_url: str, tmp_path: Path) -> None:
    import shutil

    hosts = [tmp_path / "one", tmp_path / "two"]
    for host in hosts:
        host.mkdir()
    create_key(hosts[0] / "audit.key")
    create_payload_key(hosts[0] / "payload.key")
    for name in ("audit.key", "payload.key"):
        shutil.copy2(hosts[0] / name, hosts[1] / name)
    stores = [open_store(host, url=postgres_url) for host in hosts]
    for n in range(12):
        stores[n % 2].write("guard.intent", add, durable=Durability.SEALED)
    for store in stores:
        assert (store.verify().discrepancies, store.verify().signed) == ((), 13)
        store.close()
    # Each signs; on a busy machine one may sign what the other has just written.
    assert all(decode_heads((host / "heads.log").read_bytes()) for host in hosts)
