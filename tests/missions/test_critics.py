"""Critics: what a step found is evidence about the tree that it was given, in the transaction of its last row."""

from __future__ import annotations

from typing import Any

import pytest

from remit.guard.evidence import find_evidence, standing
from remit.kernel import crash
from remit.kernel.errors import Failed, InvalidInput
from remit.kernel.finding import Finding, Severity
from remit.kernel.mission import NoSecrets, Plan, StepSpec
from remit.missions.plan_json import dump, load

from .conftest import OWNER

WRITE: dict[str, Any] = {"name": "write", "params": {"files": ["a"]}}


def _critic(name: str, critic: str, uses: str = "do", **more: Any) -> dict[str, Any]:
    return {"name": name, "critic": critic, "uses": uses, "needs": ["write"], **more}


async def _said(world: Any, view: Any, tree: str = "") -> Any:
    about = tree or view.mission.tree
    return await world.journal.read(lambda tx: standing(tx, "w", view.mission.id, about))


async def test_a_critic_that_passes_is_evidence_for_the_tree(world: Any) -> None:
    view = await world.run([WRITE, _critic("look", "tests")])
    found = await _said(world, view)
    assert (found["tests"].holds, found["tests"].source) == (True, "step:look")
    assert (await _said(world, view, "0" * 40)) == {}


async def test_what_a_critic_finds_is_kept_with_its_verdict(world: Any) -> None:
    async def body(ctx: Any, params: Any) -> Any:
        del params
        ctx.report([Finding("lint.E1", Severity.WARNING, "meh", "a:1", "mend it")])
        ctx.report([Finding("secret.key", Severity.CRITICAL, "a key", "a:2", "rotate it")], critic="secrets")
        ctx.report([], critic="licences")
        return {}

    world.pack.bodies["look"] = body
    found = await _said(world, await world.run([WRITE, _critic("look", "quality", "look")]))
    assert (found["quality"].holds, found["quality"].findings[0].place) == (True, "a:1")
    assert not found["secrets"].holds
    assert found["licences"].holds


async def test_a_critic_that_fails_for_good_says_so(world: Any) -> None:
    async def body(ctx: Any, params: Any) -> Any:
        del ctx, params
        raise Failed("two tests failed")

    world.pack.bodies["look"] = body
    view = await world.run([WRITE, _critic("look", "tests", "look")])
    assert view.status == "failed"
    [finding] = (await _said(world, view))["tests"].findings
    assert (finding.kind, finding.severity, finding.message, finding.place) == (
        "critic.failed",
        Severity.ERROR,
        "two tests failed",
        "look",
    )


async def test_the_verdict_is_about_what_was_given_not_about_what_came_later(world: Any) -> None:
    late = {"name": "late", "needs": ["look"], "params": {"files": ["b"]}}
    view = await world.run([WRITE, _critic("look", "tests"), late])
    assert await _said(world, view) == {}
    first = next(step.commit_id for step in view.steps if step.name == "write")
    tree = await world.deps.repository_for(view.mission.id).tree(first)
    assert (await _said(world, view, tree))["tests"].holds


async def test_several_steps_are_one_critic_together(world: Any) -> None:
    fails = {"now": True}

    async def body(ctx: Any, params: Any) -> Any:
        del ctx, params
        if fails["now"]:
            raise Failed("types do not agree")
        return {}

    world.pack.bodies["types"] = body
    steps = [WRITE, _critic("lint", "quality"), _critic("types", "quality", "types", needs=["write", "lint"])]
    view = await world.run(steps)
    found = await _said(world, view)
    assert found["quality_lint"].holds
    assert not found["quality_types"].holds
    assert not found["quality"].holds

    fails["now"] = False
    view = await world.resume(view.mission.id)
    found = await _said(world, view)
    assert view.status == "succeeded"
    assert found["quality"].holds
    assert found["quality_types"].holds


async def test_a_part_alone_is_no_verdict(world: Any) -> None:
    steps = [WRITE, _critic("lint", "quality"), _critic("types", "quality", needs=["gone"])]
    steps.append({"name": "gone", "uses": "stop", "needs": ["lint"]})

    async def stop(ctx: Any, params: Any) -> Any:
        del ctx, params
        raise Failed("here it ends")

    world.pack.bodies["stop"] = stop
    found = await _said(world, await world.run(steps))
    assert set(found) == {"quality_lint"}


async def test_evidence_and_row_stand_or_fall_together(world: Any) -> None:
    """A process that dies just before the critic's last row leaves no verdict, and its resume makes it."""

    class DiedError(BaseException):
        pass

    mission = await world.create([WRITE, _critic("look", "tests")])
    done: list[str] = []

    def hook(moment: str) -> None:
        if moment == "step.finish:before":
            done.append(moment)
            if len(done) == 2:
                raise DiedError

    crash.install(hook)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - however the journal tells it
        await world.missions.run("w", mission)
    crash.install(None)
    assert await world.journal.read(lambda tx: find_evidence(tx, "w", mission=mission)) == []
    again = await world.restarted()
    view = await again.resume(mission)
    assert (await _said(again, view))["tests"].holds
    await again.engine.stop()


async def test_a_branch_keeps_what_critics_said_of_the_same_tree(world: Any) -> None:
    steps = [WRITE, _critic("look", "tests"), {"name": "last", "needs": ["look"]}]
    view = await world.run(steps)
    child = await world.missions.branch("w", view.mission.id, from_step="last", actor=OWNER)
    branched = await world.missions.run("w", child)
    assert branched.mission.tree == view.mission.tree
    assert (await _said(world, branched))["tests"].holds
    assert world.pack.ran["look"] == 1


def test_names_that_rules_could_not_read_are_refused(world: Any) -> None:
    for critic in ("Tests", "1st", "a-b", "x" * 41):
        with pytest.raises(InvalidInput, match="lower-case word"):
            _planned(world, [_critic("look", critic), WRITE])
    with pytest.raises(InvalidInput, match="both be called 'q_a_b'"):
        _planned(world, [_critic("a.b", "q"), _critic("a_b", "q"), WRITE])


def _planned(world: Any, steps: list[dict[str, Any]]) -> Any:
    import orjson

    from remit.missions.intake import planned

    return planned(world.pack, orjson.dumps(steps), "in.json")


def test_a_plan_stored_before_there_were_critics_still_loads() -> None:
    step = StepSpec("a", "do", post=(NoSecrets(),))
    old = dump(Plan("p", (step,)))
    assert b"critic" not in old
    assert load(old).steps[0].critic == ""
    judged = Plan("p", (StepSpec("a", "do", post=(NoSecrets(),), critic="tests"),))
    assert load(dump(judged)) == judged


async def test_a_report_without_a_critic_is_a_fault_of_the_pack(world: Any) -> None:
    async def body(ctx: Any, params: Any) -> Any:
        del params
        ctx.report([Finding("x", Severity.INFO, "x")])

    world.pack.bodies["look"] = body
    view = await world.run([{"name": "a", "uses": "look"}])
    assert (view.status, view.mission.error_code) == ("failed", "step.critic")
