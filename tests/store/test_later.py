"""Statements that wait for the end of their batch: once for all, and no operation harms another by it."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import bindparam, insert, select, update

from remit.adapters.store.journal import Store
from remit.adapters.store.sqlite import WAL_BEGUN, WAL_READY, SqliteStore
from remit.adapters.store.transaction import WriteTransaction
from remit.guard.rate_tables import RATE_WAITER
from remit.kernel.errors import RemitError

ADD = insert(RATE_WAITER)
MOVE = (
    update(RATE_WAITER)
    .where(RATE_WAITER.c.workspace == "w", RATE_WAITER.c.waiter == bindparam("who"))
    .values(until_us=bindparam("to"))
)
ALL = select(RATE_WAITER.c.waiter, RATE_WAITER.c.until_us).order_by(RATE_WAITER.c.waiter)


def row(waiter: str) -> dict[str, object]:
    return {"workspace": "w", "key": "k", "waiter": waiter, "since_us": 1, "until_us": 2}


def adds(waiter: str) -> Callable[[WriteTransaction], str]:
    def op(tx: WriteTransaction) -> str:
        tx.put(ADD, row(waiter))
        return waiter

    return op


def found(store: Store) -> list[tuple[str, int]]:
    return [(each["waiter"], each["until_us"]) for each in store.view(lambda tx: tx.rows(ALL))]


async def test_what_a_batch_adds_is_added_by_one_statement(store: Store) -> None:
    waiting: list[int] = []

    def last(tx: WriteTransaction) -> None:
        tx.put(ADD, row("z"))
        waiting.extend(len(each.rows) for each in tx._later)

    for name in "abc":
        store.submit("step.start", adds(name))
    await store.commit("step.finish", last)
    assert waiting == [4]
    assert [name for name, _ in found(store)] == ["a", "b", "c", "z"]


async def test_one_that_fails_harms_no_other(store: Store) -> None:
    futures = [store.submit("step.start", adds(name)) for name in ("a", "b", "a", "c")]
    await store.commit("step.finish", lambda _tx: None)
    told = [await asyncio.wrap_future(future) for future in (futures[0], futures[1], futures[3])]
    assert told == ["a", "b", "c"]
    with pytest.raises(RemitError):
        await asyncio.wrap_future(futures[2])
    assert [name for name, _ in found(store)] == ["a", "b", "c"]


async def test_one_alone_hears_of_its_own_failure(store: Store) -> None:
    await store.commit("step.start", adds("a"))
    with pytest.raises(RemitError):
        await store.commit("step.start", adds("a"))
    assert len(found(store)) == 1


async def test_who_reads_sees_what_was_put_before(store: Store) -> None:
    store.submit("step.start", adds("a"))

    def read(tx: WriteTransaction) -> int:
        tx.put(ADD, row("b"))
        return len(tx.rows(ALL))

    assert await store.commit("step.finish", read) == 2


async def test_an_exact_one_that_touches_nothing_is_its_operations_own(store: Store) -> None:
    """It is asked for again by itself, and then it can't wait: the operation sees what it did."""

    def moves(waiter: str) -> Callable[[WriteTransaction], str]:
        def op(tx: WriteTransaction) -> str:
            if tx.later(MOVE, {"who": waiter, "to": 9}, exact=True):
                return "waits"
            return "moved" if tx.execute(MOVE, {"who": waiter, "to": 9}) else "missed"

        return op

    for name in "ab":
        await store.commit("step.start", adds(name))
    good = store.submit("step.start", moves("a"))
    assert await store.commit("step.finish", moves("b")) == "waits"
    assert await asyncio.wrap_future(good) == "waits"
    assert found(store) == [("a", 9), ("b", 9)]

    bad, good = store.submit("step.start", moves("nobody")), store.submit("step.start", moves("b"))
    assert await store.commit("step.finish", adds("c")) == "c"
    assert await asyncio.wrap_future(bad) == "missed"
    assert await asyncio.wrap_future(good) in {"moved", "waits"}  # "waits": a quick writer took the other one alone
    assert [name for name, _ in found(store)] == ["a", "b", "c"]
    assert await store.commit("step.finish", moves("nobody")) == "missed"  # alone in its batch


async def test_what_nobody_waits_for_goes_with_the_next_write_or_soon(store: Store) -> None:
    order: list[str] = []
    patient = store.submit("guard.outcome", lambda _tx: order.append("outcome"), patient=True)
    await asyncio.sleep(0)
    assert not patient.done()
    await store.commit("guard.intent", lambda _tx: order.append("intent"))
    assert order == ["outcome", "intent"]
    again = store.submit("guard.outcome", lambda _tx: order.append("last"), patient=True)
    await asyncio.wait_for(asyncio.wrap_future(again), 60)
    assert order[-1] == "last"
    blocked = store.submit("guard.outcome", lambda _tx: 7, patient=True)
    assert blocked.result(timeout=60) == 7  # who blocks on it in its own loop hands it over


@pytest.mark.parametrize("reopen", ["sqlite"], indirect=True)
def test_a_write_ahead_log_of_some_size_is_read_like_any_other(reopen: Callable[[], Store]) -> None:
    store = reopen()
    assert isinstance(store, SqliteStore)
    wal = store.path.with_name(store.path.name + "-wal")
    for number in range(WAL_BEGUN - 2):
        store.write("step.start", adds(f"{number:03}"))
    assert wal.stat().st_size < WAL_READY
    for number in range(WAL_BEGUN, WAL_BEGUN + 10):
        store.write("step.start", adds(f"{number:03}"))
    assert wal.stat().st_size >= WAL_READY
    # As a process finds it that comes after a crash: the shared index is made anew from the log.
    copy = store.path.with_name("copy.db")
    for end in ("", "-wal"):
        copy.with_name(f"copy.db{end}").write_bytes(store.path.with_name(store.path.name + end).read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM rate_waiter").fetchone() == (WAL_BEGUN + 8,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
