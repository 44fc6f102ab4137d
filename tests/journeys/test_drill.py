"""``remit drill`` from outside: every shipped scenario, its figures, its exit codes, and production."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from remit.settings import Settings
from remit.testing import scenarios
from remit.testing.scenarios import SCENES, Scene, Seen, Stage

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path

NAMES = [
    "flaky-provider",
    "slow-provider",
    "network-cut",
    "failing-postcondition",
    "crash-and-resume",
    "breaker-trip",
    "recover-after-3",
]


def remit(*words: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
    return run_command(
        [sys.executable, "-m", "remit.cli", *words, "--home", str(home)],
        env={**env, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_every_scenario_that_is_promised_is_shipped_and_listed(tmp_path: Path) -> None:
    assert list(SCENES) == NAMES
    listed = json.loads(remit("drill", "--list", "--json", home=tmp_path).stdout)
    assert [each["drill"] for each in listed["drills"]] == NAMES


#: The others take longer and are `make prove`'s.
QUICK = {"breaker-trip", "flaky-provider"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.prove) for name in NAMES]
)
def test_every_promise_holds(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = remit("drill", name, "--json", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["drill"] == name
    assert told["ok"] is True
    assert len(told["promises"]) >= 5
    assert all(promise["held"] for promise in told["promises"])
    assert told["audit"]["verified"] is True
    attempts = told["attempts"]
    assert 0 < attempts["p50_s"] <= attempts["p95_s"] <= attempts["longest_s"]
    assert attempts["attempts"] >= attempts["actions"] > 0
    assert attempts["succeeded"] == round(attempts["success_rate"] * attempts["actions"])
    if name in {"flaky-provider", "slow-provider", "network-cut", "breaker-trip", "recover-after-3"}:
        assert attempts["retried"] > 0
        assert attempts["errors"]
    assert not home.exists(), "the drill has a home of its own"


def test_a_drill_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    done = remit("drill", "earthquake", "--json", home=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["hint"] == "remit drill --list"
    assert remit("drill", home=tmp_path).returncode == 2


@pytest.mark.parametrize("name", ["breaker-trip", "crash-and-resume"])
def test_production_refuses_before_anything_is_made(name: str, tmp_path: Path) -> None:
    done = remit("drill", name, "--json", home=tmp_path / "home", REMIT_ENVIRONMENT="production")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "faults.production"
    assert not (tmp_path / "home").exists()


async def test_a_promise_that_breaks_is_told_and_the_drill_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(stage: Stage, seen: Seen) -> None:
        await scenarios.recover_after_three(stage, seen)
        seen.hold("two and two is five", 2 + 2 == 5, 4)

    monkeypatch.setitem(SCENES, "broken", Scene("broken", "", play))
    report = await scenarios.run("broken", tmp_path, Settings(home=tmp_path / "unused"))
    assert not report.ok
    assert [promise.text for promise in report.seen.promises if not promise.held] == ["two and two is five"]
