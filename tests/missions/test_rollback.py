# ruff: noqa: ARG001 - step bodies and stand-ins have the shape that is called
"""Going back, and branching off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from remit.kernel import crash
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Reversal
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.missions.deps import Performed

OWNER = Principal(ActorKind.USER, "owner")

STEPS: list[dict[str, Any]] = [
    {"name": "base", "params": {"files": ["base.txt"]}},
    {"name": "users", "needs": ["base"], "feature": "users", "params": {"files": ["users.txt"]}},
    {"name": "billing", "needs": ["base"], "feature": "billing", "params": {"files": ["billing.txt"]}},
    {"name": "docs", "needs": ["users"], "params": {"files": ["docs.txt"]}},
    {"name": "index", "needs": ["users", "billing"], "params": {"files": ["index.txt"]}},
]


def without(feature: str) -> list[dict[str, Any]]:
    gone = {step["name"] for step in STEPS if step.get("feature") == feature}
    left = [dict(step) for step in STEPS if step["name"] not in gone]
    return [step | {"needs": [need for need in step.get("needs", ()) if need not in gone]} for step in left]


async def test_rolling_back_everything_gives_the_empty_start(world: Any) -> None:
    view = await world.run(STEPS)
    Path(view.workspace, "ignored.log").write_text("left by a tool")
    after = await world.missions.rollback("w", view.mission.id, actor=OWNER)
    assert after.status == "rolled_back"
    assert list(Path(after.workspace).iterdir()) == []
    assert {step.status for step in after.steps} == {"rolled_back"}
    assert view.mission.head_commit in world.repositories.of(view.mission.id).refs
    again = await world.resume(view.mission.id)
    assert again.status == "succeeded"
    assert again.mission.tree == view.mission.tree
    assert set(world.pack.ran.values()) == {2}


async def test_rolling_back_to_a_step_gives_its_tree_byte_for_byte(world: Any) -> None:
    view = await world.run(STEPS)
    step = next(each for each in view.steps if each.position == 2)
    tree = await world.repositories.of(view.mission.id).tree(step.commit_id)
    after = await world.missions.rollback("w", view.mission.id, actor=OWNER, to_step=step.name)
    assert after.mission.tree == tree
    assert after.mission.head_commit == step.commit_id
    assert [each.status for each in after.steps] == ["succeeded"] * 3 + ["rolled_back"] * 2
    again = await world.resume(view.mission.id)
    assert again.mission.tree == view.mission.tree
    assert sorted(world.pack.ran.values()) == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("feature", ["users", "billing"])
async def test_rolling_back_a_feature_gives_the_tree_of_a_build_without_it(
    tmp_path: Path, make_world: Any, feature: str
) -> None:
    world = await make_world(tmp_path / "a")
    view = await world.run(STEPS)
    old = [each.commit for each in await world.repositories.of(view.mission.id).history()]
    after = await world.missions.rollback("w", view.mission.id, actor=OWNER, feature=feature)
    other = await make_world(tmp_path / "b")
    never = await other.run(without(feature))
    assert after.status == "succeeded", after.mission.error
    assert after.mission.tree == never.mission.tree
    assert world.files(after) == other.files(never)
    new = [each.commit for each in await world.repositories.of(view.mission.id).history()]
    assert new[: len(old)] == old, "new commits on top, nothing lost"
    assert after.mission.revision == 2
    if feature == "billing":
        assert world.pack.ran == {"base": 1, "users": 1, "billing": 1, "docs": 1, "index": 2}


async def test_a_feature_that_is_not_there_changes_nothing(world: Any) -> None:
    view = await world.run(STEPS)

    def missing(data: bytes, feature: str) -> Any:
        raise NotFound("no such feature")

    world.pack.without = missing
    with pytest.raises(NotFound):
        await world.missions.rollback("w", view.mission.id, actor=OWNER, feature="nope")
    after = await world.missions.show("w", view.mission.id)
    assert after.status == "succeeded"
    assert after.mission.tree == view.mission.tree


def outside(step: str, reversal: Reversal) -> Performed:
    return Performed(f"action-{step}", step, "deploy", f"target-{step}", reversal)


async def test_effects_outside_are_undone_newest_first(world: Any) -> None:
    view = await world.run(STEPS)
    world.guard.outside += [outside("users", Reversal.COMPENSATE), outside("docs", Reversal.COMPENSATE)]
    await world.missions.rollback("w", view.mission.id, actor=OWNER)
    assert [each.step for each in world.guard.undone] == ["docs", "users"]


async def test_what_can_not_be_undone_stops_the_rollback_and_is_named(world: Any) -> None:
    view = await world.run(STEPS)
    world.guard.outside += [outside("users", Reversal.IRREVERSIBLE), outside("docs", Reversal.COMPENSATE)]
    with pytest.raises(Conflict, match="target-users by step 'users' can't be undone"):
        await world.missions.rollback("w", view.mission.id, actor=OWNER)
    assert [each.step for each in world.guard.undone] == ["docs"]
    after = await world.missions.show("w", view.mission.id)
    assert after.status == "succeeded"
    assert after.mission.tree == view.mission.tree


async def test_a_critical_failure_rolls_back_by_itself(world: Any) -> None:
    async def wrong(ctx: Any, params: Any) -> None:
        raise ValueError("bad")

    world.pack.bodies["wrong"] = wrong
    critical = {"name": "last", "needs": ["index"], "uses": "wrong", "on_failure": "rollback"}
    view = await world.run([*STEPS, critical])
    assert view.status == "rolled_back"
    assert view.mission.error == "ValueError: bad"
    assert world.files(view) == {}


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("order", [{}, {"to_step": "users"}, {"feature": "billing"}])
async def test_a_rollback_killed_anywhere_is_finished_by_the_next_order(
    tmp_path: Path, make_world: Any, order: dict[str, str]
) -> None:
    whole = await make_world(tmp_path / "whole")
    wanted = await whole.run(STEPS)
    moments: list[str] = []
    crash.install(moments.append)
    wanted = await whole.missions.rollback("w", wanted.mission.id, actor=OWNER, **order)
    crash.install(None)
    for at in range(len(moments)):
        world = await make_world(tmp_path / f"at{at}")
        view = await world.run(STEPS)
        reached = 0

        def kill(moment: str, *, at: int = at) -> None:
            nonlocal reached
            if reached >= at:
                raise Crash(moment)
            reached += 1

        crash.install(kill)
        with pytest.raises(Crash):
            await world.missions.rollback("w", view.mission.id, actor=OWNER, **order)
        crash.install(None)
        other = await world.restarted()
        shown = await other.missions.show("w", view.mission.id)
        if order.get("feature") and shown.mission.revision == 2:
            shown = await other.resume(view.mission.id)
        elif shown.status != "rolled_back" or shown.mission.pending:
            shown = await other.missions.rollback("w", view.mission.id, actor=OWNER, **order)
        assert shown.mission.tree == wanted.mission.tree, moments[at]
        assert other.files(shown) == whole.files(wanted), moments[at]
        assert {step.name: step.status for step in shown.steps if step.status == "rolled_back"} == {
            step.name: step.status for step in wanted.steps if step.status == "rolled_back"
        }


async def test_a_branch_shares_history_and_leaves_its_parent_alone(world: Any) -> None:
    view = await world.run(STEPS)
    child = await world.missions.branch("w", view.mission.id, from_step="users", actor=OWNER)
    twin = await world.missions.run("w", child)
    assert twin.status == "succeeded"
    assert twin.mission.tree == view.mission.tree
    assert twin.mission.parent == view.mission.id
    ours = await world.repositories.of(view.mission.id).history()
    theirs = await world.repositories.of(child).history()
    place = next(step.position for step in view.steps if step.name == "users")
    assert [each.commit for each in theirs[: place + 1]] == [each.commit for each in ours[: place + 1]]
    assert world.pack.ran["base"] == 1
    after = await world.missions.show("w", view.mission.id)
    assert after.mission == view.mission


async def test_a_branch_with_another_input_inherits_what_is_unchanged(tmp_path: Path, make_world: Any) -> None:
    world = await make_world(tmp_path / "a")
    view = await world.run(STEPS)
    changed = [dict(step) for step in STEPS]
    changed[2] = changed[2] | {"params": {"files": ["billing.txt"], "text": "tiers"}}
    last = view.steps[-1].name
    child = await world.missions.branch(
        "w", view.mission.id, from_step=last, actor=OWNER, other=(orjson.dumps(changed), "other.json")
    )
    twin = await world.missions.run("w", child)
    other = await make_world(tmp_path / "b")
    fresh = await other.run(changed)
    assert twin.status == "succeeded", twin.mission.error
    assert twin.mission.tree == fresh.mission.tree
    assert world.pack.ran == {"base": 1, "users": 1, "docs": 1, "billing": 2, "index": 2}
    back = await world.missions.rollback("w", child, actor=OWNER)
    assert back.mission.tree == await world.repositories.of(child).tree(back.mission.start_commit)
    assert await other.resume(fresh.mission.id)


async def test_a_branch_starts_at_a_finished_step_only(world: Any) -> None:
    async def wrong(ctx: Any, params: Any) -> None:
        raise ValueError("bad")

    world.pack.bodies["wrong"] = wrong
    view = await world.run([*STEPS[:1], {"name": "bad", "needs": ["base"], "uses": "wrong"}])
    with pytest.raises(InvalidInput, match="failed"):
        await world.missions.branch("w", view.mission.id, from_step="bad", actor=OWNER)
    with pytest.raises(NotFound):
        await world.missions.branch("w", view.mission.id, from_step="nope", actor=OWNER)
