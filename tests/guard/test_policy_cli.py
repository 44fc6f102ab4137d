"""``remit policy`` as a person uses it: answers, exit codes, and what is told when something can't be done."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from remit.bootstrap import open_runtime, prepare_home
from remit.cli.root import run
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Tool
from remit.kernel.errors import Denied
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.settings import Settings

RULES = """\
rules:
  - {id: t.tools, on: tool, assert: 'tool.name != "shell" && tool.bytes < 1000', else: deny, message: "No {tool.name}"}
tests:
  - {name: no shells, kind: tool, payload: {name: shell}, expect: deny, rules: [t.tools]}
  - {name: searching, kind: tool, payload: {name: search}, expect: allow}
"""


class Done:
    async def perform(self, action: Action) -> Outcome:
        del action
        return Outcome(ok=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMIT_HOME", str(tmp_path / "home"))
    asyncio.run(prepare_home(Settings(home=tmp_path / "home")))
    (tmp_path / "team.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path / "home"


def remit(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert run(["policy", *words]) == code
    told = capsys.readouterr()
    return told.out + told.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert run(["policy", *words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def ask(home: Path, name: str) -> str:
    """An action of the owner: its id."""
    owner = Principal(ActorKind.USER, "owner")
    action = Action(new_id(), Tool(name), owner, owner, "default")

    async def go() -> None:
        async with open_runtime(Settings(home=home), adapters={"tool": Done()}) as runtime:
            await runtime.guard.run(action)

    with suppress(Denied):
        asyncio.run(go())
    return action.id


def test_a_rule_is_checked_tested_saved_explained_and_taken_back(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "1 of its own, 2 tests" in remit(capsys, "check", "team.yaml")
    assert " 0 failed" in remit(capsys, "test", "team.yaml")
    before = ask(home, "search")
    shadow = as_json(capsys, "shadow", "team.yaml", "--days", "1")
    assert (shadow["judged"], shadow["changed"]) == (1, [])
    assert "revision 2 is in force: 43 rules" in remit(capsys, "save", "team.yaml", "--reason", "no shells")
    refused = ask(home, "shell")
    told = remit(capsys, "explain", refused)
    assert "deny by revision 2-" in told
    assert "t.tools: did not hold, so deny" in told
    assert 'did not hold       tool.name != "shell"   [tool.name = shell]' in told
    assert "held               tool.bytes < 1000" in told
    assert "No shell" in told
    explained = as_json(capsys, "explain", refused)
    said = [rule["said"] for rule in explained["rules"]]
    assert said[-1] == "did not hold"
    assert set(said[:-1]) == {"held"}
    (home.parent / "open.yaml").write_text("limits: {leverage: 1.0}\n", encoding="utf-8")
    told = remit(capsys, "shadow", "open.yaml", "--days", "1")
    assert "2 actions of the last 1 days judged again: 1 come out otherwise" in told
    assert "deny -> allow: 1" in told
    assert "+ rule t.tools" in remit(capsys, "diff", "1", "2")
    assert "- rule t.tools" in remit(capsys, "diff", "open.yaml")
    assert remit(capsys, "diff", "2").strip() == "no difference"
    assert "revision 3 is in force: 42 rules" in remit(capsys, "switch", "1", "--reason", "they need shells")
    assert as_json(capsys, "explain", before)["policy_rev"].startswith("1-")
    found = as_json(capsys, "show", "--history")["revisions"]
    assert [(each["revision"], each["origin"]) for each in found] == [(3, "restored"), (2, "saved"), (1, "shipped")]
    assert remit(capsys, "show", "--revision", "2", "--written").strip() == RULES.strip()


def test_a_test_that_fails_is_told_and_ends_with_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = RULES.replace("expect: allow", "expect: warn")
    (home.parent / "team.yaml").write_text(wrong, encoding="utf-8")
    told = remit(capsys, "test", "team.yaml", code=1)
    assert "team.yaml:5: searching: expected warn, got allow" in told
    assert "1 failed" in told


def test_tests_alone_are_tried_on_what_is_in_force(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = "tests:\n  - {name: no shells, kind: tool, payload: {name: shell}, expect: deny}\n"
    (home.parent / "tests.yaml").write_text(alone, encoding="utf-8")
    assert "got allow" in remit(capsys, "test", "tests.yaml", code=1)
    remit(capsys, "save", "team.yaml", "--reason", "no shells")
    assert " 0 failed" in remit(capsys, "test", "tests.yaml")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "missing.yaml"), 2, "There is no file missing.yaml."),
        (("save", "team.yaml"), 2, "--reason"),
        (("save", "team.yaml", "--reason", " "), 2, "rules.reason"),
        (("switch", "9", "--reason", "x"), 2, "There is no revision 9"),
        (("switch", "1", "--reason", "x"), 1, "Revision 1 is in force."),
        (("explain", "nothing"), 2, "Nothing here has the id 'nothing'"),
        (("attest", "KYC", "--reason", "x"), 2, "lower-case word"),
        (("attest", "kyc", "--reason", ""), 2, "needs a reason"),
        (("show", "--revision", "7"), 2, "There is no revision 7"),
    ],
)
def test_what_can_not_be_done_is_told(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    del home
    assert said in remit(capsys, *words, code=code)


def test_a_file_that_is_no_text_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "bytes.yaml").write_bytes(b"\xff\xfe\x00rules")
    assert "can't be read as UTF-8" in remit(capsys, "check", "bytes.yaml", code=2)


def test_a_bad_rule_is_refused_with_its_caret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "bad.yaml").write_text(RULES.replace("tool.bytes", "tool.byte"), encoding="utf-8")
    told = remit(capsys, "save", "bad.yaml", "--reason", "x", code=2)
    lines = told.splitlines()
    place = next(number for number, line in enumerate(lines) if "tool.byte is no variable" in line and ":2:" in line)
    caret = next(line for line in lines[place:] if line.strip() == "^")
    assert lines[lines.index(caret) - 1][caret.index("^") :].startswith("tool.byte <")
    assert "did you mean tool.bytes?" in told
    problems = as_json(capsys, "check", "bad.yaml", code=2)["error"]
    assert problems["code"] == "rules.invalid"
    assert problems["place"].startswith("bad.yaml:2:")
    assert as_json(capsys, "show")["revision"] == 1


def test_a_word_given_is_listed_as_evidence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    remit(capsys, "attest", "review", "--mission", "m1", "--subject", "abc", "--failed", "--reason", "a hole")
    [found] = as_json(capsys, "evidence", "--mission", "m1")["evidence"]
    assert (found["critic"], found["holds"], found["subject"], found["source"]) == (
        "review",
        False,
        "abc",
        "user:owner",
    )
    assert as_json(capsys, "evidence", "--mission", "m2")["evidence"] == []
