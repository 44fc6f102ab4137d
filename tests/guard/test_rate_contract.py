"""One contract for the three places where rates are kept: memory, SQLite, Postgres."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.guard.gcra import Demand, Level, MemoryRates, Short, admit
from remit.guard.rate_store import SqlRates
from remit.testing.memory_journal import MemoryJournal

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from ..postgres import postgres_server, postgres_url  # noqa: TID252 - as above
from .fakes import WORKSPACE, make_store

__all__ = ["postgres_server", "postgres_url"]

SECOND = 1_000_000
TEN = Demand("k", SECOND, 10)


class Hand:
    """A clock in microseconds that only a test moves."""

    def __init__(self) -> None:
        self.us = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.us

    def ns(self) -> int:
        return self.us * 1000


class Kept:
    """``Rates`` where each call is a transaction of its own."""

    def __init__(self, store: Any, hand: Hand) -> None:
        self._store = store
        self._hand = hand

    def _do(self, call: Callable[[SqlRates], Any]) -> Any:
        now = self._hand()
        return self._store.submit("guard.intent", lambda tx: call(SqlRates(tx, WORKSPACE, now_us=now))).result(10)

    def take(self, demands: Any) -> Short | None:
        return self._do(lambda rates: rates.take(demands))

    def peek(self, demand: Demand) -> Level:
        return self._do(lambda rates: rates.peek(demand))

    def add(self, demand: Demand, units: int) -> None:
        self._do(lambda rates: rates.add(demand, units))

    def sweep(self) -> int:
        return self._do(lambda rates: rates.sweep())


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Hand]]:
    hand = Hand()
    if request.param == "memory":
        yield MemoryRates(hand.ns), hand
        return
    store: Store
    if request.param == "sqlite":
        store = make_store(tmp_path)
    else:
        store = PostgresStore(
            request.getfixturevalue("postgres_url"), [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log"
        )
        store.migrate()
    yield Kept(store, hand), hand
    store.close()


def test_exactly_the_burst_passes_at_once_and_then_one_for_each_unit_of_time(made: tuple[Any, Hand]) -> None:
    rates, hand = made
    assert [rates.take([TEN]) for _ in range(10)] == [None] * 10
    short = rates.take([TEN])
    assert (short.wait_us, short.level) == (SECOND, Level(0, 10 * SECOND))
    hand.us += SECOND - 1
    assert rates.take([TEN]).wait_us == 1
    hand.us += 1
    assert rates.take([TEN]) is None
    assert rates.take([TEN]).wait_us == SECOND
    hand.us += 1000 * SECOND
    assert rates.peek(TEN) == Level(10, 0)


def test_a_cost_above_the_burst_never_passes_not_even_first(made: tuple[Any, Hand]) -> None:
    rates, _ = made
    short = rates.take([Demand("k", SECOND, 10, cost=11)])
    assert (short.wait_us, short.level.remaining) == (None, 10)
    assert rates.take([Demand("k", SECOND, 10, cost=10)]) is None


def test_all_demands_are_taken_or_none(made: tuple[Any, Hand]) -> None:
    rates, _ = made
    small, large = Demand("small", SECOND, 1), Demand("large", SECOND, 5)
    assert rates.take([small, large]) is None
    assert rates.take([large, small]).demand == small
    assert rates.take([small, large]).wait_us == SECOND
    assert rates.peek(large) == Level(4, SECOND)
    hour = Demand("an hour", 3600 * SECOND, 1)
    assert rates.take([hour]) is None
    assert rates.take([small, hour, large]).demand == hour, "the longest wait is told"


def test_what_is_given_back_fills_no_bucket_above_its_burst(made: tuple[Any, Hand]) -> None:
    rates, hand = made
    rates.take([Demand("k", SECOND, 10, cost=4)])
    rates.add(TEN, -4)
    assert rates.peek(TEN) == Level(10, 0)
    rates.take([Demand("k", SECOND, 10, cost=4)])
    hand.us += 100 * SECOND
    rates.add(TEN, -4)
    assert rates.take([Demand("k", SECOND, 10, cost=10)]) is None
    assert rates.take([TEN]).wait_us == SECOND
    rates.add(Demand("never used", SECOND, 10), -4)
    assert rates.peek(Demand("never used", SECOND, 10)) == Level(10, 0)


def test_a_bucket_may_owe_what_turned_out_to_be_used(made: tuple[Any, Hand]) -> None:
    rates, hand = made
    rates.take([Demand("k", SECOND, 10, cost=10)])
    rates.add(TEN, 5)
    assert rates.take([TEN]).wait_us == 6 * SECOND
    hand.us += 6 * SECOND
    assert rates.take([TEN]) is None
    rates.add(Demand("fresh", SECOND, 10), 3)
    assert rates.peek(Demand("fresh", SECOND, 10)) == Level(7, 3 * SECOND)


def test_a_sweep_forgets_only_what_is_full_again(made: tuple[Any, Hand]) -> None:
    rates, hand = made
    rates.take([Demand("short", SECOND, 10)])
    rates.take([Demand("long", 60 * SECOND, 10)])
    assert rates.sweep() == 0
    hand.us += 2 * SECOND
    assert rates.sweep() == 1
    assert rates.peek(Demand("long", 60 * SECOND, 10)).remaining == 9


type Step = tuple[int, int, int]  # microseconds that pass, cost, what is given back


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    burst=st.integers(1, 9),
    unit=st.integers(1, 5_000),
    steps=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 10), st.integers(0, 3)), max_size=40),
)
def test_memory_sqlite_and_a_model_in_units_agree(burst: int, unit: int, steps: list[Step]) -> None:
    """The model counts what is in the bucket (times ``unit``, so that it stays whole); the others keep a TAT."""
    hand = Hand()
    journal = MemoryJournal()
    memory, kept = MemoryRates(hand.ns), Kept(journal, hand)
    inside, full = burst * unit, burst * unit
    try:
        for passed, cost, back in steps:
            hand.us += passed
            inside = min(inside + passed, full)
            demand = Demand("k", unit, burst, cost)
            fits = cost <= burst and cost * unit <= inside
            told = [memory.take([demand]), kept.take([demand])]
            assert [each is None for each in told] == [fits, fits]
            if fits:
                inside -= cost * unit
                given = min(back, cost)
                inside += given * unit
                memory.add(demand, -given)
                kept.add(demand, -given)
            elif told[0] is not None:
                assert told[0].wait_us == (None if cost > burst else cost * unit - inside)
            assert memory.peek(demand) == kept.peek(demand) == Level(inside // unit, full - inside)
    finally:
        journal.close()


@given(cost=st.integers(1, 100), cap=st.integers(100, 10_000), times=st.lists(st.integers(0, 300), max_size=60))
def test_no_window_admits_more_than_burst_and_refill(cost: int, cap: int, times: list[int]) -> None:
    now, tat, passed = 0, 0, list[int]()
    for step in times:
        now += step
        tat, wait = admit(tat, now, cost_us=cost, cap_us=cap)
        if not wait:
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert (last - first + 1) * cost <= cap + passed[last] - begin


def test_memory_is_bounded_and_fails_closed() -> None:
    hand = Hand()
    rates = MemoryRates(hand.ns, most=3)
    for name in "abc":
        assert rates.hit(name, SECOND, 10 * SECOND) == 0
    assert rates.hit("d", SECOND, 10 * SECOND) > 0
    assert rates.take([Demand("d", SECOND, 10)]) is not None
    assert rates.hit("a", SECOND, 10 * SECOND) == 0
    hand.us += 5 * SECOND
    assert rates.hit("d", SECOND, 10 * SECOND) == 0
    assert len(rates) == 1


def test_threads_never_pass_more_than_the_burst() -> None:
    rates = MemoryRates(lambda: 1000)
    passed: list[int] = []

    def ask() -> None:
        passed.append(sum(rates.hit("k", SECOND, 100 * SECOND) == 0 for _ in range(200)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 100


def test_the_databases_clock_is_asked_when_nobody_gives_a_time(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    try:
        demand = Demand("k", 200_000, 1)
        take = lambda: store.submit("guard.intent", lambda tx: SqlRates(tx, WORKSPACE).take([demand])).result(60)  # noqa: E731 - said often
        for _ in range(20):  # a machine that stands still meanwhile lets the second one pass
            began = time.monotonic()
            assert take() is None
            pace, short = Pace(), take()
            if short is not None:
                break
            time.sleep(0.2)
        assert short is not None
        assert 0 < (short.wait_us or 0) <= 200_000
        while take():
            time.sleep(0.02)
        assert time.monotonic() - began >= 0.19
        assert pace.spent() < 5
    finally:
        store.close()


def test_the_postgres_clock_is_asked(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    try:
        store.migrate()
        demand = Demand("k", 3600 * SECOND, 1)
        take = lambda tx: SqlRates(tx, WORKSPACE).take([demand])  # noqa: E731 - said twice
        assert store.submit("guard.intent", take).result(60) is None
        short = store.submit("guard.intent", take).result(60)
        assert short is not None
        assert 3500 * SECOND < (short.wait_us or 0) <= 3600 * SECOND
    finally:
        store.close()
