"""Prices trued up: what was charged stays, the difference is booked once, wherever the cost is counted."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from remit.accounts.budget_periods import DAY_US, Period
from remit.accounts.budget_tables import BUDGET, BUDGET_PAST, USAGE
from remit.accounts.budgets import BudgetScope, Limit, remove_limit, set_limit
from remit.audit.refusal import Refused
from remit.guard.budget_audit import check_ledger
from remit.guard.budget_rollup import By, roll_up, usage_by
from remit.guard.records import Ending, State, Verdicts, intent, outcome, verdicts
from remit.guard.scene import allowed
from remit.kernel.action import Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.mission import Outcome
from remit.kernel.money import Money, usd
from remit.kernel.usage import Usage
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.models.orders_listing import SetPrice
from remit.models.prices import Rate, rate_of
from remit.models.spending import Span, spending
from remit.models.true_up_order import TrueUp, order_true_up
from remit.models.usage import calls

from ..guard.fakes import (  # noqa: TID252 - tests are loaded by path
    CODER,
    OWNER,
    WORKSPACE,
    HandClock,
    World,
    act,
    make_world,
)
from .fakes_usage import Opener, opener, postgres_server, postgres_url

__all__ = ["opener", "postgres_server", "postgres_url"]

SAID: Verdicts = verdicts((allowed("budget"),))
HOUSE = Provider(WORKSPACE, "house", ProviderKind.COMPATIBLE, "http://127.0.0.1:11434/v1")
TOKENS = Usage("house", "big-2026", tokens_in=1000, tokens_out=100, tokens_cached=200, tokens_cache_write=300)
DOLLARS = rate_of("1000", "1000", cached_in="500", cache_write="2000")  # a tenth of a cent a token
COST = 500 * 1000 + 200 * 500 + 300 * 2000 + 100 * 1000  # micros


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(opener: Opener, clock: HandClock) -> World:
    world = await make_world(opener(), clock=clock)
    await order(world.journal, [SetProvider(HOUSE)], workspace=WORKSPACE, by=OWNER, clock=clock)
    return world


def call(world: World, used: Usage = TOKENS, *, cost: str = "0", mission: str = "", model: str = "big") -> str:
    """A call from its intent to its outcome, as the guard writes it; its price was not known."""
    now_us = micros_of(world.clock.now())
    effect = Model("house", model, {"messages": []})
    action = replace(act(effect, principal=CODER, mission=mission, estimate=usd(cost)), priced=False)
    world.store.write(
        "guard.intent",
        intent(action, SAID, target=effect.target, policy_rev="r", facts="{}", now_us=now_us, owner="me"),
    )
    done = Outcome(ok=True, cost=usd(cost), usage=replace(used, tokens_cost=usd(cost)))
    ending = Ending(State.OK, "", outcome=done, cost=done.cost, usage=done.usage)
    world.store.write("guard.outcome", outcome(action, ending, policy_rev="r", now_us=now_us + 1, lenient=False))
    return action.id


async def price(world: World, rate: Rate) -> None:
    await order(world.journal, [SetPrice("house", "big", rate)], workspace=WORKSPACE, by=OWNER, clock=world.clock)


async def limit(world: World, scope: BudgetScope, name: str = "", period: Period = Period.DAY) -> None:
    await set_limit(
        world.journal,
        scope,
        workspace=WORKSPACE,
        name=name,
        limit=usd("3"),
        by=OWNER,
        period=period,
        clock=world.clock,
    )


async def true_up(world: World, *, dry_run: bool = False, since_us: int = 0, by: Principal = OWNER) -> TrueUp:
    return await order_true_up(
        world.journal, workspace=WORKSPACE, by=by, clock=world.clock, since_us=since_us, dry_run=dry_run
    )


def spent(world: World) -> dict[str, int]:
    return {f"{row['scope']} {row['period']}": row["spent"] for row in world.rows(BUDGET)}


def adds_up(world: World) -> None:
    world.store.seal()  # on Postgres entries get their numbers after they are committed
    assert world.store.view(lambda tx: check_ledger(tx, tx, WORKSPACE)) == []


def sums(world: World) -> tuple[int, int, int]:
    """Cost, unknown prices, tokens written to a cache: by the pages of usage and of spending alike."""
    (group,) = world.store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.KIND))
    now_us = micros_of(world.clock.now())
    whole = world.store.view(lambda tx: spending(tx, WORKSPACE, span=Span.QUARTER, now_us=now_us)).total
    assert (whole.sums, whole.unpriced) == (group.sums, group.unpriced)
    return group.cost.micros, group.unpriced, group.sums["tokens_cache_write"]


@pytest.mark.parametrize("rolled", [False, True])
async def test_a_price_that_becomes_known_is_booked_once(world: World, clock: HandClock, *, rolled: bool) -> None:
    for scope, name in ((BudgetScope.WORKSPACE, ""), (BudgetScope.AGENT, "coder"), (BudgetScope.MISSION, "m1")):
        await limit(world, scope, name, Period.MONTH)
    action = call(world, mission="m1")
    call(world, cost="0.50")  # what the ceiling reserved
    if rolled:
        clock.advance(3600)
        assert await roll_up(world.journal, WORKSPACE, now_us=micros_of(clock.now())) == 2
    assert sums(world) == (500_000, 1, 600)
    assert (await true_up(world)).as_json()["unknown_price"] == 2

    await price(world, DOLLARS)
    would = await true_up(world, dry_run=True)
    assert (would.corrected, would.more) == (2, usd("2.1"))
    assert sums(world) == (500_000, 1, 600)
    done = await true_up(world)
    assert done.as_json() == {**would.as_json(), "dry_run": False}
    assert sums(world) == (2 * COST, 0, 600)
    assert spent(world) == {"workspace month": 2 * COST, "agent month": 2 * COST, "mission month": COST}
    adds_up(world)

    shown = {each.action: each for each in world.store.view(lambda tx: calls(tx, WORKSPACE)).calls}[action].as_json()
    assert (shown["cost_usd"], shown["corrected_usd"], shown["tokens_cache_write"]) == ("1.3", "1.3", 300)
    assert {row["cost_micros"] for row in world.rows(USAGE)} == {0, 500_000}, "what was charged stays"
    world.store.seal()
    told = [entry.payload or {} for entry in world.audit("models.trued_up")]
    assert sorted((each["charged_micros"], each["right_micros"]) for one in told for each in one["calls"]) == [
        (0, COST),
        (500_000, COST),
    ]
    assert len(world.audit("budget.warned")) == 2, "80 % of the workspace's and the agent's"

    again = await true_up(world)
    assert (again.looked, again.corrected) == (2, 0)
    world.store.seal()
    assert len(world.audit("models.trued_up")) == len(told)
    await price(world, rate_of("0", "0"))
    assert (await true_up(world)).more.micros == -2 * COST
    assert sums(world) == (0, 0, 600)
    adds_up(world)


async def test_it_is_booked_in_the_period_in_which_the_call_began(world: World, clock: HandClock) -> None:
    await limit(world, BudgetScope.WORKSPACE)
    await limit(world, BudgetScope.AGENT, "coder")
    call(world, cost="0.10")
    clock.advance(86_400)
    call(world, cost="0.20")
    await remove_limit(world.journal, Limit(BudgetScope.AGENT, "coder", Period.DAY), workspace=WORKSPACE, by=OWNER)
    await price(world, DOLLARS)
    since = micros_of(clock.now()) - DAY_US // 2
    assert (await true_up(world, since_us=since)).corrected == 1, "only since"
    assert (await true_up(world)).corrected == 1
    assert spent(world) == {"workspace day": COST}
    past = {row["scope"]: row["spent"] for row in world.rows(BUDGET_PAST)}
    assert past == {"workspace": COST, "agent": COST}
    adds_up(world)


async def test_what_nobody_counted_is_left_as_it_was(world: World) -> None:
    call(world, cost="0.10")
    world.store.write("guard.budget", lambda tx: tx.execute(update(USAGE).values(tokens_cache_write=None)))
    await price(world, DOLLARS)
    found = await true_up(world)
    assert (found.looked, found.uncounted, found.corrected) == (1, 1, 0)
    assert sums(world) == (100_000, 0, 0)
    await price(world, rate_of("1000", "1000"))  # writing to the cache costs what reading does: all is known
    assert (await true_up(world)).corrected == 1
    adds_up(world)


async def test_two_at_once_book_once(world: World) -> None:
    for _ in range(3):
        call(world)
    await limit(world, BudgetScope.WORKSPACE)
    await price(world, DOLLARS)
    both = await asyncio.gather(true_up(world), true_up(world))
    assert sum(each.corrected for each in both) == 3
    assert spent(world) == {"workspace day": 3 * COST}
    adds_up(world)


async def test_only_who_administers_budgets_orders_it(world: World) -> None:
    for who in (CODER, replace(OWNER, id="stranger")):
        for dry_run in (True, False):
            with pytest.raises(Refused):
                await true_up(world, by=who, dry_run=dry_run)


async def test_a_tier_is_reckoned_by_its_own_price_and_fees_stay(world: World) -> None:
    terms = '{"service":"priority","tools":{"web_search":2}}'
    action = call(world, replace(TOKENS, terms=terms), cost="0.10")
    await price(world, DOLLARS)
    assert (await true_up(world)).unknown == 1, "the plain price says nothing of the tier"
    double = rate_of("2000", "2000", cached_in="1000", cache_write="4000")
    change = SetPrice("house", "big", double, "service:priority")
    await order(world.journal, [change], workspace=WORKSPACE, by=OWNER, clock=world.clock)
    assert (await true_up(world)).corrected == 1
    (shown,) = world.store.view(lambda tx: calls(tx, WORKSPACE)).calls
    assert (shown.action, shown.cost) == (action, Money(2 * COST))
    assert shown.as_json()["terms"] == {"service": "priority", "tools": {"web_search": 2}}
