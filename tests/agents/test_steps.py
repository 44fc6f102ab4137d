"""An agent as a mission's step: killed anywhere, parked for a person, every tool effect once and only once."""

from __future__ import annotations

import json
import os

import pytest

from remit.testing.drill import Drill, Ran

PACK = "remit.testing.desk:PACK"
RULES = """
use: []
rules:
  - id: team.chairs
    on: tool
    when: tool.name == "reserve"
    assert: tool.bytes < 0
    else: require_approval
    message: reservations are looked at
"""

pytestmark = pytest.mark.timeout(240)


def run(drill: Drill, at: str = "", **given: object) -> Ran:
    return drill.remit("run", PACK, drill.intake("desk.json", **given), at=at)


def reserved(drill: Drill) -> dict[str, int]:
    """What the witness saw: how often each place was asked for, under whatever keys."""
    log = drill.witness_log
    lines = log.read_text().splitlines() if log.exists() else []
    places = [line.partition(" ")[2] for line in lines]
    return {place: places.count(place) for place in places}


def bodies(drill: Drill) -> list[str]:
    return list(drill.look().bodies)


def test_an_agent_runs_as_a_step_and_leaves_its_messages(drill: Drill) -> None:
    ran = run(drill)
    assert ran.code == 0, ran.err
    (step,) = ran.json()["steps"]
    assert (step["status"], step["name"]) == ("succeeded", "serve")
    assert reserved(drill) == {"/lamp": 1, "/chair": 1}
    assert bodies(drill) == ["model", "look_up", "model", "reserve-lamp", "model", "reserve-chair", "model"]
    history = drill.home / "missions" / ran.json()["mission"] / "workspace" / "agents" / "serve-clerk.json"
    told = json.loads(history.read_text())
    assert [part["part_kind"] for message in told for part in message["parts"]].count("tool-return") == 3
    assert drill.remit("audit", "verify").code == 0


MOMENTS = [
    *("step.recorded:before:1", "step.recorded:after:1", "step.recorded:after:2"),
    *("guard.intent:before:4", "guard.intent:after:4", "step.recorded:before:4", "step.recorded:after:4"),
    *("step.recorded:after:5", "step.recorded:after:6", "step.recorded:after:7", "step.finish:before:1"),
]
if os.environ.get("REMIT_PROVE") != "1":
    MOMENTS = ["step.recorded:before:4"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_it_goes_on_and_repeats_nothing_that_was_recorded(drill: Drill, moment: str) -> None:
    assert run(drill, at=moment).killed
    before = bodies(drill)
    again = drill.remit("resume", drill.look().mission)
    assert again.code == 0, again.err
    keys = [line.partition(" ") for line in drill.witness_log.read_text().splitlines()]
    # One key for each place, whatever was cut off: whoever honours it does each thing once.
    assert len({key for key, _, _ in keys}) == len({place for _, _, place in keys}) == 2
    done = moment.startswith("step.recorded:after")
    if done:
        assert set(reserved(drill).values()) == {1}
        full = ["model", "look_up", "model", "reserve-lamp", "model", "reserve-chair", "model"]
        assert bodies(drill) == full, "nothing that was recorded was asked for again"
    assert bodies(drill)[: len(before)] == before
    assert drill.remit("audit", "verify").code == 0


def test_what_waits_for_a_person_parks_the_mission_and_is_done_once_afterwards(drill: Drill) -> None:
    (drill.folder / "rules.yaml").write_text(RULES)
    assert drill.remit("policy", "save", "rules.yaml", "--reason", "drill").code == 0
    ran = run(drill)
    assert (ran.code, ran.json()["status"]) == (4, "waiting"), ran.err
    assert reserved(drill) == {}
    for expected in ({"/lamp": 1}, {"/lamp": 1, "/chair": 1}):
        (request,) = drill.remit("approvals").json()["approvals"]
        assert request["kind"] == "tool"
        drill.remit("approve", request["approval"], "--hash", request["subject_hash"][:12], "--reason", "go")
        assert reserved(drill) == expected
    assert drill.look().status == "succeeded"
    assert bodies(drill) == ["model", "look_up", "model", "reserve-lamp", "model", "reserve-chair", "model"]
    kept = drill.remit("approvals", "--all").json()["approvals"]
    assert [one["state"] for one in kept] == ["used", "used"]


def test_a_denial_fails_the_step(drill: Drill) -> None:
    (drill.folder / "rules.yaml").write_text(RULES)
    drill.remit("policy", "save", "rules.yaml", "--reason", "drill")
    mission = run(drill).json()["mission"]
    (request,) = drill.remit("approvals").json()["approvals"]
    denied = drill.remit("deny", request["approval"], "--reason", "too many").json()
    assert denied["result"]["status"] == "failed"
    assert "too many" in denied["result"]["error"]["message"]
    assert reserved(drill) == {}
    assert drill.remit("show", mission).json()["status"] == "failed"


def test_an_agent_that_may_not_ask_the_model_fails_and_says_so(drill: Drill) -> None:
    assert drill.remit("agents", "update", "clerk", "--model", "openai/*").code == 0
    ran = run(drill)
    assert ran.code == 3, ran.err
    assert "may not ask the model" in ran.json()["error"]["message"]
    assert bodies(drill) == []
