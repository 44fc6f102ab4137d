"""What commands answer: masked, and JSON all the same."""

import json
import os
from collections.abc import Iterator

import pytest

from remit.cli.output import emit, hint, report_error, say
from remit.cli.redaction import REDACTOR
from remit.cli.root import run
from remit.kernel import correlation
from remit.kernel.errors import InvalidInput
from remit.redact import sinks
from remit.redact.redactor import Redactor

SECRET = "hunter2_" + "f00dfeed"
TOKEN = "gh" + "p_" + "a1B2c3D4e5" * 4
PEM = "-----BEGIN " + "PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" * 3


@pytest.fixture(autouse=True)
def redactor() -> Iterator[Redactor]:
    found = Redactor(os.urandom(16))
    found.register(SECRET)
    sinks.install(found)
    sinks.install(REDACTOR)
    yield found
    sinks.uninstall(REDACTOR)
    sinks.uninstall(found)


def test_an_answer_stays_json_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": PEM, "b": {SECRET: [TOKEN, 7]}, "c": "x", "d": f'{{"quoted": "{SECRET}"}}'})
    out = capsys.readouterr().out
    told = json.loads(out)
    assert (told["c"], next(iter(told["b"].values()))[1]) == ("x", 7)
    assert SECRET not in out
    assert TOKEN not in out
    assert "MIIEv" not in out


def test_an_answer_without_a_secret_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"hash": "9f86d081884c7d659a2feaa0c55ad015", "id": "0190f5fe-7c00-7a00-8000-0123456789ab", "n": [1, None]}
    emit(value)
    assert json.loads(capsys.readouterr().out) == value


def test_lines_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"it is {SECRET}")
    hint(f"beside it {TOKEN}")
    told = capsys.readouterr()
    assert told.out.startswith("it is [REDACTED:registered:")
    assert told.err.startswith("beside it [REDACTED:github-")


def test_every_part_of_an_error_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    error = InvalidInput(f"bad {SECRET}", hint=f"try {SECRET}", place=f"{SECRET}:1", problems=(SECRET, TOKEN))
    error.__cause__ = ValueError(SECRET)
    error.add_note(SECRET)
    assert report_error(error, as_json=True, debug=True) == 2
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    assert TOKEN not in told.out + told.err
    assert json.loads(told.out)["error"]["problems"][0].startswith("[REDACTED:")


def test_a_word_that_a_message_cuts_off_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    word = "x" * 40 + "." + TOKEN  # messages quote the first sixty characters
    assert run(["why", word, "--home", "/nonexistent", "--json"]) == 2
    assert run([word]) == 2
    told = capsys.readouterr()
    assert TOKEN[:12] not in told.out + told.err


def test_an_id_of_a_request_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--json"]) == 2
    one = json.loads(capsys.readouterr().out)["error"]["request_id"]
    assert run(["show", "--json"]) == 2
    two = json.loads(capsys.readouterr().out)["error"]["request_id"]
    assert one != two
    assert correlation.current().request_id == ""


def test_nothing_that_is_said_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What an agent or another person wrote stands in reasons, errors and logs, and a terminal would obey it."""
    hostile = "a\x1b]0;title\x07\x1b[2J\x9b31m\u202eb\u200b"
    say(f"1\t{hostile}\nzwei: größer als 10 €")
    hint(hostile)
    report_error(InvalidInput(hostile, hint=hostile), as_json=True, debug=True)
    told = capsys.readouterr()
    first, second, _ = told.out.split("\n", 2)
    assert first == "1\ta\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\u{202e}b\\u{200b}"
    assert second == "zwei: größer als 10 €"
    for text in (told.out, told.err):
        assert not set(text) & set("\x1b\x07\x9b\u202e\u200b")


def test_a_group_alone_shows_its_help_and_an_error_its_reference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["keys"]) == 2
    assert "Usage: remit keys" in (told := capsys.readouterr().err)
    assert "ref:" not in told
    assert run(["keys", "create"]) == 2
    assert "ref:" in capsys.readouterr().err
