"""The story with its proofs: entries and their standing, people's decisions, attempts, and the reference."""

import json

import pytest

from remit.audit import Entry, Result
from remit.bootstrap import prover
from remit.guard.why import why
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import NotFound, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome

from .fakes import CODER, OWNER, WORKSPACE, World, act, deploy

APPROVER = Principal(ActorKind.USER, "grace")


async def test_each_entry_is_proved_under_the_last_checkpoint(world: World) -> None:
    action = act(deploy(), key="m1/ship/k/0")
    await world.guard.run(action)
    world.store.seal()
    (one,) = (await why(world.journal, action.id, workspace=WORKSPACE, prove=prover(world.store))).actions
    assert [(each.header["action"], each.standing.value) for each in one.said] == [
        ("guard.intent", "proved"),
        ("guard.outcome", "proved"),
    ]
    story = await why(world.journal, action.id, workspace=WORKSPACE, prove=prover(world.store))
    assert f"entry {one.audit[0]} (proved), entry {one.audit[1]} (proved)" in story.text()
    (unchecked,) = (await why(world.journal, action.id, workspace=WORKSPACE)).actions
    assert {each.standing.value for each in unchecked.said} == {"unknown"}


async def test_the_reference_leads_back_to_the_story_and_to_no_other_workspace(world: World) -> None:
    action = act()
    await world.guard.run(action)
    story = await why(world.journal, action.id, workspace=WORKSPACE)
    reference = story.actions[0].reference
    assert f"Reference: {reference}" in story.text()
    again = await why(world.journal, reference, workspace=WORKSPACE)
    assert again.actions[0].as_json() == story.actions[0].as_json()
    with pytest.raises(NotFound):
        await why(world.journal, reference, workspace="elsewhere")


async def test_who_was_asked_and_who_decided_is_told(world: World) -> None:
    approval, action = new_id(), act()
    await world.guard.run(action)

    def said(tx) -> None:  # noqa: ANN001 - a write transaction
        for actor, verb, result in ((CODER, "requested", Result.PENDING), (APPROVER, "approved", Result.SUCCESS)):
            for about, of in ((approval, WORKSPACE), (new_id(), WORKSPACE), (approval, "elsewhere")):
                tx.append(
                    Entry(
                        actor=actor,
                        action=f"approval.{verb}",
                        domain="command",
                        result=result,
                        workspace=of,
                        mission="m1",
                        subject=about,
                        approval_id=about,
                    )
                )
        tx.append(
            Entry(
                actor=action.principal,
                action="guard.intent",
                domain="command",
                result=Result.PENDING,
                workspace=WORKSPACE,
                on_behalf_of=OWNER,
                subject=action.id,
                mission="m1",
                approval_id=approval,
            )
        )

    await world.journal.commit("guard.intent", said)
    story = await why(world.journal, action.id, workspace=WORKSPACE)
    (one,) = story.actions
    assert [(each.header["action"], each.header["actor"]) for each in one.decisions] == [
        ("approval.requested", "agent:coder"),
        ("approval.approved", "user:grace"),
    ]
    assert "approved by user:grace" in story.text()
    assert json.loads(json.dumps(one.as_json()["decisions"]))[1]["actor"] == "user:grace"


async def test_every_attempt_is_told_with_what_it_cost(world: World) -> None:
    world.adapter.moves = [Unavailable("busy", code="test.busy"), Outcome(ok=True)]
    action = act()
    await world.guard.run(action)
    story = await why(world.journal, action.id, workspace=WORKSPACE)
    told = story.actions[0].as_json()["attempts"]
    assert isinstance(told, list)
    assert [each["error"] for each in told] == ["test.busy", None]  # type: ignore[index,call-overload]
    assert "attempt 1 test.busy" in story.text()
    assert f"revision {story.actions[0].row['policy_rev']}" in story.text()
