"""Health: percentiles within a bucket's width, rows that add up over processes, circuits that a person resets."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.errors import Unavailable
from remit.models.health import WINDOW, Cell, Health, bucket_of, percentile, read_cell, read_health
from remit.models.tables import HEALTH

from ..guard.fakes import FailingJournal, HandClock, make_store  # noqa: TID252 - tests are no package to name
from ..postgres import postgres_server, postgres_url  # noqa: TID252 - as above
from .fakes_catalogue import WORKSPACE

__all__ = ["postgres_server", "postgres_url"]

GPT = "openai/gpt-4o"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = make_store(tmp_path)
    yield made
    made.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.002, 900), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_off_by_no_more_than_a_bucket(times: list[float], part: float) -> None:
    buckets: dict[int, int] = {}
    for each in times:
        buckets[bucket_of(each)] = buckets.get(bucket_of(each), 0) + 1
    exact = sorted(times)[max(-(-int(part * 100) * len(times) // 100), 1) - 1]
    found = percentile(buckets, part)
    assert found is not None
    assert abs(found - exact) <= 0.05 * exact + 0.0006


def test_nothing_seen_is_nothing_known() -> None:
    health = Health(SystemClock(), process="p")
    assert percentile({}, 0.5) is None
    assert health.latency(WORKSPACE, GPT) is None
    assert health.standings(WORKSPACE) == {}


def test_calls_errors_and_latencies_are_counted_by_deployment_and_workspace() -> None:
    health = Health(HandClock(), process="p")
    for number in range(100):
        health.observe(WORKSPACE, GPT, 0.1 + number / 1000, 1.0)
    for _ in range(20):
        health.observe(WORKSPACE, GPT, None, 3.0, "provider.overloaded")
    health.observe(WORKSPACE, "local/m", 0.5, 0.6)
    health.observe("other", GPT, 9.0, 9.0)
    found = health.standings(WORKSPACE)
    assert set(found) == {GPT, "local/m"}
    gpt = found[GPT]
    assert (gpt.calls, gpt.errors, gpt.codes) == (120, 20, {"provider.overloaded": 20})
    assert gpt.error_share == pytest.approx(1 / 6)
    assert gpt.first[0] == pytest.approx(0.15, rel=0.06)
    assert gpt.first[2] == pytest.approx(0.198, rel=0.06)
    assert health.latency(WORKSPACE, GPT) == gpt.first[0]
    assert json.loads(json.dumps(gpt.as_json()))["first_byte_s"]["p50"] == pytest.approx(0.15, rel=0.06)


def test_what_is_old_is_forgotten_and_memory_stays_bounded() -> None:
    clock = HandClock()
    health = Health(clock, process="p")
    health.observe(WORKSPACE, GPT, 1.0, 1.0)
    assert health.standings(WORKSPACE)
    clock.advance(WINDOW * 60 + 60)
    assert not health.standings(WORKSPACE)
    assert health.latency(WORKSPACE, GPT) is None
    for number in range(20_000):
        health.observe(WORKSPACE, f"openai/made-up-{number}", 1.0, 1.0, f"code-{number}")
    assert len(health.standings(WORKSPACE)) <= 2048
    for number in range(1000):
        health.observe("third", GPT, 1.0, 1.0, f"code-{number}")
    for standing in health.standings(WORKSPACE).values():
        assert len(standing.codes) <= 21


async def add_up(one: SqliteStore | PostgresStore) -> None:
    """Two processes write the same minutes of one deployment."""
    clock = HandClock()
    first, second = Health(clock, process="p1"), Health(clock, process="p2")
    rng = random.Random(4)
    seen: list[float] = []
    for minute in range(3):
        for health in (first, second):
            for _ in range(50):
                took = rng.uniform(0.05, 2.0)
                seen.append(took)
                health.observe(WORKSPACE, GPT, took, took * 2)
            health.observe(WORKSPACE, GPT, None, 1.0, "timeout")
        if minute == 1:
            assert await first.flush(one) == 1  # the minute that is over, not the running one
        clock.advance(60)
    assert await first.flush(one) == 2
    assert await second.flush(one) == 3
    assert await second.flush(one) == 0
    since = micros_of(clock.now()) - 3600 * 1_000_000
    found = await one.read(lambda tx: read_health(tx, WORKSPACE, since_us=since))
    assert (found[GPT].calls, found[GPT].errors) == (306, 6)
    assert found[GPT].first[0] == pytest.approx(sorted(seen)[149], rel=0.06)
    assert await one.read(lambda tx: read_health(tx, "other", since_us=0)) == {}
    later = micros_of(clock.now()) - 90 * 1_000_000
    assert (await one.read(lambda tx: read_health(tx, WORKSPACE, since_us=later)))[GPT].calls == 102


async def test_rows_of_processes_add_up_in_sqlite(store: SqliteStore) -> None:
    await add_up(store)


async def test_rows_of_processes_add_up_in_postgres(postgres_url: str, tmp_path: Path) -> None:
    postgres = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    try:
        postgres.migrate()
        await add_up(postgres)
    finally:
        postgres.close()


async def test_rows_live_a_day_and_what_could_not_be_written_is_written_later(store: SqliteStore) -> None:
    clock = HandClock()
    journal = FailingJournal(store)
    health = Health(clock, process="p")
    health.observe(WORKSPACE, GPT, 1.0, 1.0)
    clock.advance(60)
    journal.failing.add("models.health")
    with pytest.raises(Unavailable):
        await health.flush(journal)
    journal.failing.clear()
    assert await health.flush(journal) == 1
    clock.advance(86_400)
    health.observe(WORKSPACE, GPT, 1.0, 1.0)
    assert await health.flush(journal, closing=True) == 1
    assert len(store.view(lambda tx: tx.rows(select(HEALTH)))) == 1


def test_a_cell_comes_back_from_its_row() -> None:
    cell = Cell()
    for number in range(50):
        cell.count(number / 10, number / 5, "x" * (number % 5 == 0))
    assert read_cell(cell.calls, cell.errors, cell.body()) == cell


def test_an_observation_costs_next_to_nothing() -> None:
    health = Health(SystemClock(), process="p")
    best = min(_lap(health) for _ in range(5))
    assert best < 10e-6  # some 1.2 µs on an idle machine; this one is shared


def _lap(health: Health) -> float:
    began = time.perf_counter()
    for _ in range(5000):
        health.observe(WORKSPACE, GPT, 0.3, 1.5)
    return (time.perf_counter() - began) / 5000
