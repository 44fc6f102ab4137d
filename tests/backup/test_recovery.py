"""The recovery drill: a build mission dies, its home is backed up and lost, and the restored home finishes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from remit.testing.drill import Drill

INTAKE = Path(__file__).parents[2] / "examples" / "intakes" / "library.yaml"


@pytest.mark.timeout(900)
def test_a_build_mission_survives_the_loss_of_its_home(tmp_path: Path) -> None:
    with Drill(tmp_path) as drill:
        assert drill.remit("run", "build", INTAKE, at="step.finish:before:4").killed
        before = drill.look()
        assert before.done
        key = tmp_path / "key"
        key.write_text("correct horse battery staple")
        taken = drill.remit("backup", tmp_path / "b.sealed", "--passphrase-file", key)
        assert taken.code == 0, taken.err
        shutil.rmtree(drill.home)
        ran = drill.remit("restore", tmp_path / "b.sealed", "--passphrase-file", key)
        assert ran.code == 0, ran.err
        assert [one["mission"] for one in ran.json()["interrupted"]] == [before.mission]
        assert drill.remit("audit", "verify").json()["ok"] is True
        ran = drill.remit("resume", before.mission)
        assert ran.code == 0, ran.err
        assert ran.json()["status"] == "succeeded"
        after = drill.look()
        assert {name: after.attempts[name] for name in before.done} == {n: before.attempts[n] for n in before.done}
        assert drill.remit("audit", "verify").json()["ok"] is True
