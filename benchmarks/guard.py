"""The guard's own time for each allowed action, without the commit; its checks one by one; callers at once.

Floors, in the same run: a bare FULL commit (what the durable intent can't be quicker than) and reading one dictionary.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
from sqlalchemy import select

from benchmarks.harness import report, wait_for_quiet
from remit.bootstrap import open_runtime, prepare_home
from remit.guard.guard import Guard
from remit.guard.tables import ACTION
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Tool
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.settings import Settings

CALLERS = 64
WORKSPACE = "default"


class Nothing:
    """An adapter that does nothing, at once."""

    async def perform(self, action: Action) -> Outcome:
        """Succeed."""
        del action
        return Outcome(ok=True, value={}, text="")


def action() -> Action:
    owner = Principal(ActorKind.USER, "owner")
    return Action(
        id=new_id(),
        effect=Tool("echo", {"text": "hello", "number": 1}),
        principal=owner,
        on_behalf_of=owner,
        workspace=WORKSPACE,
        effect_key=new_id(),
    )


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def _cpu(guard: Guard, count: int) -> list[float]:
    """Microseconds of this thread's processor for each action, one after the other: waiting costs none."""
    spent: list[float] = []
    for _ in range(count):
        asked = action()
        began = time.thread_time_ns()
        await guard.run(asked)
        spent.append((time.thread_time_ns() - began) / 1000)
    return spent


async def _callers(guard: Guard, each: int) -> list[float]:
    """Milliseconds from a caller's asking to its durable intent, ``CALLERS`` at once."""
    waited: list[float] = []

    async def caller() -> None:
        for _ in range(each):
            asked = action()
            began = time.perf_counter()
            async with guard.admit(asked) as permit:
                waited.append((time.perf_counter() - began) * 1000)
                await permit.perform()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return waited


def _commit_floor(folder: Path, count: int) -> float:
    """Median milliseconds of a bare FULL commit of one row."""
    spent: list[float] = []
    with closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
        for number in range(count):
            began = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 300))
            db.execute("COMMIT")
            spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def per_call_us(work: Callable[[], object], *, count: int, runs: int = 5) -> float:
    """Microseconds of one call, median over runs."""
    taken: list[float] = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        for _ in range(count):
            work()
        taken.append((time.perf_counter_ns() - began) / count / 1000)
    return statistics.median(taken)


async def _measure(folder: Path, *, count: int, each: int) -> dict[str, object]:
    settings = Settings(home=folder / "home")
    await prepare_home(settings)
    async with open_runtime(settings, adapters={"tool": Nothing()}) as runtime:
        guard = runtime.guard
        await _cpu(guard, count // 10)
        gc.collect()
        cpu = await _cpu(guard, count)
        await _callers(guard, max(each // 10, 1))
        waited = await _callers(guard, each)
        rows = runtime.store.view(
            lambda tx: tx.rows(select(ACTION.c.checks, ACTION.c.spent_ns).order_by(ACTION.c.id).limit(count))
        )
    shares: dict[str, list[float]] = {}
    for row in rows:
        names = [check["check"] for check in orjson.loads(row["checks"])]
        for name, spent in zip(names, orjson.loads(row["spent_ns"]), strict=True):
            shares.setdefault(name, []).append(spent / 1000)
    return {
        "actions": count,
        "cpu_p50_us": round(statistics.median(cpu), 1),
        "cpu_p99_us": round(quantile(cpu, 0.99), 1),
        "durable_p50_ms_64": round(statistics.median(waited), 2),
        "durable_p95_ms_64": round(quantile(waited, 0.95), 2),
        **{f"check_{name}_us": round(statistics.median(spent), 2) for name, spent in shares.items()},
    }


def figures(*, small: bool = False) -> dict[str, object]:
    wait_for_quiet(patience_s=0 if small else 120)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = asyncio.run(_measure(folder, count=200 if small else 5000, each=5 if small else 100))
        floor = _commit_floor(folder, 50 if small else 500)
    measured["bare_commit_ms"] = round(floor, 3)
    ratios = {"durable_p95/bare_commit": round(float(str(measured["durable_p95_ms_64"])) / floor, 1)}
    return report("guard", measured, ratios)
