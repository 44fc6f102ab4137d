"""Steps a second through guard and audit, beside LangGraph's checkpointers, and where the time goes.

A mission of 200 steps in sequence. A step's body asks the guard for one effect (a tool that does nothing) and
ends: identify, authorise, scan, breaker, budget, intent row and audit entry, outcome row and audit entry, step row and
audit entry, all at synchronous=FULL. No file changes, so git has nothing to do; its share is measured with steps that
write one.
The peer runs 200 trivial nodes in sequence with ``durability="sync"``. Each has a process of its own and they take
turns; a ratio is the median over the rounds.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks.harness import fresh_database, postgres, report, wait_for_quiet  # noqa: E402 - after the path
from remit.accounts.agents import Agent, register_agent  # noqa: E402 - as above
from remit.audit.entry import Entry, Result  # noqa: E402 - as above
from remit.bootstrap import Runtime, open_runtime, prepare_home  # noqa: E402 - as above
from remit.kernel.action import Action, ActorKind, Principal  # noqa: E402 - as above
from remit.kernel.canonical import Json  # noqa: E402 - as above
from remit.kernel.clock import SystemClock  # noqa: E402 - as above
from remit.kernel.effects import Tool, WriteFiles  # noqa: E402 - as above
from remit.kernel.errors import Conflict  # noqa: E402 - as above
from remit.kernel.ids import new_id  # noqa: E402 - as above
from remit.kernel.mission import Outcome, Plan, ResultHas, StepSpec  # noqa: E402 - as above
from remit.kernel.ports import RunTicket  # noqa: E402 - as above
from remit.missions.pack import Result as StepResult  # noqa: E402 - as above
from remit.missions.pack import StepContext  # noqa: E402 - as above
from remit.settings import Settings  # noqa: E402 - as above

AGENT = "bench"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``runs`` within a process, ``rounds`` of processes."""

    steps: int = 200
    written: int = 40
    engine: int = 20
    runs: int = 3
    rounds: int = 3


SMALL = Size(steps=30, written=5, engine=3, runs=1, rounds=1)


class Nothing:
    """A tool that does nothing."""

    async def perform(self, action: Action) -> Outcome:
        """Succeed."""
        del action
        return Outcome(ok=True)


class BenchPack:
    """Steps in sequence that ask for one effect each: a tool that does nothing, or a file."""

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


async def _measure(folder: Path, url: str, size: Size) -> dict[str, float]:
    settings = await _home(folder, url)
    adapters = {"tool": Nothing()}
    async with open_runtime(settings, pack="benchmarks.steps:PACK", adapters=adapters) as runtime:
        await runtime.start()
        await _mission(runtime, "tool", 20)  # warm
        began = time.process_time()
        step = statistics.median([await _mission(runtime, "tool", size.steps) for _ in range(size.runs)]) / size.steps
        busy = (time.process_time() - began) / size.steps / size.runs
        written = statistics.median([await _mission(runtime, "file", size.written) for _ in range(size.runs)])
        guard = statistics.median([await _guarded(runtime, size.steps) for _ in range(size.runs)]) / size.steps
        audit = statistics.median([await _audited(runtime, size.steps) for _ in range(size.runs)]) / size.steps
    run = await _engine(settings, size.engine) / size.engine
    return {
        "steps_per_s": 1 / step,
        "step_ms": step * 1000,
        "step_cpu_ms": busy * 1000,
        "guard_ms": guard * 1000,
        "audit_entry_ms": audit * 1000,
        "engine_run_ms": run * 1000,
        "git_ms": (written / size.written - step) * 1000,
    }


def ours(url: str, size: Size) -> dict[str, float]:
    """One round of Remit in a process of its own, on SQLite or (``url``) Postgres."""
    argv = [sys.executable, str(Path(__file__).resolve()), "--round", json.dumps({"url": url, **asdict(size)})]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return _last_line(argv, {"PYTHONPATH": path.rstrip(os.pathsep)})


def peer(url: str, size: Size) -> dict[str, dict[str, float]]:
    """One round of LangGraph by database, in its own environment; empty when ``make bench-peers`` did not make it."""
    python = ROOT / ".venv-peers" / "langgraph" / "bin" / "python"
    if not python.exists():
        return {}
    argv = [str(python), str(ROOT / "benchmarks" / "peers" / "langgraph_steps.py"), "--runs", str(size.runs)]
    argv += ["--only-sequence", *(["--postgres", url] if url else [])]
    answer: dict[str, dict[str, float]] = _last_line(argv, {"PYTHONPATH": ""})["figures"]
    return answer


def _last_line(argv: list[str], more: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=900, env={**os.environ, **more}, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _rounds(server: str, size: Size) -> dict[str, list[dict[str, float]]]:
    """What each round found, by who and where; in turns, so that a busy moment hits both."""
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(size.rounds):
        with fresh_database(server, "peer") as url:
            for database, rates in peer(url, size).items():
                found.setdefault(f"langgraph_{database}", []).append({"steps_per_s": rates["sequence"]})
        found.setdefault("sqlite", []).append(ours("", size))
        if server:
            with fresh_database(server, "steps") as url:
                found.setdefault("postgres", []).append(ours(url, size))
    return found


def figures(*, small: bool = False) -> dict[str, object]:
    """Remit and its peer, in one run: SQLite, and Postgres where there is a server."""
    size = SMALL if small else Size()
    wait_for_quiet(patience_s=0 if small else 120)
    with postgres() as server:
        found = _rounds(server, size)
    measured = {
        f"{who}_{name}": round(statistics.median(each[name] for each in rounds), 3)
        for who, rounds in found.items()
        for name in rounds[0]
    }
    ratios: dict[str, object] = {}
    for database in ("sqlite", "postgres"):
        pairs = zip(found.get(database, []), found.get(f"langgraph_{database}", []), strict=False)
        rates = [mine["steps_per_s"] / theirs["steps_per_s"] for mine, theirs in pairs]
        if rates:
            ratios[f"{database}/langgraph_sync"] = round(statistics.median(rates), 3)
    return report("steps", {**measured, **asdict(size)}, ratios)


def _round(told: str) -> None:
    options = json.loads(told)
    url = options.pop("url")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder) / "home", url, Size(**options)))
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--round"]:
        _round(sys.argv[2])
    else:
        print(json.dumps(figures(), indent=2))
