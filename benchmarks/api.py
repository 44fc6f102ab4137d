"""The control API beside a floor: FastAPI and uvicorn that answer bytes of the same size and do nothing else.

Each server is one process on core 0, the callers share core 1. Remit's requests pass everything that they pass in
service: limits of the address and of the key, who asks (known for at most 250 ms), scopes, the use case with its rights
read from SQLite in one snapshot, headers, the signed head, a log line each.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, report, wait_for_quiet

ENDS = Path(__file__).with_name("api_ends.py")
PATHS = {"list": "/api/v1/teams?limit=50", "single": "/api/v1/teams/team-007"}


@contextlib.contextmanager
def server(*role: str) -> Generator[dict[str, str]]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, str(ENDS), *role], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{role} did not start"
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def _load(server: dict[str, str], path: str, *, seconds: float) -> dict[str, Any]:
    argv = [sys.executable, str(ENDS), "load", server["url"], path, server["key"], "--seconds", str(seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ})
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["wrong"], f"{path}: {found['wrong']:.0f} answers were no 200"
    return found


def figures(*, small: bool = False) -> dict[str, object]:
    """Reads a second of a list of 50 and of a single resource, 16 callers; ratios to the floor in the same rounds."""
    seconds, rounds = (1.0, 1) if small else (3.0, 5)
    wait_for_quiet(patience_s=5.0 if small else 120.0)
    found: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        server("remit", f"{folder}/home") as remit,
        server("floor") as floor,
    ):
        for name, end in (("remit", remit), ("floor", floor)):
            for path in PATHS.values():
                _load(end, path, seconds=0.5)  # warm
            del name
        for _ in range(rounds):
            for kind, path in PATHS.items():
                for name, end in (("remit", remit), ("floor", floor)):
                    measured = _load(end, path, seconds=seconds)
                    for what in ("per_s", "p50_ms", "p95_ms"):
                        found.setdefault(f"{name}_{kind}_{what}", []).append(measured[what])
    middle = {name: round(statistics.median(values), 3) for name, values in sorted(found.items())}
    ratios = {
        f"{kind}_over_floor": round(middle[f"remit_{kind}_per_s"] / middle[f"floor_{kind}_per_s"], 3) for kind in PATHS
    }
    return report("api", middle, ratios)


if __name__ == "__main__":
    print(json.dumps(figures(small="--small" in sys.argv), indent=2))
