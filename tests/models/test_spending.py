"""What a span of days cost, by everything it is counted by: against the sums that are read one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budget_periods import DAY_US, HOUR_US
from remit.guard.budget_rollup import By, roll_up
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.money import usd
from remit.kernel.usage import Usage
from remit.models.spending import MOST_MISSIONS, NO_TEAM, Span, Spending, spending
from remit.models.usage import usage

from ..guard.fakes import CODER, OWNER, WORKSPACE, HandClock, World, make_world  # noqa: TID252 - loaded by path
from .fakes_usage import Opener, opener, postgres_server, postgres_url
from .test_usage import call, write

__all__ = ["opener", "postgres_server", "postgres_url"]

SMALL, LARGE = (Model("acme", name, {"messages": []}) for name in ("small", "large"))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(opener: Opener, clock: HandClock) -> World:
    return await make_world(opener(), clock=clock)


def spent(world: World, span: Span = Span.DAY) -> Spending:
    now_us = micros_of(world.clock.now())
    return world.store.view(lambda tx: spending(tx, WORKSPACE, span=span, now_us=now_us))


def some_days(world: World, clock: HandClock) -> None:
    """Forty missions over two days and an hour, the first ones the dearest; and what no mission asked for."""
    tokens = Usage("acme", "large", tokens_in=100, tokens_out=20, tokens_cached=40, tokens_cost=usd("0.30"))
    for number in range(40):
        cost = f"{4 - number / 10:.2f}"
        write(world, call(LARGE, who=CODER, mission=f"m{number:02}", key="k1"), tokens, cost=cost)
        clock.advance(3600)
    clock.advance(7200)
    write(world, call(SMALL), Usage(gpu_ms=90_000, gpu_cost=usd("0.20"), storage_bytes=5), cost="0.25")
    write(world, call(SMALL, key="k2"), Usage(kept=True, saved=usd("0.30")), cost="0")
    write(world, call(SMALL, estimate="0", priced=False), Usage(), cost="0")


@pytest.mark.parametrize("rolled", [False, True])
@pytest.mark.parametrize("span", [Span.DAY, Span.WEEK, Span.QUARTER])
async def test_every_way_to_count_it_says_the_same(world: World, clock: HandClock, span: Span, *, rolled: bool) -> None:
    some_days(world, clock)
    if rolled:
        await roll_up(world.store, WORKSPACE, now_us=micros_of(clock.now()))
    found = spent(world, span)
    now_us = micros_of(clock.now())

    def other(by: By) -> Any:
        return world.store.view(lambda tx: usage(tx, WORKSPACE, by=by, now_us=now_us, since_us=span.since(now_us)))

    told = other(By.AGENT)
    assert found.total.cost == told.total.cost
    assert {each.key: each.cost for each in found.agents} == {each.key: each.cost for each in told.groups}
    assert {each.key: each.cost for each in found.users} == {each.key: each.cost for each in other(By.USER).groups}
    assert {each.key: each.attempts for each in found.keys} == {
        each.key: each.attempts for each in other(By.KEY).groups if each.key != "none"
    }
    dearest = [(each.key, each.cost) for each in other(By.MISSION).groups if each.key != "none"][:MOST_MISSIONS]
    assert [(each.key, each.cost) for each in found.missions] == dearest
    assert sum(part.cost.micros for part in found.parts) == found.total.cost.micros
    assert found.curve[-1] == found.total.cost.micros
    assert list(found.curve) == sorted(found.curve)
    assert found.calls == found.total.attempts
    assert found.total.saved == usd("0.30")
    assert found.total.unpriced == 1


async def test_a_mission_that_is_dear_only_with_what_came_since_is_found(world: World, clock: HandClock) -> None:
    """Among the sums it stands behind ten others; what it spent in this hour makes it the dearest."""
    tokens = Usage("acme", "large", tokens_in=1)
    for number in range(15):
        write(world, call(LARGE, mission=f"m{number:02}"), tokens, cost=f"{2 + number}")
    clock.advance(3600)
    await roll_up(world.store, WORKSPACE, now_us=micros_of(clock.now()))
    write(world, call(LARGE, mission="m00"), tokens, cost="90")
    first = spent(world, Span.WEEK).missions[0]
    assert (first.key, first.cost) == ("m00", usd("92"))


async def test_teams_are_those_of_the_agents(world: World, clock: HandClock) -> None:
    from remit.accounts.teams import Team, create_team

    await create_team(world.store, Team(WORKSPACE, "red", "Red"), by=OWNER, clock=clock)
    agent = Agent(WORKSPACE, "painter", OWNER.id, team="red", effects=frozenset({"model"}))
    await register_agent(world.store, agent, by=OWNER, clock=clock)
    painter = Principal(ActorKind.AGENT, "painter")
    write(world, call(LARGE, who=painter), Usage("acme", "large"), cost="2")
    write(world, call(LARGE), Usage("acme", "large"), cost="1")
    assert [(each.key, each.cost) for each in spent(world).teams] == [("red", usd("2")), (NO_TEAM, usd("1"))]


def test_spans_begin_at_midnight() -> None:
    now_us = 1_000 * DAY_US + 5 * HOUR_US + 3
    assert Span.DAY.since(now_us) == 1_000 * DAY_US
    assert Span.WEEK.since(now_us) == 994 * DAY_US
    assert Span.QUARTER.since(now_us) == 911 * DAY_US
