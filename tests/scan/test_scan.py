"""``remit scan`` as a person meets it: which files are read, what is told, what is never told."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remit.cli.root import run

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path
from ..warm import start  # noqa: TID252 - as above

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TOKEN = "ghp_" + "".join(random.Random(7).choices(ALNUM, k=36))
OTHER = "ghp_" + "".join(random.Random(8).choices(ALNUM, k=36))


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


type Remit = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


@pytest.fixture
def remit(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Remit:
    """Scans in this process, from the folder; lines of JSON in a process of their own."""
    monkeypatch.setenv("REMIT_HOME", str(tmp_path / "no-home"))
    monkeypatch.chdir(folder)

    def in_process(*words: str) -> Ran:
        code = run(["scan", *words])
        return Ran(code, *capfd.readouterr())

    def ran(*words: str, stdin: bytes = b"") -> Ran:
        if not stdin:
            return in_process(*words)
        argv = [sys.executable, "-m", "remit.cli", "scan", *words]
        done = run_command(argv, input=stdin, capture_output=True, check=False)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return ran


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_a_clean_tree_and_one_with_a_secret(folder: Path, remit: Remit) -> None:
    (folder / "a.py").write_text("print('hello')\n")
    ran = remit(".")
    assert (ran.code, ran.out) == (0, "0 findings in 1 files (15 bytes)\n")
    (folder / "b.env").write_text(f"# é\nA=1\nTOKEN={TOKEN}  # é\n", encoding="utf-8")
    ran = remit(".")
    assert ran.code == 1
    assert ran.out.startswith("b.env:3:7: github-")
    assert TOKEN not in ran.out + ran.err
    told = remit("b.env", "--json").json()
    assert told["files"] == 1
    assert {key: told["findings"][0][key] for key in ("path", "line", "column", "end_line", "end_column", "tier")} == {
        "path": "b.env",
        "line": 3,
        "column": 7,
        "end_line": 3,
        "end_column": 7 + len(TOKEN),
        "tier": 1,
    }


def test_wrong_usage_is_two(remit: Remit) -> None:
    for words in ((), ("nowhere",), (".", "--json", "--sarif"), ("--jsonl",), (".", "--tier", "3"), ("--staged",)):
        ran = remit(*words)
        assert ran.code == 2, (words, ran)
        assert ran.err or ran.out


def test_git_says_which_files_count(folder: Path, remit: Remit) -> None:
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("ignored/\n*.log\n")
    for name in ("tracked.txt", "new.txt", "x.log", "ignored/deep.txt", "sub/tracked.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(TOKEN)
    git(folder, "add", "tracked.txt", "sub/tracked.txt")
    assert [found["path"] for found in remit(".", "--json").json()["findings"]] == [
        "new.txt",
        "sub/tracked.txt",
        "tracked.txt",
    ]
    # Paths count from the top; what is named itself counts although git ignores it.
    assert [found["path"] for found in remit("sub", "--json").json()["findings"]] == ["sub/tracked.txt"]
    named = remit("ignored", "x.log", "x.log", "--json").json()["findings"]
    assert [found["path"] for found in named] == ["ignored/deep.txt", "x.log"]


def test_links_binaries_and_large_files_are_said_not_read(folder: Path, tmp_path: Path, remit: Remit) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(TOKEN)
    (folder / "link").symlink_to(tmp_path / "outside" / "secret")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "program").write_bytes(b"\0\1\2" + TOKEN.encode())
    (folder / "large").write_text("x" * 2000 + TOKEN)
    os.mkfifo(folder / "pipe")
    ran = remit(".", "--json", "--max-bytes", "2000")
    assert ran.code == 0
    assert {each["path"]: each["reason"] for each in ran.json()["skipped"]} == {
        "link": "symbolic link",
        "folder": "symbolic link",
        "program": "binary",
        "large": "larger than 2000 bytes",
        "pipe": "no regular file",
    }
    assert "not read: program (binary)" in ran.err
    assert "symbolic link" in remit("link").err


def test_a_tracked_path_behind_a_link_leads_nowhere(folder: Path, tmp_path: Path, remit: Remit) -> None:
    git(folder, "init", "-q")
    (folder / "a").mkdir()
    (folder / "a" / "b").write_text("x")
    git(folder, "add", "-A")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").write_text(TOKEN)
    (folder / "a" / "b").unlink()
    (folder / "a").rmdir()
    (folder / "a").symlink_to(tmp_path / "outside")
    assert remit(".").code == 0


def test_a_repository_starts_nothing(folder: Path, remit: Remit) -> None:
    git(folder, "init", "-q")
    (folder / "spy.sh").write_text("#!/bin/sh\ntouch started\n")
    (folder / "spy.sh").chmod(0o755)
    git(folder, "config", "core.fsmonitor", "./spy.sh")
    git(folder, "config", "diff.external", "./spy.sh")
    assert remit(".").code == 0
    assert remit("--staged").code == 0
    assert not (folder / "started").exists()


def test_an_unreadable_file_is_no_clean_file(folder: Path, remit: Remit) -> None:
    closed = folder / "closed"
    if os.geteuid():
        closed.write_text("x")
        closed.chmod(0)
    else:  # root reads every file but this one, whose first page is mapped nowhere
        closed = Path("/proc/self/mem")
    ran = remit(str(closed))
    assert (ran.code, "unreadable" in ran.err) == (1, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_encodings(folder: Path, remit: Remit, encoding: str) -> None:
    (folder / "a.txt").write_bytes(f"Gr\u00fc\u00dfe\n  {TOKEN}\n".encode(encoding))
    found = remit(".", "--json").json()["findings"]
    assert [(each["line"], each["column"]) for each in found] == [(2, 3)]


def test_a_secret_in_a_name_is_found_and_not_told(folder: Path, remit: Remit) -> None:
    (folder / f"{TOKEN}.txt").write_text("x")
    ran = remit(".")
    assert ran.code == 1
    assert "(its name)" in ran.out
    assert TOKEN not in ran.out + ran.err
    ran = remit(".", "--sarif")
    assert TOKEN not in ran.out
    assert "region" not in ran.json()["runs"][0]["results"][0]["locations"][0]["physicalLocation"]


def test_a_baseline_accepts_what_was_found_and_nothing_else(folder: Path, remit: Remit) -> None:
    (folder / "a.txt").write_text(f"x\n{TOKEN}\n")
    ran = remit("a.txt", "--write-baseline", "known.json")
    assert ran.code == 0
    text = (folder / "known.json").read_text()
    assert TOKEN not in text
    assert TOKEN[4:12] not in text
    ran = remit("a.txt", "--baseline", "known.json")
    assert (ran.code, "1 accepted before" in ran.out) == (0, True)
    (folder / "a.txt").write_text(f"moved\nto another line\n{TOKEN}\n")
    assert remit("a.txt", "--baseline", "known.json").code == 0
    (folder / "a.txt").write_text(f"{TOKEN}\n{OTHER}\n")  # another value
    assert remit("a.txt", "--baseline", "known.json", "--json").json()["findings"][0]["line"] == 2
    (folder / "b.txt").write_text(TOKEN)  # another file
    assert remit("b.txt", "--baseline", "known.json").code == 1
    # Written again, the key stays, so that lines that didn't change don't change.
    key = json.loads(text)["key"]
    assert remit("a.txt", "--write-baseline", "known.json").code == 0
    again = json.loads((folder / "known.json").read_text())
    assert (again["key"], len(again["findings"])) == (key, 2)
    for broken in ("", "[]", "{}", '{"version": 2, "key": "00", "findings": []}', '{"version": 1, "findings": [1]}'):
        (folder / "broken.json").write_text(broken)
        assert remit("a.txt", "--baseline", "broken.json").code == 2
    assert remit("a.txt", "--baseline", "missing.json").code == 2


def test_what_is_staged_is_what_is_scanned(folder: Path, remit: Remit) -> None:
    git(folder, "init", "-q")
    (folder / "old.txt").write_text(TOKEN)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    assert remit("--staged").code == 0
    (folder / "new.txt").write_text(OTHER)
    (folder / "link").symlink_to("new.txt")
    assert remit("--staged").code == 0  # not staged
    git(folder, "add", "-A")
    (folder / "new.txt").write_text("clean by now, but the index is not")
    ran = remit("--staged", "--json")
    assert [found["path"] for found in ran.json()["findings"]] == ["new.txt"]
    assert ran.json()["skipped"] == [{"path": "link", "reason": "symbolic link"}]


def test_the_history_keeps_what_was_taken_out(folder: Path, remit: Remit) -> None:
    git(folder, "init", "-q")
    (folder / "a.txt").write_text(TOKEN)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "a.txt").write_text("clean")
    git(folder, "commit", "-qam", "second")
    assert remit(".").code == 0
    found = remit("--history", "--json").json()["findings"]
    assert [each["path"].partition(":")[2] for each in found] == ["a.txt"]


def test_the_hook_stops_a_commit(folder: Path, remit: Remit) -> None:
    assert remit("--install-hook").code == 2  # no repository
    git(folder, "init", "-q")
    assert remit("--install-hook").code == 0
    assert remit("--install-hook").code == 0
    (folder / "a.txt").write_text(TOKEN)
    git(folder, "add", "-A")
    commit = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "x"]
    done = subprocess.run(commit, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "a.txt:1:1" in done.stdout + done.stderr
    (folder / "a.txt").write_text("clean")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    (folder / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\nexit 0\n")
    ran = remit("--install-hook")
    assert ran.code != 0
    assert "hook of its own" in ran.err


# -------------------------------------------------------------------------------------------------------------- SARIF

#: What the schema of SARIF 2.1.0 requires, and every name that it knows, of the objects used here.
_REQUIRED = {
    "log": {"version", "runs"},
    "run": {"tool"},
    "tool": {"driver"},
    "driver": {"name"},
    "rule": {"id"},
    "result": {"message"},
}
_KNOWN = {
    "log": {"$schema", "version", "runs", "inlineExternalProperties", "properties"},
    "run": {"tool", "results", "columnKind", "originalUriBaseIds", "artifacts", "invocations"},
    "driver": {"name", "version", "rules", "informationUri", "semanticVersion"},
    "rule": {"id", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"},
    "result": {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"},
    "place": {"artifactLocation", "region"},
    "region": {"startLine", "startColumn", "endLine", "endColumn"},
}


def _fits(name: str, told: dict[str, Any]) -> None:
    assert _REQUIRED.get(name, set()) <= told.keys() <= _KNOWN.get(name, told.keys()), (name, told)


def test_sarif_is_what_its_schema_asks_for(folder: Path, remit: Remit) -> None:
    (folder / "a b").mkdir()
    (folder / "a b" / "\u00e9.txt").write_text(f"\u00e9 {TOKEN} {OTHER}\n{TOKEN}")
    ran = remit(".", "--sarif")
    assert (ran.code, TOKEN in ran.out) == (1, False)
    log = ran.json()
    _fits("log", log)
    assert log["version"] == "2.1.0"
    (once,) = log["runs"]
    _fits("run", once)
    _fits("tool", once["tool"])
    driver = once["tool"]["driver"]
    _fits("driver", driver)
    assert once["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    for rule in driver["rules"]:
        _fits("rule", rule)
        assert rule["shortDescription"]["text"]
    identities: set[str] = set()
    assert len(once["results"]) == 3
    for result in once["results"]:
        _fits("result", result)
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["ruleId"] == driver["rules"][result["ruleIndex"]]["id"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        _fits("place", place)
        assert place["artifactLocation"]["uri"] == "a%20b/%C3%A9.txt"
        _fits("region", place["region"])
        assert all(isinstance(value, int) and value >= 1 for value in place["region"].values())
        identities.add(result["partialFingerprints"]["remitSecret/v1"])
    assert len(identities) == 3
    assert once["results"][0]["locations"][0]["physicalLocation"]["region"]["startColumn"] == 3
    empty = remit("--sarif", str(folder / "a b" / ".."), "--max-bytes", "1")
    assert (empty.code, empty.json()["runs"][0]["results"]) == (0, [])


# -------------------------------------------------------------------------------------------------------------- lines


def test_lines_are_answered_in_order_with_offsets_in_characters(remit: Remit) -> None:
    texts = ["nothing", f"\U0001f511 \u00e9 {TOKEN}.", "", f"{TOKEN} and {OTHER}"]
    ran = remit("--jsonl", "-", stdin="".join(json.dumps({"text": text}) + "\n" for text in texts).encode())
    assert ran.code == 0
    answers = [json.loads(line)["findings"] for line in ran.out.splitlines()]
    assert len(answers) == len(texts)
    assert [
        [text[each["start"] : each["end"]] for each in found] for text, found in zip(texts, answers, strict=True)
    ] == [
        [],
        [TOKEN],
        [],
        [TOKEN, OTHER],
    ]
    assert all(each.keys() == {"kind", "start", "end", "tier"} for found in answers for each in found)
    assert all(each["tier"] in {1, 2} for found in answers for each in found)


def test_a_bad_line_is_told_where_it_stands(remit: Remit) -> None:
    lines = [
        b'{"text": "fine"}',
        b"no json",
        b"",
        b"[1]",
        b'{"text": 1}',
        b"\xff",
        b"[" * 100_000,
        b'{"text": "\\ud800 ' + TOKEN.encode() + b'"}',
        b'{"text": "last"}',
    ]
    ran = remit("--jsonl", "-", stdin=b"\n".join(lines))
    assert ran.code == 1
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert [sorted(answer) for answer in answers] == [["findings"], *[["error"]] * 6, ["findings"], ["findings"]]
    assert [len(answers[at]["findings"]) for at in (0, -2, -1)] == [0, 1, 0]


def test_each_line_is_answered_before_the_next_is_asked(folder: Path) -> None:
    argv = [sys.executable, "-m", "remit.cli", "scan", "--jsonl", "-"]
    with start(argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("one", TOKEN, "three"):
            process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
            process.stdin.flush()
            assert len(json.loads(process.stdout.readline())["findings"]) == (text == TOKEN)
        process.stdin.close()
        assert process.wait() == 0
