"""kill -9 in the middle of each write endpoint, at each write that it reaches: nothing half made, nothing done twice.

A plain run dies once in making a team and once in making a key; `REMIT_PROVE=1`: at every moment of every endpoint.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
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
MOMENTS = 10_000 if PROVE else 1


def run(*argv: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.crash_run", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, f"{argv}: {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.returncode, json.loads(lines[-1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "home"
    run("make", str(home))
    return home


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("label", CHOSEN)
def test_a_death_in_the_middle_of_a_write_leaves_nothing_half_made(made: Path, tmp_path: Path, label: str) -> None:
    shutil.copytree(made, tmp_path / "learn")
    _, learned = run("learn", str(tmp_path / "learn"), label)
    moments = sorted(set(learned["moments"]))
    assert moments, f"{label} reached no write: {learned}"
    own = [moment for moment in moments if not moment.startswith(("api.", "audit.checkpoint:", "heads."))]
    assert bool(own) == (label not in QUESTIONS), f"{label}: {moments}"
    died = 0
    for number, moment in enumerate(random.Random(SEED).sample(moments, min(MOMENTS, len(moments)))):
        home = tmp_path / f"home{number}"
        shutil.copytree(made, home)
        code, asked = run("die", str(home), label, moment)
        died += code == -signal.SIGKILL
        _, found = run("after", str(home), json.dumps(asked))
        assert not found["wrong"], f"{label}, died at {moment}: {found['wrong'][:5]}"
        (first, said), (second, again) = found["again"]
        assert first in asked["ok"] or said == "api.answer_lost", f"{label}, died at {moment}: {found}"
        assert (second, again) == (first, said), f"{label}, died at {moment}: {found}"
        shutil.rmtree(home)
    assert died, f"{label}: nothing died at {moments}"
