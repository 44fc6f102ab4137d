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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
#: Orders with nothing to do: no mail is sent here, a dry run of prices writes nothing, nothing stands to go back to.
IDLE = {
    "POST /api/v1/missions/{mission}/deployments/back",
    "POST /api/v1/password/forgotten",
    "POST /api/v1/usage/true-up",
}
#: Orders that the shipped rules refuse here: nobody tested, scanned or reviewed what would be deployed.
REFUSED = {"POST /api/v1/missions/{mission}/deployments"}
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
        ready, _, _ = select.select([codes], [], [], 120)
        assert ready, f"{argv}: no end within 120 s"
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


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("label", CHOSEN)
def test_a_death_in_the_middle_of_a_write_leaves_nothing_half_made(
    trials: Trials, made: Path, tmp_path: Path, label: str
) -> None:
    shutil.copytree(made, tmp_path / "learn")
    _, learned = trials.run("learn", str(tmp_path / "learn"), label)
    moments = sorted(set(learned["moments"]))
    assert moments, f"{label} reached no write: {learned}"
    own = [moment for moment in moments if not moment.startswith(("api.", "audit.checkpoint:", "heads."))]
    assert bool(own) == (label not in QUESTIONS | IDLE), f"{label}: {moments}"
    assert learned["status"] in learned["ok"] or label in REFUSED, f"{label}: {learned}"
    died = 0
    for number, moment in enumerate(random.Random(SEED).sample(moments, min(MOMENTS, len(moments)))):
        home = tmp_path / f"home{number}"
        shutil.copytree(made, home)
        code, asked = trials.run("die", str(home), label, moment)
        died += code == -signal.SIGKILL
        _, found = trials.run("after", str(home), json.dumps(asked))
        assert not found["wrong"], f"{label}, died at {moment}: {found['wrong'][:5]}"
        (first, said, _), (second, again, _) = found["again"]
        assert first in {*asked["ok"], learned["status"]} or said == "api.answer_lost", (
            f"{label}, died at {moment}: {found}"
        )
        assert (second, again) == (first, said), f"{label}, died at {moment}: {found}"
        shutil.rmtree(home)
    assert died, f"{label}: nothing died at {moments}"
