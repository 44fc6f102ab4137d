"""Every way in which the guard refuses, provoked once: a person learns what, why, and what to do. One row each.

A refusal that is added to the guard without a row here, or without one in ``guard.refusals``, fails these tests.
"""

import ast
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

import remit.guard
from remit.accounts.agents import Agent, AgentStatus, register_agent
from remit.accounts.break_glass import Lift, Lifts, close_glass, confirm_glass, request_glass
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.key_orders import revoke_key
from remit.accounts.keys import KeyScope
from remit.accounts.kills import KillScope, Target, kill, pause
from remit.accounts.people import Person as People
from remit.accounts.people import add_user
from remit.accounts.roles import Role
from remit.guard import rate_limits, refusals
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.breaker import Numbers
from remit.guard.cedar import save_cedar
from remit.guard.personal_terms import PersonalTerms
from remit.guard.rule_tables import RULE_REVISION
from remit.guard.rules.revisions import save
from remit.guard.secrets_rules import SecretsInForce
from remit.guard.secrets_tables import SECRET_RULE
from remit.guard.secrets_use import Used
from remit.guard.why import why
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Command, Deploy, Fetch, Model, Tool
from remit.kernel.errors import ApprovalPending, Failed, NotFound, RemitError, Unavailable
from remit.kernel.money import Money
from remit.kernel.references import Reference
from remit.redact.redactor import Redactor

from .fakes import CODER, OWNER, WORKSPACE, World, act, deploy, make_store, make_world
from .keyed import call, make_expired_key, make_key
from .keyed import register as register_helper

SOURCES = Path(remit.guard.__file__).parent
SECRET = "ghp_" + "x9K2" * 9


def _constants(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                found[name] = str(value)
            case _:
                pass
    return found


def _texts(node: ast.expr) -> set[str]:
    """The constant texts that an expression can be; empty when it is made at run time."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return set()


def spoken() -> dict[str, str]:
    """Every ``check.reason`` that the guard's sources can refuse with, and where."""
    found: dict[str, str] = {}
    names = {
        path.stem: _constants(ast.parse(path.read_text("utf-8"))).get("NAME", "") for path in SOURCES.rglob("*.py")
    }
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "denied"):
                continue
            name, reason = node.args[:2]
            match name:
                case ast.Name(id="NAME"):
                    check = names[path.stem]
                case ast.Attribute(value=ast.Name(id=module), attr="NAME"):
                    check = names[module]
                case ast.Constant(value=value):
                    check = str(value)
                case _:
                    check = ""
            for text in _texts(reason) or {"*"}:
                found[f"{check}.{text}"] = f"{path.name}:{node.lineno}"
    return found


#: Reasons that come from an error's code at run time: the calls that the sources show as ``check.*``.
MADE: Mapping[str, frozenset[str]] = {
    "effect_key.*": frozenset(
        {"effect_key.audit_alarm", "effect_key.done", "effect_key.no_key", "effect_key.unknown_outcome"}
    ),
}

type Scenario = Callable[[World], Awaitable[Action]]


async def _register(world: World, **fields: Any) -> None:
    agent = Agent(workspace=WORKSPACE, name=CODER.id, owner=OWNER.id, **fields)
    await register_agent(world.store, agent, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


async def paused(world: World) -> Action:
    await _register(world, effects=frozenset({"tool"}), tools=frozenset({"*"}), status=AgentStatus.PAUSED)
    return act(principal=CODER)


async def killed(world: World) -> Action:
    target = Target(KillScope.INSTALL)
    await kill(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    return act()


async def no_originator(world: World) -> Action:
    del world
    system = Principal(ActorKind.SYSTEM, "remit")
    return act(principal=system, origin=system)


async def no_owner(world: World) -> Action:
    del world
    return Action(
        id=act().id, effect=Tool("echo"), principal=OWNER, on_behalf_of=OWNER, workspace="nobody-made-this-one"
    )


async def unknown_agent(world: World) -> Action:
    del world
    return act(principal=CODER)


async def unknown_user(world: World) -> Action:
    del world
    stranger = Principal(ActorKind.USER, "mallory")
    return act(principal=stranger, origin=stranger)


async def unreadable(world: World) -> Action:
    world.journal.failing.add("read")
    return Action(id=act().id, effect=Tool("echo"), principal=OWNER, on_behalf_of=OWNER, workspace="never-read")


async def forbidden_address(world: World) -> Action:
    del world
    return act(Fetch("http://169.254.169.254/latest/meta-data/"))


async def _keyed(world: World, **fields: Any) -> Action:
    await register_helper(world)
    await make_key(world, **fields)
    return call()


async def key_unknown(world: World) -> Action:
    return replace(await _keyed(world), key="nobodys")


async def key_revoked(world: World) -> Action:
    action = await _keyed(world)
    await revoke_key(world.store, "app", workspace=WORKSPACE, by=OWNER, clock=world.clock, reason="leaked")
    await world.guard.register.refresh(WORKSPACE)
    return action


async def key_expired(world: World) -> Action:
    await register_helper(world)
    await make_expired_key(world)
    return call()


async def key_of_another(world: World) -> Action:
    return replace(await _keyed(world), principal=OWNER)


async def beyond_key_models(world: World) -> Action:
    return await _keyed(world, models=frozenset({"acme/small"}))


async def beyond_key_scope(world: World) -> Action:
    return await _keyed(world, scopes=frozenset({KeyScope.EMBEDDINGS}))


async def beyond_effects(world: World) -> Action:
    await _register(world, effects=frozenset({"files"}))
    return act(principal=CODER)


async def beyond_tools(world: World) -> Action:
    await _register(world, effects=frozenset({"tool"}), tools=frozenset({"search"}))
    return act(principal=CODER)


async def on_hold(world: World) -> Action:
    target = Target(KillScope.MISSION, "m1")
    await pause(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    return act()


async def beyond_models(world: World) -> Action:
    await _register(world, effects=frozenset({"model"}), models=frozenset({"anthropic/*"}))
    return act(Model("openai", "m", {}), principal=CODER)


async def naming_what_the_account_keeps(world: World) -> Action:
    await _register(world, effects=frozenset({"model"}), models=frozenset({"*"}))
    part = {"type": "file", "file": {"file_id": "file_1"}}
    return act(Model("openai", "m", {"messages": [{"role": "user", "content": [part]}]}), principal=CODER)


async def beyond_domains(world: World) -> Action:
    await _register(world, effects=frozenset({"fetch"}), domains=frozenset({"example.com"}))
    return act(Fetch("https://example.org/x"), principal=CODER)


async def without_a_role(world: World) -> Action:
    viewer = People(WORKSPACE, "vera", "Vera", role=Role.VIEWER)
    await add_user(world.store, viewer, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    vera = Principal(ActorKind.USER, "vera")
    return act(principal=vera, origin=vera)


async def forbidden(world: World, text: str = 'action == Action::"tool", resource) when { true };') -> Action:
    text = f'@id("never") forbid(principal, {text}'
    await save_cedar(world.store, text, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    return act()


async def forbidden_in_error(world: World) -> Action:
    return await forbidden(world, "action, resource) when { context.attempt * 9223372036854775807 * 2 > 0 };")


async def glass_over(world: World) -> Action:
    target = Target(KillScope.INSTALL)
    await kill(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    lift = Lift(Lifts.STOP, "install", KillScope.MISSION, "m1", 5)
    for name in ("bob", "eve"):
        person = People(WORKSPACE, name, name, role=Role.ADMIN)
        await add_user(world.store, person, by=OWNER, clock=world.clock)
    bob, eve = Principal(ActorKind.USER, "bob"), Principal(ActorKind.USER, "eve")
    which = await request_glass(world.store, lift, workspace=WORKSPACE, reason="drill", by=bob, clock=world.clock)
    await confirm_glass(world.store, which, workspace=WORKSPACE, by=eve, clock=world.clock)
    read = await world.guard.register.refresh(WORKSPACE)
    # Closed after the guard read it and before the intent is written: the intent's own transaction finds out.
    await close_glass(world.store, which, workspace=WORKSPACE, reason="enough", by=bob, clock=world.clock)
    # However long that took, what was read is fresh.
    world.guard.register._known[WORKSPACE] = replace(read, read_at=world.clock.monotonic())
    return act()


async def no_adapter(world: World) -> Action:
    world.guard._kinds = frozenset({"files"})
    return act()


async def secret(world: World) -> Action:
    del world
    return act(Command(("deploy", "--token", SECRET)))


class Broken(Redactor):
    """A scanner that fails."""

    def scan(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    mask = scan


async def unscanned(world: World) -> Action:
    world.guard.redactor = Broken(b"0" * 16)
    return act(Command(("ls",)))


async def canary_carried_out(world: World) -> Action:
    return act(Tool("echo", {"text": world.guard.canary("m1")}))


async def provenance_unreadable(world: World) -> Action:
    known = await world.guard.register.refresh(WORKSPACE)  # who may act is known for long: only what was read is asked
    world.guard.register._known[WORKSPACE] = replace(known, read_at=world.clock.monotonic() + 60)
    world.journal.failing.add("read")
    return act()


RULE = """
use: []
rules:
  - {id: a.b, on: tool, assert: 'ASSERTED', else: deny, message: "The tool was {tool.name}."}
"""


async def _rule(world: World, asserts: str) -> None:
    text = RULE.replace("ASSERTED", asserts)
    await save(world.store, text, workspace=WORKSPACE, name="r.yaml", reason="test", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


async def against_a_rule(world: World) -> Action:
    await _rule(world, 'tool.name != "echo"')
    return act()


async def rule_without_a_value(world: World) -> Action:
    await _rule(world, 'tool.arguments != ""')
    return act(Tool("echo", {"text": "x" * 5000}))


async def evidence_unreadable(world: World) -> Action:
    await _rule(world, "evidence.tests")
    known = await world.guard.register.refresh(WORKSPACE)  # who may act is known for long: only evidence is read
    world.guard.register._known[WORKSPACE] = replace(known, read_at=world.clock.monotonic() + 60)
    world.journal.failing.add("read")
    return act()


async def rules_unreadable(world: World) -> Action:
    bad = {
        "workspace": WORKSPACE,
        "number": 99,
        "sha256": "0" * 64,
        "written": "",
        "resolved": "{}",
        "origin": "saved",
        "saved_by": "user:ada",
        "reason": "by hand",
        "saved_us": 1,
    }
    await world.store.commit("guard.rules", lambda tx: tx.execute(insert(RULE_REVISION), bad))
    await world.guard.register.refresh(WORKSPACE)
    return act()


async def open_circuit(world: World) -> Action:
    world.adapter.moves[:] = [Unavailable("not there")]
    for _ in range(5):
        with pytest.raises(RemitError):
            await world.guard.run(act())
    return act()


async def over_budget(world: World) -> Action:
    scope = BudgetScope.WORKSPACE
    await set_limit(world.store, scope, workspace=WORKSPACE, name="", limit=Money(10), by=OWNER)
    return act(estimate=Money(11))


async def without_price(world: World) -> Action:
    del world
    return replace(act(), priced=False)


async def over_rate(world: World) -> Action:
    limit = rate_limits.Limit("echo.hour", rate_limits.Per.TOOL, 1, 3600, kind="tool", target="echo")
    await rate_limits.set_limit(world.store, limit, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    await world.guard.run(act())
    return act()


async def done_before(world: World) -> Action:
    await world.guard.run(act(deploy(), key="k"))
    return act(deploy(), key="k")


async def without_key(world: World) -> Action:
    del world
    return act(deploy())


async def unknown_outcome(world: World) -> Action:
    world.adapter.moves[:] = [Unavailable("cut off")]
    with pytest.raises(RemitError):
        await world.guard.run(act(deploy(), key="k"))
    return act(deploy(), key="k")


async def _asked(world: World, **terms: Any) -> str:
    """Ask for a deploy when a person must be asked; the request."""
    world.guard.approvals = ApprovalTerms(**terms)
    with pytest.raises(ApprovalPending) as pending:
        await world.guard.run(act(deploy(), key="k"))
    return pending.value.approval_id


async def approval_needed(world: World) -> Action:
    world.guard.approvals = ApprovalTerms()
    return act(deploy(), key="k")


async def approval_denied(world: World) -> Action:
    which = await _asked(world)
    request = world.store.view(lambda tx: read_request(tx, WORKSPACE, which))
    await decide(
        world.store,
        which,
        workspace=WORKSPACE,
        by=OWNER,
        approve=False,
        subject_hash=request.subject_hash,
        reason="too early",
        clock=world.clock,
        redactor=world.redactor,
    )
    return act(deploy(), key="k")


async def approval_expired(world: World) -> Action:
    await _asked(world, expires_s=0)
    return act(deploy(), key="k")


async def approval_too_many(world: World) -> Action:
    await _register(world, effects=frozenset({"deploy"}))
    world.guard.approvals = ApprovalTerms(most_open=1)
    with pytest.raises(ApprovalPending):
        await world.guard.run(act(deploy(), principal=CODER, key="k"))
    return act(Deploy("elsewhere", {}), principal=CODER, key="other")


async def approval_unreadable(world: World) -> Action:
    await _asked(world)
    await world.guard.register.refresh(WORKSPACE)
    world.journal.failing.add("read")
    return act(deploy(), key="k")


class _Failing:
    """A source of secrets that answers every question with one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def ready(self, action: Action, reference: Reference, known: SecretsInForce) -> Used:
        del action, reference, known
        raise self.error


def referring() -> Action:
    return act(Command(("env",), env={"KEY": "secret://db"}))


async def _allowed(world: World, error: Exception) -> Action:
    row = {"effect": "allow", "secret": "*", "agent": "", "kind": "", "mission": "", "target": ""}
    rule = insert(SECRET_RULE).values(id="r1", workspace=WORKSPACE, set_by="user:ada", set_us=1, **row)
    await world.store.commit("secret.policy", lambda tx: tx.execute(rule))
    await world.guard.register.refresh(WORKSPACE)
    world.guard.secrets = _Failing(error)
    return referring()


async def secret_denied(world: World) -> Action:
    del world
    return referring()


async def secret_misplaced(world: World) -> Action:
    del world
    return act(Command(("env", "secret://db")))


async def secret_unknown(world: World) -> Action:
    return await _allowed(world, NotFound("There is no such secret here."))


async def secret_unavailable(world: World) -> Action:
    return await _allowed(world, Unavailable("The backend gives no answer."))


async def secret_unmaskable(world: World) -> Action:
    return await _allowed(world, Failed("The secret is too short.", code="secrets.unmaskable"))


async def secret_unreadable(world: World) -> Action:
    return await _allowed(world, RuntimeError(SECRET))


#: ``check.reason`` → how to come to it.
async def vault_unreadable(world: World) -> Action:
    world.guard.personal = PersonalTerms(models=True)  # and the store has no key to keep anything under
    return act(Model("openai", "m", {"messages": []}))


SCENARIOS: Mapping[str, Scenario] = {
    "identify.inactive": paused,
    "identify.killed": killed,
    "identify.paused": on_hold,
    "identify.no_originator": no_originator,
    "identify.no_owner": no_owner,
    "identify.unknown_agent": unknown_agent,
    "identify.unknown_user": unknown_user,
    "identify.unreadable": unreadable,
    "key.unknown": key_unknown,
    "key.revoked": key_revoked,
    "key.expired": key_expired,
    "key.another": key_of_another,
    "key.model": beyond_key_models,
    "key.scope": beyond_key_scope,
    "authorise.effect": beyond_effects,
    "authorise.no_adapter": no_adapter,
    "authorise.tool": beyond_tools,
    "authorise.model": beyond_models,
    "authorise.stored": naming_what_the_account_keeps,
    "authorise.address": forbidden_address,
    "authorise.domain": beyond_domains,
    "authorise.role": without_a_role,
    "authorise.policy": forbidden,
    "authorise.policy_error": forbidden_in_error,
    "break_glass.over": glass_over,
    "scan.secret": secret,
    "scan.vault": vault_unreadable,
    "scan.unscanned": unscanned,
    "secrets.denied": secret_denied,
    "secrets.misplaced": secret_misplaced,
    "secrets.unavailable": secret_unavailable,
    "secrets.unknown": secret_unknown,
    "secrets.unmaskable": secret_unmaskable,
    "secrets.unreadable": secret_unreadable,
    "rules.denied": against_a_rule,
    "rules.error": rule_without_a_value,
    "rules.evidence": evidence_unreadable,
    "rules.provenance": provenance_unreadable,
    "scan.canary": canary_carried_out,
    "rules.unreadable": rules_unreadable,
    "approval.denied": approval_denied,
    "approval.expired": approval_expired,
    "approval.needed": approval_needed,
    "approval.too_many": approval_too_many,
    "approval.unreadable": approval_unreadable,
    "breaker.open": open_circuit,
    "rate.exceeded": over_rate,
    "budget.exceeded": over_budget,
    "budget.unknown_price": without_price,
    "effect_key.done": done_before,
    "effect_key.no_key": without_key,
    "effect_key.unknown_outcome": unknown_outcome,
}

#: Refusals that another test file provokes, because they need more than a guard and its store.
ELSEWHERE: Mapping[str, str] = {
    "effect_key.audit_alarm": "tests/audit/test_schedule.py",
    "hop.approval": "tests/fetch/test_fetch.py",
}


def test_every_refusal_has_its_row() -> None:
    told = spoken()
    known = {key for key in told if not key.endswith(".*")}
    for made in (key for key in told if key.endswith(".*")):
        assert made in MADE, f"{told[made]} refuses with a reason made at run time: list what it can be"
        known |= MADE[made]
    known.add("approval.needed")  # no denial: it waits for a person
    assert set(refusals.NEXT) == known
    assert set(SCENARIOS) | set(ELSEWHERE) == known


@pytest.mark.parametrize("key", list(SCENARIOS))
async def test_a_refusal_says_what_why_and_what_to_do(key: str, tmp_path: Path) -> None:
    with make_store(tmp_path) as store:
        world = await make_world(store, numbers=Numbers(failures=5))
        try:
            action = await SCENARIOS[key](world)
            with pytest.raises(RemitError) as caught:
                await world.guard.run(action)
            error = caught.value
            assert len(error.message.split()) > 4, "a sentence"
            assert error.message.endswith(".") or ": " in error.message
            assert SECRET not in error.message
            assert error.hint
            world.journal.failing.clear()
            if action.workspace == WORKSPACE:
                story = await why(world.store, action.id, workspace=WORKSPACE)
                [told] = story.actions
                assert told.row["reason"] == key
                assert told.next == refusals.NEXT[key].format(mission="m1", target=told.row["target"], action=action.id)
        finally:
            await world.settled()


def test_next_steps_read_as_sentences() -> None:
    for key, text in refusals.NEXT.items():
        assert text, key
        assert text == text.strip(), key
        assert text.format(mission="ID", target="X", action="ID")
