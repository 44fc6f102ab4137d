"""How long ``remit --help`` takes, beside the smallest click program in the same interpreter, in turns."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.harness import ROOT, report, timed, wait_for_quiet

RUNS = 15
BARE = """
import click
@click.group()
def bare() -> None:
    "The smallest group."
@bare.command()
def one() -> None:
    "A command."
bare()
"""
LOADED = """
import sys
from remit.cli import main
sys.argv = ["remit", "--help"]
try:
    main()
finally:
    print(",".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
HEAVY = ("fastapi", "pydantic", "dbos", "sqlalchemy", "rich")
FORBIDDEN = frozenset({"fastapi", "pydantic", "dbos"})


def _start(*argv: str) -> str:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src"), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    return done.stderr


def imported() -> set[str]:
    """The heavy packages that ``remit --help`` imports."""
    return set(HEAVY) & set(_start("-c", LOADED).strip().rsplit("\n", 1)[-1].split(","))


def figures(*, small: bool = False) -> dict[str, object]:
    wait_for_quiet(patience_s=0 if small else 120)
    rounds = 3 if small else RUNS
    _start("-m", "remit.cli", "--help")
    _start("-c", BARE, "--help")
    help_s: list[float] = []
    click_s: list[float] = []
    empty_s: list[float] = []
    for _ in range(rounds):
        help_s.append(timed(lambda: _start("-m", "remit.cli", "--help")))
        click_s.append(timed(lambda: _start("-c", BARE, "--help")))
        empty_s.append(timed(lambda: _start("-c", "pass")))
    heavy = imported()
    measured = {
        "help_s": round(statistics.median(help_s), 4),
        "bare_click_s": round(statistics.median(click_s), 4),
        "empty_interpreter_s": round(statistics.median(empty_s), 4),
        "rounds": rounds,
        "heavy_imports": sorted(heavy),
        "forbidden_imports": len(heavy & FORBIDDEN),
    }
    ratios = {"help/click": round(statistics.median(h / c for h, c in zip(help_s, click_s, strict=True)), 2)}
    return report("startup", measured, ratios)
