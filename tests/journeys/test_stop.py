"""Stopping what runs, from another process: cancel, the kill switch of an agent and of a mission; then going on."""

from __future__ import annotations

import subprocess

import pytest

from remit.testing.drill import PACK, Drill, until

from ..pace import Pace  # noqa: TID252 - tests are loaded by path

pytestmark = pytest.mark.timeout(180)

#: What an order may take once its process is there; its own start is measured apart and taken off.
CANCEL_S, KILL_S = 3.0, 1.0


def _running(drill: Drill) -> tuple[str, subprocess.Popen[str]]:
    """A mission whose long command is at work, and its process."""
    process = drill.start("run", PACK, drill.intake(sleep_s=120, features=[]))
    until(lambda: "sleep" in drill.look().bodies, what="the long command")
    until(lambda: _sleepers(drill), what="the long command's process")
    return drill.look().mission, process


def _sleepers(drill: Drill) -> list[str]:
    return [line for line in drill.left_over(patience_s=0) if "time.sleep" in line]


def test_cancel_ends_a_running_mission_and_a_resume_goes_on(drill: Drill) -> None:
    mission, process = _running(drill)
    pace = Pace()
    assert drill.remit("show", mission).json()["status"] == "running"
    start_s = pace.spent()
    pace = Pace()
    ran = drill.remit("cancel", mission)
    took = pace.spent()
    assert (ran.code, ran.json()["status"]) == (0, "cancelled")
    ended = drill.ended(process)
    assert (ended.code, ended.json()["status"]) == (1, "cancelled")
    assert took - start_s < CANCEL_S
    assert drill.left_over() == []
    assert drill.remit("cancel", mission).code == 1  # it is over already
    entries = drill.remit("audit", "show", "--mission", mission, "--action", "mission.control").json()["entries"]
    assert [entry["reason"] for entry in entries] == ["cancel"]
    _goes_on(drill, mission)


@pytest.mark.parametrize("what", ["agent", "mission"])
def test_kill_ends_what_runs_within_a_second_and_is_audited(what: str, drill: Drill) -> None:
    mission, process = _running(drill)
    name = "coder" if what == "agent" else mission
    ran = drill.remit("kill", name, "--reason", "it went too far")
    pace = Pace()
    assert ran.code == 0, ran.err
    until(lambda: not _sleepers(drill), within_s=30, what="the end of the command")
    assert pace.spent() < KILL_S
    ended = drill.ended(process)
    assert (ended.code, ended.json()["status"]) == (3, "failed")
    assert ended.json()["error"]["code"].startswith("guard.")
    assert drill.left_over() == []
    refused = drill.remit("resume", mission)
    assert refused.code == 3
    assert drill.remit("unkill", name, "--reason", "looked at").code == 0
    entries = drill.remit("audit", "show", "--limit", 500).json()["entries"]
    orders = [(entry["action"], entry["actor"]) for entry in entries if "kill" in entry["action"]]
    assert [actor for _, actor in orders] == ["user:owner", "user:owner"], orders
    _goes_on(drill, mission)


def _goes_on(drill: Drill, mission: str) -> None:
    """A resume takes the mission up where it stopped: the long command is the only body that runs again."""
    before = drill.look()
    again = drill.start("resume", mission)
    until(lambda: drill.look().bodies[len(before.bodies) :], what="a body after the resume")
    assert drill.look().bodies[len(before.bodies) :] == ("sleep",)
    until(lambda: _sleepers(drill), what="the long command, again")
    assert drill.remit("cancel", mission).code == 0
    drill.ended(again)
    assert drill.remit("audit", "verify").code == 0
