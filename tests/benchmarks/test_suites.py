"""Trials that are tests: what the proof keeps of them, and that nothing which was not tested counts as met."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import prove, suites  # noqa: E402 - the benchmarks are no package of ours
from benchmarks.prove import Goal, Part  # noqa: E402 - as above

MISSED = Goal("trial_missed", ("figures", "failed"), 0)
TRIAL = """
import os
import pytest


@pytest.fixture
def broken():
    raise OSError("no place left")


@pytest.mark.parametrize("word", ["rain", "sun"])
def test_words(word):
    assert word != "rain", f"GET /weather said {word}, " + "and on " * 1000 + "at last 500"


def test_place(broken): ...


@pytest.mark.parametrize("tried", [3, 4])
def test_fine(tried, record_property):
    record_property("tried", tried)


def test_elsewhere():
    pytest.skip("another platform")


def test_in_full():
    assert os.environ["REMIT_PROVE"] == "1"
"""


def test_a_proof_keeps_which_test_failed_and_what_it_said(tmp_path: Path) -> None:
    trial = tmp_path / "test_trial.py"
    trial.write_text(TRIAL)
    part = Part(lambda: suites.run("trial", str(trial)), (MISSED,))
    [row] = prove.prove("trial", part, patience_s=0, folder=tmp_path)
    assert not row.met
    figures = json.loads((tmp_path / "trial_missed.json").read_text())["figures"]
    assert (figures["passed"], figures["failed"], figures["skipped"]) == (4, 2, 1)
    assert figures["tried"] == 7
    said = {each["test"].partition("::")[2]: each["said"] for each in figures["failures"]}
    assert said.keys() == {"test_words[rain]", "test_place"}
    assert "GET /weather said rain" in said["test_words[rain]"]
    assert "at last 500" in said["test_words[rain]"]
    assert "test_trial.py:13: AssertionError" in said["test_words[rain]"]
    assert len(said["test_words[rain]"]) < suites.MOST_SAID + 20
    assert "no place left" in said["test_place"]
    assert str(ROOT) not in json.dumps(figures)


def test_what_tested_nothing_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / "test_trial.py").write_text("import pytest\n\n\ndef test_a():\n    pytest.skip('not here')\n")
    [row] = prove.prove(
        "trial",
        Part(lambda: suites.run("trial", str(tmp_path)), (MISSED,)),
        patience_s=0,
        folder=tmp_path,
    )
    assert (row.met, row.measured) == (False, "failed: RuntimeError")
