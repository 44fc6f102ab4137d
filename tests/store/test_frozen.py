"""A process that stands still (stopped, swapped out, a debugger) must not hold the others up for ever."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import text

from remit.adapters.store.journal import Store
from remit.adapters.store.postgres import IDLE_SECONDS, connect
from remit.adapters.store.sealer import ADVISORY_LOCK
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Durability
from remit.kernel.errors import RemitError

ENTRY = Entry(
    actor=Principal(ActorKind.AGENT, "a"), action="a.b", domain="test", result=Result.SUCCESS, workspace="acme"
)
CHANGE = text("UPDATE counted SET n = n + 1 WHERE id = 1")


def test_a_writer_that_stands_still_within_a_transaction_gives_its_rows_free(
    reopen_postgres: Callable[[], Store],
) -> None:
    still, going = reopen_postgres(), reopen_postgres()

    def table(tx: WriteTransaction) -> None:
        tx.execute(text("CREATE TABLE counted (id int primary key, n int)"))
        tx.execute(text("INSERT INTO counted VALUES (1, 0)"))

    going.write("guard.intent", table)
    begun, goes_on = threading.Event(), threading.Event()

    def freeze(tx: WriteTransaction) -> None:
        tx.execute(CHANGE)
        tx.append(ENTRY, {})
        begun.set()
        goes_on.wait(110)

    def count(tx: WriteTransaction) -> None:
        tx.execute(CHANGE)
        tx.append(ENTRY, {})

    waiting = still.submit("guard.intent", freeze)
    assert begun.wait(60)
    began = time.monotonic()
    going.write("guard.intent", count, durable=Durability.SEALED)
    assert time.monotonic() - began < IDLE_SECONDS + 45
    goes_on.set()
    with pytest.raises(RemitError):
        waiting.result(60)
    assert going.view(lambda tx: tx.tuples(text("SELECT n FROM counted"))) == [(1,)]
    still.write("guard.intent", count, durable=Durability.SEALED)  # with a connection of its own again
    assert going.view(lambda tx: tx.tuples(text("SELECT n FROM counted"))) == [(2,)]
    assert (report := going.verify()).ok, report.discrepancies
    assert report.size == 2


def test_a_sealer_that_stands_still_leaves_the_log_to_the_others(
    postgres_url: str, reopen_postgres: Callable[[], Store]
) -> None:
    store = reopen_postgres()
    with closing(connect(postgres_url)) as still:
        still.execute("BEGIN")
        still.execute(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})".encode())
        began = time.monotonic()
        store.write("guard.intent", lambda tx: tx.append(ENTRY, {}), durable=Durability.SEALED)
        assert time.monotonic() - began < IDLE_SECONDS + 45
    assert store.verify().signed == 1
