"""What the build environment's own tools print, read back as findings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from remit.kernel.finding import Severity
from remit.packs.build.findings import findings
from remit.packs.build.pack import CHECK_ENV, CRITICS

BAD = """\
import os
import subprocess


def run(command: str) -> int:
    return subprocess.call(command, shell=True)


def wrong() -> int:
    return "text"
"""

TEST = """\
def test_sum():
    assert 1 + 1 == 3


def test_gone(nothing):
    pass
"""


def _said(folder: Path, *words: str) -> tuple[list[str], str]:
    """What a tool prints about the folder, as a step of a build runs it."""
    argv = ["python", "-m", *words]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **CHECK_ENV}
    done = subprocess.run(
        [sys.executable, *argv[1:]], cwd=folder, capture_output=True, text=True, env=env, check=False, timeout=100
    )
    assert done.returncode != 0, done.stdout + done.stderr
    return argv, "\n".join(part for part in (done.stdout.rstrip(), done.stderr.rstrip()) if part)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Code in which every tool finds something."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "bad.py").write_text(BAD)
    (tmp_path / "test_bad.py").write_text(TEST)
    return tmp_path


@pytest.mark.parametrize("style", ["full", "concise"])
def test_ruff(folder: Path, style: str) -> None:
    argv, text = _said(folder, "ruff", "check", "--no-fix", f"--output-format={style}", ".")
    [found] = findings(argv, text)
    assert (found.kind, found.severity, found.place) == ("lint.F401", Severity.ERROR, "app/bad.py:1:8")
    assert "os" in found.message
    assert found.fix == "python -m ruff rule F401 explains it"


def test_mypy(folder: Path) -> None:
    argv, text = _said(folder, "mypy", "app")
    [found] = findings(argv, text)
    assert (found.kind, found.severity) == ("types.return-value", Severity.ERROR)
    assert found.place.startswith("app/bad.py:10")


def test_bandit(folder: Path) -> None:
    argv, text = _said(folder, "bandit", "-q", "-r", "app", "-ll")
    [found] = findings(argv, text)
    assert (found.kind, found.severity, found.place) == ("security.B602", Severity.CRITICAL, "app/bad.py:6:11")
    assert found.fix.startswith("see http")


def test_pytest(folder: Path) -> None:
    argv, text = _said(folder, "pytest", "-q", "-p", "no:cacheprovider")
    found = {each.place: each for each in findings(argv, text)}
    assert set(found) == {"test_bad.py::test_sum", "test_bad.py::test_gone"}
    assert found["test_bad.py::test_sum"].message.startswith("assert (1 + 1) == 3")
    assert all((each.kind, each.severity) == ("tests.failed", Severity.ERROR) for each in found.values())


def test_an_unknown_tool_and_plain_words_give_nothing() -> None:
    assert findings(["python", "scripts/smoke.py"], "app/x.py:1:2: E501 too long") == []
    assert findings(["python", "-m", "mypy"], "Success: no issues found in 3 source files") == []


def test_every_check_of_a_build_is_a_critic() -> None:
    assert set(CRITICS.values()) == {"quality", "tests", "security"}
