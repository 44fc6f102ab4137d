"""Limits by day, month and in total; what is settled late; what a person is told; what nobody can price."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import ColumnClause, column, create_engine, table, text

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budget_events import read_events
from remit.accounts.budget_periods import DAY_US, HOUR_US, Period, end_of, start_of
from remit.accounts.budget_tables import BUDGET, BUDGET_PAST, USAGE, USAGE_HOUR
from remit.accounts.budgets import BudgetScope, Limit, remove_limit, set_limit
from remit.adapters.store.sqlite import SqliteStore
from remit.adapters.store.transaction import ReadTransaction
from remit.guard import budget
from remit.guard.budget_audit import check_ledger
from remit.guard.budget_expiry import expire
from remit.guard.budget_limits import BudgetView, read_budgets
from remit.guard.budget_notices import tell_of_budgets
from remit.guard.budget_prices import Pricing
from remit.guard.budget_rollup import By, roll_up, spent_by, usage_by
from remit.guard.records import settle_abandoned
from remit.kernel.action import Action
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model, Notify
from remit.kernel.errors import BudgetExceeded, Conflict, Denied, Failed, InvalidInput, NotFound, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money, usd
from remit.kernel.ports import Tx
from remit.kernel.usage import UnknownPrice, Usage

from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, make_world

DAY_S = 86_400
MODEL = Model("openai", "small", {"messages": []})


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(store: SqliteStore, clock: HandClock) -> World:
    return await make_world(store, clock=clock)


async def limit(
    world: World,
    amount: str,
    *,
    scope: BudgetScope = BudgetScope.WORKSPACE,
    name: str = "",
    period: Period = Period.DAY,
) -> None:
    await set_limit(
        world.journal,
        scope,
        workspace=WORKSPACE,
        name=name,
        limit=usd(amount),
        by=OWNER,
        period=period,
        clock=world.clock,
    )


def costs(amount: str, usage: Usage | None = None) -> Outcome:
    return Outcome(ok=True, cost=usd(amount), usage=usage or Usage())


async def spend(world: World, amount: str, **options: Any) -> None:
    world.adapter.moves = [costs(amount)]
    await world.guard.run(act(estimate=usd(amount), **options))


def counters(world: World, period: Period = Period.DAY) -> tuple[int, int]:
    (row,) = [row for row in world.rows(BUDGET) if row["period"] == period.value]
    return row["spent"], row["reserved"]


def views(world: World) -> list[BudgetView]:
    now_us = micros_of(world.clock.now())
    return world.store.view(lambda tx: read_budgets(tx, WORKSPACE, now_us=now_us))


def adds_up(world: World) -> None:
    assert world.store.view(lambda tx: check_ledger(tx, tx, WORKSPACE)) == []


def move_to(clock: HandClock, *moment: int) -> None:
    clock.seconds = (datetime(*moment, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------------------ periods


@pytest.mark.parametrize(
    ("period", "at", "begins", "ends"),
    [
        (Period.DAY, (2026, 1, 31, 23, 59, 59), (2026, 1, 31), (2026, 2, 1)),
        (Period.DAY, (2026, 2, 1), (2026, 2, 1), (2026, 2, 2)),
        (Period.MONTH, (2026, 1, 31, 23, 59, 59), (2026, 1, 1), (2026, 2, 1)),
        (Period.MONTH, (2024, 2, 29), (2024, 2, 1), (2024, 3, 1)),
        (Period.MONTH, (2026, 12, 31, 23), (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_a_period_holds_its_first_moment_and_not_its_last(
    period: Period, at: tuple[int, ...], begins: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    def us(moment: tuple[int, ...]) -> int:
        return micros_of(datetime(*moment, tzinfo=UTC))  # type: ignore[misc,arg-type]

    assert start_of(period, us(at)) == us(begins)
    assert end_of(period, start_of(period, us(at))) == us(ends)
    assert (start_of(Period.TOTAL, us(at)), end_of(Period.TOTAL, 0)) == (0, None)


async def test_a_day_begins_anew_at_midnight_and_a_month_with_its_first_day(world: World, clock: HandClock) -> None:
    await limit(world, "1")
    await limit(world, "1.50", period=Period.MONTH)
    move_to(clock, 2026, 1, 30, 23, 59, 59)
    await spend(world, "1")
    with pytest.raises(BudgetExceeded, match="daily budget of the workspace"):
        await spend(world, "0.01")
    move_to(clock, 2026, 1, 31)
    await spend(world, "0.50")
    with pytest.raises(BudgetExceeded, match="monthly budget of the workspace"):
        await spend(world, "0.01")
    move_to(clock, 2026, 2, 1)
    await spend(world, "1")
    assert (counters(world), counters(world, Period.MONTH)) == ((1_000_000, 0), (1_000_000, 0))
    past = {(row["period"], row["starts_us"]): row["spent"] for row in world.rows(BUDGET_PAST)}
    assert sorted(past.values()) == [0, 0, 500_000, 1_000_000, 1_500_000][-len(past) :]
    adds_up(world)


async def test_what_is_settled_after_midnight_belongs_to_the_day_it_was_reserved_in(
    world: World, clock: HandClock
) -> None:
    """An attempt that runs across midnight, and across the end of a month, beside one of the new period."""
    await limit(world, "1")
    await limit(world, "2", period=Period.MONTH)
    move_to(clock, 2026, 1, 31, 23, 59)

    async def over_midnight(_action: Action) -> Outcome:
        move_to(clock, 2026, 2, 1, 0, 1)
        world.adapter.moves = [costs("0.90")]
        await world.guard.run(act(estimate=usd("1")))
        return costs("0.70")

    world.adapter.moves = [over_midnight]
    await world.guard.run(act(estimate=usd("0.80")))
    assert (counters(world), counters(world, Period.MONTH)) == ((900_000, 0), (900_000, 0))
    assert {(row["spent"], row["reserved"]) for row in world.rows(BUDGET_PAST)} - {(0, 0)} == {(700_000, 0)}
    adds_up(world)


async def test_a_clock_that_lags_reserves_in_its_own_day(world: World, clock: HandClock) -> None:
    """Two workers need not agree about the time: each reservation keeps to the day that its own clock says."""
    await limit(world, "1")
    await spend(world, "0.40")
    clock.advance(DAY_S)
    await spend(world, "0.90")
    clock.advance(-DAY_S)
    await spend(world, "0.60")
    with pytest.raises(BudgetExceeded, match=r"\$0\.00 left"):
        await spend(world, "0.01")
    clock.advance(DAY_S)
    assert counters(world) == (900_000, 0)
    adds_up(world)


async def test_each_scope_and_period_is_its_own_and_all_must_have_room(world: World) -> None:
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"echo"}))
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock, spend_limit=usd(9))
    await limit(world, "5", scope=BudgetScope.AGENT, name="coder")
    await limit(world, "7", scope=BudgetScope.AGENT, name="coder", period=Period.MONTH)
    await limit(world, "8", scope=BudgetScope.MISSION, name="m1", period=Period.TOTAL)
    await spend(world, "4", principal=CODER)
    await spend(world, "3")  # the owner's own: the mission pays, the agent does not
    with pytest.raises(BudgetExceeded, match="daily budget of agent coder"):
        await spend(world, "2", principal=CODER)
    with pytest.raises(BudgetExceeded, match="budget of mission m1"):
        await spend(world, "1.01")
    await spend(world, "1", principal=CODER)
    adds_up(world)


# ------------------------------------------------------------------------------------------------- setting and removing


async def test_a_limit_set_in_mid_period_counts_what_was_spent_and_what_is_running(world: World) -> None:
    await spend(world, "0.30")
    inside = asyncio.Event()
    go_on = asyncio.Event()

    async def wait(_action: Action) -> Outcome:
        inside.set()
        await go_on.wait()
        return costs("0.25")

    world.adapter.moves = [wait]
    running = asyncio.create_task(world.guard.run(act(estimate=usd("0.50"))))
    await inside.wait()
    await limit(world, "1")
    assert counters(world) == (300_000, 500_000)
    with pytest.raises(BudgetExceeded, match=r"\$0\.20 left of \$1\.00 \(\$0\.30 spent, \$0\.50 reserved\)"):
        await spend(world, "0.21")
    go_on.set()
    await running
    assert counters(world) == (550_000, 0)
    adds_up(world)


async def test_a_removed_limit_holds_nothing_back_and_set_again_it_has_forgotten_nothing(world: World) -> None:
    await limit(world, "1")
    await spend(world, "1")
    wanted = Limit(BudgetScope.WORKSPACE, period=Period.DAY)
    assert await remove_limit(world.journal, wanted, workspace=WORKSPACE, by=OWNER) == 1_000_000
    await spend(world, "3")
    await limit(world, "5")
    assert counters(world) == (4_000_000, 0)
    with pytest.raises(BudgetExceeded):
        await spend(world, "1.01")
    await remove_limit(world.journal, wanted, workspace=WORKSPACE, by=OWNER)
    with pytest.raises(NotFound):
        await remove_limit(world.journal, wanted, workspace=WORKSPACE, by=OWNER)
    orders = [entry.header["action"] for entry in world.audit() if entry.header["domain"] == "accounts"]
    assert orders[-4:] == [f"accounts.budget.{what}" for what in ("set", "removed", "set", "removed")]
    adds_up(world)


async def test_a_limit_removed_while_an_attempt_runs_across_midnight_leaves_nothing_reserved(
    world: World, clock: HandClock
) -> None:
    await limit(world, "1")

    async def meanwhile(_action: Action) -> Outcome:
        clock.advance(DAY_S)
        world.adapter.moves = [costs("0.10")]
        await world.guard.run(act(estimate=usd("0.10")))
        await remove_limit(
            world.journal, Limit(BudgetScope.WORKSPACE, period=Period.DAY), workspace=WORKSPACE, by=OWNER
        )
        return costs("0.20")

    world.adapter.moves = [meanwhile]
    await world.guard.run(act(estimate=usd("0.50")))
    (past,) = world.rows(BUDGET_PAST)
    assert (past["spent"], past["reserved"]) == (200_000, 0)
    adds_up(world)


async def test_an_attempt_that_slipped_in_beside_a_new_limit_gives_back_nothing_it_never_held(world: World) -> None:
    """On Postgres an intent may commit beside the order that sets its first limit, neither seeing the other."""

    def unseen(tx: Tx) -> None:
        tx.execute(USAGE.update().values(holds="[]"))
        tx.execute(BUDGET.update().values(reserved=0))

    async def meanwhile(_action: Action) -> Outcome:
        await limit(world, "1")
        await world.store.commit("guard.settle", unseen)
        return costs("0.30")

    world.adapter.moves = [meanwhile]
    await world.guard.run(act(estimate=usd("0.50")))
    assert counters(world) == (300_000, 0)
    adds_up(world)


async def test_only_people_who_administer_set_limits(world: World) -> None:
    for who in (CODER, act().principal.__class__(OWNER.kind, "mallory")):
        with pytest.raises(Denied):
            await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(1), by=who)
        with pytest.raises(Denied):
            await remove_limit(world.journal, Limit(BudgetScope.WORKSPACE), workspace=WORKSPACE, by=who)
    assert world.rows(BUDGET) == []
    assert len(world.audit("accounts.refused")) == 4


@pytest.mark.parametrize(("scope", "name"), [(BudgetScope.WORKSPACE, "x"), (BudgetScope.AGENT, "")])
def test_a_limit_names_what_it_is_for(scope: BudgetScope, name: str) -> None:
    with pytest.raises(InvalidInput):
        Limit(scope, name)


# ------------------------------------------------------------------------------------------------- refusals and events


async def test_a_refusal_says_limit_spent_reserved_left_when_again_and_how_to_lift_it(world: World) -> None:
    await limit(world, "1")
    await spend(world, "0.90")
    with pytest.raises(BudgetExceeded) as told:
        await spend(world, "0.11")
    assert told.value.message == (
        "The daily budget of the workspace has $0.10 left of $1.00 ($0.90 spent, $0.00 reserved), and this tool may "
        "cost $0.11. It begins anew at 2026-01-02T00:00:00Z. To raise it: remit budget set workspace USD --period day."
    )
    assert told.value.decision_id
    assert told.value.told == {
        "limit": "the daily budget of the workspace",
        "limit_usd": "1",
        "spent_usd": "0.9",
        "reserved_usd": "0",
        "left_usd": "0.1",
        "retry_after": float(DAY_S),
        "lift": "remit budget set workspace USD --period day",
    }


async def test_an_overshoot_is_recorded_in_full_and_shuts_the_scope_until_its_period_ends(
    world: World, clock: HandClock
) -> None:
    await limit(world, "1")
    world.adapter.moves = [costs("1.75")]
    await world.guard.run(act(estimate=usd("0.50")))
    assert counters(world) == (1_750_000, 0)
    clock.advance(1)
    with pytest.raises(BudgetExceeded, match=r"beyond its limit.* It begins anew at 2026-01-02"):
        await world.guard.run(act())  # even what is free
    clock.advance(DAY_S)
    assert (await world.guard.run(act())).ok
    adds_up(world)


async def test_thresholds_are_told_once_for_each_period(world: World, clock: HandClock) -> None:
    await limit(world, "1")
    for amount in ("0.79", "0.01", "0.10"):
        await spend(world, amount)
    assert [entry.header["action"] for entry in world.audit() if entry.header["domain"] == "budget"] == [
        "budget.warned"
    ]
    await limit(world, "1.20")
    await limit(world, "1")
    await spend(world, "0.10")
    await limit(world, "2")
    await spend(world, "1")
    told = [(row["percent"], row["spent"]) for row in world.store.view(lambda tx: read_events(tx, WORKSPACE))]
    assert told == [(80, 800_000), (100, 1_000_000)]
    clock.advance(DAY_S)
    await spend(world, "2")
    assert [row["percent"] for row in world.store.view(lambda tx: read_events(tx, WORKSPACE))] == [80, 100, 80, 100]
    (first, *_) = world.audit("budget.warned")
    assert (first.payload or {})["limit_micros"] == 1_000_000
    assert views(world)[0].told == (80, 100)


async def test_a_limit_lowered_to_what_was_spent_is_told(world: World) -> None:
    await spend(world, "1")
    await limit(world, "1.25")
    assert [row["percent"] for row in world.store.view(lambda tx: read_events(tx, WORKSPACE))] == [80]
    await limit(world, "0.50")
    assert [row["percent"] for row in world.store.view(lambda tx: read_events(tx, WORKSPACE))] == [80, 100]


async def test_a_limit_lowered_in_a_new_period_leaves_the_one_that_is_over_as_it_was(
    world: World, clock: HandClock
) -> None:
    """Found by the machine of test_budget_machine.py: yesterday's spending stood under today's lower limit, untold."""
    await limit(world, "1")
    await spend(world, "0.50")
    clock.advance(DAY_S)
    await limit(world, "0.50")
    assert [(row["limit_micros"], row["spent"]) for row in world.rows(BUDGET_PAST)] == [(1_000_000, 500_000)]
    assert counters(world) == (0, 0)
    assert world.store.view(lambda tx: read_events(tx, WORKSPACE)) == []
    await spend(world, "0.40")
    assert [row["percent"] for row in world.store.view(lambda tx: read_events(tx, WORKSPACE))] == [80]
    adds_up(world)


async def test_people_are_told_of_a_threshold_once_on_each_channel(world: World) -> None:
    await limit(world, "1")
    await spend(world, "0.80")
    assert await tell_of_budgets(world.guard, WORKSPACE, []) == 0
    world.adapter.moves = [Failed("refused"), Outcome(ok=True)]
    world.adapter.calls.clear()
    assert await tell_of_budgets(world.guard, WORKSPACE, ["mail", "chat"]) == 0  # one channel failed: it is tried again
    assert await tell_of_budgets(world.guard, WORKSPACE, ["mail", "chat"]) == 1
    assert await tell_of_budgets(world.guard, WORKSPACE, ["mail", "chat"]) == 0
    sent = [action.effect for action in world.adapter.calls if isinstance(action.effect, Notify)]
    assert [each.target for each in sent] == ["mail", "chat", "mail"]
    assert sent[0].subject == "80 % of the daily budget of the workspace is spent"
    assert "$0.80 of $1.00" in sent[0].body
    assert "remit budget set workspace USD --period day" in sent[0].body


async def test_the_news_that_a_budget_is_overspent_gets_out(world: World, clock: HandClock) -> None:
    await limit(world, "1")
    world.adapter.moves = [costs("3")]
    await world.guard.run(act(estimate=usd("0.50")))
    clock.advance(1)
    world.adapter.moves = [Outcome(ok=True)]
    with pytest.raises(BudgetExceeded):
        await world.guard.run(act(Notify("mail", "mine", "is not Remit's own")))
    assert await tell_of_budgets(world.guard, WORKSPACE, ["mail"]) == 2


# ------------------------------------------------------------------------------------------------------ unknown prices


def unpriced() -> Action:
    return replace(act(MODEL, mission=""), priced=False)


async def test_an_unknown_price_is_refused_unless_the_policy_says_otherwise(world: World) -> None:
    with pytest.raises(BudgetExceeded, match=r"unknown prices are refused\. To say it, .* remit models price") as told:
        await world.guard.run(unpriced())
    assert told.value.code == "guard.unknown_price"
    assert world.adapter.calls == []
    assert world.rows(USAGE) == []


async def test_an_unknown_price_is_charged_at_the_ceiling(world: World) -> None:
    await limit(world, "1")
    world.guard.pricing = Pricing(UnknownPrice.CEILING, usd("0.60"))

    async def look(_action: Action) -> Outcome:
        while counters(world) != (0, 600_000):  # noqa: ASYNC110 - the commit runs beside the call, and tells no event
            await asyncio.sleep(0.01)
        return costs("0.05")

    world.adapter.moves = [look]
    await asyncio.wait_for(world.guard.run(unpriced()), 60)
    assert counters(world) == (50_000, 0)
    world.adapter.moves = [Unavailable("gone")]
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(unpriced())
    world.journal.failing = set()
    with pytest.raises(BudgetExceeded, match=r"may cost \$0\.60"):
        await world.guard.run(unpriced())


async def test_an_unknown_price_that_is_allowed_is_said_and_counted(world: World) -> None:
    world.guard.pricing = Pricing(UnknownPrice.WARN)
    world.adapter.moves = [Outcome(ok=True)]
    await world.guard.run(unpriced())
    world.adapter.moves = [costs("0.20")]
    await world.guard.run(unpriced())  # the bill named its price
    (row, _) = sorted(world.rows(), key=lambda row: row["id"])
    assert "counted as unknown" in row["checks"]
    (used,) = world.store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.MODEL))
    assert (used.key, used.attempts, used.unpriced, used.cost) == ("openai/small", 2, 1, usd("0.20"))
    adds_up(world)


# --------------------------------------------------------------------------------------------------- usage and forecast

RICH = Usage(
    model="small-2026",
    tokens_in=1200,
    tokens_out=300,
    gpu_ms=1500,
    storage_bytes=10,
    network_bytes=2048,
    tokens_cost=usd("0.10"),
    gpu_cost=usd("0.05"),
    storage_cost=usd("0.02"),
    network_cost=usd("0.01"),
)


async def test_every_attempt_leaves_one_row_with_its_breakdown(world: World) -> None:
    world.adapter.moves = [costs("0.20", RICH)]
    done = await world.guard.run(act(MODEL, estimate=usd("0.30")))
    assert done.usage == RICH
    await world.guard.run(act())  # expected to be free, and was not
    (first, second) = sorted(world.rows(USAGE), key=lambda row: row["action"])
    assert (first["provider"], first["model"]) == ("openai", "small-2026")
    assert {name: first[name] for name in RICH.quantities()} == RICH.quantities()
    assert (first["estimate_micros"], second["estimate_micros"], second["cost_micros"]) == (300_000, 0, 200_000)
    (used,) = world.store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.AGENT))
    shown = used.as_json()
    assert shown["cost_parts_usd"] == {
        "tokens": "0.2",
        "gpu": "0.1",
        "storage": "0.04",
        "network": "0.02",
        "other": "0.04",
    }
    assert shown["tokens_in"] == 2400
    payload = world.audit("guard.outcome")[0].payload or {}
    assert payload["usage"]["tokens_out"] == 300
    adds_up(world)


def test_shares_that_add_up_to_more_than_the_cost_are_charged() -> None:
    assert Outcome(ok=True, cost=usd("0.01"), usage=RICH).cost == usd("0.18")
    with pytest.raises(InvalidInput):
        Usage(tokens_in=-1)


async def test_free_work_leaves_no_row(world: World) -> None:
    await world.guard.run(act())
    assert world.rows(USAGE) == []


async def test_sums_are_the_same_before_and_after_they_are_rolled_up(world: World, clock: HandClock) -> None:
    for day, amount in enumerate(("0.10", "0.20", "0.30")):
        await spend(world, amount, mission=f"m{day}")
        clock.advance(DAY_S)
    await spend(world, "0.40", mission="m0")

    def told() -> Mapping[By, list[dict[str, Any]]]:
        return {
            by: [used.as_json() for used in world.store.view(lambda tx, by=by: usage_by(tx, WORKSPACE, by=by))]  # type: ignore[misc]
            for by in By
        }

    def by_one(since_us: int) -> dict[str, int]:
        whose = ["user:ada", "agent:nobody"]
        return world.store.view(lambda tx: spent_by(tx, WORKSPACE, principals=whose, since_us=since_us))

    before, alone = told(), by_one(0)
    assert alone == {used["key"]: round(float(used["cost_usd"]) * 1_000_000) for used in before[By.AGENT]}
    assert [each["key"] for each in before[By.DAY]] == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    assert [(each["key"], each["cost_usd"]) for each in before[By.MISSION]] == [
        ("m0", "0.5"),
        ("m2", "0.3"),
        ("m1", "0.2"),
    ]
    now_us = micros_of(clock.now())
    assert await roll_up(world.journal, WORKSPACE, now_us=now_us) == 3  # the fourth is of this hour
    assert await roll_up(world.journal, WORKSPACE, now_us=now_us) == 0
    assert told() == before
    clock.advance(3600)
    assert await roll_up(world.journal, WORKSPACE, now_us=now_us + HOUR_US) == 1
    assert (told(), by_one(0)) == (before, alone)
    assert by_one(now_us - DAY_US) == {"user:ada": usd("0.70").micros}
    assert len(world.rows(USAGE_HOUR)) == 4
    since = world.store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.KIND, since_us=now_us - DAY_US))
    assert [used.cost for used in since] == [usd("0.70")]
    adds_up(world)


async def test_the_forecast_goes_on_as_the_last_days_went(world: World, clock: HandClock) -> None:
    await limit(world, "30", period=Period.MONTH)
    await limit(world, "100", period=Period.TOTAL)
    for _ in range(10):
        await spend(world, "1")
        clock.advance(DAY_S)
    total, month = views(world)
    # Ten days on, seven dollars in the last seven days; twenty-one days are left.
    assert (month.forecast.burned, month.spent, month.left) == (usd(7), usd(10), usd(20))
    assert month.forecast.projected == usd(31)
    assert month.forecast.reached_us == micros_of(datetime(2026, 1, 31, tzinfo=UTC))
    assert total.forecast.projected is None
    assert total.forecast.reached_us == micros_of(datetime(2026, 4, 11, tzinfo=UTC))
    clock.advance(30 * DAY_S)
    (_, idle) = views(world)
    assert (idle.spent, idle.forecast.projected, idle.forecast.reached_us) == (ZERO, ZERO, None)


# -------------------------------------------------------------------------------------------------------------- expiry


async def left_open(world: World, *, mission: str, owner: str) -> None:
    world.guard.owner = owner
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(act(estimate=usd("0.30"), mission=mission))
    world.journal.failing = set()


class Left(NamedTuple):
    """What was left open: by whom, where, for how long; and whether it is to be settled."""

    mission: str
    owner: str
    alone: bool
    after_s: int
    settled: bool


@pytest.mark.parametrize(
    "left",
    [
        Left("", "dead", alone=False, after_s=0, settled=True),
        Left("", "living", alone=False, after_s=2 * DAY_S, settled=False),
        Left("", "unknown", alone=True, after_s=0, settled=True),  # no other host: not known here means gone
        Left("", "unknown", alone=False, after_s=3600, settled=False),
        Left("", "unknown", alone=False, after_s=DAY_S + 1, settled=True),
        Left("", "", alone=True, after_s=3600, settled=False),  # nobody wrote down who opened it
        Left("m1", "dead", alone=False, after_s=60, settled=False),  # its mission may come back
        Left("m1", "dead", alone=False, after_s=3601, settled=True),
    ],
    ids=str,
)
async def test_what_nobody_will_settle_is_settled_once_with_its_estimate(
    world: World, clock: HandClock, left: Left
) -> None:
    await limit(world, "1", period=Period.TOTAL)
    await left_open(world, mission=left.mission, owner=left.owner)
    clock.advance(left.after_s)
    lives = {"dead": False, "living": True}

    async def look() -> int:
        now_us = micros_of(clock.now())
        return len(await expire(world.journal, WORKSPACE, alive=lives.get, alone=left.alone, now_us=now_us))

    assert await look() == int(left.settled)
    assert await look() == 0
    assert counters(world, Period.TOTAL) == ((300_000, 0) if left.settled else (0, 300_000))
    outcomes = [entry.header["reason"] for entry in world.audit("guard.outcome")]
    assert outcomes == (["expired"] if left.settled else [])
    adds_up(world)


async def test_a_process_that_was_given_up_settles_nothing_a_second_time(world: World) -> None:
    await limit(world, "1", period=Period.TOTAL)

    async def outlive(_action: Action) -> Outcome:
        await world.store.commit("guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1))
        return costs("0.10")

    world.adapter.moves = [outlive]
    with pytest.raises(Conflict, match="settled by another process"):
        await world.guard.run(act(estimate=usd("0.30")))
    assert counters(world, Period.TOTAL) == (300_000, 0)
    adds_up(world)


# ----------------------------------------------------------------------------------------------------------- migration


def test_limits_and_open_reservations_of_before_are_taken_over(tmp_path: Path) -> None:
    from alembic import command

    from remit.adapters.store.migrate import alembic_config

    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    with engine.begin() as connection:
        config = alembic_config(connection)
        command.upgrade(config, "0007")
        connection.execute(text("INSERT INTO budget VALUES ('acme', 'agent', 'coder', 900, 300, 50)"))
        row = {
            **dict.fromkeys(("step", "target", "subject_hash", "effect_key", "parent", "reason", "checks"), "x"),
            "id": "a1",
            "workspace": "acme",
            "mission": "m1",
            "attempt": 1,
            "kind": "tool",
            "state": "open",
            "principal": "agent:coder",
            "on_behalf_of": "user:ada",
            "estimate_micros": 50,
            "cost_micros": 0,
            "tries": 0,
            "policy_rev": "r",
            "opened_us": 5,
            "closed_us": None,
        }
        columns: list[ColumnClause[object]] = [column(name) for name in row]
        connection.execute(table("action", *columns).insert(), row)
        command.upgrade(config, "head")
        (budget,) = connection.execute(text("SELECT * FROM budget")).mappings()
        assert {**budget} == {
            "workspace": "acme",
            "scope": "agent",
            "name": "coder",
            "period": "total",
            "starts_us": 0,
            "limit_micros": 900,
            "spent": 300,
            "reserved": 50,
            "carried": 300,
        }
        (usage,) = connection.execute(text("SELECT * FROM usage")).mappings()
        assert (usage["estimate_micros"], usage["settled_us"]) == (50, None)
        assert usage["holds"].replace(" ", "") == '[["agent","coder","total",0]]'
        command.downgrade(config, "0007")
        (again,) = connection.execute(text("SELECT * FROM budget")).fetchall()
        assert tuple(again) == ("acme", "agent", "coder", 900, 300, 50)
    engine.dispose()


def test_money_has_no_fraction_of_a_micro() -> None:
    assert usd("0.0000001") == Money(1)


async def test_what_an_attempt_reserves_is_found_by_its_scopes_however_many_budgets_there_are(
    store: SqliteStore, world: World
) -> None:
    """A statement that looks through a workspace's budgets takes a thousand of them 1 ms, twice a call."""
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(1), by=OWNER)
    asked = {"of": WORKSPACE, "agent": "a", "other_agent": "", "by_key": "k", "in_mission": "m", "more": 1, "cost": 0}
    prepared = store._statements.prepare(budget._MOVE, asked)

    def plan(tx: ReadTransaction) -> list[str]:
        tx.cursor.execute(f"EXPLAIN QUERY PLAN {prepared.sql}", prepared.values(asked))
        return [str(row[3]) for row in tx.cursor.fetchall()]

    looks = [step for step in store.view(plan) if step.startswith(("SEARCH", "SCAN"))]
    assert looks
    assert all("workspace=? AND scope=? AND name=?" in step for step in looks), looks
