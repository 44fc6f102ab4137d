"""A mission that waits for a person: durable, decided once, performed once; seen from outside, killed on the way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from remit.testing.drill import PACK, Drill, Ran, until

pytestmark = pytest.mark.timeout(300)


def ask(drill: Drill, at: str = "", **given: Any) -> Ran:
    """Run a mission of which one step needs a person's leave."""
    intake = drill.intake(features=[], ship_usd=12, **given)
    return drill.remit("run", PACK, intake, "--budget", "100", at=at)


def waiting(drill: Drill) -> Mapping[str, Any]:
    """The one request that waits."""
    (only,) = drill.remit("approvals").json()["approvals"]
    return only


def asked(drill: Drill) -> str:
    """The id of the request that waits, read as any program could: at once."""
    database = drill.home / "remit.db"
    if not database.exists():
        return ""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("SELECT id FROM approval WHERE status = 'pending'").fetchone()
        except sqlite3.OperationalError:
            return ""  # not migrated yet
    return "" if found is None else str(found[0])


def shipped(drill: Drill) -> int:
    """How often the witness was told of the step that needs leave."""
    return sum(times for key, times in drill.look().told.items() if "/ship/" in key)


def test_it_waits_says_so_everywhere_and_goes_on_after_the_approval(drill: Drill) -> None:
    ran = ask(drill)
    told = ran.json()
    assert (ran.code, told["status"]) == (4, "waiting")
    assert {step["name"]: step["status"] for step in told["steps"]}["ship"] == "pending"
    request = waiting(drill)
    assert told["waits_for"] == [request["approval"]]
    assert told["error"]["code"] == "guard.approval_pending"
    assert request["approval"] in ran.err
    assert drill.remit("show", told["mission"]).json()["waits_for"] == [request["approval"]]
    (listed,) = drill.remit("missions").json()["missions"]
    assert (listed["status"], listed["waits_for"]) == ("waiting", [request["approval"]])
    assert (request["state"], request["kind"], request["risk"], request["estimate_usd"]) == (
        "pending",
        "notify",
        "medium",
        "12",
    )
    assert json.loads(request["payload"])["subject"] == "shipped"
    assert shipped(drill) == 0
    # A resume without a decision parks again, on the same request.
    assert drill.remit("resume", told["mission"]).code == 4
    assert waiting(drill)["approval"] == request["approval"]

    wrong = drill.remit("approve", request["approval"], "--hash", "00000000")
    assert (wrong.code, wrong.json()["error"]["code"]) == (1, "approval.hash")
    done = drill.remit("approve", request["approval"], "--hash", request["subject_hash"][:12], "--reason", "go")
    answer = done.json()
    assert (done.code, answer["state"], answer["continues"]) == (0, "approved", "here")
    assert answer["result"]["status"] == "succeeded"
    assert shipped(drill) == 1
    again = drill.remit("approve", request["approval"])
    assert (again.code, again.json()["error"]["code"]) == (1, "approval.used")
    assert shipped(drill) == 1
    assert drill.remit("approvals").json()["approvals"] == []
    (kept,) = drill.remit("approvals", "--all").json()["approvals"]
    assert (kept["state"], kept["votes"][0]["by"], kept["votes"][0]["reason"]) == ("used", "owner", "go")
    # The whole story of the effect: who asked, under which rules, who approved, and that the log proves it.
    assert drill.remit("audit", "verify").code == 0
    (story,) = drill.remit("why", kept["used_by"]).json()["actions"]
    assert [(each["actor"], each["action"]) for each in story["decisions"]] == [
        ("system:approvals", "approval.requested"),
        ("user:owner", "approval.approved"),
    ]
    assert {each["standing"] for each in (*story["decisions"], *story["entries"])} == {"proved"}
    assert (story["on_behalf_of"], story["policy_rev"]) == ("user:owner", kept["policy_rev"])
    assert [each["action"] for each in story["entries"]] == ["guard.intent", "guard.outcome"]


def test_a_denial_fails_the_step_and_says_who_and_why(drill: Drill) -> None:
    mission = ask(drill).json()["mission"]
    denied = drill.remit("deny", waiting(drill)["approval"], "--reason", "too dear")
    answer = denied.json()
    assert (denied.code, answer["state"], answer["result"]["status"]) == (0, "denied", "failed")
    assert "owner denied the notify" in answer["result"]["error"]["message"]
    assert "too dear" in answer["result"]["error"]["message"]
    bodies = drill.look().bodies.count("ship")
    assert bodies == 1, "the step was not begun again to learn of it"
    assert shipped(drill) == 0
    # A person's order to go on asks anew.
    assert drill.remit("resume", mission).code == 4
    assert waiting(drill)["state"] == "pending"
    drill.remit("cancel", mission)
    assert drill.remit("approvals").json()["approvals"] == []
    assert [one["state"] for one in drill.remit("approvals", "--all").json()["approvals"]] == ["withdrawn", "denied"]


@pytest.mark.prove
@pytest.mark.parametrize("moment", ["guard.refused:after", "mission.status:before"])
def test_a_kill_while_it_begins_to_wait_loses_nothing(drill: Drill, moment: str) -> None:
    assert ask(drill, at=moment).killed
    request = waiting(drill)
    answer = drill.remit("approve", request["approval"]).json()
    assert (answer["continues"], answer["result"]["status"]) == ("here", "succeeded")
    assert shipped(drill) == 1
    assert [one["state"] for one in drill.remit("approvals", "--all").json()["approvals"]] == ["used"]


@pytest.mark.prove
def test_a_kill_between_approval_and_use_leaves_it_usable_once(drill: Drill) -> None:
    mission = ask(drill).json()["mission"]
    request = waiting(drill)
    assert drill.remit("approve", request["approval"], at="guard.approval:after").killed
    assert waiting(drill)["state"] == "approved"
    assert shipped(drill) == 0
    assert drill.remit("resume", mission).json()["status"] == "succeeded"
    assert shipped(drill) == 1


@pytest.mark.prove
def test_a_kill_before_the_decision_is_written_decides_nothing(drill: Drill) -> None:
    ask(drill)
    request = waiting(drill)
    assert drill.remit("approve", request["approval"], at="guard.approval:before").killed
    assert waiting(drill)["state"] == "pending"


@pytest.mark.parametrize(("moment", "told"), [("guard.intent:after", 0), ("guard.outcome:before", 1)])
def test_a_kill_between_use_and_outcome_needs_a_new_approval(drill: Drill, moment: str, told: int) -> None:
    mission = ask(drill).json()["mission"]
    first = waiting(drill)
    assert drill.remit("approve", first["approval"], at=moment).killed
    assert shipped(drill) == told
    assert drill.remit("resume", mission).code == 4
    assert shipped(drill) == told, "nothing is done on a leave that was used"
    second = waiting(drill)
    assert second["approval"] != first["approval"]
    assert drill.remit("approve", second["approval"]).json()["result"]["status"] == "succeeded"
    assert shipped(drill) == told + 1
    assert len([key for key in drill.look().told if "/ship/" in key]) == 1, "and under one key"


def test_only_decided_then_taken_by_a_worker_and_an_expired_one_is_refused_by_it(drill: Drill) -> None:
    first = ask(drill).json()["mission"]
    only = drill.remit("approve", waiting(drill)["approval"], "--no-resume").json()
    assert only["continues"] == "no"
    assert drill.look().status == "waiting"
    worker = drill.start("worker")
    assert worker.stdout is not None
    worker.stdout.readline()
    until(lambda: drill.look().status == "succeeded", what="the worker to take it up")
    assert drill.look().mission == first

    ask(drill)
    answer = drill.remit("approve", waiting(drill)["approval"]).json()
    assert answer["continues"] == "worker"
    until(lambda: drill.look().status == "succeeded", what="the worker to take what is queued for it")
    assert shipped(drill) == 2

    drill.environ["REMIT_APPROVAL_HOURS"] = "0.0003"
    ask(drill)
    until(lambda: drill.look().status == "failed", what="the worker to refuse what nobody decided about")
    (expired, *_) = drill.remit("approvals", "--all").json()["approvals"]
    assert expired["state"] == "expired"
    assert shipped(drill) == 2
    worker.terminate()
    drill.ended(worker)


@pytest.mark.prove
def test_an_approval_while_the_mission_still_runs_is_taken_up_by_that_run(drill: Drill) -> None:
    running = drill.start("run", PACK, drill.intake(features=[], ship_usd=12, sleep_s=25), "--budget", "100")
    until(lambda: asked(drill), what="the request")
    answer = drill.remit("approve", asked(drill)).json()
    assert answer["continues"] == "held"
    ended = drill.ended(running)
    assert (ended.code, ended.json()["status"]) == (0, "succeeded")
    assert shipped(drill) == 1


def test_two_processes_decide_at_once_and_one_is_told(drill: Drill) -> None:
    ask(drill)
    request = waiting(drill)["approval"]
    both = [drill.start("approve", request), drill.start("approve", request, "--no-resume")]
    codes = sorted(drill.ended(process).code for process in both)
    assert codes == [0, 1]
    assert shipped(drill) <= 1
    (kept,) = drill.remit("approvals", "--all").json()["approvals"]
    assert len(kept["votes"]) == 1


@pytest.mark.prove
def test_orders_about_approvals_that_cannot_be_carried_out_say_why(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    for words, code in (
        (("approvals", "nothing"), 2),
        (("approve", "nothing"), 2),
        (("deny", "nothing"), 2),
        (("delegate", "nobody", "--days", "3"), 2),
        (("delegate", "nobody"), 2),
        (("delegate", "nobody", "--revoke"), 2),
        (("delegate", "nobody", "--until", "tomorrow"), 2),
    ):
        ran = drill.remit(*words)
        assert ran.code == code, (words, ran.out)
        assert ran.json()["error"]["hint"]
    assert drill.remit("delegate").json() == {"delegations": []}
    assert drill.remit("approvals").json() == {"approvals": []}
