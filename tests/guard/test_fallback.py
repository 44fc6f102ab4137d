import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.attempts import attempts_report
from remit.guard.cache import AnswerKey, MemoryAnswers
from remit.guard.retry import ONCE
from remit.guard.why import why
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Model, Tool
from remit.kernel.errors import Denied, Failed, RateLimited, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, usd

from .fakes import CODER, OWNER, WORKSPACE, HandClock, Move, World, act, deploy, make_world

LARGE, SMALL, LOCAL = (Model("acme", name, {"messages": []}) for name in ("large", "small", "local"))


def by_target(**moves: Move) -> Callable[[Action], object]:
    """An adapter's move that depends on the last part of the target."""

    async def move(action: Action) -> Outcome:
        found = moves[action.target.rpartition("/")[2]]
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Outcome)
        return found

    return move


def told(text: str) -> Outcome:
    return Outcome(ok=True, text=text, cost=usd("0.01"))


@pytest.fixture
async def plain(store: SqliteStore) -> World:
    """A world without retries."""
    return await make_world(store, clock=HandClock(), patience=ONCE)


# ---------------------------------------------------------------------------------------------------------- fallbacks


async def test_the_first_that_answers_stands_in_and_remit_why_tells_the_order(plain: World) -> None:
    plain.adapter.moves = [by_target(large=Unavailable("overloaded"), small=Unavailable("gone"), local=told("hi"))]
    action = act(LARGE, key="m1/s1/k/0/1")
    assert (await plain.guard.run(action, alternatives=[SMALL, LOCAL])).text == "hi"
    first, second, third = sorted(plain.rows(), key=lambda row: row["id"])
    assert [row["target"] for row in (first, second, third)] == ["acme/large", "acme/small", "acme/local"]
    assert [row["state"] for row in (first, second, third)] == ["failed", "failed", "ok"]
    assert second["parent"] == third["parent"] == action.id
    assert len({row["subject_hash"] for row in (first, second, third)}) == 3
    assert len({row["effect_key"] for row in (first, second, third)}) == 3
    story = (await why(plain.journal, action.id, workspace=WORKSPACE)).text()
    assert "attempt 1 unavailable" in story
    assert story.index("then tried model acme/small: failed") < story.index("then tried model acme/local: ok")
    child = (await why(plain.journal, third["id"], workspace=WORKSPACE)).text()
    assert f"instead of action {action.id}" in child


async def test_an_open_circuit_falls_back_at_once(plain: World) -> None:
    plain.adapter.moves = [by_target(large=Unavailable("gone"), small=told("hi"))]
    for _ in range(5):
        assert (await plain.guard.run(act(LARGE), alternatives=[SMALL])).ok
    plain.adapter.calls.clear()
    assert (await plain.guard.run(act(LARGE), alternatives=[SMALL])).text == "hi"
    assert [call.target for call in plain.adapter.calls] == ["acme/small"]


@pytest.mark.parametrize("error", [Failed("wrong"), Denied("no"), RateLimited("ours", decision_id="d1")], ids=repr)
async def test_a_certain_failure_or_refusal_does_not_fall_back(plain: World, error: Exception) -> None:
    plain.adapter.moves = [by_target(large=error, small=told("hi"))]
    with pytest.raises(type(error)):
        await plain.guard.run(act(LARGE), alternatives=[SMALL])
    assert [call.target for call in plain.adapter.calls] == ["acme/large"]


async def test_a_providers_rate_limit_does(plain: World) -> None:
    plain.adapter.moves = [by_target(large=RateLimited("429"), small=told("hi"))]
    assert (await plain.guard.run(act(LARGE), alternatives=[SMALL])).text == "hi"


async def test_what_may_have_happened_is_never_followed_by_another(plain: World) -> None:
    plain.adapter.moves = [Unavailable("no answer")]
    with pytest.raises(Unavailable):
        await plain.guard.run(act(deploy(), key="k"), alternatives=[Tool("echo")])
    assert plain.states() == ["unknown"]


async def test_an_alternative_passes_the_guard_itself(plain: World) -> None:
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"search", "local"}))
    await register_agent(plain.journal, agent, by=OWNER, clock=plain.clock)
    plain.adapter.moves = [by_target(search=Unavailable("gone"), local=told("hi"))]
    asked = act(Tool("search"), principal=CODER)
    assert (await plain.guard.run(asked, alternatives=[Tool("forbidden"), Tool("local")])).text == "hi"
    assert plain.states() == ["failed", "refused", "ok"]


async def test_when_nothing_stands_in_the_first_error_is_told_with_notes(plain: World) -> None:
    plain.adapter.moves = [by_target(large=Unavailable("overloaded", retry_after=9.0), small=Unavailable("gone"))]
    with pytest.raises(Unavailable, match="overloaded") as raised:
        await plain.guard.run(act(LARGE), alternatives=[SMALL])
    assert raised.value.retry_after == 9.0
    assert "gone" in raised.value.__notes__[0]


async def test_nothing_falls_back_when_the_kill_switch_cannot_be_read(plain: World) -> None:
    plain.journal.failing = {"read"}
    with pytest.raises(Unavailable) as raised:
        await plain.guard.run(act(LARGE), alternatives=[SMALL])
    assert raised.value.code == "guard.unreadable"
    assert plain.adapter.calls == []


# --------------------------------------------------------------------------------------------------------- kept answers


async def test_a_kept_answer_is_given_again_recorded_as_such_and_costs_nothing(plain: World) -> None:
    await set_limit(plain.journal, BudgetScope.MISSION, workspace=WORKSPACE, name="m1", limit=usd(1), by=OWNER)
    plain.adapter.moves = [told("the page")]
    first = await plain.guard.run(act(LARGE, estimate=usd("0.5")), keep_s=60.0)
    again = await plain.guard.run(act(LARGE, estimate=usd("0.5")), keep_s=60.0)
    assert (first.text, first.cost, again.text, again.cost) == ("the page", usd("0.01"), "the page", ZERO)
    assert len(plain.adapter.calls) == 1
    rows = sorted(plain.rows(), key=lambda row: row["id"])
    assert [(row["state"], row["reason"], row["tries"], row["cost_micros"]) for row in rows] == [
        ("ok", "", 1, 10_000),
        ("ok", "cached", 0, 0),
    ]
    budget = next(row for row in plain.rows(BUDGET) if row["name"] == "m1")
    assert (budget["spent"], budget["reserved"]) == (10_000, 0)
    report = plain.store.view(lambda tx: attempts_report(tx, WORKSPACE))
    assert (report.cached, report.total.attempts) == (1, 1)


async def test_answers_grow_old_and_only_who_allows_it_gets_them(plain: World) -> None:
    clock = plain.clock
    assert isinstance(clock, HandClock)
    plain.adapter.moves = [told("1"), told("2"), told("3")]
    assert (await plain.guard.run(act(LARGE), keep_s=60.0)).text == "1"
    assert (await plain.guard.run(act(LARGE))).text == "2"
    clock.advance(61)
    assert (await plain.guard.run(act(LARGE), keep_s=60.0)).text == "3"


async def test_nobody_gets_what_somebody_else_was_answered(plain: World) -> None:
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"model"}))
    await register_agent(plain.journal, agent, by=OWNER, clock=plain.clock)
    await plain.guard.register.refresh(WORKSPACE)
    plain.adapter.moves = [told("the owner's"), told("the agent's")]
    await plain.guard.run(act(LARGE), keep_s=60.0)
    assert (await plain.guard.run(act(LARGE, principal=CODER), keep_s=60.0)).text == "the agent's"


async def test_a_kept_answer_serves_while_the_circuit_is_open(plain: World) -> None:
    plain.adapter.moves = [told("the page")]
    await plain.guard.run(act(LARGE), keep_s=600.0)
    plain.adapter.moves = [Unavailable("gone")]
    for _ in range(5):
        with pytest.raises(Unavailable):
            await plain.guard.run(act(LARGE))
    assert (await plain.guard.run(act(LARGE), keep_s=600.0)).text == "the page"
    with pytest.raises(Unavailable, match="circuit"):
        await plain.guard.run(act(LARGE))


async def test_what_may_change_something_is_never_kept(plain: World) -> None:
    plain.adapter.moves = [told("1"), told("2")]
    await plain.guard.run(act(Tool("search")), keep_s=60.0)
    assert (await plain.guard.run(act(Tool("search")), keep_s=60.0)).text == "2"


async def test_bad_answers_are_not_kept(plain: World) -> None:
    plain.adapter.moves = [replace(told("oops"), ok=False), told("fine")]
    await plain.guard.run(act(LARGE), keep_s=60.0)
    assert (await plain.guard.run(act(LARGE), keep_s=60.0)).text == "fine"


async def test_a_refused_action_gets_no_kept_answer(plain: World) -> None:
    plain.adapter.moves = [told("1")]
    await plain.guard.run(act(LARGE), keep_s=60.0)
    with pytest.raises(Denied):
        await plain.guard.run(act(LARGE, principal=Principal(ActorKind.USER, "eve")), keep_s=60.0)


class Broken:
    """A cache whose server is gone, or hangs."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    def key(self, action: Action, *, tapped: bool) -> AnswerKey:
        return AnswerKey(action.workspace, action.kind, f"{action.subject_hash} {tapped}")

    async def get(self, key: AnswerKey) -> Outcome | None:
        return await self._fail(key)

    async def put(self, key: AnswerKey, answer: Outcome, *, keep_s: float) -> None:
        del answer, keep_s
        await self._fail(key)

    async def _fail(self, key: AnswerKey) -> None:
        if self.hangs:
            await asyncio.sleep(600)
        raise ConnectionError(key.kind)


@pytest.mark.parametrize("hangs", [False, True])
async def test_the_system_works_while_the_cache_is_down(plain: World, *, hangs: bool) -> None:
    plain.guard.answers = Broken(hangs=hangs)
    plain.adapter.moves = [told("1"), told("2")]
    async with asyncio.timeout(60):
        assert (await plain.guard.run(act(LARGE), keep_s=60.0)).text == "1"
        assert (await plain.guard.run(act(LARGE), keep_s=60.0)).text == "2"
    assert plain.states() == ["ok", "ok"]


async def test_memory_is_bounded_and_a_newer_answer_replaces_an_older() -> None:
    clock = HandClock()
    answers = MemoryAnswers(clock.monotonic, most=10)
    keys = [AnswerKey(WORKSPACE, "fetch", str(number)) for number in range(30)]
    for key in keys:
        await answers.put(key, told(key.subject_hash), keep_s=60.0)
    kept = [key for key in keys if await answers.get(key)]
    assert kept == keys[-10:]
    await answers.put(keys[-1], told("newer"), keep_s=60.0)
    assert (await answers.get(keys[-1])) == told("newer")
