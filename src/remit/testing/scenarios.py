"""The scenarios of ``remit drill``: what is made to fail, and which promises must hold all the same.

Each runs the probe mission (``remit.testing.probe``), or actions of its own, in a temporary home against a witness in a
process of its own, with time between tries compressed. Nothing of it touches another home.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import func, select

from remit.accounts.tables import BUDGET
from remit.bootstrap import Rehearsal, Runtime, open_runtime, prepare_home
from remit.guard.attempts import AttemptsReport, attempts_report
from remit.guard.breaker import Numbers, Phase
from remit.guard.circuits import key_of
from remit.guard.faults import Fault, Scenario, What
from remit.guard.permit import Terms
from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Tool
from remit.kernel.errors import NotFound, RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import MissionStatus, Outcome
from remit.kernel.money import usd
from remit.kernel.ports import ReadTx
from remit.missions.evidence import check_rows
from remit.missions.service import View
from remit.settings import Settings
from remit.testing.chaos import Proxy, Weather
from remit.testing.drill import PACK, Drill, adopt_orphans
from remit.testing.witness import requests, witness

#: Waits between tries are so many times shorter than in earnest.
FASTER = 20.0
RETRY_FLOOR = 10
RETRY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Promise:
    """What must hold, whether it did, and what was seen."""

    text: str
    held: bool
    seen: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``remit drill --json``."""
        return {"promise": self.text, "held": self.held, "seen": self.seen}


@dataclass(slots=True)
class Seen:
    """What a drill saw."""

    promises: list[Promise] = field(default_factory=list[Promise])
    attempts: AttemptsReport | None = None
    struck: dict[str, int] = field(default_factory=dict[str, int])
    verified: bool = False
    entries: int = 0

    def hold(self, text: str, held: bool, seen: object = "") -> None:  # noqa: FBT001 - a fact, not an option
        """Note a promise."""
        self.promises.append(Promise(text, held, str(seen)))


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a drill plays: a folder of its own, the settings of a home in it, a witness and its log."""

    folder: Path
    settings: Settings
    witness: str
    log: Path


@dataclass(frozen=True, slots=True)
class Scene:
    """A shipped scenario."""

    name: str
    about: str
    play: Callable[[Stage, Seen], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DrillReport:
    """How a drill went."""

    name: str
    seconds: float
    seen: Seen

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        return self.seen.verified and all(promise.held for promise in self.seen.promises)

    def as_json(self) -> dict[str, Json]:
        """For ``remit drill --json``."""
        attempts = self.seen.attempts
        return {
            "drill": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "attempts": None if attempts is None else attempts.as_json(),
            "injected": dict(self.seen.struck),
            "promises": [promise.as_json() for promise in self.seen.promises],
            "audit": {"verified": self.seen.verified, "entries": self.seen.entries},
        }


async def rehearse(name: str, settings: Settings) -> DrillReport:
    """As ``run``, in a temporary folder that is gone afterwards."""
    find(name)
    with tempfile.TemporaryDirectory(prefix="remit-drill-") as folder:
        return await run(name, Path(folder), settings)


def find(name: str) -> Scene:
    """A shipped scenario.

    Raises:
        NotFound: No such scenario.
    """
    if name not in SCENES:
        message = f"There is no drill {name!r}: there are {', '.join(SCENES)}."
        raise NotFound(message, code="drill.unknown", hint="remit drill --list")
    return SCENES[name]


async def run(name: str, folder: Path, settings: Settings) -> DrillReport:
    """Play a shipped scenario in ``folder``, which must be empty.

    Args:
        name: One of ``SCENES``.
        folder: The drill's own; nothing outside it is touched.
        settings: Of the caller: what they say of home and store is replaced.

    Raises:
        NotFound: No such scenario.
        InvalidInput: The environment is production.
    """
    scene = find(name)
    log = folder / "witness.log"
    began = time.monotonic()
    seen = Seen()
    with witness(log) as address:
        # Only what says how this machine works: no store, channel or budget of the caller is touched.
        own = Settings(
            home=folder / "home",
            environment=settings.environment,
            parallel=settings.parallel,
            sandbox_tier=settings.sandbox_tier,
            notify_allow=f"{address}/*",
        )
        await scene.play(Stage(folder, own, address, log), seen)
    return DrillReport(name, time.monotonic() - began, seen)


# ----------------------------------------------------------------------------------------------------------- missions


async def _mission(
    stage: Stage,
    seen: Seen,
    scenario: Scenario,
    *,
    at: str = "",
    then: Callable[[Runtime, View, Seen], Awaitable[View]] | None = None,
    **values: object,
) -> None:
    """A probe mission under a scenario, to its end; then what must hold of it."""
    await prepare_home(stage.settings)
    rehearsal = Rehearsal(scenario, _terms(), Numbers(cooldown_s=1.0, jitter=0.0))
    given = {"witness": at or stage.witness, "features": ["red", "green", "blue"], **values}
    async with open_runtime(stage.settings, pack=PACK, rehearsal=rehearsal) as runtime:
        await runtime.start()
        workspace = stage.settings.workspace
        mission = await runtime.missions.create(
            workspace,
            PACK,
            json.dumps(given).encode(),
            name="drill.json",
            originator=runtime.owner,
            budget=usd(stage.settings.budget_usd),
        )
        with suppress(RemitError):
            await runtime.missions.run(workspace, mission)
        view = await runtime.missions.show(workspace, mission)
        if then is not None:
            view = await then(runtime, view, seen)
        seen.hold("the mission succeeds", view.status == MissionStatus.SUCCEEDED, f"it is {view.status}")
        steps = [step for step in view.steps if step.done]
        seen.hold("every step is finished once", len(steps) == len(view.plan.steps), f"{len(steps)} steps")
        _witnessed(stage, seen)
        await _of_home(runtime, seen, mission)


def _terms() -> Terms:
    return Terms(sleep=lambda seconds: asyncio.sleep(seconds / FASTER))


def _witnessed(stage: Stage, seen: Seen) -> None:
    """The receiver honours keys: one result for each effect, however often it was told."""
    places: dict[str, set[str]] = {}
    for line in stage.log.read_text(encoding="utf-8").splitlines() if stage.log.exists() else []:
        key, _, place = line.partition(" ")
        places.setdefault(place, set()).add(key)
    twice = {place: len(keys) for place, keys in places.items() if len(keys) > 1}
    told = sum(requests(stage.log).values())
    seen.hold("no effect happened twice outside", not twice, twice or f"{len(places)} effects, told {told} times")


async def _of_home(runtime: Runtime, seen: Seen, mission: str = "") -> None:
    """What must hold of any home after any failure."""
    workspace = runtime.settings.workspace

    def op(tx: ReadTx) -> tuple[int, int, AttemptsReport]:
        left = tx.row(select(func.count().label("n")).where(ACTION.c.state == State.OPEN.value)) or {"n": 0}
        held = tx.row(select(func.coalesce(func.sum(BUDGET.c.reserved), 0).label("n"))) or {"n": 0}
        return int(left["n"]), int(held["n"]), attempts_report(tx, workspace)

    left, held, attempts = await runtime.store.read(op)
    seen.attempts = attempts
    if runtime.faults is not None:
        seen.struck = dict(runtime.faults.struck)
    seen.hold("no action is left open", left == 0, f"{left} open")
    seen.hold("no money is left reserved", held == 0, f"{held} micros")
    retries = {kind.kind: kind.attempts - kind.actions for kind in attempts.kinds}
    allowed = {kind.kind: max(RETRY_FLOOR, RETRY_SHARE * kind.actions) for kind in attempts.kinds}
    within = all(retries[kind] <= allowed[kind] for kind in retries)
    seen.hold("retries stay within their budget", within, ", ".join(f"{kind} {n}" for kind, n in retries.items() if n))
    await asyncio.to_thread(runtime.store.seal)
    report = await asyncio.to_thread(runtime.store.verify)
    seen.verified, seen.entries = report.ok, report.size
    if mission:
        borne_out = True
        try:
            await asyncio.to_thread(runtime.store.view, lambda tx: check_rows(tx, tx, workspace, mission))
        except RemitError:
            borne_out = False
        seen.hold("every finished step stands in the audit log", borne_out)


async def flaky_provider(stage: Stage, seen: Seen) -> None:
    """Four of ten notifications fail, at random but repeatably."""
    fault = Fault(What.ERROR, kind="notify", rate=0.4)
    features = ["red", "orange", "yellow", "green", "blue", "indigo", "violet"]
    await _mission(stage, seen, Scenario("flaky-provider", (fault,), seed=3), features=features)
    seen.hold("the failures were met by retries", seen.struck.get("error:notify", 0) > 0, seen.struck)


async def slow_provider(stage: Stage, seen: Seen) -> None:
    """Every notification takes its time; one never answers."""
    late = Fault(What.LATENCY, kind="notify", latency_s=(0.1, 0.4))
    refused = Fault(What.ERROR, kind="notify", step="join", error="timeout", recover_after=1)
    await _mission(stage, seen, Scenario("slow-provider", (late, refused), seed=3))
    assert seen.attempts is not None
    durations = next(kind.durations for kind in seen.attempts.kinds if kind.kind == "notify")
    seen.hold("the delay shows in the figures", durations.p50 >= 0.1, f"p50 {durations.p50:.2f} s")  # noqa: PLR2004


async def network_cut(stage: Stage, seen: Seen) -> None:
    """The network between Remit and the witness resets every connection at first, then loses answers, then is fair."""
    port = int(stage.witness.rpartition(":")[2])
    async with Proxy(("127.0.0.1", port), weather=Weather(refuse=True, reset=True)) as proxy:

        async def clear() -> None:
            await proxy.reached(2)  # refused twice
            proxy.weather = Weather(cut_after=0, reset=True)  # it is told, and the answer is lost
            await proxy.reached(3)
            await asyncio.sleep(0.05)
            proxy.weather = Weather(latency_s=(0.0, 0.02))

        clearing = asyncio.create_task(clear())
        try:
            own = replace(stage.settings, notify_allow=f"{proxy.address}/*")
            await _mission(replace(stage, settings=own), seen, Scenario("network-cut", ()), at=proxy.address)
        finally:
            clearing.cancel()
            await asyncio.gather(clearing, return_exceptions=True)
        assert seen.attempts is not None
        seen.hold("the cut was met by retries", seen.attempts.total.recovered > 0, f"{proxy.accepted} connections")


async def failing_postcondition(stage: Stage, seen: Seen) -> None:
    """A step's files are reported as written and are not there."""

    async def again(runtime: Runtime, view: View, seen: Seen) -> View:
        seen.hold("the failed postcondition is found", view.mission.error_code == "step.postcondition", view.status)
        undone = next(step for step in view.steps if step.name == "feature-green")
        seen.hold("nothing of the failed step is kept", not undone.done and not undone.commit_id)
        workspace = runtime.settings.workspace
        ordered = await runtime.missions.resume(workspace, view.mission.id, actor=runtime.owner)
        await runtime.engine.wait(ordered)
        return await runtime.missions.show(workspace, view.mission.id)

    lie = Fault(What.POSTCONDITION, kind="files", step="feature-green", recover_after=1)
    await _mission(stage, seen, Scenario("failing-postcondition", (lie,)), then=again)


async def recover_after_three(stage: Stage, seen: Seen) -> None:
    """The last step's notification fails three times, then succeeds."""
    fault = Fault(What.ERROR, kind="notify", step="last", error="overloaded", recover_after=3)
    await _mission(stage, seen, Scenario("recover-after-3", (fault,)))
    seen.hold("it took exactly four attempts", seen.struck.get("error:notify") == 3, seen.struck)  # noqa: PLR2004


# ---------------------------------------------------------------------------------------------- crash, circuit


async def crash_and_resume(stage: Stage, seen: Seen) -> None:
    """The process is killed between two writes; another one goes on."""
    adopt_orphans()

    def play() -> None:
        with Drill(stage.folder / "crash", witness=stage.witness, witness_log=stage.log) as drill:
            drill.home = stage.settings.home
            died = drill.remit("run", PACK, drill.intake(features=["red", "blue"]), at="step.finish:before:3")
            seen.hold("the process dies where it should", died.killed, f"exit code {died.code}")
            before = drill.look()
            resumed = drill.remit("resume", before.mission)
            seen.hold("a resume finishes the mission", resumed.code == 0, f"exit code {resumed.code}")
            broken = drill.broken_promises(before)
            text = "no finished step runs again, no recorded effect is asked for again, no process is left"
            seen.hold(text, not broken, "; ".join(broken))

    await asyncio.to_thread(play)
    if not stage.settings.home.exists():
        return  # it never came so far, and the promises above say so
    async with open_runtime(stage.settings, pack=PACK) as runtime:
        await _of_home(runtime, seen, _newest(stage))


def _newest(stage: Stage) -> str:
    drill = Drill(stage.folder / "look")
    drill.home = stage.settings.home
    return drill.look().mission


class _Service:
    """An outside tool that can be down, and counts who is inside."""

    def __init__(self) -> None:
        self.down = True
        self.calls = 0
        self.inside = 0
        self.most = 0

    async def perform(self, action: Action) -> Outcome:
        """Answer, after a while, unless it is down."""
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(0.02)
        finally:
            self.inside -= 1
        if self.down:
            message = f"the tool {action.target} is down"
            raise ConnectionResetError(message)
        return Outcome(ok=True)


CALLERS = 100


async def breaker_trip(stage: Stage, seen: Seen) -> None:
    """A tool goes down: its circuit opens, refuses at once, tries carefully, and closes when the tool is back."""
    await prepare_home(stage.settings)
    service, numbers = _Service(), Numbers(cooldown_s=0.5, longest_cooldown_s=0.5, jitter=0.0)
    rehearsal = Rehearsal(Scenario("breaker-trip", ()), _terms(), numbers)
    async with open_runtime(stage.settings, adapters={"tool": service}, rehearsal=rehearsal) as runtime:

        def ask() -> Action:
            return Action(
                id=new_id(),
                effect=Tool("search"),
                principal=runtime.owner,
                on_behalf_of=runtime.owner,
                workspace=stage.settings.workspace,
            )

        async def many(callers: int) -> list[str]:
            got = await asyncio.gather(*(runtime.guard.run(ask()) for _ in range(callers)), return_exceptions=True)
            return [one.code if isinstance(one, RemitError) else "ok" for one in got]

        key = key_of(ask())
        assert key is not None
        for _ in range(numbers.failures):
            await many(1)
        seen.hold("failures open the circuit", runtime.guard.circuits.phase(key) is Phase.OPEN, service.calls)
        calls = service.calls
        codes = await many(CALLERS)
        text = "while it is open every call is refused at once and none reaches the service"
        seen.hold(text, set(codes) == {"guard.breaker_open"} and service.calls == calls, f"{service.calls - calls}")
        for down in (True, False):
            await asyncio.sleep(numbers.cooldown_s + 0.3)
            service.down, service.most, before = down, 0, service.calls
            codes = await many(CALLERS)
            text = f"{CALLERS} callers at once let {numbers.trials} trials through ({'still down' if down else 'back'})"
            seen.hold(text, service.most <= numbers.trials and service.calls - before <= numbers.trials, service.most)
        codes = await many(1)
        closed = runtime.guard.circuits.phase(key) is Phase.CLOSED
        seen.hold("two successes close it", closed and codes == ["ok"], codes)
        await _of_home(runtime, seen)


SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("flaky-provider", "Four of ten notifications fail.", flaky_provider),
        Scene("slow-provider", "Every notification is slow, and one gets no answer.", slow_provider),
        Scene("network-cut", "Connections are reset, answers are lost, then the network is back.", network_cut),
        Scene("failing-postcondition", "A step's files are reported as written and aren't.", failing_postcondition),
        Scene("crash-and-resume", "The process is killed between two writes; another goes on.", crash_and_resume),
        Scene("breaker-trip", "A tool goes down and comes back.", breaker_trip),
        Scene("recover-after-3", "A notification fails three times, then succeeds.", recover_after_three),
    )
}
