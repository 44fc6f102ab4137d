"""A key opens no way of its own: whatever comes in by one passes every check, as its agent, for its owner."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from remit.accounts.agent_orders import retire_agent
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, remove_limit, set_limit
from remit.accounts.budgets import Limit as Budget
from remit.accounts.key_orders import revoke_key
from remit.accounts.keys import Keys, KeyScope
from remit.accounts.kills import KillScope, Target, kill
from remit.accounts.people import Person as People
from remit.accounts.people import add_user
from remit.accounts.roles import Role
from remit.accounts.tables import BUDGET
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import rate_limits
from remit.guard.budget_audit import check_ledger
from remit.guard.budget_expiry import expire
from remit.guard.budget_limits import read_budgets
from remit.guard.guard import CHECKS
from remit.guard.rate_limits import Limit, Measure, Per
from remit.guard.rate_tables import RATE_TAKEN
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.decision import read_checks
from remit.kernel.effects import Deploy, Tool, Wire
from remit.kernel.errors import BudgetExceeded, Denied, RateLimited, RemitError, Unavailable
from remit.kernel.money import Money, usd

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, make_world
from .keyed import HELPER, answer, call, make_expired_key, make_key, model, register


@pytest.fixture
async def keyed(world: World) -> World:
    await register(world)
    await make_key(world)
    return world


async def refused(world: World, action: Action) -> str:
    """The reason for which it was refused, as it stands in its row; nothing was performed."""
    before = len(world.adapter.calls)
    with pytest.raises(RemitError):
        await world.guard.run(action)
    assert len(world.adapter.calls) == before
    [row] = [row for row in world.rows() if row["id"] == action.id]
    assert row["key"] == action.key
    return str(row["reason"])


async def test_a_call_by_a_key_passes_the_whole_guard_and_its_row_names_the_key(keyed: World) -> None:
    keyed.adapter.moves = [answer(tokens=10)]
    asked = call()
    await keyed.guard.run(asked)
    [row] = keyed.rows()
    assert (row["state"], row["key"], row["principal"], row["on_behalf_of"]) == ("ok", "app", str(HELPER), str(OWNER))
    assert len(read_checks(row["checks"])) == len(CHECKS)
    [entry] = keyed.audit("guard.intent")
    assert entry.header["actor"] == str(HELPER)


# One for each of the guard's checks: the same things hold back a key's call that hold back anybody's.


async def _killed(world: World) -> Action:
    target = Target(KillScope.AGENT, "helper")
    await kill(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    return call()


async def _retired(world: World) -> Action:
    await retire_agent(world.store, "helper", workspace=WORKSPACE, by=OWNER, reason="over", mask=str)
    return call()


async def _beyond_agent(world: World) -> Action:
    await register(world, "narrow", models=frozenset({"acme/small"}))
    await make_key(world, "wide", agent="narrow")  # the key says any model, its agent does not
    return replace(call(key="wide"), principal=Principal(ActorKind.AGENT, "narrow"))


async def _owner_without_rights(world: World) -> Action:
    await add_user(world.store, People(WORKSPACE, "vera", "Vera", role=Role.VIEWER), by=OWNER, clock=world.clock)
    await make_key(world, "veras", owner="vera")
    return replace(call(key="veras"), on_behalf_of=Principal(ActorKind.USER, "vera"))


async def _rule(world: World) -> Action:
    text = 'use: []\nrules:\n  - {id: no.acme, on: model, assert: "false", else: deny, message: "No."}\n'
    await save(world.store, text, workspace=WORKSPACE, name="r.yaml", reason="test", by=OWNER, clock=world.clock)
    return call()


async def _rule_asks(world: World) -> Action:
    text = 'use: []\nrules:\n  - {id: ask, on: model, assert: "false", else: require_approval, message: "Ask."}\n'
    await save(world.store, text, workspace=WORKSPACE, name="r.yaml", reason="test", by=OWNER, clock=world.clock)
    return call()


async def _circuit(world: World) -> Action:
    world.adapter.moves[:] = [Unavailable("not there")]
    for _ in range(5):
        with pytest.raises(RemitError):
            await world.guard.run(call())
    return call()


async def _rate(world: World) -> Action:
    limit = Limit("model.once", Per.AGENT, 1, 3600)
    await rate_limits.set_limit(world.store, limit, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    await world.guard.run(call())
    return call()


async def _budget(world: World) -> Action:
    await set_limit(world.store, BudgetScope.AGENT, workspace=WORKSPACE, name="helper", limit=Money(9), by=OWNER)
    return call(estimate=Money(10))


async def _no_price(world: World) -> Action:
    del world
    return call(priced=False)


HELD_BACK: dict[str, Callable[[World], Awaitable[Action]]] = {
    "identify.killed": _killed,
    "identify.inactive": _retired,
    "authorise.model": _beyond_agent,
    "authorise.role": _owner_without_rights,
    "rules.denied": _rule,
    "approval.needed": _rule_asks,
    "breaker.open": _circuit,
    "rate.exceeded": _rate,
    "budget.exceeded": _budget,
    "budget.unknown_price": _no_price,
}


@pytest.mark.parametrize("reason", list(HELD_BACK))
async def test_no_key_skips_a_check_not_even_an_owners(keyed: World, reason: str) -> None:
    action = await HELD_BACK[reason](keyed)  # Ada, who owns the workspace, owns the key too
    await keyed.guard.register.refresh(WORKSPACE)
    assert await refused(keyed, action) == reason


async def test_the_key_itself_is_asked_again_by_the_guard(keyed: World) -> None:
    await register(keyed, "coder")
    await make_expired_key(keyed, "soon")
    await make_key(keyed, "gone")
    await revoke_key(keyed.store, "gone", workspace=WORKSPACE, by=OWNER, clock=keyed.clock, reason="leaked")
    await keyed.guard.register.refresh(WORKSPACE)
    assert await refused(keyed, call(key="nobodys")) == "key.unknown"
    assert await refused(keyed, call(key="gone")) == "key.revoked"
    assert await refused(keyed, call(key="soon")) == "key.expired"
    assert await refused(keyed, replace(call(), principal=CODER)) == "key.another"
    assert await refused(keyed, replace(call(), principal=OWNER)) == "key.another"  # an owner has no master key
    assert await refused(keyed, replace(call(), on_behalf_of=HELPER)) == "key.another"


async def test_a_key_of_another_workspace_opens_nothing_here(keyed: World) -> None:
    action = replace(call(), workspace="elsewhere")
    with pytest.raises(RemitError) as caught:
        await keyed.guard.run(action)
    assert caught.value.code == "guard.no_owner"


async def test_a_key_opens_its_models_and_scopes_and_never_more_than_models_and_tools(world: World) -> None:
    everything = frozenset({"model", "tool", "deploy"})
    await register(world, effects=everything, tools=frozenset({"*"}))
    await make_key(world, "chat", scopes=frozenset({KeyScope.CHAT}), models=frozenset({"acme/la*"}))
    await make_key(world, "claude", scopes=frozenset({KeyScope.MESSAGES}))
    await make_key(world, "tools", scopes=frozenset({KeyScope.TOOLS}))
    await world.guard.run(call(key="chat"))
    await world.guard.run(call(model(wire=Wire.COUNT_TOKENS), key="claude"))
    await world.guard.run(call(Tool("files/read", {}), key="tools"))
    assert await refused(world, call(model("acme/small"), key="chat")) == "key.model"
    assert await refused(world, call(model(wire=Wire.MESSAGES), key="chat")) == "key.scope"
    assert await refused(world, call(Tool("files/read", {}), key="chat")) == "key.scope"
    assert await refused(world, call(model(), key="tools")) == "key.scope"
    for key in ("chat", "tools"):
        assert await refused(world, call(Deploy("production", {}), key=key, effect_key="k")) == "key.scope"


async def test_revoked_in_one_process_refused_in_another_within_250_ms(keyed: World) -> None:
    other = await make_world(keyed.store)
    await other.guard.register.refresh(WORKSPACE)
    await other.guard.run(call())
    await revoke_key(keyed.store, "app", workspace=WORKSPACE, by=OWNER, clock=keyed.clock, reason="leaked")
    pace = Pace()
    said = ""
    while not said:
        try:
            await other.guard.run(call())
        except Denied as denied:
            said = denied.code
    assert pace.spent() < 0.35, "250 ms, and a call's own time"
    assert said == "guard.revoked"
    await other.settled()


async def test_a_token_leads_to_the_key_that_the_guard_knows(keyed: World) -> None:
    token = await make_key(keyed, "second")
    found = await Keys(keyed.journal, keyed.clock).find(token)
    assert found is not None
    await keyed.guard.run(replace(call(key=found.id), principal=found.principal, on_behalf_of=found.on_behalf_of))
    assert keyed.states() == ["ok"]


# -------------------------------------------------------------------------------------------------------------- budgets


async def budget(world: World, amount: str, name: str = "app") -> None:
    await set_limit(world.store, BudgetScope.KEY, workspace=WORKSPACE, name=name, limit=usd(amount), by=OWNER)


def counters(world: World, name: str = "app") -> tuple[int, int]:
    [row] = [row for row in world.rows(BUDGET) if (row["scope"], row["name"]) == ("key", name)]
    return row["spent"], row["reserved"]


def adds_up(world: World) -> None:
    assert world.store.view(lambda tx: check_ledger(tx, tx, WORKSPACE)) == []


async def test_a_keys_budget_holds_that_key_and_no_other(keyed: World) -> None:
    await make_key(keyed, "other")
    await budget(keyed, "0.10")
    keyed.adapter.moves = [answer(usd("0.06"), tokens=10)]
    await keyed.guard.run(call(estimate=usd("0.08")))
    assert counters(keyed) == (60_000, 0)
    with pytest.raises(BudgetExceeded) as caught:
        await keyed.guard.run(call(estimate=usd("0.05")))
    assert "the budget of key app" in caught.value.message.lower()
    assert "remit keys budget app USD" in caught.value.message
    await keyed.guard.run(call(key="other", estimate=usd("0.05")))
    await keyed.guard.run(act(model(), principal=HELPER, mission="", estimate=usd("0.05")))
    assert counters(keyed) == (60_000, 0)
    adds_up(keyed)


async def test_a_keys_budget_set_late_counts_what_was_spent_and_shows_where_it_leads(keyed: World) -> None:
    keyed.adapter.moves = [answer(usd("0.06"), tokens=10)]
    await keyed.guard.run(call(estimate=usd("0.08")))
    await budget(keyed, "0.10")
    assert counters(keyed) == (60_000, 0)
    now_us = micros_of(keyed.clock.now())
    [view] = keyed.store.view(lambda tx: read_budgets(tx, WORKSPACE, now_us=now_us))
    assert (str(view.limit), view.forecast.burned) == ("the budget of key app", usd("0.06"))
    await remove_limit(keyed.store, Budget(BudgetScope.KEY, "app"), workspace=WORKSPACE, by=OWNER)
    await keyed.guard.run(call(estimate=usd("0.08")))
    adds_up(keyed)


async def test_an_overspent_key_is_refused_even_what_is_free(keyed: World) -> None:
    await budget(keyed, "0.10")
    keyed.adapter.moves = [answer(usd("0.30"), tokens=10)]  # its estimate was far too low
    await keyed.guard.run(call(estimate=usd("0.01")))
    await keyed.guard.register.refresh(WORKSPACE)
    assert await refused(keyed, call()) == "budget.exceeded"
    adds_up(keyed)


# --------------------------------------------------------------------------------------------------------------- limits


async def limit(world: World, amount: int, measure: Measure = Measure.REQUESTS, name: str = "app") -> None:
    made = Limit(f"key.{name}.{measure.value}", Per.KEY, amount, 60, measure=measure, key=name)
    await rate_limits.set_limit(world.store, made, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


async def test_a_keys_own_limit_holds_that_key_and_no_other(keyed: World) -> None:
    await make_key(keyed, "other")
    await limit(keyed, 2)
    await keyed.guard.run(call())
    await keyed.guard.run(call())
    with pytest.raises(RateLimited) as caught:
        await keyed.guard.run(call())
    assert "for the key app" in caught.value.message
    assert caught.value.retry_after is not None
    for _ in range(3):
        await keyed.guard.run(call(key="other"))


async def test_a_limit_per_key_is_each_keys_own(keyed: World) -> None:
    await make_key(keyed, "other")
    made = Limit("keys.minute", Per.KEY, 1, 60)
    await rate_limits.set_limit(keyed.store, made, workspace=WORKSPACE, by=OWNER, clock=keyed.clock)
    await keyed.guard.register.refresh(WORKSPACE)
    for key in ("app", "other"):
        await keyed.guard.run(call(key=key))
        assert await refused(keyed, call(key=key)) == "rate.exceeded"
    await keyed.guard.run(act(model(), principal=HELPER, mission=""))  # no key, not limited by it


async def test_tokens_are_reserved_before_and_put_right_by_the_answer(keyed: World) -> None:
    asked = call()
    estimate = rate_limits.estimate(asked, Measure.TOKENS)
    assert estimate > 50
    await limit(keyed, estimate * 2, Measure.TOKENS)
    keyed.adapter.moves = [answer(tokens=10)]
    for _ in range(5):  # each reserves half of all, and gives back what it did not use
        await keyed.guard.run(call())
    keyed.adapter.moves = [answer(tokens=estimate * 2 - 50)]
    await keyed.guard.run(call())
    assert await refused(keyed, call()) == "rate.exceeded"


async def test_what_is_refused_eats_no_quota(keyed: World) -> None:
    await limit(keyed, 1)
    await limit(keyed, 10_000, Measure.TOKENS)
    await budget(keyed, "0.01")
    for _ in range(3):
        assert await refused(keyed, call(estimate=usd("1"))) == "budget.exceeded"
        assert await refused(keyed, call(model("other/x"), key="unknown")) == "key.unknown"
    huge = call(model(request={"max_tokens": 1_000_000}))
    assert await refused(keyed, huge) == "rate.exceeded"
    assert keyed.rows(RATE_TAKEN) == []
    assert counters(keyed) == (0, 0)
    await keyed.guard.run(call(estimate=usd("0.01")))  # the one request is still there, and all of the money


async def test_a_request_for_more_answers_reserves_more_and_one_without_an_answer_none() -> None:
    one = rate_limits.estimate(call(), Measure.TOKENS)
    five = rate_limits.estimate(call(model(request={"n": 5})), Measure.TOKENS)
    assert five >= one + 200
    counting = rate_limits.estimate(call(model(wire=Wire.COUNT_TOKENS)), Measure.TOKENS)
    assert counting <= one - 40


async def test_a_dead_process_leaves_nothing_reserved_of_a_key(keyed: World) -> None:
    await budget(keyed, "0.10")
    await limit(keyed, 5)
    keyed.guard.owner = "gone"
    permit = keyed.guard.admit(call(estimate=usd("0.04")))
    await permit.__aenter__()  # and then its process dies
    await keyed.store.commit(
        "guard.budget", lambda _tx: None
    )  # so its intent is written, which goes on beside the call
    assert counters(keyed) == (0, 40_000)

    now_us = micros_of(keyed.clock.now())
    await expire(keyed.store, WORKSPACE, alive=lambda owner: owner != "gone", alone=True, now_us=now_us)
    assert counters(keyed) == (40_000, 0)
    assert keyed.rows(RATE_TAKEN) == []
    adds_up(keyed)


async def test_at_its_period_end_a_keys_budget_begins_anew(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await register(world)
    await make_key(world)
    await set_limit(
        world.store,
        BudgetScope.KEY,
        workspace=WORKSPACE,
        name="app",
        limit=usd("0.10"),
        by=OWNER,
        period=Period.DAY,
        clock=clock,
    )
    world.adapter.moves = [answer(usd("0.10"), tokens=1)]
    await world.guard.run(call(estimate=usd("0.10")))
    assert await refused(world, call(estimate=usd("0.01"))) == "budget.exceeded"
    clock.advance(86_400)
    await world.guard.run(call(estimate=usd("0.10")))
    await world.settled()
