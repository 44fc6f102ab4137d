"""The queue from the command line: wait for a turn, jump the line, cancel, die and be given back, clean up."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from remit.testing.drill import PACK, Drill, until

pytestmark = pytest.mark.timeout(240)


def queued(drill: Drill, *words: object, **given: Any) -> str:
    ran = drill.remit("run", PACK, drill.intake(**given), "--queue", *words)
    assert (ran.code, ran.json()["status"]) == (0, "queued"), ran.err
    return str(ran.json()["mission"])


def line(drill: Drill) -> list[tuple[int | None, str, str]]:
    return [(one["position"], one["mission"], one["state"]) for one in drill.remit("queue").json()["queue"]]


def status(drill: Drill, mission: str) -> str:
    return str(drill.remit("show", mission).json()["status"])


def ended(drill: Drill, process: Any) -> None:
    process.send_signal(signal.SIGTERM)
    assert drill.ended(process).code == 0


def test_the_line_its_order_and_what_a_worker_makes_of_it(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    first, second, third = queued(drill), queued(drill), queued(drill, "--priority", "low")
    assert line(drill) == [(1, first, "waiting"), (2, second, "waiting"), (3, third, "waiting")]
    place = drill.remit("show", third).json()["queue"]
    assert (place["position"], place["priority"], place["wait_seconds"]) == (3, "low", None)
    moved = drill.remit("queue", "move", third, "--priority", "critical")
    assert moved.json()["moved"]["position"] == 1
    assert drill.remit("cancel", first).json()["status"] == "cancelled"
    assert line(drill) == [(1, third, "waiting"), (2, second, "waiting")]
    worker = drill.start("worker", "--concurrency", "1")
    until(lambda: {status(drill, second), status(drill, third)} == {"succeeded"}, what="both missions")
    ended(drill, worker)
    updated = {one["mission"]: one["updated"] for one in drill.remit("missions").json()["missions"]}
    assert updated[third] < updated[second]
    assert line(drill) == []
    assert drill.remit("queue", "move", second, "--priority", "high").code == 1
    cleaned = drill.remit("queue", "clean", "--older-than", "0s").json()
    assert {second, third} <= set(cleaned["cleaned"])
    workspace = Path(drill.remit("show", second).json()["workspace"])
    assert {path.name for path in workspace.iterdir()} <= {".git"}
    assert drill.remit("resume", second, "--from", "last").json()["status"] == "succeeded"
    assert Path(workspace, "all").exists()
    assert drill.remit("audit", "verify").code == 0
    assert drill.left_over() == []


def test_a_full_queue_answers_and_writes_nothing(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    for _ in range(10):
        queued(drill, features=[])
    refused = drill.remit("run", PACK, drill.intake(), "--queue")
    told = refused.json()["error"]
    assert (refused.code, told["code"], told["remaining"], told["plan"]) == (3, "queue.full", 0, "pro")
    assert "10 of 10 missions wait" in told["message"]
    assert len(drill.remit("missions").json()["missions"]) == 10


@pytest.mark.prove
def test_a_run_beyond_the_plans_number_waits_for_its_turn_in_its_own_process(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    slow = [drill.start("run", PACK, drill.intake(sleep_s=110)) for _ in range(2)]
    until(lambda: [state for _, _, state in line(drill)] == ["taken", "taken"], what="two that run")
    third = drill.start("run", PACK, drill.intake(features=[]))
    found: list[tuple[int | None, str, str]] = []

    def three() -> bool:
        found[:] = line(drill)
        return len(found) == 3

    until(three, what="the third to wait")
    assert [(position, state) for position, _, state in found] == [(None, "taken"), (None, "taken"), (1, "waiting")]
    assert drill.remit("cancel", found[0][1]).code == 0
    ran = drill.ended(third)
    assert (ran.code, ran.json()["status"]) == (0, "succeeded"), ran.err
    assert "waits for its turn: number 1 in line" in ran.err
    for _, mission, _ in line(drill):
        assert drill.remit("cancel", mission).code == 0
    for process in slow:
        assert drill.ended(process).code == 1
    assert drill.left_over() == []


def test_what_a_killed_worker_had_in_hand_another_finishes(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    mission = queued(drill, pause_s=1.0)
    worker = drill.start("worker")
    until(lambda: any(body.startswith("feature-") for body in drill.look().bodies), what="a step in the middle")
    os.kill(worker.pid, signal.SIGKILL)
    drill.ended(worker)
    other = drill.start("worker")
    until(lambda: status(drill, mission) == "succeeded", what="the end of the mission")
    ended(drill, other)
    assert sorted(key.split("/")[1] for key in drill.look().told) == [
        "feature-blue", "feature-red", "join", "last", "start",
    ]  # fmt: skip
    assert drill.left_over() == []


def test_limits_are_shown_and_set(drill: Drill) -> None:
    assert drill.remit("init").code == 0
    limits = {one["name"]: one for one in drill.remit("limits").json()["limits"]}
    assert limits["coder.minute"]["text"] == "10 model requests a minute"
    done = drill.remit("limits", "set", "coder.minute", "--amount", "20").json()
    assert done["now"]["text"] == "20 model requests a minute"
    own = ("--amount", "5", "--every", "1h", "--per", "tool", "--kind", "tool", "--target", "search")
    assert drill.remit("limits", "set", "search.hour", *own).json()["now"]["text"] == "5 tool requests an hour"
    assert drill.remit("limits", "set", "coder.minute", "--reset").json()["now"]["amount"] == 10
    assert drill.remit("limits", "set", "search.hour", "--off").json()["now"] is None
    assert drill.remit("limits", "set", "search.hour", "--off").code == 2
    assert drill.remit("limits", "set", "new.one", "--amount", "5").code == 2
