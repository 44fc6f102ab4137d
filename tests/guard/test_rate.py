"""Rates as a caller meets them: what is taken, what is given back, and what a refusal tells."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.plans import PLANS, PlanName
from remit.accounts.tables import WORKSPACE as WORKSPACES
from remit.accounts.teams import Team, create_team
from remit.guard import rate_limits
from remit.guard.rate_limits import SHIPPED, Limit, Measure, Per, lift_limit, read_limits, reset_limit
from remit.guard.rate_tables import RATE, RATE_LIMIT, RATE_TAKEN, RATE_WAITER
from remit.guard.records import settle_abandoned
from remit.guard.why import why
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Command, Fetch, Model, Tool, WriteFiles
from remit.kernel.errors import BudgetExceeded, Denied, Failed, InvalidInput, NotFound, RateLimited, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.ports import Tx
from remit.kernel.usage import Usage

from .fakes import OWNER, WORKSPACE, World, act, make_store, make_world

CLOCK = SystemClock()
HOUR = 3600


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    store = make_store(tmp_path)
    made = await make_world(store)
    yield made
    store.close()


async def agent(world: World, kind: str, *, team: str = "") -> Principal:
    effects = frozenset({"model", "fetch", "tool", "files", "command"})
    made = Agent(WORKSPACE, kind, OWNER.id, kind=kind, team=team, effects=effects, tools=frozenset({"*"}))
    await register_agent(world.journal, made, by=OWNER, clock=CLOCK)
    return Principal(ActorKind.AGENT, kind)


async def put(world: World, *limits: Limit) -> None:
    for limit in limits:
        await rate_limits.set_limit(world.journal, limit, workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    world.guard.register = type(world.guard.register)(world.journal, CLOCK)


def ask(who: Principal, *, key: str = "", tokens: int = 10, estimate: str = "0") -> Action:
    effect = Model("openai", "gpt", {"max_tokens": tokens})
    return act(effect, principal=who, key=key, estimate=usd(estimate))


async def refused(world: World, action: Action) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await world.guard.run(action)
    return caught.value


async def passes(world: World, action: Action) -> bool:
    try:
        await world.guard.run(action)
    except RateLimited:
        return False
    return True


KINDS = [("coder", 10, 100), ("trading", 5, 50), ("research", 20, 200), ("creative", 2, 20)]


@pytest.mark.parametrize(("kind", "minute", "hour"), KINDS)
async def test_each_kind_of_agent_has_the_ledgers_numbers(world: World, kind: str, minute: int, hour: int) -> None:
    limits = await world.store.read(lambda tx: read_limits(tx, WORKSPACE))
    for name, amount, period in ((f"{kind}.minute", minute, 60), (f"{kind}.hour", hour, HOUR)):
        limit = limits.by_name[name]
        assert (limit.amount, limit.period_s, limit.kind, limit.per) == (amount, period, "model", Per.AGENT)
    who = await agent(world, kind)
    assert [await passes(world, ask(who)) for _ in range(minute + 1)] == [True] * minute + [False]
    await world.guard.run(act(Tool("echo"), principal=who))
    error = await refused(world, ask(who))
    assert error.limit == f"{minute} model requests a minute for the agent {kind}"
    assert error.remaining == 0
    assert 0 < (error.retry_after or 0) <= 3 * 60 / minute
    assert error.plan == "pro"


async def test_files_and_commands_count_nothing(world: World) -> None:
    who = await agent(world, "coder")
    for _ in range(12):
        await world.guard.run(act(WriteFiles({"a": b"b"}), principal=who))
        await world.guard.run(act(Command(("python",)), principal=who))
    assert world.rows(RATE) == []


async def test_a_refusal_tells_everything_and_stands_in_the_log(world: World) -> None:
    who = await agent(world, "creative")
    for _ in range(2):
        await world.guard.run(ask(who))
    first = ask(who, key="effect-1")
    error = await refused(world, first)
    assert (error.position, error.code, error.row.http, error.row.exit) == (1, "guard.rate", 429, 3)
    whole = "2 model requests a minute for the agent creative"
    for part in (whole, "has 0 left", "Come back in", "next in line", "plan pro"):
        assert part in error.message
    second = await refused(world, ask(who, key="effect-2"))
    assert second.position == 2
    assert (second.retry_after or 0) > (error.retry_after or 0) + 25
    assert "1 wait before it, so it is number 2 in line" in second.message
    assert (await refused(world, ask(who, key="effect-1"))).position == 1, "who comes back keeps the place"
    story = (await why(world.journal, first.id, workspace=WORKSPACE)).actions[0]
    assert story.row["reason"] == "rate.exceeded"
    told = [check["check"] for check in story.checks]
    assert told[-2:] == ["breaker", "rate"]
    assert "budget" not in told
    assert story.next == "come back when it says, or raise the limit: remit limits"
    entry = world.audit("guard.refused")[0]
    assert entry.header["reason"] == "rate.exceeded"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.told, again.message, again.decision_id) == (error.told, error.message, error.decision_id)


async def test_who_got_through_leaves_the_line(world: World) -> None:
    who = await agent(world, "creative")
    await put(world, Limit("creative.minute", Per.AGENT, 1, HOUR, agent_kind="creative"))
    await world.guard.run(ask(who))
    await refused(world, ask(who, key="k"))
    assert len(world.rows(RATE_WAITER)) == 1
    await put(world, Limit("creative.minute", Per.AGENT, 9, HOUR, agent_kind="creative"))
    await world.guard.run(ask(who, key="k"))
    assert world.rows(RATE_WAITER) == []


async def test_nothing_is_taken_when_a_later_step_refuses(world: World) -> None:
    who = await agent(world, "coder")
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("0.01"), by=OWNER)
    for _ in range(12):
        with pytest.raises(BudgetExceeded):
            await world.guard.run(ask(who, estimate="1"))
    assert world.rows(RATE) == world.rows(RATE_TAKEN) == []
    assert [await passes(world, ask(who)) for _ in range(11)] == [True] * 10 + [False]


async def test_all_limits_of_an_action_are_taken_or_none(world: World) -> None:
    who = await agent(world, "coder")
    await put(
        world,
        Limit("a.first", Per.AGENT, 5, HOUR),
        Limit("z.last", Per.WORKSPACE, 1, HOUR),
    )
    assert [await passes(world, ask(who)) for _ in range(8)] == [True] + [False] * 7
    await lift_limit(world.journal, "z.last", workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    world.guard.register = type(world.guard.register)(world.journal, CLOCK)
    assert [await passes(world, ask(who)) for _ in range(5)] == [True] * 4 + [False]


async def test_what_never_started_gives_its_rate_back(world: World) -> None:
    who = await agent(world, "creative")
    for _ in range(5):
        async with world.guard.admit(ask(who)):
            pass
    assert [await passes(world, ask(who)) for _ in range(3)] == [True, True, False]


async def test_a_failed_request_counts_and_each_try_of_it(world: World) -> None:
    who = await agent(world, "coder")
    world.adapter.moves = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        await world.guard.run(ask(who))
    tries = len(world.adapter.calls)
    assert 1 < tries < 9
    world.adapter.moves = [Failed("no")]
    with pytest.raises(Failed):
        await world.guard.run(ask(who))
    world.adapter.moves = [Outcome(ok=True)]
    left = 10 - tries - 1
    assert [await passes(world, ask(who)) for _ in range(left + 1)] == [True] * left + [False]


async def left_of(world: World, name: str) -> int:
    from remit.guard.gcra import Demand
    from remit.guard.rate_store import SqlRates

    limits = await world.store.read(lambda tx: read_limits(tx, WORKSPACE))
    (row,) = (row for row in world.rows(RATE) if row["key"].startswith(f"{name}|"))
    limit = limits.by_name[name]
    demand = Demand(row["key"], limit.unit_us, limit.units)
    return (await world.store.commit("guard.settle", lambda tx: SqlRates(tx, WORKSPACE).peek(demand))).remaining


MEANWHILE = 25  # tokens that come back while the test runs on a busy machine: a day's 100,000 are 1.16 a second


async def test_tokens_are_reserved_by_estimate_and_settled_by_what_was_used(world: World) -> None:
    who = await agent(world, "coder")
    world.adapter.moves = [Outcome(ok=True, value={"usage": {"input_tokens": 30_000, "output_tokens": 10_000}})]
    await world.guard.run(ask(who))
    assert 60_000 <= await left_of(world, "model.tokens") <= 60_000 + MEANWHILE
    world.adapter.moves = [Outcome(ok=True, value={"usage": {"total_tokens": 70}})]
    await world.guard.run(ask(who, tokens=50_000))
    assert 59_930 <= await left_of(world, "model.tokens") <= 59_930 + MEANWHILE
    world.adapter.moves = [Outcome(ok=True, usage=Usage(tokens_in=20, tokens_out=10))]
    await world.guard.run(ask(who, tokens=50_000))
    assert 59_900 <= await left_of(world, "model.tokens") <= 59_900 + MEANWHILE
    error = await refused(world, ask(who, tokens=90_000))
    assert error.limit == "100,000 tokens a day for the agent coder"
    assert 59_900 <= (error.remaining or 0) <= 59_900 + MEANWHILE
    assert error.plan == "pro"
    assert "may use 90," in error.message
    world.adapter.moves = [Failed("no answer")]
    with pytest.raises(Failed):
        await world.guard.run(ask(who, tokens=50_000))
    assert 59_900 <= await left_of(world, "model.tokens") <= 59_900 + MEANWHILE
    world.adapter.moves = [Outcome(ok=True, value={"text": "no figure"})]
    await world.guard.run(ask(who, tokens=9_000))
    assert 50_870 <= await left_of(world, "model.tokens") <= 50_900 + MEANWHILE, "without a figure the estimate stands"
    world.adapter.moves = [Outcome(ok=True, value={"usage": {"total_tokens": 80_000}})]
    await world.guard.run(ask(who))
    assert await left_of(world, "model.tokens") == 0
    error = await refused(world, ask(who))
    assert (error.retry_after or 0) > 6 * HOUR, "what was used too much is owed"
    assert world.rows(RATE_TAKEN) == []


async def test_more_than_a_day_allows_never_fits(world: World) -> None:
    who = await agent(world, "coder")
    error = await refused(world, ask(who, tokens=2_000_000))
    assert (error.retry_after, error.position, error.remaining, error.plan) == (None, None, 100_000, "studio")
    assert "It never fits" in error.message


async def test_an_abandoned_action_keeps_what_it_took(world: World) -> None:
    who = await agent(world, "creative")
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(ask(who))
    world.journal.failing = set()
    await world.store.commit("guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1))
    assert world.rows(RATE_TAKEN) == []
    assert [await passes(world, ask(who)) for _ in range(2)] == [True, False]


async def test_fetches_are_limited_by_domain_and_in_one_mission(world: World) -> None:
    who = await agent(world, "research")

    def fetch(url: str, mission: str = "m1") -> Action:
        return act(Fetch(url), principal=who, mission=mission)

    urls = ("https://example.org/a", "https://EXAMPLE.org:443/b", "http://example.org./c")
    assert [await passes(world, fetch(urls[n % 3])) for n in range(11)] == [True] * 10 + [False]
    assert await passes(world, fetch("https://example.net/"))
    await put(world, Limit("fetch.minute", Per.DOMAIN, 1000, 60, kind="fetch"))
    assert [await passes(world, fetch(urls[0])) for n in range(91)] == [True] * 90 + [False]
    error = await refused(world, fetch(urls[0]))
    assert error.limit == "100 fetch requests in all for example.org in one mission"
    assert (error.retry_after, error.plan) == (None, None)
    assert "Nothing of it comes back" in error.message
    assert await passes(world, fetch(urls[0], "m2"))


async def test_rendering_is_counted_in_minutes(world: World) -> None:
    who = await agent(world, "creative")

    def render(minutes: float) -> Action:
        return act(Tool("rendering", {"minutes": minutes}), principal=who)

    world.adapter.moves = [Outcome(ok=True, value={"minutes": 25.5})]
    await world.guard.run(render(40))
    assert await left_of(world, "rendering.day") == 60 * 60 - 25 * 60 - 30
    error = await refused(world, render(40))
    assert (error.remaining, error.plan) == (34, "pro")
    assert error.limit == "60 minutes of rendering a day for the workspace"
    world.adapter.moves = [Outcome(ok=True)]
    await world.guard.run(render(30))
    assert await left_of(world, "rendering.day") >= 60 * 60 - 25 * 60 - 30 - 2, "the time it took"


async def test_teams_tools_and_the_workspace_share_buckets(world: World) -> None:
    await create_team(world.journal, Team(WORKSPACE, "red", "Red"), by=OWNER, clock=CLOCK)
    one, two = await agent(world, "coder", team="red"), await agent(world, "research", team="red")
    await put(world, Limit("red.hour", Per.TEAM, 3, HOUR), Limit("echo.hour", Per.TOOL, 2, HOUR, kind="tool"))
    assert [await passes(world, ask(who)) for who in (one, two, one, two)] == [True, True, True, False]
    assert await passes(world, ask(OWNER)), "a person has no team"
    tools = [act(Tool("echo"), principal=who) for who in (one, two, OWNER)]
    assert [await passes(world, each) for each in tools] == [True, True, False]
    assert await passes(world, act(Tool("other"), principal=one))


async def test_the_plan_raises_the_shipped_numbers(world: World) -> None:
    plans = (("pro", 3, 1_000_000, 240), ("studio", 10, 5_000_000, 1440), ("enterprise", 30, None, None))
    for name, factor, tokens, minutes in plans:
        await world.store.commit("guard.settle", lambda tx, name=name: tx.execute(update(WORKSPACES).values(plan=name)))
        limits = await world.store.read(lambda tx: read_limits(tx, WORKSPACE))
        assert limits.by_name["coder.minute"].amount == 10 * factor
        told = [limits.by_name.get(each) for each in ("model.tokens", "rendering.day")]
        assert [each and each.amount for each in told] == [tokens, minutes]
    assert PLANS[PlanName.ENTERPRISE].rate_factor == 30


async def test_orders_about_limits_are_checked_and_audited(world: World) -> None:
    who = await agent(world, "coder")
    own = Limit("coder.minute", Per.AGENT, 1, 60, agent_kind="coder")
    for by in (who, Principal(ActorKind.USER, "eve")):
        with pytest.raises(Denied):
            await rate_limits.set_limit(world.journal, own, workspace=WORKSPACE, by=by, clock=CLOCK)
    await put(world, own)
    assert [await passes(world, ask(who)) for _ in range(2)] == [True, False]
    assert (await refused(world, ask(who))).plan is None, "no plan lifts a person's own order"
    await reset_limit(world.journal, "coder.minute", workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    limits = await world.store.read(lambda tx: read_limits(tx, WORKSPACE))
    assert limits.by_name["coder.minute"].amount == 10
    with pytest.raises(NotFound, match=r"coder\.minute"):
        await lift_limit(world.journal, "coder.minutes", workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    assert len(world.audit("guard.limit.set")) == 2


async def test_a_limit_of_addresses_from_before_is_passed_over(world: World) -> None:
    await put(world, Limit("own.ip", Per.AGENT, 1, 60))

    def aged(tx: Tx) -> None:
        body = orjson.loads(tx.rows(select(RATE_LIMIT.c.body), {})[0]["body"]) | {"per": "ip", "kind": "api"}
        tx.execute(update(RATE_LIMIT).values(body=orjson.dumps(body).decode()))

    await world.store.commit("guard.settle", aged)
    limits = await world.store.read(lambda tx: read_limits(tx, WORKSPACE))
    assert set(limits.by_name) == {limit.name for limit in SHIPPED}


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0}, {"period_s": -1}, {"name": "No Name"}, {"kind": "files"},
        {"measure": Measure.TOKENS, "kind": "tool"},
        {"per": Per.DOMAIN}, {"amount": 2_000_000, "period_s": 1}, {"period_s": 0, "amount": 50_000}, {"burst": -1},
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="can't be set"):
        replace(SHIPPED[0], **wrong)


def test_every_number_of_the_ledger_divides_the_period_without_a_rest() -> None:
    for limit in SHIPPED:
        if limit.period_s:
            assert limit.unit_us * limit.amount * limit.measure.units == limit.period_s * 1_000_000, limit.name
