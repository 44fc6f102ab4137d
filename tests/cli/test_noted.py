"""Telemetry of commands: by their words and exit code, only while the switch is on, and never what was typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remit.cli.root import run
from remit.kernel import commanded

SECRET_NAME = "the-name-of-somebody"


class Home:
    """Commands on one home; what they printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def give(self, *words: str, code: int = 0) -> str:
        self.capsys.readouterr()
        assert run([*words, "--home", str(self.folder)]) == code, words
        return self.capsys.readouterr().out

    def events(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.give("telemetry", "events", "--json"))["events"]
        return found


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    made = Home(tmp_path / "home", capsys)
    made.give("init")
    return made


def test_a_command_is_recorded_while_the_switch_is_on(home: Home) -> None:
    home.give("missions")
    assert home.events() == [], "off unless somebody turns it on"
    home.give("telemetry", "turn", "telemetry", "on", "--reason", "a test")
    home.give("missions")
    home.give("show", SECRET_NAME, code=2)
    home.give("keys", "list", "--json")
    home.give("scan", str(home.folder / "nothing"), code=2)  # opens no store, so it is not recorded
    found = home.events()
    told = [(one["kind"], one["surface"], one["name"], one["outcome"]) for one in reversed(found)]
    assert told == [
        ("feature", "cli", "missions", "0"),
        ("error", "cli", "show", "2"),
        ("feature", "cli", "keys list", "0"),
    ]
    assert all(float(str(one["took_ms"])) > 0 for one in found)
    assert SECRET_NAME not in str(found)
    home.give("telemetry", "turn", "telemetry", "off", "--reason", "over")
    before = len(home.events())
    home.give("missions")
    home.give("telemetry", "events")
    assert len(home.events()) == before
    assert commanded.current() is None


def test_who_is_asked_for_help_opens_no_store(home: Home) -> None:
    assert run(["missions", "--help"]) == 0
    command = commanded.begin(0.0)
    commanded.look(lambda: True)
    assert command.on is None, "without a name nothing is recorded"
    commanded.end()
    commanded.look(lambda: True)  # a program that is no command
    assert home.events() == []
