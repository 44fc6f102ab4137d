"""Steps a second through guard and audit, beside LangGraph's checkpointers, and where the time goes.

A mission of ``STEPS`` steps in sequence. A step's body asks the guard for one effect (a tool that does nothing) and
ends: identify, authorise, scan, breaker, budget, intent row and audit entry, outcome row and audit entry, step row and
audit entry, all at synchronous=FULL. No file changes, so git has nothing to do; its share is measured with steps that
write one.
The peer runs ``STEPS`` trivial nodes in sequence with ``durability="sync"``, in the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from remit.accounts.agents import Agent, register_agent
from remit.audit.entry import Entry, Result
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Tool, WriteFiles
from remit.kernel.errors import Conflict
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome, Plan, ResultHas, StepSpec
from remit.kernel.ports import RunTicket
from remit.missions.pack import Result as StepResult
from remit.missions.pack import StepContext
from remit.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness import ROOT, report, wait_for_quiet

STEPS = 200
RUNS = 3
AGENT = "bench"


class Nothing:
    """A tool that does nothing."""

    async def perform(self, action: Action) -> Outcome:
        """Succeed."""
        del action
        return Outcome(ok=True)


class BenchPack:
    """``STEPS`` steps in sequence; ``files`` of them write one file each."""

    name = "bench"
    version = "1"

    def plan(self, data: bytes, *, name: str) -> Plan:
        """As the input says: ``{"steps": N, "uses": "tool" | "file"}``."""
        del name
        given = json.loads(data)
        post = (ResultHas("ok", value=True),)
        steps = tuple(
            StepSpec(f"s{n}", given["uses"], needs=(f"s{n - 1}",) if n else (), post=post, agent=AGENT)
            for n in range(given["steps"])
        )
        return Plan(self.name, steps)

    def step(self, uses: str) -> object:
        """The body."""
        return {"tool": tool, "file": file}[uses]

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """It has no features."""
        raise Conflict(f"no feature {feature} in {len(data)} bytes")


async def tool(ctx: StepContext, params: Mapping[str, Json]) -> StepResult:
    """One effect, no file."""
    del params
    return {"ok": (await ctx.do(Tool("nothing"))).ok}


async def file(ctx: StepContext, params: Mapping[str, Json]) -> StepResult:
    """One file."""
    del params
    return {"ok": (await ctx.do(WriteFiles({f"{ctx.step}.txt": b"x"}))).ok}


PACK = BenchPack()


async def _home(folder: Path, url: str) -> Settings:
    settings = Settings(home=folder, store_url=url)
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        agent = Agent(
            workspace=settings.workspace,
            name=AGENT,
            owner=settings.owner,
            effects=frozenset({"tool", "files"}),
            tools=frozenset({"nothing"}),
        )
        with suppress(Conflict):  # a database that was measured before has it
            await register_agent(runtime.store, agent, by=runtime.owner, clock=SystemClock())
    return settings


async def _mission(runtime: Runtime, uses: str, steps: int) -> float:
    """Seconds from submit to the end of one mission."""
    data = json.dumps({"steps": steps, "uses": uses}).encode()
    mission = await runtime.missions.create(
        runtime.settings.workspace, "benchmarks.steps:PACK", data, name="bench.json", originator=runtime.owner
    )
    start = time.perf_counter()
    view = await runtime.missions.run(runtime.settings.workspace, mission)
    took = time.perf_counter() - start
    if view.status.value != "succeeded":
        message = f"the measured mission ended {view.status}: {view.mission.error}"
        raise RuntimeError(message)
    return took


async def _guarded(runtime: Runtime, count: int) -> float:
    """Seconds for ``count`` effects through the guard alone."""
    who, owner = Principal(ActorKind.AGENT, AGENT), runtime.owner
    start = time.perf_counter()
    for _ in range(count):
        await runtime.guard.run(Action(new_id(), Tool("nothing"), who, owner, runtime.settings.workspace))
    return time.perf_counter() - start


async def _audited(runtime: Runtime, count: int) -> float:
    """Seconds for ``count`` audit entries, each committed on its own."""
    entry = Entry(actor=runtime.owner, action="bench.entry", domain="bench", result=Result.SUCCESS, workspace="default")
    start = time.perf_counter()
    for _ in range(count):
        await runtime.store.commit("guard.outcome", lambda tx: tx.append(entry, {"n": 1}))
    return time.perf_counter() - start


async def _engine(settings: Settings, count: int) -> float:
    """Seconds for ``count`` empty runs, one after the other, through the bare engine."""
    async with open_runtime(settings) as runtime:

        async def nothing(ticket: RunTicket) -> None:
            del ticket

        await runtime.engine.start(nothing, worker=False)
        start = time.perf_counter()
        for number in range(count):
            name = f"bench/{new_id()}/{number}"
            await runtime.engine.submit(name)
            await runtime.engine.wait(name)
        return time.perf_counter() - start


async def _measure(folder: Path, url: str) -> dict[str, float]:
    settings = await _home(folder, url)
    adapters = {"tool": Nothing()}
    async with open_runtime(settings, pack="benchmarks.steps:PACK", adapters=adapters) as runtime:
        await runtime.start()
        await _mission(runtime, "tool", 20)
        step = statistics.median([await _mission(runtime, "tool", STEPS) for _ in range(RUNS)]) / STEPS
        written = statistics.median([await _mission(runtime, "file", 40) for _ in range(RUNS)]) / 40
        guard = statistics.median([await _guarded(runtime, STEPS) for _ in range(RUNS)]) / STEPS
        audit = statistics.median([await _audited(runtime, STEPS) for _ in range(RUNS)]) / STEPS
    run = await _engine(settings, 20) / 20
    return {"step": step, "written": written, "guard": guard, "audit": audit, "run": run}


def measure(url: str = "") -> dict[str, float]:
    """Figures of Remit alone on SQLite or (``url``) Postgres."""
    os.environ["PYTHONPATH"] = str(ROOT)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder) / "home", url))
    return {
        "steps_per_s": round(1 / found["step"], 1),
        "step_ms": round(found["step"] * 1000, 3),
        "guard_ms": round(found["guard"] * 1000, 3),
        "audit_entry_ms": round(found["audit"] * 1000, 3),
        "engine_run_ms": round(found["run"] * 1000, 3),
        "git_ms": round((found["written"] - found["step"]) * 1000, 3),
    }


def peer(url: str) -> dict[str, dict[str, float]]:
    """LangGraph's figures by database, from its own environment; empty when ``make bench-peers`` has not made it."""
    python = ROOT / ".venv-peers" / "langgraph" / "bin" / "python"
    if not python.exists():
        return {}
    argv = [str(python), str(ROOT / "benchmarks" / "peers" / "langgraph_steps.py")]
    done = subprocess.run([*argv, *(["--postgres", url] if url else [])], capture_output=True, text=True, check=True)
    answer: dict[str, dict[str, float]] = json.loads(done.stdout.strip().splitlines()[-1])["figures"]
    return answer


def figures() -> dict[str, object]:
    """Remit and its peer, in one run: SQLite, and Postgres when ``REMIT_TEST_POSTGRES_URL`` names a server."""
    wait_for_quiet()
    server = os.environ.get("REMIT_TEST_POSTGRES_URL", "")
    found: dict[str, object] = {}
    ratios: dict[str, object] = {}
    theirs = peer(_fresh(server, "langgraph") if server else "")
    for database in ("sqlite", *(["postgres"] if server else [])):
        ours = measure(_fresh(server, "steps") if database == "postgres" else "")
        found[database] = ours
        if database in theirs:
            found[f"langgraph_{database}"] = theirs[database]
            ratio = ours["steps_per_s"] / theirs[database]["sequence"]
            ratios[f"steps per second / LangGraph sync, {database}"] = round(ratio, 3)
    return report("steps", found, ratios)


def _fresh(server: str, name: str) -> str:
    """An empty database of its own on the server."""
    import psycopg

    base, _, _ = server.rpartition("/")
    made = f"remit_bench_{name}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{made}"')
        connection.execute(f'CREATE DATABASE "{made}"')
    return f"{base}/{made}"


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
