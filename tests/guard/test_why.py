import json

import pytest

from remit.guard.why import why
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Command
from remit.kernel.errors import Denied, Failed, NotFound

from .fakes import WORKSPACE, World, act, deploy


async def test_a_refusal_tells_who_what_why_and_what_to_do(world: World) -> None:
    world.redactor.register("hunter2-hunter2")
    action = act(Command(("curl", "hunter2-hunter2")))
    with pytest.raises(Denied) as told:
        await world.guard.run(action)
    assert told.value.decision_id is not None
    story = await why(world.journal, told.value.decision_id, workspace=WORKSPACE)
    (one,) = story.actions
    text = story.text()
    assert "user:ada asked for command curl in step s1 of mission m1" in text
    assert [check["verdict"] for check in one.checks] == ["allow", "allow", "deny"]
    assert "carries a secret (registered)" in text
    assert "secret://NAME" in text
    assert "hunter2" not in text + json.dumps(story.as_json())
    (entry,) = world.audit("guard.refused")
    assert one.audit == (entry.seq,)


async def test_an_action_is_found_by_id_by_effect_key_and_with_its_audit_entries(world: World) -> None:
    action = act(deploy(), key="m1/ship/k/0")
    await world.guard.run(action)
    by_id = await why(world.journal, action.id, workspace=WORKSPACE)
    by_key = await why(world.journal, "m1/ship/k/0", workspace=WORKSPACE)
    assert by_id.kind == "action"
    assert by_key.kind == "effect"
    assert by_id.actions[0].as_json() == by_key.actions[0].as_json()
    seqs = [entry.seq for entry in world.audit() if entry.header["subject"] == action.id]
    assert len(seqs) == 2
    assert list(by_id.actions[0].audit) == seqs
    assert "Ended: ok" in by_id.text()
    json.dumps(by_id.as_json())


async def test_a_mission_tells_what_did_not_go_well(world: World) -> None:
    await world.guard.run(act())
    story = await why(world.journal, "m1", workspace=WORKSPACE)
    assert story.actions == ()
    assert "Nothing in mission m1" in story.text()
    world.adapter.moves = [Failed("no such table")]
    with pytest.raises(Failed):
        await world.guard.run(act())
    with pytest.raises(Denied):
        await world.guard.run(act(principal=Principal(ActorKind.AGENT, "ghost")))
    story = await why(world.journal, "m1", workspace=WORKSPACE)
    assert sorted(action.state for action in story.actions) == ["failed", "refused"]
    assert "remit logs m1" in story.text()


@pytest.mark.parametrize("which", ["", "nothing", "0190f5fe-7c00-7a00-8000-000000000000"])
async def test_an_unknown_id_is_told_with_the_next_command(world: World, which: str) -> None:
    with pytest.raises(NotFound) as told:
        await why(world.journal, which, workspace=WORKSPACE)
    assert told.value.hint == "remit missions"


async def test_another_workspace_sees_nothing(world: World) -> None:
    action = act()
    await world.guard.run(action)
    with pytest.raises(NotFound):
        await why(world.journal, action.id, workspace="elsewhere")
