"""Presets and estimates: the ledger's numbers, required critics, the estimate before and the actual after."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.mission import NoSecrets, Plan, StepSpec
from remit.kernel.money import Money, usd
from remit.missions.estimate import busy, estimated, lasting, off, rank, size_of
from remit.missions.plan import order
from remit.missions.presets import PRESETS, Risk, chosen, named, refuse_uninstalled, require_critics

MINUTE = 60

#: The ledger's MSN-1, word by word.
LEDGER: dict[str, dict[str, Any]] = {
    "build": {
        "cost": ("0.10", "0.50"),
        "minutes": (2, 10),
        "risk": Risk.LOW,
        "guardrails": {"tests required", "security scan"},
        "critics": {"tests", "security"},
        "approval": "",
        "agents": ("Coder", "AppTester"),
        "tools": ("LSP", "Git", "Build", "Test"),
    },
    "trade": {
        "cost": ("0.20", "1.00"),
        "minutes": (5, 30),
        "risk": Risk.HIGH,
        "guardrails": {"sandbox only", "backtest required", "stop-loss mandatory"},
        "critics": {"trading"},
        "approval": "real trading",
        "agents": ("Trading", "Research"),
        "tools": ("MarketData", "Backtest", "PaperTrade"),
    },
    "cinematic": {
        "cost": ("1", "10"),
        "minutes": (10, 60),
        "risk": Risk.MEDIUM,
        "guardrails": {"style consistency", "PII check"},
        "critics": {"continuity"},
        "approval": "publishing",
        "agents": ("Creative", "Architect"),
        "tools": ("StoryStructure", "AssetGeneration", "Rendering"),
    },
}


@pytest.mark.parametrize("name", LEDGER)
def test_the_ledgers_numbers(name: str) -> None:
    preset, wanted = PRESETS[name], LEDGER[name]
    assert preset.cost == tuple(map(usd, wanted["cost"]))
    assert preset.seconds == tuple(minutes * MINUTE for minutes in wanted["minutes"])
    assert (preset.risk, preset.approval) == (wanted["risk"], wanted["approval"])
    assert (set(preset.guardrails), set(preset.critics)) == (wanted["guardrails"], wanted["critics"])
    assert (preset.agents, preset.tools) == (wanted["agents"], wanted["tools"])


def test_every_preset_is_complete() -> None:
    assert set(PRESETS) == {"build", "trade", "cinematic", "playbook", "research"}
    for preset in PRESETS.values():
        assert preset.cost[0] <= preset.cost[1]
        assert 0 < preset.seconds[0] <= preset.seconds[1]
        assert preset.agents
        assert preset.tools
        assert preset.guardrails
        assert preset.critics


def test_a_name_nobody_knows_gets_the_nearest() -> None:
    with pytest.raises(NotFound, match="cinematic"):
        named("cinematics")
    assert named("Build") is PRESETS["build"]
    assert chosen("", "build") is PRESETS["build"]
    assert chosen("", "my.own:PACK") is None
    with pytest.raises(InvalidInput, match="trade"):
        chosen("trade", "build")


def test_a_pack_that_is_not_installed_is_named_as_such() -> None:
    with pytest.raises(NotFound, match="Trade is listed") as refused:
        refuse_uninstalled("trade", {"build": object()})
    assert refused.value.hint == "remit presets"
    refuse_uninstalled("build", {"build": object()})
    refuse_uninstalled("nobody", {"build": object()})  # somebody else says that there is no such pack


def _step(name: str, critic: str = "", weight: float = 1.0) -> StepSpec:
    return StepSpec(name, "do", post=(NoSecrets(),), critic=critic, weight=weight)


def test_a_plan_without_a_required_critic_is_refused() -> None:
    plan = Plan("build", (_step("write"), _step("tests", "tests")))
    with pytest.raises(InvalidInput, match="no step of the plan is the critic security"):
        require_critics(PRESETS["build"], plan)
    require_critics(PRESETS["build"], Plan("build", (*plan.steps, _step("scan", "security"))))
    require_critics(None, plan)


async def test_a_mission_of_a_pack_with_a_preset_needs_its_critics(world: Any) -> None:
    world.pack.name = "build"
    with pytest.raises(InvalidInput, match="critics tests, security"):
        await world.create([{"name": "write"}])
    critics = [{"name": "t", "critic": "tests", "params": {"calls": 1}}, {"name": "s", "critic": "security"}]
    view = await world.run(critics)
    assert [action.preset for action in world.guard.actions] == ["build"]  # rules read it as preset.name
    assert view.estimate.preset == "build"
    assert (view.estimate.cost_low, view.estimate.cost_high) == (100_000, 500_000)
    assert (view.estimate.time_low_us, view.estimate.time_high_us) == (120_000_000, 600_000_000)
    assert "preset build" in view.estimate.told()[0]


async def test_the_actual_is_kept_and_held_against_the_estimate(world: Any) -> None:
    view = await world.run([{"name": "a", "weight": 5.0}])
    found = view.estimate
    assert found.ended
    assert (found.status, found.samples, found.preset) == ("succeeded", 0, "")
    assert (found.time_low_us, found.time_high_us) == (5_000_000, 5_000_000)
    told = found.as_json()
    assert told["actual"]["cost_usd"] == "0"
    assert told["actual"]["time_off"] < 0  # the clock of tests stands still
    assert "below the estimate" in found.told()[1]


async def test_an_estimate_learns_from_what_succeeded_before(world: Any) -> None:
    async def took(seconds: float, **more: Any) -> Any:
        async def body(ctx: Any, params: Any) -> Any:
            del params
            world.clock.advance(seconds)
            ctx.log("done")
            return {"seconds": seconds}

        world.pack.bodies["slow"] = body
        return await world.run([{"name": "a", "uses": "slow", "params": {"n": seconds}, **more}])

    first = await took(10)
    assert (first.estimate.samples, first.estimate.time_us) == (0, 10_000_000)
    for seconds in (20, 30, 40, 50):
        await took(seconds)
    last = await took(60)
    assert last.estimate.samples == 5
    assert (last.estimate.time_low_us, last.estimate.time_high_us) == (30_000_000, 50_000_000)
    assert last.estimate.time_off == 0.2
    assert "median to 90th percentile of 5 earlier missions" in last.estimate.told()[0]
    assert "20% above the estimate" in last.estimate.told()[1]

    larger = await world.create([{"name": name} for name in "abc"])  # another size: nothing is known yet
    assert (await world.missions.show("w", larger)).estimate.samples == 0


async def test_a_mission_that_failed_teaches_nothing(world: Any) -> None:
    async def body(ctx: Any, params: Any) -> Any:
        del ctx, params
        raise InvalidInput("no")

    world.pack.bodies["bad"] = body
    failed = await world.run([{"name": "a", "uses": "bad"}])
    assert (failed.estimate.status, failed.estimate.ended) == ("failed", True)
    again = await world.run([{"name": "a"}])
    assert again.estimate.samples == 0


async def test_a_branch_is_estimated_by_what_it_has_to_run(world: Any) -> None:
    view = await world.run([{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["b"]}])
    child = await world.missions.branch("w", view.mission.id, from_step="b", actor=_owner())
    found = (await world.missions.show("w", child)).estimate
    assert (view.estimate.size, found.size) == (4, 1)


def _owner() -> Any:
    from .conftest import OWNER

    return OWNER


def test_what_off_means() -> None:
    assert off(5, 1, 10) == 0.0
    assert off(15, 1, 10) == 0.5
    assert off(1, 2, 10) == -0.5
    assert off(1, 0, 0) == float("inf")


def test_without_history_a_plan_estimates_itself() -> None:
    plan = order(Plan("p", (_step("a", weight=2), _step("b", weight=3))))
    found = estimated(None, plan, None, workspace="w", pack="p")
    assert (found.time_low_us, found.time_high_us) == (3_000_000, 5_000_000)
    assert found.expected() == "$0.00, 3.0 s to 5.0 s (its plan)"
    assert (lasting(90_000_000), lasting(120_000_000)) == ("1.5 min", "2 min")


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_nearest_rank_has_its_share_at_or_below(values: list[int], share: float) -> None:
    found = rank(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))))
def test_working_time_is_the_union_of_attempts(spans: list[tuple[int, int]]) -> None:
    assert busy(spans) == len({second for start, end in spans for second in range(start, end)})


@given(st.integers(1, 5000))
def test_sizes_are_powers_of_two(steps: int) -> None:
    size = size_of(steps)
    assert size >= steps > size // 2 or steps == size == 1
    assert size & (size - 1) == 0


def test_money_is_whole_micros() -> None:
    assert all(isinstance(bound, Money) for preset in PRESETS.values() for bound in preset.cost)
