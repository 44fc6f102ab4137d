"""Writes that are queued and not awaited: together with the next one, in order, and never stuck."""

import asyncio
import threading

import pytest

from remit.adapters.store.journal import Store
from remit.adapters.store.transaction import WriteTransaction
from remit.adapters.store.writer import Writer
from remit.guard.written import Written


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the operations of each transaction, as they were begun together."""
    seen: list[list[str]] = []
    real = Writer._commit

    def commit(self: Writer, batch: list) -> None:  # type: ignore[type-arg]
        seen.append([item.name for item in batch])
        real(self, batch)

    monkeypatch.setattr(Writer, "_commit", commit)
    return seen


async def test_what_a_task_writes_before_it_waits_is_one_transaction(
    store: Store, transactions: list[list[str]]
) -> None:
    for _ in range(20):
        store.submit("step.start", lambda _tx: None)
        await store.commit("guard.intent", lambda _tx: None)
    assert transactions == [["step.start", "guard.intent"]] * 20


async def test_a_write_that_nothing_follows_is_committed_all_the_same(store: Store) -> None:
    assert await asyncio.wait_for(asyncio.wrap_future(store.submit("step.start", lambda _tx: 7)), 60) == 7


async def test_blocking_on_a_held_write_in_its_own_loop_does_not_hang(store: Store) -> None:
    assert store.submit("step.start", lambda _tx: 7).result(timeout=60) == 7
    assert store.submit("step.start", lambda _tx: 7).exception(timeout=60) is None


async def test_another_threads_write_comes_after_what_is_held(store: Store) -> None:
    order: list[str] = []
    store.submit("step.start", lambda _tx: order.append("held"))
    thread = threading.Thread(target=lambda: store.write("step.attempt", lambda _tx: order.append("thread")))
    thread.start()
    thread.join(60)  # this loop has had no turn since
    assert order == ["held", "thread"]


def test_two_loops_do_not_wait_for_each_other(store: Store) -> None:
    held = threading.Event()
    done = threading.Event()

    async def busy() -> None:
        store.submit("step.start", lambda _tx: None)
        held.set()
        assert done.wait(60)  # a loop that has no turn for long

    async def other() -> None:
        await asyncio.wait_for(asyncio.wrap_future(store.submit("step.start", lambda _tx: None)), 50)
        done.set()

    first = threading.Thread(target=lambda: asyncio.run(busy()))
    first.start()
    assert held.wait(60)
    asyncio.run(other())
    first.join(60)
    assert done.is_set()


async def test_closing_commits_what_is_held(store: Store) -> None:
    future = store.submit("step.start", lambda _tx: 7)
    store.close()
    assert future.result(timeout=0) == 7


async def test_a_later_write_of_the_same_transaction_sees_that_an_earlier_one_failed(
    store: Store, transactions: list[list[str]]
) -> None:
    def fail(_tx: WriteTransaction) -> None:
        raise ValueError("not written")

    outcome = Written(store, "guard.outcome", fail)
    with pytest.raises(ValueError, match="not written"):
        await store.commit("step.finish", lambda _tx: outcome.check())
    assert transactions[0] == ["guard.outcome", "step.finish"]
    with pytest.raises(ValueError, match="not written"):
        await outcome.wait()
    with pytest.raises(ValueError, match="not written"):
        await store.commit("step.finish", lambda _tx: outcome.check())


async def test_a_failed_write_leaves_those_of_its_transaction_whole(store: Store) -> None:
    runs: list[str] = []

    def good(name: str) -> int:
        runs.append(name)
        return len(runs)

    def fail(_tx: WriteTransaction) -> None:
        raise ValueError("no")

    first = store.submit("step.start", lambda _tx: good("a"))
    second = store.submit("guard.outcome", fail)
    await store.commit("step.finish", lambda _tx: good("b"))
    assert first.result(timeout=0) is not None
    with pytest.raises(ValueError, match="no"):
        second.result(timeout=0)
    assert runs[-2:] == ["a", "b"]


async def test_a_batch_is_given_time_to_fill_where_many_write_and_never_where_one_does(
    store: Store, transactions: list[list[str]]
) -> None:
    slept: list[float] = []
    store._writer.sleep = slept.append
    for _ in range(5):
        await store.commit("step.start", lambda _tx: None)
    assert slept == []

    held = threading.Event()
    first = asyncio.ensure_future(store.commit("step.start", lambda _tx: held.wait(60)))
    await asyncio.sleep(0)
    many = [asyncio.ensure_future(store.commit("step.start", lambda _tx: None)) for _ in range(30)]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(first, *many)
    await store.commit("step.start", lambda _tx: None)
    assert max(map(len, transactions)) >= 4
    assert slept
    assert max(slept) <= 0.005
    slept.clear()
    await store.commit("step.start", lambda _tx: None)
    assert slept == []
