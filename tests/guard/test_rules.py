"""The guard's check of the rules: what they decide of an action, which revision decided, and that nothing gets by."""

import asyncio
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert

from remit.accounts.agents import Agent, register_agent
from remit.accounts.break_glass import Lift, Lifts, confirm_glass, request_glass
from remit.accounts.kills import KillScope
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.guard.evidence import Evidence, attest, record
from remit.guard.rule_tables import RULE_REVISION
from remit.guard.rules.explain import Said, explain
from remit.guard.rules.facts import CUT, MOST_FACTS
from remit.guard.rules.resolving import SHIPPED, prepare
from remit.guard.rules.revisions import (
    InForce,
    Origin,
    Revision,
    history,
    in_force,
    install_shipped,
    newest_revision,
    restore,
    save,
)
from remit.guard.rules.shadow import Trial, try_on_recorded
from remit.guard.scene import Standing
from remit.guard.why import why
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.decision import read_checks
from remit.kernel.effects import Command, Effect, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles
from remit.kernel.errors import Conflict, Denied, IntegrityError, InvalidInput, NotFound, RemitError
from remit.kernel.finding import Finding, Severity
from remit.kernel.money import usd

from .fakes import CODER, OWNER, WORKSPACE, World, act, deploy, make_store, make_world

TICK = count(1)
SECRET = "ghp_" + "x9K2" * 9
PAPER = {"stop_loss": 95.0, "position_size": 0.05, "leverage": 1.0, "daily_loss": 0.0}


def rules(*each: str, head: str = "use: []\n") -> str:
    return head + "rules:\n" + "".join(f"  - {{{rule}, message: 'a rule'}}\n" for rule in each)


async def put(world: World, text: str, *, reason: str = "test") -> Revision:
    made = await save(world.store, text, workspace=WORKSPACE, name="r.yaml", reason=reason, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    return made


def judged(critic: str, *, mission: str = "m1", subject: str = "", holds: bool = True) -> Evidence:
    return Evidence(WORKSPACE, mission, critic, subject, holds, (), "step:check", next(TICK))


async def passed(world: World, *critics: str, mission: str = "m1", subject: str = "", failed: str = "") -> None:
    for critic in (*critics, *([failed] if failed else [])):
        piece = judged(critic, mission=mission, subject=subject, holds=critic != failed)
        await world.store.commit("guard.evidence", lambda tx, piece=piece: record(tx, piece))


async def refused(world: World, effect: Effect, *, key: str = "k", mission: str = "m1", cost: str = "0") -> str:
    action = act(effect, key=key, mission=mission, estimate=usd(cost))
    with pytest.raises(RemitError) as caught:
        await world.guard.run(action)
    return caught.value.message


def checks(world: World, action: Action) -> list[dict[str, str]]:
    [row] = [row for row in world.rows() if row["id"] == action.id]
    found: list[dict[str, str]] = [check for check in read_checks(row["checks"]) if check["check"] == "rules"]
    return found


def row_of(world: World, action: Action) -> Any:
    return next(row for row in world.rows() if row["id"] == action.id)


@pytest.fixture
async def shipped_world(tmp_path: Path) -> Any:
    with make_store(tmp_path) as store:
        world = await make_world(store, rules=SHIPPED)
        yield world
        await world.settled()


async def test_a_deploy_waits_for_tests_scan_review_and_smoke(shipped_world: World) -> None:
    world = shipped_world
    said = await refused(world, deploy())
    for words in ("tests of this release", "security scan", "review", "smoke test"):
        assert words in said
    await passed(world, "tests", "security", "smoke")
    said = await refused(world, deploy())
    assert "Nobody approved a review" in said
    assert "tests" not in said
    assert "remit policy attest review" in said
    await attest(
        world.store,
        "review",
        workspace=WORKSPACE,
        mission="m1",
        subject="",
        passed=True,
        reason="read it",
        by=OWNER,
        clock=world.clock,
    )
    done = await world.guard.run(act(deploy(), key="k"))
    assert done.ok


async def test_a_critical_finding_or_a_failed_critic_stops_a_deploy(shipped_world: World) -> None:
    world = shipped_world
    await passed(world, "tests", "review", "smoke")
    bad = Finding("vulnerability", Severity.CRITICAL, "CVE", "requirements.txt:3", "upgrade")
    piece = replace(judged("security"), findings=(bad,))
    await world.store.commit("guard.evidence", lambda tx: record(tx, piece))
    said = await refused(world, deploy())
    assert "Critical findings: 1" in said
    await passed(world, "security")
    await passed(world, failed="style")
    assert "Critics of this release that failed: 1" in await refused(world, deploy())


async def test_an_agent_does_not_pass_the_rules_by_as_if_it_took_something_back(shipped_world: World) -> None:
    world = shipped_world
    agent = Agent(WORKSPACE, "coder", OWNER.id, "coder", "", frozenset({"deploy"}))
    await register_agent(world.store, agent, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    release = deploy()
    forged = type(release)(release.target, release.release, compensates="an action")
    with pytest.raises(Denied, match="tests of this release"):
        await world.guard.run(act(forged, principal=CODER, key="k"))


async def test_evidence_about_another_release_does_not_count(shipped_world: World) -> None:
    world = shipped_world
    await passed(world, "tests", "security", "review", "smoke", subject="tree1")
    release = deploy()
    one = type(release)(release.target, {"tree": "tree1"})
    two = type(release)(release.target, {"tree": "tree2"})
    assert (await world.guard.run(act(one, key="k1"))).ok
    assert "tests of this release" in await refused(world, two, key="k2")


async def test_an_order_is_on_paper_until_four_people_have_spoken(shipped_world: World) -> None:
    world = shipped_world
    assert "backtest" in await refused(world, Order("broker", PAPER))
    await passed(world, "backtest", "walk_forward")
    assert (await world.guard.run(act(Order("broker", PAPER), key="k1"))).ok
    said = await refused(world, Order("broker", {**PAPER, "mode": "real"}))
    for words in ("compliance", "KYC", "jurisdiction", "risks"):
        assert words in said
    await passed(world, "compliance", "kyc", "jurisdiction", "risk_ack", mission="")
    real = Order("broker", {**PAPER, "mode": "real"})
    assert "stop-loss" in await refused(world, Order("broker", {**PAPER, "stop_loss": None}), key="k3")
    assert "at most 0.1" in await refused(world, Order("broker", {**PAPER, "position_size": 0.11}), key="k4")
    assert (await world.guard.run(act(real, key="k5"))).ok
    await passed(world, failed="review")
    assert "on paper only" in await refused(world, Order("broker", {**PAPER, "mode": "real"}), key="k6")
    assert (await world.guard.run(act(Order("broker", PAPER), key="k7"))).ok


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1.0", True, None, 10**400, [1]])
async def test_a_number_that_is_none_refuses_an_order(shipped_world: World, value: Any) -> None:
    world = shipped_world
    await passed(world, "backtest", "walk_forward")
    said = await refused(world, Order("broker", {**PAPER, "leverage": str(value) if value == 10**400 else value}))
    assert "trade.leverage" in said


async def test_publishing_needs_all_four_checks(shipped_world: World) -> None:
    world = shipped_world
    await passed(world, "style", "copyright", "content")
    assert "personal data" in await refused(world, Publish("site", {"kind": "film"}))
    await passed(world, "pii")
    assert (await world.guard.run(act(Publish("site", {"kind": "film"}), key="k2"))).ok


async def test_fetching_keeps_to_its_lists(shipped_world: World) -> None:
    world = shipped_world
    assert (await world.guard.run(act(Fetch("https://en.wikipedia.org/wiki/Remit")))).ok
    assert "deny list" in await refused(world, Fetch("https://m.facebook.com/"))
    assert "no allow list" in await refused(world, Fetch("https://example.org/"))


async def test_ten_dollars_need_nobody_and_more_needs_a_person(shipped_world: World) -> None:
    world = shipped_world
    assert (await world.guard.run(act(estimate=usd("10")))).ok
    action = act(estimate=usd("10.000001"))
    with pytest.raises(RemitError):
        await world.guard.run(action)
    [said] = checks(world, action)
    assert said["verdict"] == "needs_approval"
    assert "above 10 a person decides" in said["detail"]
    assert len(world.adapter.calls) == 1


async def test_what_the_build_pack_does_needs_no_evidence(shipped_world: World) -> None:
    world = shipped_world
    for effect in (
        WriteFiles({"a.py": b"x = 1\n"}),
        Command(("python", "-m", "pytest")),
        Notify("https://example.org/hook", "done", "it is done"),
        Model("openai", "gpt", {"messages": [{"role": "user", "content": "hello"}]}),
        Tool("search", {"q": "x"}),
    ):
        assert (await world.guard.run(act(effect))).ok
    assert "read" not in world.journal.names


async def test_the_strongest_rule_wins_and_every_one_is_told(world: World) -> None:
    await put(
        world,
        rules(
            "id: a.warn, on: tool, assert: 'hour > 24', else: warn",
            "id: a.ask, on: '*', assert: 'hour > 24', else: require_approval",
            "id: a.deny, on: tool, assert: 'hour > 24', else: deny",
            "id: a.other, on: fetch, assert: 'hour > 24', else: deny",
            "id: a.holds, on: tool, assert: 'hour < 24', else: deny",
        ),
    )
    said = await refused(world, Tool("echo"))
    assert said == "a.deny: a rule a.ask: a rule a.warn: a rule"


async def test_a_warning_lets_it_through_and_is_told(world: World) -> None:
    await put(world, rules("id: a.warn, on: tool, assert: 'hour > 24', else: warn"))
    action = act()
    assert (await world.guard.run(action)).ok
    assert checks(world, action) == [
        {"check": "rules", "verdict": "allow", "reason": "warned", "detail": "a.warn: a rule"}
    ]
    story = await why(world.store, action.id, workspace=WORKSPACE)
    assert "a.warn: a rule" in story.text()


async def test_a_rule_that_can_not_be_asked_denies_even_when_it_only_warns(world: World) -> None:
    await put(world, rules("id: a.warn, on: model, assert: 'model.max_tokens < 100', else: warn"))
    said = await refused(world, Model("openai", "gpt", {}))
    assert "model.max_tokens has no value" in said
    assert (await world.guard.run(act(Model("openai", "gpt", {"max_tokens": 99})))).ok


async def test_a_condition_that_can_not_be_asked_denies(world: World) -> None:
    await put(world, rules("id: a.b, on: model, when: 'model.max_tokens > 5', assert: 'true', else: warn"))
    assert "no value" in await refused(world, Model("openai", "gpt", {}))


async def test_agents_are_judged_by_kind_and_team(world: World) -> None:
    agent = Agent(WORKSPACE, "coder", OWNER.id, "coder", "", frozenset({"tool"}), frozenset({"*"}))
    await register_agent(world.store, agent, by=OWNER, clock=world.clock)
    await put(world, rules("id: a.b, on: tool, assert: 'agent.kind != \"coder\"', else: deny"))
    with pytest.raises(Denied):
        await world.guard.run(act(principal=CODER))
    assert (await world.guard.run(act())).ok


async def test_values_in_messages_are_masked_and_cut(world: World) -> None:
    await put(
        world,
        "use: []\nrules:\n  - {id: a.b, on: notify, assert: 'notify.characters < 1', else: deny,"
        " message: 'It says {notify.subject}'}\n",
    )
    said = await refused(world, Notify("https://example.org", f"{SECRET} " + "y" * 300, "b"))
    assert SECRET not in said
    assert "REDACTED" in said
    assert len(said) < 250
    assert SECRET not in "".join(str(row) for row in world.rows())


async def test_two_persons_may_lift_one_rule_for_one_mission(world: World) -> None:
    bob = Principal(ActorKind.USER, "bob")
    await add_user(world.store, Person(WORKSPACE, bob.id, "Bob", role=Role.ADMIN), by=OWNER, clock=world.clock)
    each = (
        "id: a.one, on: tool, assert: 'hour > 24', else: deny",
        "id: a.two, on: tool, assert: 'hour > 24', else: deny",
    )
    await put(world, rules(*each))

    async def lift(rule: str) -> None:
        asked = Lift(Lifts.RULE, rule, KillScope.MISSION, "m1", 5)
        which = await request_glass(world.store, asked, workspace=WORKSPACE, reason="fire", by=bob, clock=world.clock)
        await confirm_glass(world.store, which, workspace=WORKSPACE, by=OWNER, clock=world.clock)
        await world.guard.register.refresh(WORKSPACE)

    await lift("a.one")
    assert await refused(world, Tool("echo")) == "a.two: a rule"
    await lift("a.two")
    action = act()
    assert (await world.guard.run(action)).ok
    [said] = checks(world, action)
    assert (said["verdict"], said["reason"]) == ("allow", "break_glass")
    assert len(world.audit("accounts.break_glass.used")) == 2
    assert await refused(world, Tool("echo"), mission="m2") == "a.one: a rule a.two: a rule"


async def test_decisions_name_the_revision_that_was_in_force(world: World) -> None:
    before = act()
    await world.guard.run(before)
    made = await put(world, rules("id: a.b, on: tool, assert: 'hour < 24', else: deny"))
    after = act()
    await world.guard.run(after)
    assert row_of(world, before)["policy_rev"].startswith("2-")
    assert row_of(world, after)["policy_rev"] == made.book.revision(3)
    entries = [entry for entry in world.audit() if entry.header["subject"] == after.id]
    assert {entry.header["policy_rev"] for entry in entries} == {made.book.revision(3)}
    assert len(entries) == 2


async def test_a_change_holds_within_a_quarter_of_a_second(world: World) -> None:
    assert (await world.guard.run(act())).ok
    text = rules("id: a.b, on: tool, assert: 'hour > 24', else: deny")
    await save(world.store, text, workspace=WORKSPACE, name="r", reason="x", by=OWNER, clock=SystemClock())
    await asyncio.sleep(0.26)
    with pytest.raises(Denied):
        await world.guard.run(act())


async def test_damaged_rules_refuse_everything(world: World) -> None:
    made = newest(world)
    bad = {
        "workspace": WORKSPACE,
        "number": made.number + 1,
        "sha256": made.sha256.replace(made.sha256[0], "0" if made.sha256[0] != "0" else "1"),
        "written": made.written,
        "resolved": made.resolved,
        "origin": "saved",
        "saved_by": "user:ada",
        "reason": "by hand",
        "saved_us": 1,
    }
    await world.store.commit("guard.rules", lambda tx: tx.execute(insert(RULE_REVISION), bad))
    await world.guard.register.refresh(WORKSPACE)
    action = act()
    with pytest.raises(Denied, match="not what was saved"):
        await world.guard.run(action)
    assert row_of(world, action)["policy_rev"] == "unreadable"
    with pytest.raises(IntegrityError):
        world.store.view(lambda tx: in_force(tx, WORKSPACE))
    await put(world, "use: []\n")
    assert (await world.guard.run(act())).ok


async def test_a_standing_without_rules_refuses(world: World) -> None:
    assert Standing(owner="ada").rules is None
    known = await world.guard.register.refresh(WORKSPACE)
    world.guard.register._known[WORKSPACE] = replace(known, rules=None, read_at=world.clock.monotonic() + 60)
    with pytest.raises(Denied) as caught:
        await world.guard.run(act())
    assert caught.value.code == "guard.unreadable"


# ------------------------------------------------------------------------------------------------------------ revisions


def newest(world: World) -> Revision:
    return world.store.view(lambda tx: newest_revision(tx, WORKSPACE))


def force(world: World, workspace: str = WORKSPACE) -> InForce:
    return world.store.view(lambda tx: in_force(tx, workspace))


async def test_a_workspace_without_rules_has_the_shipped_ones_as_revision_one(world: World) -> None:
    found = force(world, "another")
    assert found.number == 1
    assert found.book.sha256 == prepare(SHIPPED, name="x").book.sha256
    await install_shipped(world.store, workspace="another", clock=world.clock)
    await install_shipped(world.store, workspace="another", clock=world.clock)
    [only] = world.store.view(lambda tx: history(tx, "another"))
    assert (only.number, only.origin, only.sha256) == (1, Origin.SHIPPED, found.book.sha256)


async def test_shipped_rules_that_nobody_replaced_follow_a_newer_remit(world: World) -> None:
    old = {
        "workspace": "another",
        "number": 1,
        "sha256": "",
        "written": SHIPPED,
        "origin": "shipped",
        "saved_by": "system:remit",
        "reason": "",
        "saved_us": 1,
    }
    book = prepare("use: [generic]\n", name="x").book
    old |= {"sha256": book.sha256, "resolved": book.resolved.text()}
    await world.store.commit("guard.rules", lambda tx: tx.execute(insert(RULE_REVISION), old))
    await install_shipped(world.store, workspace="another", clock=world.clock)
    assert force(world, "another").number == 2
    await install_shipped(world.store, workspace=WORKSPACE, clock=world.clock)
    assert newest(world).origin is Origin.SAVED, "what a person saved is left alone"


async def test_revisions_only_grow_and_an_earlier_one_can_be_put_in_force_again(world: World) -> None:
    await put(world, rules("id: a.b, on: tool, assert: 'hour > 24', else: deny"), reason="stop tools")
    made = await restore(world.store, 2, workspace=WORKSPACE, reason="too much", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    assert (made.number, made.origin) == (4, Origin.RESTORED)
    assert (await world.guard.run(act())).ok
    found = world.store.view(lambda tx: history(tx, WORKSPACE))
    assert [(each.number, each.origin.value, each.reason) for each in found] == [
        (4, "restored", "too much"),
        (3, "saved", "stop tools"),
        (2, "saved", "test"),
        (1, "shipped", ""),
    ]
    saved = world.audit("policy.saved")
    assert [entry.header["subject"] for entry in saved] == [f"revision {number}" for number in (1, 2, 3, 4)]
    assert saved[-1].payload is not None
    assert saved[-1].payload["reason"] == "too much"


async def test_an_agent_changes_no_rules_and_a_reason_is_needed(world: World) -> None:
    terms: dict[str, Any] = {"workspace": WORKSPACE, "clock": world.clock}
    for who, reason, error in ((CODER, "x", Denied), (OWNER, " ", InvalidInput)):
        with pytest.raises(error):
            await save(world.store, "use: []\nlimits: {}\n", name="x", reason=reason, by=who, **terms)
        with pytest.raises(error):
            await restore(world.store, 1, reason=reason, by=who, **terms)
    with pytest.raises(NotFound):
        await restore(world.store, 77, reason="x", by=OWNER, **terms)
    with pytest.raises(Conflict):
        await restore(world.store, 2, reason="x", by=OWNER, **terms)
    with pytest.raises(Conflict):
        await save(world.store, newest(world).written, name="x", reason="x", by=OWNER, **terms)
    with pytest.raises(InvalidInput):
        await save(world.store, "use: [x]\n", name="x", reason="x", by=OWNER, **terms)
    assert newest(world).number == 2


# ------------------------------------------------------------------------------------------------- explaining, shadows


async def test_a_refusal_is_explained_condition_by_condition(world: World) -> None:
    await put(
        world,
        rules(
            "id: a.b, on: command, when: 'hour < 24', else: deny,"
            ' assert: \'command.arguments < 9 && (command.program == "ls" || command.program == "cat")\'',
            "id: a.c, on: command, when: 'hour > 24', assert: 'hour > 25', else: deny",
            "id: a.d, on: command, assert: 'command.line.contains(\"x\")', else: warn",
        ),
    )
    action = act(Command(("rm", "-rf", "x")))
    with pytest.raises(Denied):
        await world.guard.run(action)
    found = world.store.view(lambda tx: explain(tx, action.id, workspace=WORKSPACE))
    assert found.verdict == "deny"
    assert [(rule.rule.id, rule.said) for rule in found.rules] == [
        ("a.b", Said.FAILED),
        ("a.c", Said.IDLE),
        ("a.d", Said.HELD),
    ]
    assert [(each.text, each.said) for each in found.rules[0].conditions] == [
        ("hour < 24", Said.HELD),
        ("command.arguments < 9", Said.HELD),
        ('(command.program == "ls" || command.program == "cat")', Said.FAILED),
    ]
    assert found.rules[0].conditions[2].values == {"command.program": "rm"}


async def test_a_decision_is_explained_by_the_rules_of_its_time(world: World) -> None:
    await put(world, rules("id: a.b, on: tool, assert: 'hour > 24', else: deny"))
    action = act()
    with pytest.raises(Denied):
        await world.guard.run(action)
    await put(world, "use: []\nlimits: {}\n")
    found = world.store.view(lambda tx: explain(tx, action.id, workspace=WORKSPACE))
    assert [rule.rule.id for rule in found.rules] == ["a.b"]


async def test_what_was_refused_before_the_rules_can_not_be_explained(world: World) -> None:
    action = act(Command(("deploy", "--token", SECRET)))
    with pytest.raises(Denied):
        await world.guard.run(action)
    with pytest.raises(NotFound, match="refused before"):
        world.store.view(lambda tx: explain(tx, action.id, workspace=WORKSPACE))
    with pytest.raises(NotFound, match="Nothing here"):
        world.store.view(lambda tx: explain(tx, "nothing", workspace=WORKSPACE))


def trial(world: World, text: str, **bounds: Any) -> Trial:
    book = prepare(text, name="candidate.yaml").book
    return world.store.view(lambda tx: try_on_recorded(tx, book, workspace=WORKSPACE, since_us=0, **bounds))


async def test_a_candidate_is_tried_on_what_was_recorded(world: World) -> None:
    await put(world, rules("id: a.b, on: tool, assert: 'tool.name != \"old\"', else: deny"))
    for name in ("search", "render", "old"):
        try:
            await world.guard.run(act(Tool(name, {"q": "x"})))
        except Denied:
            assert name == "old"
    secret = act(Command(("deploy", "--token", SECRET)))
    with pytest.raises(Denied):
        await world.guard.run(secret)
    candidate = rules(
        "id: c.a, on: tool, assert: 'tool.name != \"render\"', else: require_approval",
        "id: c.b, on: tool, assert: 'tool.name != \"search\"', else: warn",
    )
    found = trial(world, candidate)
    assert (found.judged, found.unreached, found.unknown, found.more) == (3, 1, 0, False)
    assert {(each.target, each.before, each.after, each.rules) for each in found.changed} == {
        ("search", "allow", "warn", ("c.b",)),
        ("render", "allow", "require_approval", ("c.a",)),
        ("old", "deny", "allow", ()),
    }
    assert found.moves == {("allow", "warn"): 1, ("allow", "require_approval"): 1, ("deny", "allow"): 1}
    assert trial(world, newest(world).written).changed == ()
    assert trial(world, candidate, most=2).more


async def test_shadow_mode_reads_evidence_as_it_stood_then(world: World) -> None:
    early = act(deploy(), key="k1", mission="m1")
    await world.guard.run(early)
    await attest(
        world.store,
        "tests",
        workspace=WORKSPACE,
        mission="m1",
        subject="",
        passed=True,
        reason="they passed",
        by=OWNER,
        clock=SystemClock(),
    )
    late = act(deploy(), key="k2", mission="m1")
    await world.guard.run(late)
    found = trial(world, rules("id: c.a, on: deploy, assert: 'evidence.tests', else: deny"))
    assert [(each.action, each.after) for each in found.changed] == [(early.id, "deny")]


async def test_a_text_that_was_too_long_to_keep_is_said_not_guessed(world: World) -> None:
    action = act(WriteFiles({f"{number:04}-{'n' * 40}.py": b"x" for number in range(85)}))
    await world.guard.run(action)
    kept = row_of(world, action)["facts"]
    assert len(kept) <= MOST_FACTS
    full = act(Command(("python", "-c", "y" * 4000), env={"N" * 300: "x"}))
    await world.guard.run(full)
    assert orjson.loads(row_of(world, full)["facts"])[CUT] == ["command.line"]
    found = trial(world, rules("id: c.a, on: command, assert: 'command.line == \"\"', else: deny"))
    assert (found.judged, found.unknown) == (1, 1)


async def test_what_is_kept_of_an_action_holds_no_secret(world: World) -> None:
    action = act(Notify("https://example.org", f"the token is {SECRET}", "b"))
    await world.guard.run(action)
    kept = row_of(world, action)["facts"]
    assert SECRET not in kept
    assert "REDACTED" in kept


async def test_an_action_older_than_rules_can_not_be_judged(world: World) -> None:
    from remit.guard.tables import ACTION

    await world.guard.run(act())
    await world.store.commit("guard.settle", lambda tx: tx.execute(ACTION.update().values(facts="")))
    found = trial(world, "use: [generic]\n")
    assert (found.judged, found.unknown) == (0, 1)
    for erased in ('{"tool.name": [erased]}', "[]", "[erased]"):
        await world.store.commit(
            "guard.settle", lambda tx, erased=erased: tx.execute(ACTION.update().values(facts=erased))
        )
        assert trial(world, "use: [generic]\n").unknown == 1
