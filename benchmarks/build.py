"""Bench `build`: applications of 10 and 50 entities emitted, formatted and verified, beside a floor of the same run.

The floor is what the tools cost when they have nothing to do: one bare interpreter for each command of the set, and
ruff over the same tree once more. A ratio is our figure over that floor, so that a busy machine does not flatter or
blame us.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks import harness  # noqa: E402 - after the path

from remit.packs.build.intake import read_intake  # noqa: E402 - as above
from remit.packs.build.ir_build import build_ir  # noqa: E402 - as above
from remit.packs.build.render import render_application  # noqa: E402 - as above
from remit.testing.intakes import synthetic_intake  # noqa: E402 - as above

SIZES = {10: (2, 5), 50: (10, 5)}
SMALL = {2: (1, 2)}
GOALS = {"emit_format_s": {10: 0.5, 50: 0.8}, "verified_s": {10: 15.0, 50: 40.0}}
RUNS = 3
FORMAT = (("-m", "ruff", "check", "--fix", "--quiet", "--select", "I,F,UP", "."), ("-m", "ruff", "format", "-q", "."))
MIGRATIONS = "tests/test_migrations.py"
CHECKS = (
    ("types", ("-m", "mypy")),
    ("tests", ("-m", "pytest", "-q", f"--ignore={MIGRATIONS}")),
    ("smoke", ("scripts/smoke.py",)),
    ("migrations", ("-m", "pytest", "-q", MIGRATIONS)),
    ("security", ("-m", "bandit", "-q", "-r", "app", "-ll")),
    ("lint", ("-m", "ruff", "check", "--no-fix", ".")),
)
"""Longest first, so that two cores end at about the same time."""


def _run(folder: Path, args: tuple[str, ...]) -> float:
    """Seconds of one command; a failure ends the bench, as an application that is not verified has no figure."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *args], cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def _children() -> float:
    """Processor seconds of all commands so far: what a busy machine does not change much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _emit(folder: Path, data: bytes) -> tuple[int, int]:
    files = render_application(build_ir(read_intake(data, name="synthetic.yaml")))
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for command in FORMAT:
        _run(folder, command)
    return len(files), sum(content.count(b"\n") for content in files.values())


def _trial(features: int, each: int) -> dict[str, float]:
    """One application, from the intake's bytes to all checks green; the stages of the checks overlap."""
    data = synthetic_intake(features, each)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, spent = time.perf_counter(), _children()
        files, lines = _emit(folder, data)
        emitted = time.perf_counter()
        with ThreadPoolExecutor(max_workers=2) as pool:
            futures = {stage: pool.submit(_run, folder, args) for stage, args in CHECKS}
            stages = {stage: future.result() for stage, future in futures.items()}
        verified, used = time.perf_counter(), _children() - spent
        bare = sum(_run(folder, ("-c", "pass")) for _ in (*CHECKS, *FORMAT))
        ruff = _run(folder, ("-m", "ruff", "format", "-q", ".")) + _run(folder, ("-m", "ruff", "check", "."))
    return {
        "files": files,
        "lines": lines,
        "emit_format_s": emitted - start,
        "verified_s": verified - start,
        "children_cpu_s": used,
        "floor_bare_s": bare,
        "floor_ruff_s": ruff,
        **{f"{stage}_s": seconds for stage, seconds in stages.items()},
    }


def figures(*, small: bool = False, runs: int = RUNS) -> dict[str, object]:
    """Medians for both sizes: name, machine, figures (s, files, lines), ratios to the floor of the same run."""
    harness.wait_for_quiet(patience_s=0 if small else 120)
    found: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for entities, shape in (SMALL if small else SIZES).items():
        trials = [_trial(*shape) for _ in range(1 if small else runs)]
        medians = {name: round(statistics.median(t[name] for t in trials), 3) for name in trials[0]}
        found |= {f"{entities}_entities_{name}": value for name, value in medians.items()}
        ratios[f"{entities}_entities_emit_format/ruff"] = round(medians["emit_format_s"] / medians["floor_ruff_s"], 2)
        ratios[f"{entities}_entities_verified/bare_commands"] = round(
            medians["verified_s"] / medians["floor_bare_s"], 2
        )
    return harness.report("build", found, ratios)


def missed(result: dict[str, object]) -> list[str]:
    """The goals that the figures miss."""
    found = result["figures"]
    assert isinstance(found, dict)
    return [
        f"{entities} entities: {name} {found[f'{entities}_entities_{name}']} > {goal}"
        for name, by_size in GOALS.items()
        for entities, goal in by_size.items()
        if found[f"{entities}_entities_{name}"] > goal
    ]


if __name__ == "__main__":
    outcome = figures(runs=int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    print(json.dumps(outcome, indent=2))
    for line in missed(outcome):
        print(line, file=sys.stderr)
    sys.exit(1 if missed(outcome) else 0)
