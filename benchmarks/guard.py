"""The guard's own time for each allowed action, without the commit; its checks one by one; callers at once.

``cpu`` is what an action costs a process that has ``CALLERS`` to serve; ``cpu_alone`` what it costs when each waits for
the disk before the next begins, and finds the processor's caches cold.

Floors, in the same run: a bare FULL commit (what the durable intent can't be quicker than) and reading one dictionary.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sqlite3
import statistics
import tempfile
import time
import types
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import closing
from contextvars import ContextVar
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from cedarpy import Decision, Entities, PolicySet, Schema, is_authorized
from sqlalchemy import select

from benchmarks.guard_rules import rule_figures
from benchmarks.harness import report, wait_for_quiet
from benchmarks.rates import memory_ns
from remit.accounts.roles import Permission, Resource, Role, effective, may
from remit.bootstrap import open_runtime, prepare_home
from remit.guard.cedar import ROLES
from remit.guard.guard import Guard
from remit.guard.tables import ACTION
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import read_checks
from remit.kernel.effects import Durability, Tool
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.settings import Settings

CALLERS = 64
WORK_S = 0.02  # what an effect takes at least, in the measurement that is not saturated
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


@types.coroutine
def counted[T](work: Coroutine[Any, Any, T], spent: list[int]) -> Generator[Any, Any, T]:
    """Await ``work``; the nanoseconds of this thread's processor that its own steps took are added to ``spent[0]``."""
    give: Callable[[], Any] = partial(work.send, None)
    while True:
        began = time.thread_time_ns()
        try:
            wanted = give()
        except StopIteration as done:
            return done.value
        finally:
            spent[0] += time.thread_time_ns() - began
        try:
            give = partial(work.send, (yield wanted))
        except BaseException as error:  # noqa: BLE001 - a cancellation goes where it was meant to go
            give = partial(work.throw, error)


#: What went into commits, of the action that this context works on.
_COMMITS: ContextVar[list[int]] = ContextVar("commits")


class Watched:
    """The store, with the time of this thread's processor that goes into waiting for commits (queueing, waking)."""

    def __init__(self, store: Journal) -> None:
        self._store = store

    def submit[T](
        self, name: str, op: Callable[[Tx], T], *, durable: Durability = Durability.COMMIT, patient: bool = False
    ) -> Future[T]:
        """As the store's."""
        return self._store.submit(name, op, durable=durable, patient=patient)

    async def commit[T](self, name: str, op: Callable[[Tx], T], *, durable: Durability = Durability.COMMIT) -> T:
        """As the store's, timed."""
        return await counted(self._store.commit(name, op, durable=durable), _COMMITS.get())

    async def ahead[T](self, name: str, op: Callable[[Tx], T]) -> asyncio.Future[T]:
        """As the store's, timed."""
        return await counted(self._store.ahead(name, op), _COMMITS.get())

    async def read[T](self, op: Callable[[ReadTx], T]) -> T:
        """As the store's."""
        return await self._store.read(op)


async def _cpu(guard: Guard, count: int, *, callers: int) -> list[float]:
    """Microseconds of this thread's processor for each action without its commits, ``callers`` asking at once."""
    found: list[float] = []

    async def caller() -> None:
        for _ in range(count // callers):
            asked, spent, commits = action(), [0], [0]
            token = _COMMITS.set(commits)
            await counted(guard.run(asked), spent)
            _COMMITS.reset(token)
            found.append((spent[0] - commits[0]) / 1000)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return found


async def _callers(guard: Guard, each: int, *, work_s: float) -> list[float]:
    """Milliseconds from a caller's asking to its durable intent: ``CALLERS`` that each ask, work, and ask again."""
    waited: list[float] = []
    turns = random.Random(7)

    async def caller() -> None:
        await asyncio.sleep(turns.random() * work_s)  # they don't march in step
        for _ in range(each):
            asked = action()
            began = time.perf_counter()
            async with guard.admit(asked) as permit:
                waited.append((time.perf_counter() - began) * 1000)
                await permit.perform()
            await asyncio.sleep(work_s)

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


def _authorise(*, count: int) -> dict[str, float]:
    """Microseconds of one question: the roles as bits, and as Cedar answers the same (everything parsed before)."""
    rights = effective(Role.MEMBER)
    folder = resources.files("remit.accounts") / "cedar"
    told = "\n".join((folder / f"{name}.cedarschema").read_text("utf-8") for name in ("entities", "orders"))
    schema, policies = Schema.from_str(told), PolicySet.from_str((folder / "roles.cedar").read_text("utf-8"))
    parents = [{"type": "Role", "id": Role.MEMBER.value}]
    ada = {"uid": {"type": "User", "id": "ada"}, "attrs": {"granted": [], "revoked": []}, "parents": parents}
    entities = Entities.from_json_str(orjson.dumps([*ROLES, ada]).decode())
    request = {
        "principal": {"type": "User", "id": "ada"},
        "action": {"type": "Action", "id": Permission.WRITE.value},
        "resource": {"type": "Effect", "id": "x"},
        "context": {},
    }
    assert may(rights, Permission.WRITE, Resource.EFFECT)
    assert is_authorized(request, policies, entities, schema).decision is Decision.Allow
    bits = per_call_us(lambda: may(rights, Permission.WRITE, Resource.EFFECT), count=count)
    cedar = per_call_us(lambda: is_authorized(request, policies, entities, schema), count=count // 100)
    return {"authorise_us": round(bits, 3), "cedar_us": round(cedar, 1)}


async def _measure(folder: Path, *, count: int, each: int) -> dict[str, object]:
    settings = Settings(home=folder / "home")
    await prepare_home(settings)
    async with open_runtime(settings, adapters={"tool": Nothing()}) as runtime:
        guard = runtime.guard
        runtime.redactor.warm()  # as every worker does when it starts
        guard.journal = Watched(runtime.store)
        await _cpu(guard, count // 5, callers=CALLERS)
        gc.collect()
        alone = await _cpu(guard, count // 2, callers=1)
        cpu = await _cpu(guard, count, callers=CALLERS)
        guard.journal = runtime.store
        await _callers(guard, max(each // 10, 1), work_s=0)
        working = await _callers(guard, each, work_s=WORK_S)
        saturated = await _callers(guard, each, work_s=0)
        rows = runtime.store.view(
            lambda tx: tx.rows(select(ACTION.c.checks, ACTION.c.spent_ns).order_by(ACTION.c.id).limit(count))
        )
    shares: dict[str, list[float]] = {}
    for row in rows:
        names = [check["check"] for check in read_checks(row["checks"])]
        for name, spent in zip(names, orjson.loads(row["spent_ns"]), strict=True):
            shares.setdefault(name, []).append(spent / 1000)
    return {
        "actions": count,
        "cpu_p50_us": round(statistics.median(cpu), 1),
        "cpu_p99_us": round(quantile(cpu, 0.99), 1),
        "cpu_alone_p50_us": round(statistics.median(alone), 1),
        "durable_p50_ms_64": round(statistics.median(working), 2),
        "durable_p95_ms_64": round(quantile(working, 0.95), 2),
        "durable_p95_ms_64_saturated": round(quantile(saturated, 0.95), 2),
        **{f"check_{name}_us": round(statistics.median(spent), 2) for name, spent in shares.items()},
    }


def figures(*, small: bool = False) -> dict[str, object]:
    wait_for_quiet(patience_s=0 if small else 120)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = asyncio.run(_measure(folder, count=200 if small else 5000, each=5 if small else 100))
        floor = _commit_floor(folder, 50 if small else 500)
    measured["bare_commit_ms"] = round(floor, 3)
    measured |= rule_figures(count=1000 if small else 20_000)
    measured["gcra_us"] = round(memory_ns(calls=10_000 if small else 100_000, rounds=5) / 1000, 3)
    measured |= _authorise(count=10_000 if small else 200_000)
    ratios = {
        "durable_p95/bare_commit": round(float(str(measured["durable_p95_ms_64"])) / floor, 1),
        "cel_rule/python": round(float(str(measured["cel_rule_us"])) / float(str(measured["python_floor_us"])), 1),
        "cedar/authorise": round(float(str(measured["cedar_us"])) / float(str(measured["authorise_us"])), 1),
    }
    return report("guard", measured, ratios)
