"""Who may act is known for at most 250 ms: read ahead of need, once for all who ask at once, never trusted older."""

import asyncio
from typing import Any

import pytest

from remit.accounts.kills import KillScope, Target, kill
from remit.adapters.store.journal import Store
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.standing import OLDEST_S, REFRESH_S, YOUNG_S, Register

from .fakes import OWNER, WORKSPACE, HandClock, make_world


class Slow:
    """A store that counts what is read, keeps readers waiting while it is held, and may give no answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = 0
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.free = asyncio.Event()
        self.free.set()
        self.broken = False

    async def read(self, op: Any) -> Any:
        self.reads += 1
        self.asked.put_nowait(None)
        await self.free.wait()
        if self.broken:
            raise OSError("the disk is gone")
        return await self.store.read(op)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def made(store: SqliteStore) -> tuple[Register, Slow, HandClock]:
    clock = HandClock()
    await make_world(store, clock=clock)
    journal = Slow(store)
    return Register(journal, clock), journal, clock


async def stopped(store: SqliteStore, clock: HandClock) -> None:
    await kill(store, Target(KillScope.INSTALL), workspace=WORKSPACE, reason="enough", by=OWNER, clock=clock)


async def test_one_read_answers_all_who_find_nothing_fresh(store: SqliteStore) -> None:
    register, journal, clock = await made(store)
    found = await asyncio.gather(*(register.current(WORKSPACE) for _ in range(200)))
    assert journal.reads == 1
    assert len({id(each) for each in found}) == 1
    clock.advance(OLDEST_S + 0.001)
    assert register.fresh(WORKSPACE) is None
    await asyncio.gather(*(register.current(WORKSPACE) for _ in range(200)))
    assert journal.reads == 2


async def test_it_is_read_ahead_of_need_while_what_is_known_serves(store: SqliteStore) -> None:
    register, journal, clock = await made(store)
    known = await register.current(WORKSPACE)
    await stopped(store, clock)
    await journal.asked.get()
    journal.free.clear()
    clock.advance(REFRESH_S + 0.001)
    for _ in range(50):  # nobody waits for the slow store, and it is asked once
        assert register.fresh(WORKSPACE) is known
        assert await register.current(WORKSPACE) is known
    await journal.asked.get()
    journal.free.set()
    clock.advance(OLDEST_S - REFRESH_S)
    assert (KillScope.INSTALL, "") in (await register.current(WORKSPACE)).kills


async def test_a_stop_is_seen_by_whoever_asks_250_ms_later_however_slow_the_store(store: SqliteStore) -> None:
    register, journal, clock = await made(store)
    await register.current(WORKSPACE)
    await journal.asked.get()
    journal.free.clear()
    clock.advance(REFRESH_S + 0.001)
    assert register.fresh(WORKSPACE) is not None  # has it read, which takes long
    await journal.asked.get()
    await stopped(store, clock)
    clock.advance(OLDEST_S)
    late = asyncio.create_task(register.current(WORKSPACE))
    await journal.asked.get()  # what was begun before the stop is not waited for
    assert not late.done()
    journal.free.set()
    assert (KillScope.INSTALL, "") in (await late).kills


async def test_who_asks_soon_after_a_read_began_waits_for_that_one(store: SqliteStore) -> None:
    register, journal, clock = await made(store)
    journal.free.clear()
    first = asyncio.create_task(register.current(WORKSPACE))
    await journal.asked.get()
    clock.advance(YOUNG_S - 0.001)
    second = asyncio.create_task(register.current(WORKSPACE))
    await asyncio.sleep(0.01)
    first.cancel()  # takes nobody along
    journal.free.set()
    assert await second is register.known(WORKSPACE)
    assert journal.reads == 1


async def test_what_cannot_be_read_serves_no_longer_than_it_may(store: SqliteStore) -> None:
    register, journal, clock = await made(store)
    known = await register.current(WORKSPACE)
    await journal.asked.get()
    journal.broken = True
    clock.advance(OLDEST_S - 0.001)
    assert await register.current(WORKSPACE) is known
    await journal.asked.get()
    clock.advance(0.002)
    with pytest.raises(OSError, match="the disk is gone"):
        await register.current(WORKSPACE)
    journal.broken = False
    assert await register.current(WORKSPACE) is not known


async def test_refresh_sees_what_was_committed_before_it(store: SqliteStore) -> None:
    register, _, clock = await made(store)
    await register.current(WORKSPACE)
    await stopped(store, clock)
    assert not (await register.current(WORKSPACE)).kills
    assert (KillScope.INSTALL, "") in (await register.refresh(WORKSPACE)).kills
    assert (KillScope.INSTALL, "") in (await register.current(WORKSPACE)).kills
