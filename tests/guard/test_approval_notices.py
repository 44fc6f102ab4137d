"""People are told of a request by effects of their own; what came of it is on record, and hinders nothing."""

import asyncio

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.kills import KillScope, Target, kill
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.approval_notices import Notices
from remit.guard.approval_rows import unfinished
from remit.guard.approval_terms import ApprovalTerms
from remit.kernel.action import Action
from remit.kernel.effects import Notify
from remit.kernel.errors import ApprovalPending, Failed
from remit.kernel.mission import Outcome

from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, deploy, make_world


@pytest.fixture
async def told(store: SqliteStore) -> tuple[World, Notices]:
    world = await make_world(store, clock=HandClock(), approvals=ApprovalTerms())
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"deploy"}))
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock)
    notices = Notices(world.guard, ("ops", "mail"))
    world.guard.announce = notices.announce
    return world, notices


async def ask(world: World) -> str:
    with pytest.raises(ApprovalPending) as pending:
        await world.guard.run(act(deploy(), principal=CODER, key="k"))
    return pending.value.approval_id


async def test_every_channel_is_told_once_through_the_guard(told: tuple[World, Notices]) -> None:
    world, notices = told
    which = await ask(world)
    await ask(world)
    await notices.settled()
    sent = sorted(world.adapter.calls, key=lambda action: action.target)
    assert [action.target for action in sent] == ["mail", "ops"]
    for action in sent:
        assert str(action.principal) == "system:approvals"
        assert action.on_behalf_of == OWNER
        assert action.effect_key == f"approval/{which}/{action.target}"
        assert isinstance(action.effect, Notify)
        assert "deploy to production" in action.effect.subject
        assert f"remit approve {which} --hash " in action.effect.body
    assert all(world.adapter.permits), "each within a permit"
    (entry,) = world.audit("approval.notified")
    assert (entry.payload or {})["channels"] == {"mail": "ok", "ops": "ok"}
    assert [one.notified_us is not None for one in world.store.view(lambda tx: unfinished(tx, WORKSPACE))] == [True]


async def test_a_channel_that_fails_is_on_record_and_the_request_stands(told: tuple[World, Notices]) -> None:
    world, notices = told

    async def answer(action: Action) -> Outcome:
        if action.target == "mail":
            message = "no such mailbox"
            raise Failed(message, code="notify.refused")
        return Outcome(ok=True)

    world.adapter.moves = [answer]
    which = await ask(world)
    await notices.settled()
    (entry,) = world.audit("approval.notified")
    assert (entry.payload or {})["channels"] == {"mail": "notify.refused", "ops": "ok"}
    assert [one.id for one in world.store.view(lambda tx: unfinished(tx, WORKSPACE))] == [which]


async def test_nobody_waits_for_the_notices(told: tuple[World, Notices]) -> None:
    world, notices = told
    go = asyncio.Event()

    async def slow(_action: Action) -> Outcome:
        await go.wait()
        return Outcome(ok=True)

    world.adapter.moves = [slow]
    await asyncio.wait_for(ask(world), 60)
    assert world.audit("approval.notified") == []
    go.set()
    await notices.settled()
    assert len(world.audit("approval.notified")) == 1


async def test_a_kill_stops_notices_too_and_that_is_on_record(told: tuple[World, Notices]) -> None:
    world, notices = told

    async def stop(_action: Action) -> Outcome:
        raise AssertionError

    world.adapter.moves = [stop]
    announce, world.guard.announce = world.guard.announce, None
    await ask(world)
    target = Target(KillScope.INSTALL)
    await kill(world.journal, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    (request,) = world.store.view(lambda tx: unfinished(tx, WORKSPACE))
    assert announce is not None
    announce(request)
    await notices.settled()
    (entry,) = world.audit("approval.notified")
    assert (entry.payload or {})["channels"] == {"mail": "guard.killed", "ops": "guard.killed"}


async def test_what_a_dead_process_did_not_tell_is_told_a_minute_later(told: tuple[World, Notices]) -> None:
    world, notices = told
    assert isinstance(world.clock, HandClock)
    world.guard.announce = None
    await ask(world)
    assert await notices.catch_up(WORKSPACE) == 0
    world.clock.advance(61)
    assert await notices.catch_up(WORKSPACE) == 1
    await notices.settled()
    assert await notices.catch_up(WORKSPACE) == 0
    assert len(world.audit("approval.notified")) == 1


async def test_a_notice_that_needs_leave_itself_goes_round_no_circle(store: SqliteStore) -> None:
    rule = """use: []
rules:
  - id: ask.notices
    on: notify
    assert: "false"
    else: require_approval
    message: "Somebody must look first."
"""
    world = await make_world(store, clock=HandClock(), approvals=ApprovalTerms(), rules=rule)
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"deploy"}))
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock)
    notices = Notices(world.guard, ("ops",))
    world.guard.announce = notices.announce
    await ask(world)
    await notices.settled()
    (entry,) = world.audit("approval.notified")
    assert (entry.payload or {})["channels"] == {"ops": "guard.approval_pending"}
    kinds = sorted(one.kind for one in world.store.view(lambda tx: unfinished(tx, WORKSPACE)))
    assert kinds == ["deploy", "notify"]
    assert world.adapter.calls == []
