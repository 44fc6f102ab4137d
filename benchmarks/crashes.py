"""The crash drills in full: kill -9 at every named write of every journey, and all through the clinic's build.

    python benchmarks/crashes.py        # about half an hour on two cores

Also the tests beside them: workers on Postgres, rollback, hostile steps, tampering, bad input, stopping.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
JOURNEYS = ("tests/journeys", "tests/journeys/prove_clinic.py")
TIMEOUT_S = 3 * 3600
_SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)")


def prove() -> dict[str, object]:
    """Run every drill; ``figures`` counts them, ``missed`` says what went wrong (empty: nothing did).

    ``points`` are the named writes that were died at, ``sides`` those before and after, ``drills`` all deaths at a
    write (first and last of each journey, every one of a run), ``moments`` the kills of the clinic's build.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.jsonl"
        environ = {**os.environ, "REMIT_PROVE": "1", "REMIT_REQUIRE_ALL": "1", "DRILL_COUNTS": str(counts)}
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        )
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *JOURNEYS]
        done = subprocess.run(
            argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        lines = counts.read_text(encoding="utf-8").splitlines() if counts.exists() else []
    journeys: list[dict[str, Any]] = [json.loads(line) for line in lines]
    missed = [
        f"{one['journey']} at {moment}: {'; '.join(said)}"
        for one in journeys
        for moment, said in one["failures"].items()
    ]
    if done.returncode != 0:
        missed += [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))] or [
            f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
        ]
    return {"figures": _figures(journeys, done.stdout, time.monotonic() - began), "missed": missed}


def _figures(journeys: list[dict[str, Any]], said: str, seconds: float) -> Mapping[str, object]:
    died = [moment for one in journeys if one["journey"] != "clinic" for moment in one["moments"]]
    sides = {moment.rpartition(":")[0] for moment in died}
    tests = {word.removesuffix("s"): int(number) for number, word in _SUMMARY.findall(said.splitlines()[-1])}
    return {
        "points": len({side.partition(":")[0] for side in sides}),
        "sides": len(sides),
        "drills": len(died),
        "moments": sum(len(one["moments"]) for one in journeys if one["journey"] == "clinic"),
        "failures": sum(len(one["failures"]) for one in journeys),
        "tests_passed": tests.get("passed", 0),
        "tests_failed": tests.get("failed", 0) + tests.get("error", 0),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    answer = prove()
    print(json.dumps(answer, indent=2))
    sys.exit(1 if answer["missed"] else 0)
