# ruff: noqa: ARG001 - step bodies and stand-ins have the shape that is called
"""Killed anywhere, a mission ends as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.kernel import crash
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, Drift, IntegrityError
from remit.missions.rows import CHILD_INSERT, OnDrift, set_step

OWNER = Principal(ActorKind.USER, "owner")


class Crash(BaseException):
    """The process is gone."""


class Killer:
    """Raises at the chosen moment, and at every one after it: a dead process writes nothing."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.reached: list[str] = []
        self.dead = False

    def __call__(self, moment: str) -> None:
        if self.dead or len(self.reached) == self.at:
            self.dead = True
            raise Crash(moment)
        self.reached.append(moment)


async def killed_at(world: Any, steps: list[dict[str, Any]], at: int | None) -> tuple[str, Killer]:
    mission = await world.create(steps)
    killer = Killer(at)
    crash.install(killer)
    try:
        run = await world.missions.submit("w", mission)
        await world.engine.wait(run)
    except Crash:
        pass
    finally:
        crash.install(None)
    return mission, killer


STEPS: list[dict[str, Any]] = [
    {"name": "a", "params": {"files": ["a.txt", "d/b.txt"], "calls": 1}},
    {"name": "b", "needs": ["a"], "params": {"calls": 2}},
    {"name": "c", "needs": ["a"], "params": {"files": ["c.txt"]}},
    {"name": "d", "needs": ["b", "c"], "params": {"files": ["a.txt"]}},
]


async def unbroken(make: Any, folder: Path, steps: list[dict[str, Any]]) -> Any:
    world = await make(folder)
    view = await world.run(steps)
    assert view.status == "succeeded"
    return view


def last_finish(world: Any, mission: str) -> set[str]:
    return {
        entry.fields["step"]
        for entry in world.journal.entries
        if entry.fields["action"] == "step.finish" and entry.fields["mission"] == mission
    }


async def check_resumed(world: Any, mission: str, whole: Any) -> None:
    """Tree as unbroken, no finished step again, each effect key's result once."""
    finished = last_finish(world, mission)
    ran = dict(world.pack.ran)
    begun = dict(world.pack.begun)
    other = await world.restarted()
    view = await other.resume(mission)
    if view.status != "succeeded":  # the last crash was after the mission had ended
        raise AssertionError(view.mission.error)
    assert view.mission.tree == whole.mission.tree
    assert other.files(view) == other.files(whole)
    for name in finished:
        assert world.pack.ran[name] == ran[name], f"{name} was finished and ran again"
        assert world.pack.begun[name] == begun[name]
    keys = {key.split("/", 1)[1] for key in world.guard.results}
    assert len(keys) == len(world.guard.results)
    counted = {key.split("/")[1] for key in world.guard.results}
    assert counted == {step.name for step in view.steps if step.name in counted}
    for name, number in {"a": 2, "b": 2, "c": 1, "d": 1}.items():
        if whole.steps and name in {step.name for step in whole.steps} and len(whole.steps) == len(STEPS):
            assert sum(key.split("/")[1] == name for key in world.guard.results) == number
    assert not (Path(view.workspace).parent / "steps").exists()


async def test_killed_at_every_write_and_resumed(tmp_path: Path, make_world: Any) -> None:
    whole = await unbroken(make_world, tmp_path / "whole", STEPS)
    probe = await make_world(tmp_path / "probe")
    _, killer = await killed_at(probe, STEPS, None)
    assert {moment.partition(":")[0] for moment in killer.reached} >= {
        *("mission.claim", "step.start", "step.attempt", "step.finish", "git.ref", "git.workspace", "step.folder"),
        *("mission.status", "guard.intent", "guard.outcome", "files.write", "mission.folder"),
    }
    for at in range(len(killer.reached)):
        world = await make_world(tmp_path / f"at{at}")
        mission, killed = await killed_at(world, STEPS, at)
        assert killed.dead, at
        await check_resumed(world, mission, whole)
        shutil.rmtree(tmp_path / f"at{at}")


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 5))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        files = [f"{number}.txt"] if draw(st.booleans()) else []
        params = {"files": files, "calls": draw(st.integers(0, 2))}
        steps.append({"name": f"s{number}", "needs": [f"s{need}" for need in sorted(needs)], "params": params})
    return steps


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=plans(), kills=st.lists(st.integers(0, 60), min_size=1, max_size=3), parallel=st.integers(1, 3))
async def test_killed_again_and_again_a_random_mission_ends_as_unbroken(
    tmp_path_factory: Any, make_world: Any, steps: list[dict[str, Any]], kills: list[int], parallel: int
) -> None:
    folder = tmp_path_factory.mktemp("random")
    whole = await unbroken(make_world, folder / "whole", steps)
    world = await make_world(folder / "broken", parallel=parallel)
    mission, _ = await killed_at(world, steps, kills[0])
    finished: dict[str, int] = {}
    for at in kills[1:]:
        world = await world.restarted()
        finished |= {name: world.pack.ran[name] for name in last_finish(world, mission)}
        crash.install(Killer(at))
        try:
            run = await world.missions.resume("w", mission, actor=OWNER)
            if run:
                await world.engine.wait(run)
        except Crash:
            pass
        finally:
            crash.install(None)
    finished |= {name: world.pack.ran[name] for name in last_finish(world, mission)}
    world = await world.restarted()
    view = await world.resume(mission)
    assert view.status == "succeeded", view.mission.error
    assert view.mission.tree == whole.mission.tree
    assert world.files(view) == world.files(whole)
    assert {name: world.pack.ran[name] for name in finished} == finished
    expected = {
        step["name"]: step["params"]["calls"] + bool(step["params"]["files"])
        for step in steps
        if step["params"]["calls"] or step["params"]["files"]
    }
    found: dict[str, int] = {}
    for key in world.guard.results:
        name = key.split("/")[1]
        found[name] = found.get(name, 0) + 1
    assert found == expected
    shutil.rmtree(folder)


async def test_a_finished_mission_has_nothing_to_resume(world: Any) -> None:
    view = await world.run(STEPS)
    assert await world.missions.resume("w", view.mission.id, actor=OWNER) == ""


async def test_a_running_mission_is_not_resumed_beside_its_owner(world: Any) -> None:
    import asyncio

    begun = asyncio.Event()

    async def slow(ctx: Any, params: Any) -> None:
        begun.set()
        await asyncio.sleep(600)

    world.pack.bodies["slow"] = slow
    mission = await world.create([{"name": "s", "uses": "slow"}])
    await world.missions.submit("w", mission)
    await begun.wait()
    with pytest.raises(Conflict, match="running now"):
        await world.missions.resume("w", mission, actor=OWNER)


async def test_a_damaged_log_refuses_by_name_and_changes_nothing(world: Any) -> None:
    mission, _ = await killed_at(world, STEPS, 30)
    before = len(world.journal.entries)
    other = await world.restarted()

    async def damaged(workspace: str, mission: str) -> None:
        raise IntegrityError("entry 3 was altered")

    object.__setattr__(other.deps, "verify_log", damaged)
    row = (await other.missions.show("w", mission)).mission
    with pytest.raises(IntegrityError, match="entry 3"):
        await other.resume(mission)
    assert (await other.missions.show("w", mission)).mission == row
    assert len(world.journal.entries) == before


async def test_a_missing_checkpoint_is_named(world: Any) -> None:
    mission, _ = await killed_at(world, STEPS, 60)
    view = await world.missions.show("w", mission)
    done = next(step for step in view.steps if step.commit_id and step.done)
    await world.journal.commit("step.finish", lambda tx: set_step(tx, done, commit_id="0" * 40))
    other = await world.restarted()
    with pytest.raises(IntegrityError, match=f"step {done.name!r} is missing"):
        await other.resume(mission)
    refused = await other.missions.show("w", mission)
    assert (refused.status, refused.mission.error_code) == ("failed", "checkpoint.missing")


async def test_a_plan_that_was_altered_is_refused(world: Any) -> None:
    from remit.missions.rows import set_mission

    mission, _ = await killed_at(world, STEPS, 30)
    row = (await world.missions.show("w", mission)).mission
    altered = row.plan.replace(b'"files":["c.txt"]', b'"files":["e.txt"]')
    await world.journal.commit("mission.status", lambda tx: set_mission(tx, row, plan=altered))
    other = await world.restarted()
    with pytest.raises(IntegrityError, match="not the one that was planned"):
        await other.resume(mission)


async def failing_then_fixed(world: Any) -> Any:
    async def wrong(ctx: Any, params: Any) -> None:
        raise ValueError("bad")

    world.pack.bodies["last"] = wrong
    view = await world.run([*STEPS, {"name": "z", "needs": ["d"], "uses": "last"}])
    assert view.status == "failed"
    del world.pack.bodies["last"]
    return view


async def test_drift_is_refused_with_the_names_of_the_files(world: Any) -> None:
    view = await failing_then_fixed(world)
    Path(view.workspace, "c.txt").write_text("by hand")
    Path(view.workspace, "extra.txt").write_text("by hand")
    with pytest.raises(Drift, match=r"c\.txt, extra\.txt"):
        await world.resume(view.mission.id)
    assert Path(view.workspace, "c.txt").read_text() == "by hand"
    assert (await world.missions.show("w", view.mission.id)).mission.error_code == "drift.workspace"


async def test_drift_is_answered_by_running_the_files_step_again(world: Any) -> None:
    view = await failing_then_fixed(world)
    Path(view.workspace, "c.txt").write_text("by hand")
    Path(view.workspace, "extra.txt").write_text("by hand")
    after = await world.resume(view.mission.id, drift=OnDrift.RERUN)
    assert after.status == "succeeded"
    assert "by hand" not in "".join(world.files(after).values())
    assert "extra.txt" not in world.files(after)
    assert world.pack.ran == {"a": 1, "b": 1, "c": 2, "d": 2, "z": 1}
    assert {step.name: step.generation for step in after.steps} == {"a": 0, "b": 0, "c": 1, "d": 1, "z": 1}


async def test_drift_can_be_reset_without_running_anything_again(world: Any) -> None:
    view = await failing_then_fixed(world)
    Path(view.workspace, "c.txt").unlink()
    after = await world.resume(view.mission.id, drift=OnDrift.RESET)
    assert after.status == "succeeded"
    assert world.pack.ran["c"] == 1
    assert "c.txt" in world.files(after)


async def test_what_the_dead_run_left_running_is_ended_first(world: Any) -> None:
    mission, _ = await killed_at(world, STEPS, 30)
    other = await world.restarted()
    ended: list[tuple[int, str]] = []

    def kill(pgid: int, start: str) -> bool:
        ended.append((pgid, start))
        return True

    object.__setattr__(other.deps, "kill_leftover", kill)
    child = {
        "workspace": "w",
        "mission": mission,
        "step": "a",
        "host": "localhost",
        "pgid": 4242,
        "start_time": "boot:1",
        "recorded_us": 1,
    }
    await world.journal.commit("command.start", lambda tx: tx.execute(CHILD_INSERT, child))
    elsewhere = child | {"host": "other", "pgid": 7}
    await world.journal.commit("command.start", lambda tx: tx.execute(CHILD_INSERT, elsewhere))
    view = await other.resume(mission)
    assert view.status == "succeeded"
    assert ended == [(4242, "boot:1")]
    assert other.guard.settled == [mission]


async def test_running_again_from_a_step_is_a_persons_order_and_a_new_generation(world: Any) -> None:
    view = await world.run(STEPS)
    tree, keys = view.mission.tree, set(world.guard.results)
    after = await world.resume(view.mission.id, from_step="c")
    assert after.status == "succeeded"
    assert after.mission.tree == tree
    assert world.pack.ran == {"a": 1, "b": 1, "c": 2, "d": 2}
    assert {step.name: step.generation for step in after.steps} == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert {key.split("/")[1] for key in set(world.guard.results) - keys} == {"c", "d"}
    ordered = [entry for entry in world.journal.entries if entry.fields["action"] == "step.reset"]
    assert [entry.fields["actor"] for entry in ordered] == ["user:owner"]
