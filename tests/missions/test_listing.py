"""Lists of missions: pages, filters, and what they cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.adapters.store import open_store
from remit.kernel.ports import Params, Row
from remit.missions.estimate import Estimate, keep
from remit.missions.labels import searched
from remit.missions.listing import Found, Summary, Wanted, count_missions, find_missions
from remit.missions.rows import MissionRow, StepRow, insert_mission, insert_steps
from remit.missions.shown import Shown
from remit.testing.memory_journal import MemoryJournal

MANY = 100_000 if os.environ.get("REMIT_PROVE") == "1" else 3_000
NOW = 1_800_000_000_000_000
TITLES = ("Build a clinic", "Heat-pump subsidies", "Walk-forward 100% momentum", "Rotate edge certificates")


def mission(number: int, **values: Any) -> MissionRow:
    """One of many; each differs from the last in all that is filtered by."""
    title = TITLES[number % len(TITLES)]
    name = f"in-{number}.yaml"
    made = MissionRow(
        id=f"0193a2f4-0000-7000-8000-{number:012d}",
        workspace="w",
        pack=("build", "trade")[number % 2],
        pack_version="1",
        input_name=name,
        input=b"x" * 300,
        input_sha256="",
        plan=b"y" * 6000,
        plan_hash="",
        originator=f"user:u{number % 7}",
        created_us=NOW - (number // 2) * 1_000_000,
        updated_us=NOW,
        status=("succeeded", "succeeded", "succeeded", "failed", "cancelled")[number % 5],
        title=title,
        agents=(" coder ", " apptester coder ")[number % 2],
        searched=searched(f"{title}\n{name}"),
    )
    return replace(made, **values)


class Counting:
    """A transaction that counts its statements."""

    def __init__(self, tx: Any) -> None:
        self.tx = tx
        self.statements = 0

    def rows(self, stmt: Any, params: Params = None) -> list[Row]:
        self.statements += 1
        return self.tx.rows(stmt, params)

    def row(self, stmt: Any, params: Params = None) -> Row | None:
        self.statements += 1
        return self.tx.row(stmt, params)


ALL = Wanted()


@pytest.fixture
def journal() -> Iterator[MemoryJournal]:
    made = MemoryJournal()
    yield made
    made.close()


async def put(journal: Any, *rows: MissionRow) -> None:
    def op(tx: Any) -> None:
        for row in rows:
            steps = [StepRow("w", row.id, 1, f"s{n}", n, status="succeeded" if n else "running") for n in range(3)]
            insert_mission(tx, row, steps)

    await journal.commit("mission.create", op)


async def ask(journal: Any, wanted: Wanted = ALL, *, size: int = 50, after: Any = None) -> tuple[Found, int]:
    def op(tx: Any) -> tuple[Found, int]:
        counting = Counting(tx)
        alive: Callable[[str], bool] = lambda owner: owner == "alive"  # noqa: E731
        found = find_missions(counting, "w", wanted, size=size, alive=alive, now_us=NOW, after=after)
        return found, counting.statements

    return await journal.read(op)


async def every(journal: Any, wanted: Wanted = ALL, *, size: int = 7) -> list[Summary]:
    found: list[Summary] = []
    after = None
    while True:
        page, _ = await ask(journal, wanted, size=size, after=after)
        found += page.missions
        after = page.next
        if after is None:
            return found


async def test_pages_show_every_mission_once_newest_first(journal: MemoryJournal) -> None:
    await put(journal, *(mission(number) for number in range(50)), mission(99, workspace="other"))
    found = await every(journal)
    assert [one.cursor for one in found] == sorted((one.cursor for one in found), reverse=True)
    assert len({one.id for one in found}) == len(found) == 50  # two were created at the same time, each second


async def test_a_page_stays_what_it_was_when_missions_are_added(journal: MemoryJournal) -> None:
    await put(journal, *(mission(number) for number in range(20)))
    first, _ = await ask(journal, size=10)
    await put(journal, mission(1000, created_us=NOW + 5))
    second, _ = await ask(journal, size=10, after=first.next)
    assert len({one.id for one in (*first.missions, *second.missions)}) == 20
    assert second.next is None


async def test_each_filter_finds_what_it_names_and_nothing_else(journal: MemoryJournal) -> None:
    await put(journal, *(mission(number) for number in range(60)))
    await put(
        journal,
        mission(100, status="running", owner="alive", updated_us=NOW),
        mission(101, status="running", owner="dead"),
        mission(102, status="running", owner="order-1"),
    )
    run = await every(journal, Wanted(statuses=(Shown.RUNNING,)))
    cut = await every(journal, Wanted(statuses=(Shown.INTERRUPTED,)))
    assert [one.id[-3:] for one in run] == ["100"]
    assert sorted(one.id[-3:] for one in cut) == ["101", "102"]
    assert len(await every(journal, Wanted(statuses=(Shown.RUNNING, Shown.INTERRUPTED)))) == 3
    for status in (Shown.FAILED, Shown.CANCELLED):
        found = await every(journal, Wanted(statuses=(status,)))
        assert len(found) == 12
        assert {one.status for one in found} == {status}
    assert {one.pack for one in await every(journal, Wanted(pack="trade"))} == {"trade"}
    assert {one.originator for one in await every(journal, Wanted(originator="user:u3"))} == {"user:u3"}
    assert all("apptester" in one.agents for one in await every(journal, Wanted(agent="apptester")))
    assert await every(journal, Wanted(agent="app")) == []
    assert {one.title for one in await every(journal, Wanted(text="  HEAT-pump"))} == {TITLES[1]}
    assert {one.title for one in await every(journal, Wanted(text="100%"))} == {TITLES[2]}
    assert len(await every(journal, Wanted(text="in-12.yaml"))) == 1
    assert [one.id[-2:] for one in await every(journal, Wanted(text="000000000017"))] == ["17"]
    assert await every(journal, Wanted(text="in_12")) == []
    some = await every(journal, Wanted(since_us=NOW - 5_000_000, until_us=NOW - 2_000_000))
    assert sorted(int(one.id[-3:]) for one in some) == [6, 7, 8, 9, 10, 11]
    both = await every(journal, Wanted(statuses=(Shown.FAILED, Shown.CANCELLED), pack="build", text="clinic"))
    assert both
    assert all(one.pack == "build" and one.title == TITLES[0] for one in both)


async def test_a_row_tells_how_far_the_mission_is(journal: MemoryJournal) -> None:
    await put(journal, mission(1, status="running", owner="alive", updated_us=NOW - 20 * 60 * 1_000_000))

    def op(tx: Any) -> None:
        keep(tx, Estimate("w", mission(1).id, "trade", "trade", 4, 0, 100, 200, 5, 6))
        # what an earlier plan of the mission had counts no more
        insert_steps(tx, [StepRow("w", mission(1).id, 7, "old", 0)])

    await journal.commit("mission.create", op)
    (found,) = (await ask(journal))[0].missions
    assert (found.steps.total, found.steps.done, found.steps.running) == (3, 2, 1)
    assert found.estimate is not None
    assert found.estimate.cost_high == 200
    assert found.stuck_us == 20 * 60 * 1_000_000
    counts = await journal.read(lambda tx: count_missions(tx, "w", alive=lambda owner: owner == "alive"))
    assert counts == {Shown.RUNNING: 1}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 30), size=st.integers(1, 30))
def test_pages_of_any_size_are_the_same_list(seed: int, size: int) -> None:
    import asyncio

    async def go() -> None:
        journal = MemoryJournal()
        with closing(journal):
            rand = Random(seed)
            rows = [mission(n, created_us=NOW - rand.randrange(10)) for n in range(40)]
            await put(journal, *rows)
            wanted = Wanted(pack=rand.choice(["", "build"]), statuses=rand.choice([(), (Shown.SUCCEEDED,)]))
            expected = sorted(
                (row.created_us, row.id)
                for row in rows
                if wanted.pack in {"", row.pack} and (not wanted.statuses or row.status == "succeeded")
            )[::-1]
            assert [one.cursor for one in await every(journal, wanted, size=size)] == expected

    asyncio.run(go())


EVERY_FILTER = (
    Wanted(),
    Wanted(statuses=(Shown.FAILED,)),
    Wanted(statuses=(Shown.RUNNING, Shown.QUEUED, Shown.WAITING)),
    Wanted(statuses=(Shown.SUCCEEDED, Shown.FAILED)),
    Wanted(text="momentum"),
    Wanted(text="in-17.yaml"),
    Wanted(text="nothing has this"),
    Wanted(agent="apptester"),
    Wanted(agent="nobody"),
    Wanted(pack="trade", originator="user:u3"),
    Wanted(pack="none"),
    Wanted(statuses=(Shown.CANCELLED,), text="nothing has this"),
    Wanted(since_us=NOW - 90_000_000, until_us=NOW - 60_000_000),
)


async def test_a_page_costs_six_statements_and_is_quick(tmp_path: Path) -> None:
    """The limit on time is the issue's: p95 <= 100 ms with 100,000 missions (REMIT_PROVE=1; else 3,000)."""
    store = open_store(tmp_path)
    try:
        for start in range(0, MANY, 1000):
            await put(store, *(mission(number) for number in range(start, start + 1000)))
        took: list[float] = []
        for size in (1, 50, 500):
            for wanted in EVERY_FILTER:
                began = time.perf_counter()
                page, statements = await ask(store, wanted, size=size)
                if size == 50:
                    took.append(time.perf_counter() - began)
                assert statements <= 6
                if page.next is not None and size == 50:
                    began = time.perf_counter()
                    await ask(store, wanted, size=size, after=page.next)
                    took.append(time.perf_counter() - began)
                    deep = (NOW - MANY // 4 * 1_000_000, "")
                    began = time.perf_counter()
                    await ask(store, wanted, size=size, after=deep)
                    took.append(time.perf_counter() - began)
        p95 = quantiles(took, n=20)[-1]
        said = f"{MANY} missions: p95 {p95 * 1000:.1f} ms, worst {max(took) * 1000:.1f} ms of {len(took)} pages"
        assert p95 <= (0.1 if MANY == 100_000 else 1.0), said
    finally:
        store.close()
