# ruff: noqa: ARG002, ARG005 - step bodies and stand-ins have the shape that is called
"""A small world for missions: everything in memory but the steps' directories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from remit.accounts.owner import create_local_owner
from remit.kernel import crash
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Tool, WriteFiles
from remit.kernel.mission import NoSecrets, OnFailure, Plan, RetryPolicy, StepSpec
from remit.missions.deps import Deps
from remit.missions.service import Missions, View
from remit.redact.redactor import Redactor
from remit.testing.clock import ManualClock
from remit.testing.inline_engine import InlineEngine
from remit.testing.memory_journal import MemoryJournal
from remit.testing.memory_repository import MemoryRepositories
from remit.testing.recording_guard import RecordingGuard

OWNER = Principal(ActorKind.USER, "owner")


@dataclass
class ScriptPack:
    """The input is a JSON list of steps; each body does what its parameters say. ``ran`` counts bodies that ended."""

    name: str = "script"
    version: str = "1"
    ran: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def plan(self, data: bytes, *, name: str) -> Plan:
        steps = []
        for each in orjson.loads(data):
            given = dict(each)
            given["needs"] = tuple(given.get("needs", ()))
            given["post"] = tuple(given.get("post", (NoSecrets(),)))
            if "retry" in given:
                given["retry"] = RetryPolicy(**given["retry"])
            if "on_failure" in given:
                given["on_failure"] = OnFailure(given["on_failure"])
            given.setdefault("uses", "do")
            steps.append(StepSpec(**given))
        return Plan(self.name, tuple(steps))

    def step(self, uses: str) -> Any:
        return self.bodies.get(uses, self.do)

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        steps = orjson.loads(data)
        gone = {each["name"] for each in steps if each.get("feature") == feature}
        left = [each for each in steps if each["name"] not in gone]
        for each in left:
            each["needs"] = [need for need in each.get("needs", ()) if need not in gone]
        return orjson.dumps(left), (feature,)

    async def do(self, ctx: Any, params: Any) -> Any:
        self.begun[ctx.step] += 1
        for call in range(params.get("calls", 0)):
            await ctx.do(Tool("witness", {"step": ctx.step, "call": call}))
        text = str(params.get("text", ""))[:: -1 if params.get("turn") else 1]
        files = {path: f"{path} {text} {sorted(ctx.upstream.items())}".encode() for path in params.get("files", ())}
        if files:
            await ctx.do(WriteFiles(files))
        self.ran[ctx.step] += 1
        return {"from": ctx.step, "text": text}


@dataclass
class World:
    missions: Missions
    deps: Deps
    journal: MemoryJournal
    repositories: MemoryRepositories
    guard: RecordingGuard
    pack: ScriptPack
    clock: ManualClock
    engine: InlineEngine
    slept: list[float]

    async def create(self, steps: list[dict[str, Any]], **options: Any) -> str:
        data = orjson.dumps(steps)
        return await self.missions.create("w", "script", data, name="in.json", originator=OWNER, **options)

    async def run(self, steps: list[dict[str, Any]]) -> View:
        return await self.missions.run("w", await self.create(steps))

    async def resume(self, mission: str, **options: Any) -> View:
        run = await self.missions.resume("w", mission, actor=OWNER, **options)
        if run:
            await self.engine.wait(run)
        return await self.missions.show("w", mission)

    def files(self, view: View) -> dict[str, str]:
        root = Path(view.workspace)
        return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}

    async def restarted(self) -> World:
        """The same store, repositories and outside world; a new process."""
        engine = InlineEngine(f"boot-{id(self)}")
        guard = RecordingGuard(self.journal, self.guard.perform)
        guard.asked, guard.results = self.guard.asked, self.guard.results
        guard.outside, guard.undone = self.guard.outside, self.guard.undone
        deps = replace(
            self.deps, engine=engine, guard=guard, ledger=guard, hints={}, alive=lambda owner: owner == engine.executor
        )
        missions = Missions(deps)
        await engine.start(missions.drive, worker=True)
        return replace(self, missions=missions, deps=deps, guard=guard, engine=engine)


async def build_world(folder: Path, *, parallel: int = 2) -> World:
    clock = ManualClock()
    journal = MemoryJournal(clock)
    repositories = MemoryRepositories(folder)
    guard = RecordingGuard(journal)
    engine = InlineEngine()
    pack = ScriptPack()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    async def intact(workspace: str, mission: str) -> None:
        del workspace, mission

    deps = Deps(
        journal=journal,
        guard=guard,
        ledger=guard,
        engine=engine,
        packs={"script": pack},
        repository_for=repositories.of,
        redactor=Redactor(bytes(16)),
        verify_log=intact,
        kill_leftover=lambda pgid, start: False,
        alive=lambda owner: owner == engine.executor,
        clock=clock,
        sleep=sleep,
        rand=lambda: 0.0,
        parallel=parallel,
    )
    await create_local_owner(journal, workspace="w", user=OWNER.id, name="Owner", clock=clock)
    journal.entries.clear()  # what the tests count begins here
    missions = Missions(deps)
    await engine.start(missions.drive, worker=True)
    return World(missions, deps, journal, repositories, guard, pack, clock, engine, slept)


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made = await build_world(tmp_path)
    yield made
    crash.install(None)
    await made.engine.stop()
    made.journal.close()


@pytest.fixture
def make_world() -> Any:
    return build_world


@pytest.fixture(autouse=True)
def no_crash_is_left_armed() -> Any:
    yield
    crash.install(None)
