"""Rates that several processes share: together they let as many pass as one would, and nobody while none can count."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.postgres import PostgresStore
from remit.guard.rate_shared import LIFE_S, Asking, give
from remit.kernel.errors import Unavailable
from remit.serve.edge.shares import Shares
from remit.serve.edge.windows import Limits

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path

__all__ = ["postgres_server", "postgres_url"]

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(60, 1000)
CHILD = """
import sys
from tests.api.test_shares import ask
ask(sys.argv[1], sys.argv[2])
"""


def ask(url: str, folder: str) -> None:
    """In a process of its own: ask for one key until it is refused; tell how many passed, and another's standing."""
    import time

    place = Path(folder)
    store = PostgresStore(url, [load_key(place / "audit.key")], heads=place / "heads.log")

    async def go() -> dict[str, Any]:
        shares = Shares(store, "acme", time.monotonic)
        passed = 0
        while not (standing := await shares.take("api 192.0.2.1", LIMITS)).window:
            passed += 1
        again = await shares.take("api 192.0.2.1", LIMITS)
        other = await shares.take("api 192.0.2.2", Limits(10_000, 10_000))
        return {
            "passed": passed,
            "window": standing.window,
            "wait": standing.wait_s,
            "again": again.window,
            "other": other.window,
        }

    try:
        sys.stdout.write(json.dumps(asyncio.run(go())) + "\n")
    finally:
        store.close()


def test_two_processes_let_as_many_pass_as_one(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    store.migrate()
    store.close()
    argv = [sys.executable, "-c", CHILD, postgres_url, str(tmp_path)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    told = [json.loads(each.communicate(timeout=60)[0].splitlines()[-1]) for each in running]
    assert sum(each["passed"] for each in told) == LIMITS.minute
    assert {each["window"] for each in told} == {each["again"] for each in told} == {"minute"}
    assert all(0 < each["wait"] <= 63 for each in told)
    assert {each["other"] for each in told} == {""}


@pytest.mark.parametrize("seed", range(6))
def test_no_span_ever_holds_more_whoever_asks_and_whatever_is_given_back(seed: int) -> None:
    rand = random.Random(seed)
    windows: dict[str, list[list[int]]] = {"minute": [], "hour": []}
    limits = Limits(20, 300)
    now, used = 0, list[int]()
    held: dict[int, tuple[int, int, int]] = {}  # process -> (when, number, used)
    for _ in range(4000):
        now += rand.choice((0, 10_000, 200_000, 900_000, 9_000_000))
        process = rand.randrange(3)
        when, number, spent = held.get(process, (0, 0, 0))
        if spent < number and now < when + LIFE_S * 1_000_000:
            held[process] = (when, number, spent + 1)
            used.append(now)
            continue
        asking = Asking("k", limits.minute, limits.hour, want=rand.randint(1, 8), unused=number - spent, taken=when)
        given = give(asking, windows, now)
        assert bool(given.number) != bool(given.window)
        assert given.number or given.wait_s > 0
        held[process] = (given.at_us, given.number, 0)
    for span, most in ((60_000_000, limits.minute), (3_600_000_000, limits.hour)):
        first = 0
        for last, at in enumerate(used):
            while used[first] <= at - span:
                first += 1
            assert last - first + 1 <= most
    assert len(used) > limits.hour  # and it does go on


async def test_who_asks_much_costs_few_writes_and_a_refusal_none(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    store.migrate()
    writes: list[str] = []
    real = store.commit

    def counted(name: str, op: Any) -> Any:
        writes.append(name)
        return real(name, op)

    store.commit = counted  # type: ignore[method-assign]
    now = [0.0]
    try:
        shares = Shares(store, "acme", lambda: now[0])
        told = [await shares.take("k", Limits(400, 10_000)) for _ in range(400)]
        assert not any(each.window for each in told)
        assert told[-1].minute == 0
        assert len(writes) < 100
        before = len(writes)
        assert [(await shares.take("k", Limits(400, 10_000))).window for _ in range(50)] == ["minute"] * 50
        assert len(writes) == before + 1
        await asyncio.gather(*(shares.take(f"k{number}", LIMITS) for number in range(50)))
        assert len(writes) <= before + 4  # those who wait are written together
        shares.take_back("k0")
        assert (await shares.take("k0", LIMITS)).minute == LIMITS.minute - 1
    finally:
        store.close()
    now[0] += 5
    with pytest.raises(Unavailable):
        await shares.take("k", LIMITS)
