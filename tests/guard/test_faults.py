import ast
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import remit
from remit.adapters.store.sqlite import SqliteStore
from remit.bootstrap import Rehearsal, open_runtime, prepare_home
from remit.guard.attempts import attempts_report
from remit.guard.faults import ERRORS, Fault, Faults, Faulty, Scenario, What, arm
from remit.guard.guard import Guard
from remit.guard.retry import ONCE
from remit.kernel.effects import Command, Tool, WriteFiles
from remit.kernel.errors import Failed, InvalidInput, RemitError, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.settings import Environment, Settings

from .fakes import WORKSPACE, HandClock, Script, World, act, make_world

SOURCES = Path(remit.__file__).parent


async def strike(store: SqliteStore, *faults: Fault, seed: int = 0, **options: Any) -> tuple[World, Faults]:
    """A world whose adapters a scenario strikes; latencies are noted, not slept."""
    world = await make_world(store, **options)

    async def sleep(seconds: float) -> None:
        world.waits.append(-seconds)
        await asyncio.sleep(0)

    scenario = Scenario("test", faults, seed=seed)
    armed, found = arm(scenario, world.guard.adapters, environment="development", sleep=sleep)
    world.guard.adapters = armed
    return world, found


async def test_recovers_after_as_many_attempts_as_it_says(store: SqliteStore) -> None:
    world, faults = await strike(store, Fault(What.ERROR, recover_after=3))
    assert (await world.guard.run(act())).ok
    assert (world.rows()[0]["tries"], faults.struck["error:tool"]) == (4, 3)
    assert len(world.adapter.calls) == 1, "the three never reached the adapter"


@pytest.mark.parametrize("error", sorted(ERRORS))
async def test_each_error_is_met_as_the_real_one(store: SqliteStore, error: str) -> None:
    world, _ = await strike(store, Fault(What.ERROR, error=error), patience=ONCE)
    with pytest.raises(RemitError) as told:
        await world.guard.run(act())
    expected = {"connection": "guard.connection", "crash": "guard.adapter"}.get(error, f"fault.{error}")
    assert told.value.code == expected
    assert world.adapter.calls == []


async def test_a_timeout_is_ended_by_the_attempts_own_time(store: SqliteStore) -> None:
    world, _ = await strike(store, Fault(What.TIMEOUT), patience=ONCE)
    with pytest.raises(Timeout, match=r"longer than 0\.05 s"):
        await world.guard.run(act(), timeout_s=0.05)


async def test_a_lie_reports_what_was_not_done(store: SqliteStore) -> None:
    world, _ = await strike(store, Fault(What.POSTCONDITION, kind="files"))
    assert (await world.guard.run(act(WriteFiles({"a": b"1"})))).ok
    assert world.adapter.calls == []
    assert (await world.guard.run(act(Command(("ls",))))).ok
    assert len(world.adapter.calls) == 1


async def test_latency_is_between_its_bounds_and_the_effect_happens(store: SqliteStore) -> None:
    world, _ = await strike(store, Fault(What.LATENCY, latency_s=(0.5, 2.0)))
    for _ in range(20):
        assert (await world.guard.run(act())).ok
    assert all(0.5 <= -wait <= 2.0 for wait in world.waits)
    assert len(set(world.waits)) == 20


async def test_a_cut_loses_the_request_or_the_answer(store: SqliteStore) -> None:
    world, _ = await strike(store, Fault(What.CUT), patience=ONCE)
    for number in range(40):
        with pytest.raises(Unavailable):
            await world.guard.run(act(Tool(f"t{number}")))
    assert 5 < len(world.adapter.calls) < 35


async def test_a_rate_is_met_and_the_same_seed_strikes_the_same(store: SqliteStore) -> None:
    async def ok(world: World) -> list[bool]:
        found: list[bool] = []
        for number in range(100):
            try:
                found.append((await world.guard.run(act(Tool(f"t{number}")))).ok)
            except Unavailable:
                found.append(False)
        return found

    worlds = [
        (await strike(store, Fault(What.ERROR, rate=0.3), seed=seed, patience=ONCE, clock=HandClock()))[0]
        for seed in (1, 1, 2)
    ]
    first, again, other = [await ok(world) for world in worlds]
    assert first == again != other
    assert 55 <= sum(first) <= 85


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(What.ERROR, kind="tool"), True),
        (Fault(What.ERROR, kind="model"), False),
        (Fault(What.ERROR, step="s1"), True),
        (Fault(What.ERROR, step="s2"), False),
        (Fault(What.ERROR, target="ec"), True),
        (Fault(What.ERROR, target="other"), False),
        (Fault(What.ERROR, after=1), False),
    ],
    ids=repr,
)
async def test_only_what_fits_is_struck(store: SqliteStore, fault: Fault, *, struck: bool) -> None:
    world, _ = await strike(store, fault, patience=ONCE)
    if struck:
        with pytest.raises(Unavailable):
            await world.guard.run(act())
    else:
        assert (await world.guard.run(act())).ok


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0.0}, {"rate": 1.5}, {"error": "typo"}, {"after": -1}, {"latency_s": (2.0, 1.0)}],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="makes no sense"):
        Fault(What.ERROR, **wrong)
    with pytest.raises(InvalidInput, match="latency_s"):
        Fault(What.LATENCY)


async def test_the_report_of_attempts_shows_what_was_injected(store: SqliteStore) -> None:
    world, _ = await strike(store, Fault(What.ERROR, error="overloaded", recover_after=2))
    await world.guard.run(act())
    report = world.store.view(lambda tx: attempts_report(tx, WORKSPACE))
    assert (report.total.retried, report.total.recovered, report.errors) == (1, 1, {"fault.overloaded": 2})


# ------------------------------------------------------------------------------------------------- not in production


async def test_arming_is_refused_in_production(tmp_path: Path) -> None:
    scenario = Scenario("x", (Fault(What.ERROR),))
    with pytest.raises(InvalidInput) as told:
        arm(scenario, {"tool": Script()}, environment="production")
    assert told.value.code == "faults.production"
    settings = Settings(home=tmp_path / "home", environment=Environment.PRODUCTION)
    await prepare_home(settings)
    with pytest.raises(InvalidInput, match="environment is production"):
        async with open_runtime(settings, rehearsal=Rehearsal(scenario)):
            pass


async def test_the_guard_refuses_adapters_that_fail_on_purpose_in_production(world: World) -> None:
    armed, _ = arm(Scenario("x", ()), {"tool": Script()}, environment="development")
    with pytest.raises(InvalidInput, match="environment is production"):
        Guard(
            world.journal,
            armed,
            redactor=world.redactor,
            clock=world.clock,
            rand=lambda: 0.0,
            environment="production",
        )


def test_no_setting_or_variable_and_only_bootstrap_arms_faults() -> None:
    names = {setting.name for setting in fields(Settings)}
    assert not [name for name in names if any(word in name for word in ("fault", "drill", "chaos", "inject"))]
    armed_in: dict[str, list[str]] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"arm", "Faulty", "Rehearsal"}
            ):
                armed_in.setdefault(node.func.id, []).append(str(path.relative_to(SOURCES)))
    assert set(armed_in["arm"]) == {"bootstrap/guard.py"}
    assert set(armed_in["Faulty"]) == {"guard/faults.py"}
    assert set(armed_in["Rehearsal"]) == {"testing/scenarios.py"}


def test_an_armed_adapter_shows_what_it_is() -> None:
    adapter = Script()
    armed, _ = arm(Scenario("x", ()), {"tool": adapter}, environment="development")
    assert isinstance(armed["tool"], Faulty)
    perform: Callable[[Any], Awaitable[Outcome]] = armed["tool"].perform
    assert asyncio.run(_perform(perform)).ok
    assert len(adapter.calls) == 1


async def _perform(perform: Callable[[Any], Awaitable[Outcome]]) -> Outcome:
    return await perform(act())


def test_faults_are_of_the_failing_kind_only_where_they_say() -> None:
    assert issubclass(type(ERRORS["failed"]("x")), Failed)
