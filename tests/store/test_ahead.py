"""Who goes on ahead of a commit: told when the write has run, and again when it stands, or that it does not."""

import asyncio
import time

import pytest
from sqlalchemy import text

from remit.adapters.store.journal import Store
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import RemitError, Unavailable

from .test_later import adds, found

ENTRY = Entry(
    actor=Principal(ActorKind.AGENT, "a"), action="a.b", domain="test", result=Result.SUCCESS, workspace="acme"
)


async def test_it_goes_on_with_what_ran_and_hears_of_the_commit(store: Store) -> None:
    first, second = await asyncio.gather(store.ahead("step.start", adds("a")), store.ahead("step.start", adds("b")))
    assert (await first, await second) == ("a", "b")
    assert [name for name, _ in found(store)] == ["a", "b"]


async def test_what_the_operation_raises_is_raised_at_once_and_harms_no_other(store: Store) -> None:
    good, bad, other = await asyncio.gather(
        *(store.ahead("step.start", adds(name)) for name in ("a", "a", "b")), return_exceptions=True
    )
    assert isinstance(bad, RemitError)
    assert isinstance(good, asyncio.Future)
    assert isinstance(other, asyncio.Future)
    assert (await good, await other) == ("a", "b")
    assert [name for name, _ in found(store)] == ["a", "b"]


@pytest.mark.parametrize("reopen", ["postgres"], indirect=True)
async def test_where_the_database_may_undo_what_ran_it_waits_for_the_commit(store: Store) -> None:
    assert (await store.ahead("step.start", adds("a"))).done()


@pytest.mark.parametrize("reopen", ["sqlite"], indirect=True)
async def test_a_commit_that_fails_is_told_afterwards_and_nothing_stands(store: Store) -> None:
    """The entries of the log are written with the commit: there the disk is full."""

    def op(tx: WriteTransaction) -> str:
        for _ in range(40):
            tx.append(ENTRY, {"filler": "x" * 4000})
        return "ran"

    await store.commit("step.start", adds("a"))
    await store.commit("step.start", lambda tx: tx.tuples(text("PRAGMA max_page_count = 1")))
    committed = await store.ahead("step.start", op)
    with pytest.raises(Unavailable, match="full"):
        await committed
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)  # the loop hears of both at once: that it ran, and failed
    unheard = await store.ahead("step.start", op)  # nobody asks: that is no error of the loop's either
    await asyncio.sleep(0.05)
    assert unheard.done()
    await store.commit("step.start", lambda tx: tx.tuples(text("PRAGMA max_page_count = 100000")))
    assert [name for name, _ in found(store)] == ["a"]
    assert store.verify().size == 0
