"""kill -9 in the middle of each write endpoint, at each write that it reaches: nothing half made, nothing done twice.

A plain run dies once in making a team and once in making a key; `REMIT_PROVE=1`: at every moment of every endpoint.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.files.removal import remove_tree
from remit.serve.api.app import NOUNS
from remit.serve.api.idempotency import WRITES

ROOT = Path(__file__).resolve().parents[2]
PROVE = os.environ.get("REMIT_PROVE") == "1"
SEED = os.environ.get("DRILL_SEED", "remit")
LABELS = sorted(f"{row.method} {row.path}" for noun in NOUNS for row in noun.ACCESS if row.method in WRITES)
CHOSEN = LABELS if PROVE else ["POST /api/v1/api-keys", "POST /api/v1/teams"]
#: They are asked by POST, for the size of the question, and change nothing: only the answer's own rows are written.
QUESTIONS = {
    "POST /api/v1/missions/plan",
    "POST /api/v1/policy/checks",
    "POST /api/v1/policy/rehearsals",
    "POST /api/v1/policy/shadow",
}
#: They are given to a home in which applications were built that can be deployed.
BUILT = {"POST /api/v1/missions/{mission}/deployments", "POST /api/v1/missions/{mission}/deployments/back"}
PATIENCE_S = 600
type Count = Callable[[str, int], None]
MOMENTS = 10_000 if PROVE else 1


class Trials:
    """Runs trials, each in a process that is forked from one which has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.prints = folder / "prints"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.api.crash_run"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )

    def run(self, *argv: str) -> tuple[int, dict[str, Any]]:
        """The exit code of a trial and what it told."""
        orders, codes = self.process.stdin, self.process.stdout
        assert orders is not None
        assert codes is not None
        orders.write(json.dumps([str(self.prints), *argv]) + "\n")
        orders.flush()
        ready, _, _ = select.select([codes], [], [], PATIENCE_S)
        assert ready, f"{argv}: no end within {PATIENCE_S} s"
        code = int(codes.readline())
        printed = self.prints.read_text(encoding="utf-8")
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        assert lines, f"{argv}: {code}\n{printed[-3000:]}"
        return code, json.loads(lines[-1])

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    those = Trials(tmp_path_factory.mktemp("trials"))
    try:
        yield those
    finally:
        those.close()


@pytest.fixture(scope="module")
def made(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "home"
    trials.run("make", str(home))
    return home


@pytest.fixture(scope="module")
def built(trials: Trials, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("built") / "home"
    shutil.copytree(made, home)
    trials.run("build", str(home))
    return home


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("label", CHOSEN)
def test_a_death_in_the_middle_of_a_write_leaves_nothing_half_made(
    trials: Trials, request: pytest.FixtureRequest, record_property: Count, tmp_path: Path, label: str
) -> None:
    ready: Path = request.getfixturevalue("built" if label in BUILT else "made")
    moments = _moments(trials, ready, tmp_path, label)
    died = 0
    chosen = random.Random(SEED).sample(moments, min(MOMENTS, len(moments)))
    for number, moment in enumerate(chosen):
        folder = tmp_path / f"trial{number}"  # what the order is about may lie beside the home
        shutil.copytree(ready, folder / "home", symlinks=True)
        code, asked = trials.run("die", str(folder / "home"), label, moment)
        died += code == -signal.SIGKILL
        _, found = trials.run("after", str(folder / "home"), json.dumps(asked))
        assert not found["wrong"], f"{label}, died at {moment}: {found}"
        first, second = found["again"]
        assert _fair(first, asked), f"{label}, died at {moment}: {found}"
        assert _alike(first, second), f"{label}, died at {moment}: {found}"
        remove_tree(folder)
    record_property("trials", len(chosen))
    record_property("deaths", died)
    assert died, f"{label}: nothing died at {moments}"


def _moments(trials: Trials, ready: Path, tmp_path: Path, label: str) -> list[str]:
    """The writes of the order, which is carried out once without a death."""
    shutil.copytree(ready, tmp_path / "learn" / "home", symlinks=True)
    _, learned = trials.run("learn", str(tmp_path / "learn" / "home"), label)
    moments = sorted(set(learned["moments"]))
    assert moments, f"{label} reached no write: {learned}"
    own = [moment for moment in moments if not moment.startswith(("api.", "audit.checkpoint:", "heads."))]
    assert bool(own) == (label not in QUESTIONS), f"{label}: {moments}"
    assert learned["answer"]["status"] < 300, f"{label}: {learned}"
    assert (learned["before"], learned["stands"]) in {("nothing", "whole"), ("", "")}, f"{label}: {learned}"
    return moments


def _fair(answer: dict[str, Any], asked: dict[str, Any]) -> bool:
    """It was done, now or before; or it was begun before, and how it ended nobody knows."""
    late = float(asked["made"].get("until", "inf")) < time.time()  # a code of an app that is good for a minute
    return answer["status"] < 300 or answer["code"] == "api.answer_lost" or (late and answer["status"] == 422)


def _alike(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """The second answer is the first, to the byte where it was done; what is refused has a number of its own."""
    if first["status"] < 300:
        return first == second
    return (first["status"], first["code"]) == (second["status"], second["code"])
