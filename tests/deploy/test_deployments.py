"""Deploying a mission: what must be known before, what is live after, and what takes it back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from remit.guard.approval_rows import read_request
from remit.guard.evidence import Evidence, record, standing
from remit.guard.tables import ACTION
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Deploy
from remit.kernel.errors import ApprovalPending, Conflict, Denied, RemitError
from remit.kernel.finding import Finding, Severity
from remit.kernel.ids import new_id
from remit.missions.deployment_tables import DEPLOYMENT
from remit.missions.deployments import Ended

from .conftest import OWNER, Yard, files_of

DEPLOYS = select(ACTION).where(ACTION.c.kind == "deploy", ACTION.c.state != "refused").order_by(ACTION.c.opened_us)


async def _evidence(yard: Yard, name: str) -> dict[str, Any]:
    found = await yard.runtime.store.read(lambda tx: standing(tx, "default", yard.mission(name), yard.tree(name)))
    return dict(found)


async def test_a_release_goes_live_and_answers_from_there(yard: Yard) -> None:
    done = await yard.deploy("one")
    assert (done.ended, done.release, done.previous, yard.live) == (Ended.DEPLOYED, yard.tree("one"), "", yard.live)
    assert yard.greeting == "one"
    told = json.loads(done.text)
    assert told["seen"] == [[200, "health"], [200, "one\n"]]
    assert told["root"] == str(yard.place / "releases" / yard.tree("one"))

    said = await _evidence(yard, "one")
    assert {name for name, each in said.items() if each.holds} >= {"tests", "security", "secrets", "smoke", "review"}
    [row] = await yard.rows(DEPLOYS)
    assert (row["state"], row["mission"], row["on_behalf_of"]) == ("ok", yard.mission("one"), "user:owner")
    look = await yard.runtime.deployments.look("default", str(yard.place))
    assert (look.tree, look.mission, look.by.row.action) == (yard.tree("one"), yard.mission("one"), done.action)


async def test_nothing_is_there_until_a_person_has_approved_exactly_this(yard: Yard) -> None:
    with pytest.raises(ApprovalPending) as pending:
        await yard.ask("one")
    assert list(yard.place.iterdir()) == []
    request = await yard.runtime.store.read(lambda tx: read_request(tx, "default", pending.value.approval_id))
    told = str(request.shown)
    assert "+one" in told
    assert "3 added" in told
    with pytest.raises(ApprovalPending) as again:
        await yard.ask("one")
    assert again.value.approval_id == pending.value.approval_id
    await yard.approve(pending.value.approval_id)
    done = await yard.ask("one")
    assert (done.ended, yard.greeting) == (Ended.DEPLOYED, "one")


async def test_an_approval_is_for_what_was_live_when_it_was_asked(yard: Yard) -> None:
    with pytest.raises(ApprovalPending) as pending:
        await yard.ask("two")
    await yard.approve(pending.value.approval_id)
    await yard.deploy("one")
    with pytest.raises(ApprovalPending) as anew:
        await yard.ask("two")
    assert anew.value.approval_id != pending.value.approval_id
    assert yard.live == yard.tree("one")


async def test_the_same_again_changes_nothing(yard: Yard) -> None:
    await yard.deploy("one")
    again = await yard.deploy("one")
    assert again.ended is Ended.ALREADY
    assert len(await yard.rows(DEPLOYS)) == 1


async def test_a_release_that_is_ill_is_found_out_before_anything_is_asked(yard: Yard) -> None:
    done = await yard.deploy("ill")
    assert done.ended is Ended.SMOKE_FAILED
    assert "500" in done.text
    assert list(yard.place.iterdir()) == []
    assert await yard.rows(DEPLOYS) == []
    said = await _evidence(yard, "ill")
    assert not said["smoke"].holds
    assert said["smoke"].findings[0].kind == "smoke.failed"


async def test_what_does_not_answer_when_it_is_live_is_switched_back(yard: Yard) -> None:
    await yard.deploy("one")
    before = files_of(yard.place / "current")
    (yard.place / "closed").touch()
    done = await yard.deploy("two")
    assert done.ended is Ended.SWITCHED_BACK
    assert yard.live == done.live == yard.tree("one")
    assert files_of(yard.place / "current") == before
    assert "live again" in done.text
    assert [row["state"] for row in await yard.rows(DEPLOYS)] == ["ok", "failed"]
    assert not (await _evidence(yard, "two"))["smoke"].holds

    (yard.place / "closed").unlink()
    assert (await yard.deploy("two")).ended is Ended.DEPLOYED


async def test_a_tree_that_no_critic_judged_is_refused(yard: Yard) -> None:
    """The critics judged the tree before the last step changed it."""
    with pytest.raises(Denied) as refused:
        await yard.deploy("late")
    assert "tests" in refused.value.message
    assert "security" in refused.value.message
    assert list(yard.place.iterdir()) == []


async def test_a_critic_that_failed_blocks(yard: Yard) -> None:
    with pytest.raises(Conflict, match="only one that succeeded"):
        await yard.deploy("broken")
    said = await yard.runtime.store.read(lambda tx: standing(tx, "default", yard.mission("broken"), ""))
    assert "tests" not in said  # it speaks for a tree, not for the mission
    tree = (await yard.runtime.missions.show("default", yard.mission("broken"))).mission.tree
    about = await yard.runtime.store.read(lambda tx: standing(tx, "default", yard.mission("broken"), tree))
    assert not about["tests"].holds
    [finding] = about["tests"].findings
    assert (finding.kind, finding.severity.value, finding.place, finding.fix) == (
        "tests.failed",
        "error",
        "server.py",
        "mend the test",
    )


BLOCKING = {
    "Critical findings: 1": Finding("security.B602", Severity.CRITICAL, "a shell", "server.py:3"),
    "Hard-coded secrets: 1": Finding("secret.aws_key", Severity.WARNING, "a key", "server.py:4"),
    "Tests are missing": Finding("missing_tests", Severity.WARNING, "no test of server.py", "server.py"),
    "Critics of this release that failed: 1": Finding("style.ugly", Severity.ERROR, "ugly", "server.py"),
}


@pytest.mark.parametrize("told", BLOCKING)
async def test_what_a_critic_found_blocks_the_deployment(yard: Yard, told: str) -> None:
    found = Evidence(
        workspace="default",
        mission=yard.mission("one"),
        critic="audit",
        subject=yard.tree("one"),
        passed=True,
        findings=(BLOCKING[told],),
        source="step:audit",
        at_us=1,
    )
    await yard.runtime.store.commit("deploy.evidence", lambda tx: record(tx, found))
    with pytest.raises(Denied) as refused:
        await yard.ask("one")
    assert told in refused.value.message
    assert list(yard.place.iterdir()) == []


async def test_nobody_reviewed_it(yard: Yard) -> None:
    with pytest.raises(Denied, match="review"):
        await yard.deploy("unread")


async def test_only_people_of_the_workspace_deploy(yard: Yard) -> None:
    for who in (Principal(ActorKind.AGENT, "coder"), Principal(ActorKind.USER, "stranger")):
        with pytest.raises(Denied):
            await yard.runtime.deployments.deploy("default", yard.mission("one"), str(yard.place), actor=who)
    assert list(yard.place.iterdir()) == []


async def test_a_rollback_takes_deployments_back_newest_first_byte_for_byte(yard: Yard) -> None:
    await yard.deploy("one")
    before = files_of(yard.place / "current")
    await yard.deploy("two")
    await yard.runtime.missions.rollback("default", yard.mission("two"), actor=OWNER)
    assert yard.live == yard.tree("one")
    assert files_of(yard.place / "current") == before
    first, second, back = await yard.rows(DEPLOYS)
    assert (back["parent"], back["state"], back["on_behalf_of"]) == (second["id"], "ok", "user:owner")
    assert first["mission"] != back["mission"] == yard.mission("two")

    await yard.runtime.missions.rollback("default", yard.mission("one"), actor=OWNER)
    assert yard.live == ""
    assert len(await yard.rows(DEPLOYS)) == 4
    # Taken back is taken back: another rollback finds nothing to undo.
    await yard.runtime.missions.rollback("default", yard.mission("one"), actor=OWNER)
    assert len(await yard.rows(DEPLOYS)) == 4


async def test_a_rollback_to_a_step_takes_the_deployment_back_and_a_rerun_leaves_it(yard: Yard) -> None:
    await yard.deploy("one")
    run = await yard.runtime.missions.resume("default", yard.mission("one"), actor=OWNER, from_step="tests")
    await yard.runtime.engine.wait(run)
    assert yard.live == yard.tree("one")
    await yard.runtime.missions.rollback("default", yard.mission("one"), actor=OWNER, to_step="write")
    assert yard.live == ""


async def test_a_rollback_stops_when_another_release_is_live_and_names_it(yard: Yard) -> None:
    await yard.deploy("one")
    await yard.deploy("two")
    with pytest.raises(Conflict) as stopped:
        await yard.runtime.missions.rollback("default", yard.mission("one"), actor=OWNER)
    assert yard.mission("two") in stopped.value.message
    assert stopped.value.hint == f"remit rollback {yard.mission('two')}"
    assert yard.live == yard.tree("two")
    view = await yard.runtime.missions.show("default", yard.mission("one"))
    assert view.status.value == "succeeded"


async def test_after_a_rollback_the_same_release_can_be_deployed_again(yard: Yard) -> None:
    await yard.deploy("one")
    await yard.deploy("two")
    await yard.runtime.missions.rollback("default", yard.mission("two"), actor=OWNER)
    run = await yard.runtime.missions.resume("default", yard.mission("two"), actor=OWNER)
    await yard.runtime.engine.wait(run)
    done = await yard.deploy("two")
    assert (done.ended, yard.live) == (Ended.DEPLOYED, yard.tree("two"))


async def test_nobody_else_claims_to_take_a_deployment_back(yard: Yard) -> None:
    await yard.deploy("one")
    done = await yard.deploy("two")
    release = {"tree": yard.tree("one"), "previous": yard.tree("two"), "smoke": [], "keep": 5}
    forged = [
        (OWNER, {**release, "tree": yard.tree("late")}, done.action),
        (OWNER, release, new_id()),
        (Principal(ActorKind.AGENT, "coder"), release, done.action),
    ]
    for who, told, undone in forged:
        action = Action(
            new_id(),
            Deploy(str(yard.place), told, compensates=undone),
            who,
            OWNER,
            "default",
            yard.mission("two"),
            effect_key=new_id(),
        )
        with pytest.raises(RemitError):
            await yard.runtime.guard.run(action)
    assert yard.live == yard.tree("two")
    assert len(await yard.rows(select(DEPLOYMENT))) == 2


async def test_two_at_once_are_one_after_the_other(yard: Yard) -> None:
    asked = []
    for name in ("one", "two"):
        with pytest.raises(ApprovalPending) as pending:
            await yard.ask(name)
        await yard.approve(pending.value.approval_id)
        asked.append(name)
    both = await asyncio.gather(*map(yard.ask, asked), return_exceptions=True)
    # Whoever comes second finds something live that nobody approved to replace, and asks anew.
    done = [each for each in both if not isinstance(each, BaseException)]
    assert [each.ended for each in done] == [Ended.DEPLOYED]
    assert [type(each) for each in both if isinstance(each, BaseException)] == [ApprovalPending]
    [row] = await yard.rows(select(DEPLOYMENT))
    assert yard.live == row["tree"] == done[0].release


async def test_what_was_agreed_about_another_live_release_is_not_done(yard: Yard) -> None:
    """Somebody else switched between the order's look at the place and the switch."""
    with pytest.raises(ApprovalPending):
        await yard.ask("two")  # its smoke test is evidence from here on
    await yard.deploy("one")
    release = {"tree": yard.tree("two"), "previous": "", "smoke": [], "keep": 5}
    effect, mission = Deploy(str(yard.place), release), yard.mission("two")

    def action() -> Action:
        return Action(new_id(), effect, OWNER, OWNER, "default", mission, effect_key="by hand")

    with pytest.raises(ApprovalPending) as pending:
        await yard.runtime.guard.run(action())
    await yard.approve(pending.value.approval_id)
    with pytest.raises(Conflict, match="nothing was changed"):
        await yard.runtime.guard.run(action())
    assert yard.live == yard.tree("one")


async def test_the_preview_is_the_difference_to_what_is_live(yard: Yard) -> None:
    await yard.deploy("one")
    found = await yard.runtime.deployments.preview("default", yard.mission("two"), str(yard.place))
    assert "1 changed: greeting.txt" in found.summary
    assert found.diff.splitlines()[-2:] == ["-one", "+two"]


async def test_nothing_outside_the_place_is_touched(yard: Yard, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "file").write_text("mine")
    (yard.place / "notes.txt").write_text("a person's own file")
    before = set(tmp_path.iterdir())
    await yard.deploy("one")
    await yard.deploy("two", keep=1)
    assert set(tmp_path.iterdir()) == before
    assert (beside / "file").read_text() == "mine"
    assert (yard.place / "notes.txt").read_text() == "a person's own file"
