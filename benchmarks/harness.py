"""What every benchmark shares: the machine it ran on, medians, and paired measurements within one run."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LOAD = 2.0


def machine() -> dict[str, object]:
    """Where figures come from: they mean nothing without it."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def commit() -> str:
    """The commit that was measured, with ``+changes`` when the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False).stdout.strip()
    return (head.stdout.strip() or "unknown") + ("+changes" if dirty else "")


def wait_for_quiet(*, patience_s: float = 120.0) -> float:
    """Wait until the one-minute load is at most ``MAX_LOAD``; the load when measuring starts."""
    end = time.monotonic() + patience_s
    while os.getloadavg()[0] > MAX_LOAD and time.monotonic() < end:
        time.sleep(2)
    return os.getloadavg()[0]


def median_seconds(work: Callable[[], object], *, runs: int = 3) -> float:
    """Median wall time of ``work`` over ``runs`` runs."""
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(name: str, figures: Mapping[str, object], ratios: Mapping[str, object]) -> dict[str, object]:
    """The one shape every benchmark answers in."""
    return {"name": name, "machine": machine(), "figures": dict(figures), "ratios": dict(ratios)}


def run_python(*argv: str, timeout_s: float = 900.0, env: Mapping[str, str] | None = None) -> str:
    """Run this interpreter in a process of its own; its stdout."""
    full = {**os.environ, **(env or {})}
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, timeout=timeout_s, check=True, env=full, cwd=ROOT
    )
    return done.stdout
