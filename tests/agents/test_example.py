"""The example runs as docs/governed.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remit.testing.drill import Drill

EXAMPLE = Path(__file__).parents[2] / "examples" / "agents"

pytestmark = pytest.mark.timeout(240)


def test_the_example_runs_and_is_governed(drill: Drill) -> None:
    note = drill.folder / "note.txt"
    note.write_text("Please keep two lamps for me.\n")
    drill.environ["PYTHONPATH"] = f"{EXAMPLE}:{EXAMPLE.parents[1] / 'src'}"
    ran = drill.remit("run", "desk:PACK", note)
    assert ran.code == 0, ran.err
    mission = ran.json()["mission"]
    history = drill.home / "missions" / mission / "workspace" / "agents" / "answer-clerk.json"
    last = json.loads(history.read_text())[-1]["parts"][0]["content"]
    assert last == "2 lamps are put aside"
    assert drill.remit("audit", "verify").code == 0
