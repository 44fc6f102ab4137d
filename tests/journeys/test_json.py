"""What programs are told: one JSON object on standard output, everything for people on standard error."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from remit.testing.drill import PACK, Drill

pytestmark = pytest.mark.timeout(180)

HEX = re.compile(r"[0-9a-f]{64}")


def _is_a_mission(told: dict[str, Any]) -> None:
    assert {"mission", "status", "workspace", "tree", "steps", "cost_usd", "audit"} <= told.keys()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{18,}", told["mission"])
    tree = ["git", "-C", told["workspace"], "rev-parse", "HEAD^{tree}"]
    assert subprocess.run(tree, capture_output=True, text=True, check=True).stdout.strip() == told["tree"]
    for step in told["steps"]:
        assert {"name": str, "status": str, "attempts": int} == {
            name: type(step[name]) for name in ("name", "status", "attempts")
        }
        assert isinstance(step["seconds"], int | float)
        assert step["seconds"] >= 0
    assert float(told["cost_usd"]) == 0
    audit = told["audit"]
    assert isinstance(audit["size"], int)
    assert HEX.fullmatch(audit["root"])
    origin, size, _root, blank, *signatures = audit["checkpoint"].split("\n")
    assert (int(size), blank) == (audit["size"], "")
    assert origin.startswith("remit.invalid/log/")
    assert signatures[0].startswith("\u2014 ")


def test_every_command_on_missions_tells_one_object(drill: Drill) -> None:
    ran = drill.remit("run", PACK, drill.intake())
    told = ran.json()
    _is_a_mission(told)
    assert told["status"] == "succeeded"
    assert [step["name"] for step in told["steps"]] == ["start", "feature-red", "feature-blue", "join", "last"]
    assert all(step["status"] == "succeeded" for step in told["steps"])
    assert all(step["attempts"] == 1 for step in told["steps"])
    for name in ("start", "join", "last"):
        assert name in ran.err  # progress, for people

    shown = drill.remit("show", told["mission"]).json()
    assert {**shown, "audit": None} == {**told, "audit": None}
    again = drill.remit("resume", told["mission"]).json()
    _is_a_mission(again)
    assert {**again, "audit": None} == {**told, "audit": None}

    listed = drill.remit("missions").json()
    assert [(one["mission"], one["status"]) for one in listed["missions"]] == [(told["mission"], "succeeded")]
    queued = drill.remit("run", PACK, drill.intake(), "--queue").json()
    assert queued["status"] == "queued"
    assert [one["status"] for one in drill.remit("missions").json()["missions"]] == ["queued", "succeeded"]


def test_a_failure_tells_the_mission_and_a_refusal_tells_an_error(drill: Drill) -> None:
    ran = drill.remit("run", PACK, drill.intake(fail=True, features=[]))
    told = ran.json()
    assert (ran.code, told["status"]) == (1, "failed")
    assert "broken was told to fail" in told["error"]["message"]
    assert {step["name"]: step["status"] for step in told["steps"]}["broken"] == "failed"
    for words in (("show", "0" * 36), ("resume", "nothing"), ("rollback", told["mission"], "--to", "nowhere")):
        ran = drill.remit(*words)
        assert ran.code == 2
        assert {"code", "message", "hint"} <= ran.json()["error"].keys()
