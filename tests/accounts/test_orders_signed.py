"""Orders about who must stop are told as done only when a signed head covers them."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path

BECAUSE = ("--reason", "a test")


def remit(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "remit.cli", *words, "--home", str(home), "--json"]
    return run_command(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database was brought back from before its newest head: its log can't be signed any more."""
    home = tmp_path_factory.mktemp("forked") / "home"
    assert remit(home, "init").returncode == 0
    assert remit(home, "users", "add", "tom").returncode == 0
    assert remit(home, "agents", "register", "scout").returncode == 0
    with closing(sqlite3.connect(home / "remit.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = home.parent / "before.db"
    shutil.copyfile(home / "remit.db", before)
    for _ in range(2):
        assert remit(home, "kill", "scout", *BECAUSE).returncode == 0
        assert remit(home, "unkill", "scout", *BECAUSE).returncode == 0
    for left in home.glob("remit.db*"):
        left.unlink()
    shutil.copyfile(before, home / "remit.db")
    return home


@pytest.mark.parametrize(
    "words",
    [
        ("kill", "scout", *BECAUSE),
        ("unkill", "scout", *BECAUSE),
        ("agents", "pause", "scout", *BECAUSE),
        ("breakglass", "request", "agent scout", "--for", "scout", *BECAUSE),
        ("agents", "resume", "scout", *BECAUSE),
        ("agents", "register", "finder"),
        ("agents", "update", "scout", "--kind", "tester"),
        ("agents", "update", "scout", "--owner", "tom"),
        ("agents", "retire", "scout", *BECAUSE),
    ],
    ids=" ".join,
)
def test_an_order_that_cannot_be_signed_is_not_told_as_done(forked: Path, words: tuple[str, ...]) -> None:
    done = remit(forked, *words)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"].partition(".")[0]) == (1, "audit"), done
