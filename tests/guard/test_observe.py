"""Observe-only decides, records and counts, and blocks nothing but kills, keys that don't hold and the unreadable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.gateway_policy import GatewayPolicy, GatewayState, read_policy, set_policy, switches
from remit.accounts.key_orders import revoke_key
from remit.accounts.kills import KillScope, Target, kill
from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person as People
from remit.accounts.people import add_user
from remit.accounts.roles import Role
from remit.accounts.tables import BUDGET
from remit.audit.refusal import Refused
from remit.guard import observe, rate_limits
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.measures import measure
from remit.guard.rate_limits import Limit, Per
from remit.guard.rate_tables import RATE_TAKEN
from remit.guard.records import State
from remit.guard.rules.revisions import save
from remit.guard.scene import Scene, Standing
from remit.guard.why import why
from remit.kernel import permits
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import TRAITS, Command, Deploy, Effect, Fetch, Notify, Order, Publish, Tool, WriteFiles
from remit.kernel.errors import InvalidInput, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import Money, usd
from remit.kernel.permits import Head

from .fakes import OWNER, WORKSPACE, World, act
from .keyed import HELPER, answer, call, make_key, model, policy, register

SECRET = "ghp_" + "x9K2" * 9
RULE = 'use: []\nrules:\n  - {id: no.more, on: KIND, assert: "false", else: ELSE, message: "Not this."}\n'


@pytest.fixture
async def keyed(world: World) -> World:
    await register(world, effects=frozenset({"model", "tool"}), tools=frozenset({"*"}))
    await make_key(world)
    return world


async def rule(world: World, otherwise: str = "deny", kind: str = "model") -> None:
    text = RULE.replace("ELSE", otherwise).replace("KIND", kind)
    await save(world.store, text, workspace=WORKSPACE, name="r.yaml", reason="test", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


async def money(world: World, micros: int) -> None:
    scope = BudgetScope.KEY
    await set_limit(world.store, scope, workspace=WORKSPACE, name="app", limit=Money(micros), by=OWNER)
    await world.guard.register.refresh(WORKSPACE)


async def once(world: World) -> None:
    limit = Limit("key.app.requests", Per.KEY, 1, 3600, key="app")
    await rate_limits.set_limit(world.store, limit, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


def row_of(world: World, action: Action) -> Any:
    [row] = [row for row in world.rows() if row["id"] == action.id]
    return row


def observed(world: World) -> list[tuple[str, str]]:
    return [(entry.header["subject"], entry.header["reason"]) for entry in world.audit("guard.observed")]


# --------------------------------------------------------------------------------------------------------------- policy


async def test_the_policy_is_careful_unless_somebody_says_otherwise(world: World) -> None:
    shown = world.store.view(lambda tx: read_policy(tx, WORKSPACE))
    assert shown == GatewayPolicy()
    assert shown.as_json() == {
        "redaction": "on",
        "mode": "enforce",
        "unknown_price": "install",
        "approval": "wait",
        "on_full": "block",
        "tool_calls": "inspect",
        "stored": "refuse",
        "cache": "off",
        "revision": 0,
    }
    assert {name: words[0] for name, words in switches().items()} | {"revision": 0} == shown.as_json()


async def test_each_change_is_a_revision_in_the_log_and_in_force_at_the_next_check(world: World) -> None:
    await policy(world, redaction="off")
    await policy(world, mode="observe", unknown_price="warn")
    known = world.guard.register.known(WORKSPACE)
    assert known is not None
    found = known.gateway.policy
    assert (found.redaction, found.observing, found.revision) == (False, True, 2)
    first, second = world.audit("accounts.gateway.set")
    assert second.payload is not None
    assert second.payload["before"] == {**first.payload["after"]}  # type: ignore[index]
    assert second.payload["after"]["mode"] == "observe"


async def test_only_admins_set_the_policy_and_agents_never(keyed: World) -> None:
    await add_user(keyed.store, People(WORKSPACE, "mia", "Mia", role=Role.MEMBER), by=OWNER, clock=keyed.clock)
    for who in (HELPER, Principal(ActorKind.USER, "mia"), Principal(ActorKind.USER, "nobody")):
        with pytest.raises(Refused):
            await set_policy(keyed.store, {"mode": "observe"}, workspace=WORKSPACE, by=who, clock=keyed.clock)
    for words in ({"mode": "loose"}, {"mod": "observe"}, {"redaction": ""}):
        with pytest.raises(InvalidInput):
            await set_policy(keyed.store, words, workspace=WORKSPACE, by=OWNER, clock=keyed.clock)
    assert keyed.store.view(lambda tx: read_policy(tx, WORKSPACE)).revision == 0


# -------------------------------------------------------------------------------------------------------------- observe


async def _by_rule(world: World) -> Action:
    await rule(world)
    return call()


async def _by_asking(world: World) -> Action:
    await rule(world, "require_approval")
    return call()


async def _by_terms(world: World) -> Action:
    world.guard.approvals = ApprovalTerms(over=usd("0.01"), domains=frozenset({"model"}))
    return call(estimate=usd("5"))


async def _by_money(world: World) -> Action:
    await money(world, 10)
    return call(estimate=Money(11))


async def _by_overspending(world: World) -> Action:
    await money(world, 10)
    world.adapter.moves = [answer(Money(50), tokens=5)]
    await world.guard.run(call(estimate=Money(5)))
    await world.guard.register.refresh(WORKSPACE)
    return call()


async def _by_rate(world: World) -> Action:
    await once(world)
    await world.guard.run(call())
    return call()


async def _by_price(world: World) -> Action:
    del world
    return call(priced=False)


async def _by_tool(world: World) -> Action:
    await rule(world, kind="tool")
    return call(Tool("files/delete", {"path": "x"}), key="")


async def _by_secret(world: World) -> Action:
    del world
    return call(Tool("web/post", {"text": f"key {SECRET}"}), key="")


SEEN: dict[str, Callable[[World], Awaitable[Action]]] = {
    "rules.denied": _by_rule,
    "rules.approval": _by_asking,
    "approval.needed": _by_terms,
    "budget.exceeded": _by_money,
    "budget.exceeded (overspent)": _by_overspending,
    "rate.exceeded": _by_rate,
    "budget.unknown_price": _by_price,
    "rules.denied (tool)": _by_tool,
    "scan.secret": _by_secret,
}


@pytest.mark.parametrize("reason", list(SEEN))
async def test_what_would_have_been_refused_goes_on_and_is_told(keyed: World, reason: str) -> None:
    action = await SEEN[reason](keyed)
    with pytest.raises(RemitError):  # as long as it is enforced
        await keyed.guard.run(action)
    asked = len(keyed.audit("approval.requested"))
    await policy(keyed, mode="observe")
    again = call(action.effect, key=action.key, estimate=action.estimate, priced=action.priced)
    keyed.adapter.moves = [answer(action.estimate, tokens=5)]
    assert (await keyed.guard.run(again)).ok
    check, why_not = reason.partition(" ")[0].split(".")
    assert (again.id, f"observed.{check}.{why_not}") in observed(keyed)
    story = await why(keyed.store, again.id, workspace=WORKSPACE)
    told = [each for each in story.actions[0].checks if each["reason"] == f"observed.{why_not}"]
    assert [each["check"] for each in told] == [check]
    assert "would have been" in told[0]["detail"].lower()
    assert row_of(keyed, again)["state"] == State.OK.value
    counts = keyed.store.view(lambda tx: measure(tx, WORKSPACE)).observed
    assert counts[check, why_not] == 1
    assert len(keyed.audit("approval.requested")) == asked  # nobody is asked for what goes on anyway
    await policy(keyed, mode="enforce")
    with pytest.raises(RemitError):
        await keyed.guard.run(call(action.effect, key=action.key, estimate=action.estimate, priced=action.priced))


async def test_money_and_rates_are_counted_though_they_do_not_fit(keyed: World) -> None:
    await policy(keyed, mode="observe")
    await once(keyed)
    await money(keyed, 10)
    keyed.adapter.moves = [answer(Money(7), tokens=5)]
    for _ in range(3):
        await keyed.guard.run(call(estimate=Money(8)))
    [row] = [row for row in keyed.rows(BUDGET) if row["scope"] == "key"]
    assert (row["spent"], row["reserved"]) == (21, 0)
    assert sorted({reason for _, reason in observed(keyed)}) == ["observed.budget.exceeded", "observed.rate.exceeded"]
    assert keyed.rows(RATE_TAKEN) == []  # settled, each of them
    await policy(keyed, mode="enforce")
    with pytest.raises(RemitError):
        await keyed.guard.run(call())


async def test_both_overruns_of_one_call_are_told(keyed: World) -> None:
    await policy(keyed, mode="observe")
    await once(keyed)
    await keyed.guard.run(call())
    await money(keyed, 10)
    last = call(estimate=Money(11))
    await keyed.guard.run(last)
    assert sorted(reason for action, reason in observed(keyed) if action == last.id) == [
        "observed.budget.exceeded",
        "observed.rate.exceeded",
    ]


async def _killed(world: World) -> Action:
    target = Target(KillScope.AGENT, "helper")
    await kill(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    return call()


async def _revoked(world: World) -> Action:
    await revoke_key(world.store, "app", workspace=WORKSPACE, by=OWNER, clock=world.clock, reason="leaked")
    return call()


async def _unknown(world: World) -> Action:
    del world
    return call(key="nobodys")


async def _unregistered(world: World) -> Action:
    del world
    return act(model(), principal=Principal(ActorKind.AGENT, "stranger"), mission="")


async def _open(world: World) -> Action:
    world.adapter.moves[:] = [Unavailable("not there")]
    for _ in range(5):
        with pytest.raises(RemitError):
            await world.guard.run(call())
    return call()


async def _registered_secret(world: World) -> Action:
    world.redactor.register("Wq7-providers-own-key-83hd")
    return call(Tool("web/post", {"text": "Wq7-providers-own-key-83hd"}), key="")


STILL: dict[str, Callable[[World], Awaitable[Action]]] = {
    "identify.killed": _killed,
    "key.revoked": _revoked,
    "key.unknown": _unknown,
    "identify.unknown_agent": _unregistered,
    "breaker.open": _open,
    "scan.secret": _registered_secret,
}


@pytest.mark.parametrize("reason", list(STILL))
async def test_what_is_no_judgement_refuses_all_the_same(keyed: World, reason: str) -> None:
    await policy(keyed, mode="observe")
    action = await STILL[reason](keyed)
    await keyed.guard.register.refresh(WORKSPACE)
    calls = len(keyed.adapter.calls)
    with pytest.raises(RemitError):
        await keyed.guard.run(action)
    assert len(keyed.adapter.calls) == calls
    assert row_of(keyed, action)["reason"] == reason


async def test_what_cannot_be_read_refuses_all_the_same(keyed: World) -> None:
    await policy(keyed, mode="observe")
    await asyncio.sleep(0.3)
    keyed.journal.failing.add("read")
    with pytest.raises(Unavailable):
        await keyed.guard.run(call())
    assert keyed.adapter.calls == []


WORLDLY: dict[str, Effect] = {
    "deploy": Deploy("production", {}),
    "order": Order("broker", {}),
    "publish": Publish("site", {}),
    "command": Command(("ls",)),
    "files": WriteFiles({"a": b""}),
    "fetch": Fetch("https://example.com/"),
    "notify": Notify("log", "s", "b"),
    "tool": Tool("echo", {}),  # one of Remit's own
}


@pytest.mark.parametrize("kind", list(WORLDLY))
async def test_what_changes_the_world_is_never_only_observed(keyed: World, kind: str) -> None:
    await policy(keyed, mode="observe")
    await rule(keyed, kind=kind)
    with pytest.raises(RemitError):
        await keyed.guard.run(act(WORLDLY[kind], mission="", key="k"))
    with pytest.raises(RemitError):  # and no tool of a mission, whatever it is called
        await keyed.guard.run(act(Tool("web/post", {}) if kind == "tool" else WORLDLY[kind], key="k2"))
    assert keyed.adapter.calls == []
    assert observed(keyed) == []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    kind=st.sampled_from(sorted(WORLDLY)),
    name=st.sampled_from(sorted({name for name, _ in observe.OBSERVED} | {"identify", "key", "breaker", "authorise"})),
    reason=st.sampled_from(sorted({reason for _, reason in observe.OBSERVED} | {"unreadable", "killed", "unscanned"})),
    verdict=st.sampled_from([Verdict.DENY, Verdict.NEEDS_APPROVAL]),
)
def test_no_verdict_about_the_world_changes_whatever_the_policy(
    kind: str, name: str, reason: str, verdict: Verdict
) -> None:
    action = act(WORLDLY[kind], mission="")
    scene: Any = Scene.__new__(Scene)
    scene.standing = Standing("ada", gateway=GatewayState(GatewayPolicy(mode="observe")))  # type: ignore[arg-type]
    scene.observed = []
    said = Check(name, verdict, reason, "because")
    assert observe.judged(action, scene, said) is said


def test_every_kind_is_either_observed_or_of_the_world() -> None:
    assert {"model", "tool"} == observe.KINDS
    assert set(TRAITS) == observe.KINDS | set(WORLDLY)


async def test_another_workspaces_policy_changes_nothing_here(keyed: World) -> None:
    row = {"mode": "observe"}
    await create_local_owner(keyed.journal, workspace="other", user="ada", name="Ada", clock=keyed.clock)
    await set_policy(keyed.store, row, workspace="other", by=OWNER, clock=keyed.clock)
    await rule(keyed)
    with pytest.raises(RemitError):
        await keyed.guard.run(call())


# ------------------------------------------------------------------------------------------------------------ redaction


async def test_redaction_off_leaves_prompts_as_they_are_and_every_verdict_says_so(keyed: World) -> None:
    said = model(request={"messages": [{"role": "user", "content": f"my key is {SECRET}"}]})
    await keyed.guard.run(call(said))
    assert SECRET not in str(keyed.adapter.calls[-1].effect)
    await policy(keyed, redaction="off")
    for effect in (said, model()):
        asked = call(effect)
        await keyed.guard.run(asked)
        assert keyed.adapter.calls[-1].effect is effect
        story = await why(keyed.store, asked.id, workspace=WORKSPACE)
        [check] = [each for each in story.actions[0].checks if each["check"] == "scan"]
        assert check["reason"] == "off"
        assert check["detail"].startswith("redaction: off")
    assert SECRET not in str([entry.payload for entry in keyed.audit()])


async def test_redaction_off_never_lets_a_registered_value_out(keyed: World) -> None:
    own = "Wq7-providers-own-key-83hd"
    keyed.redactor.register(own)
    await policy(keyed, redaction="off")
    said = model(request={"messages": [{"role": "user", "content": f"use {own} and {SECRET}"}]}, body=own.encode())
    await keyed.guard.run(call(said))
    sent = keyed.adapter.calls[-1].effect
    assert own not in str(sent)
    assert SECRET not in str(sent)


async def test_redaction_off_holds_for_models_alone(keyed: World) -> None:
    await policy(keyed, redaction="off")
    with pytest.raises(RemitError):
        await keyed.guard.run(call(Tool("web/post", {"text": SECRET}), key=""))
    await keyed.guard.run(act(Notify("log", "s", SECRET)))
    assert SECRET not in str(keyed.adapter.calls[-1].effect)


class Sink:
    """A client that keeps nothing."""

    async def begin(self, head: Head) -> None:
        del head

    async def write(self, data: bytes) -> None:
        del data


@pytest.mark.parametrize("word", ["on", "off"])
async def test_the_adapter_is_told_whether_the_answer_passes_as_it_is(keyed: World, word: str) -> None:
    plain: list[bool] = []

    async def look(_: Action) -> Outcome:
        delivery = permits.delivery()
        assert delivery is not None
        plain.append(delivery.plain)
        return answer()

    keyed.adapter.moves = [look]
    await policy(keyed, redaction=word)
    await keyed.guard.run(call(), tap=Sink())
    assert plain == [word == "off"]


async def test_an_unknown_price_is_what_the_workspace_says(keyed: World) -> None:
    with pytest.raises(RemitError):
        await keyed.guard.run(call(priced=False))
    await policy(keyed, unknown_price="warn")
    await keyed.guard.run(call(priced=False))
    await policy(keyed, unknown_price="refuse")
    with pytest.raises(RemitError):
        await keyed.guard.run(call(priced=False))
    await policy(keyed, unknown_price="ceiling")  # and the install names no ceiling: nothing to reserve, so refused
    with pytest.raises(RemitError):
        await keyed.guard.run(call(priced=False))
    await policy(keyed, unknown_price="warn")
    with pytest.raises(RemitError):  # what is no model is priced as the install says
        await keyed.guard.run(call(Tool("web/x", {}), key="", priced=False))
