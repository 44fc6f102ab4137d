"""The orders as a person gives them on the command line: what they answer, what they leave, who may give them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from remit.adapters.git.search import search
from remit.audit import query
from remit.audit.entry import Entry
from remit.audit.entry import Result as Ended
from remit.bootstrap import open_store
from remit.cli.root import run as command
from remit.kernel.action import ActorKind, Principal
from remit.kernel.ids import new_id
from remit.settings import load

from ..warm import start  # noqa: TID252 - tests are loaded by path

type Run = Callable[..., dict]

PERSON = "customer-4711"
NAME = "Grace Hopper"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with --json; its answer, or the error's."""

    def order(*words: str, code: int = 0, env: dict[str, str] | None = None) -> dict:
        with monkeypatch.context() as patched:
            for name, value in (env or {}).items():
                patched.setenv(name, value)
            told = command([*words, "--home", str(home), "--json"])
        out, err = capsys.readouterr()
        assert told == code, (out, err)
        return json.loads(out.splitlines()[-1])

    order("init")
    return order


def log_about(home: Path, subject: str, text: str) -> None:
    settings, _ = load(flags={"home": str(home)})
    entry = Entry(
        actor=Principal(ActorKind.AGENT, "coder"),
        action="test.entry",
        domain="test",
        result=Ended.SUCCESS,
        workspace=settings.workspace,
    )
    with open_store(settings) as store:
        store.write("guard.intent", lambda tx: tx.append(entry, {"text": text}, subject=subject))
        store.seal()


def test_a_hold_is_placed_listed_released_and_stops_an_erasure(run: Run, home: Path) -> None:
    log_about(home, PERSON, NAME)
    assert run("audit", "hold", "case-17", "--reason", "court", "--subject", PERSON)["hold"]["name"] == "case-17"
    assert [each["subject"] for each in run("audit", "holds")["holds"]] == [PERSON]
    error = run("audit", "erase", PERSON, "--reason", "asked", code=3)["error"]
    assert "case-17" in error["message"]
    assert error["hint"] == "remit audit release NAME --reason WHY"
    assert run("audit", "release", "case-17", "--reason", "closed")["released"]["name"] == "case-17"
    erased = run("audit", "erase", PERSON, "--reason", "asked")["entries"]
    assert len(erased) == 3  # and what the two orders about the hold said of the person
    assert run("audit", "verify")["erased"] == 3


def test_exports_in_the_home_that_hold_what_is_erased_go_with_it(run: Run, home: Path) -> None:
    log_about(home, PERSON, NAME)
    kept = home / "exports" / "default"
    kept.mkdir(parents=True)
    holds, other = kept / new_id(), kept / new_id()
    run("audit", "export", str(holds), "--action", "test.entry")
    run("audit", "export", str(other), "--action", "audit.genesis")
    report = run("audit", "erase", PERSON, "--reason", "asked")
    assert report["exports"] == [holds.name]
    assert [each.name for each in kept.iterdir()] == [other.name]


def test_retention_takes_the_days_of_the_plan_or_of_the_setting(run: Run) -> None:
    assert run("audit", "retain", "--dry-run")["days"] == 30
    told = run("audit", "retain", env={"REMIT_AUDIT_RETENTION_DAYS": "400"})
    assert (told["days"], told["pruned"], told["dry_run"]) == (400, 0, False)


def test_only_who_may_gives_orders_and_a_refusal_is_on_record(run: Run, home: Path) -> None:
    stranger = {"REMIT_USER": "mallory"}
    for words in (
        ("hold", "x", "--reason", "y"),
        ("release", "x", "--reason", "y"),
        ("retain",),
        ("erase", "ada", "--reason", "y"),
        ("export", str(home / "out")),
        ("key", "rotate", "--reason", "y"),
        ("acknowledge", "--reason", "y"),
    ):
        assert run("audit", *words, code=3, env=stranger)["error"]["code"] == "accounts.not_permitted", words
    assert not (home / "out").exists()
    found = run("audit", "show", "--actor", "user:mallory")["entries"]
    assert len(found) == 7
    assert {entry["result"] for entry in found} == {"blocked"}


def test_an_entry_says_from_where_a_person_gave_the_order(run: Run) -> None:
    run("audit", "hold", "x", "--reason", "y", env={"SSH_CONNECTION": ""})
    (entry,) = run("audit", "show", "--action", "audit.hold")["entries"]
    origin = entry["payload"]["origin"]
    assert origin["via"] == "cli"
    assert origin["os_user"]
    assert origin["agent"].startswith("remit/")


def test_an_export_is_verified_without_a_home(run: Run, tmp_path: Path) -> None:
    log_about(tmp_path / "home", "", "x")
    out = tmp_path / "out"
    told = run("audit", "export", str(out), "--format", "csv", "--action", "test.entry")
    assert told["manifest"]["rows"] == 1
    checked = run("audit", "verify", str(out), "--key", told["key"], env={"REMIT_HOME": str(tmp_path / "none")})
    assert (checked["ok"], checked["rows"]) == (True, 1)
    (out / "entries.csv").write_text("")
    assert not run("audit", "verify", str(out), "--key", told["key"], code=1)["ok"]


def test_the_scheduled_verification_runs_once_and_says_so(run: Run) -> None:
    assert run("audit", "verify", "--scheduled")["due"]
    assert run("audit", "verify", "--scheduled") == {"due": False}


def test_the_key_is_changed_and_what_was_exported_before_still_verifies_with_either(run: Run, tmp_path: Path) -> None:
    first = run("audit", "export", str(tmp_path / "one"))
    done = run("audit", "key", "rotate", "--reason", "yearly")
    second = run("audit", "export", str(tmp_path / "two"))
    assert (done["old"], done["new"]) == (first["key"], second["key"])
    assert run("audit", "key")["keys"] == [done["new"], done["old"]]
    assert run("audit", "verify")["ok"]
    assert run("audit", "verify", str(tmp_path / "one"), "--key", done["old"])["ok"]
    # Who only has the old key learns the new one from the chain in the manifest.
    assert run("audit", "verify", str(tmp_path / "two"), "--key", done["old"])["ok"]
    assert not run("audit", "verify", str(tmp_path / "one"), "--key", done["new"], code=1)["ok"]
    again = run("audit", "key", "rotate", "--reason", "once more")
    run("audit", "export", str(tmp_path / "three"))
    for key in (done["old"], done["new"], again["new"]):
        assert run("audit", "verify", str(tmp_path / "three"), "--key", key)["ok"]


def test_an_erasure_names_what_is_left_in_git_in_files_and_in_the_database(run: Run, home: Path) -> None:
    from sqlalchemy import insert

    from remit.guard.tables import ACTION
    from remit.missions.tables import ATTEMPT, MISSION

    settings, _ = load(flags={"home": str(home)})
    log_about(home, PERSON, NAME)
    ours, other = "m-ours", "m-other"

    def full(table, **given: object) -> dict:  # noqa: ANN001 - a table
        kinds = {"BLOB": b"", "TEXT": ""}
        return {
            column.name: given.get(column.name, kinds.get(str(column.type), 0 if not column.nullable else None))
            for column in table.columns
        }

    def rows(tx) -> None:  # noqa: ANN001 - a write transaction
        mine = {"workspace": settings.workspace}
        tx.execute(insert(MISSION), full(MISSION, id=ours, input=f'{{"who": "{NAME}"}}'.encode(), **mine))
        tx.execute(insert(MISSION), full(MISSION, id=other, input=NAME.encode(), workspace="elsewhere"))
        attempt = {"mission": ours, "step": "s", "number": 1, "log": f"mail to {NAME} and {PERSON} sent"}
        tx.execute(insert(ATTEMPT), full(ATTEMPT, **attempt, **mine))
        tx.execute(insert(ACTION), full(ACTION, id="a1", target=f"mailto:{NAME}", checks="[]", **mine))

    with open_store(settings) as store:
        store.write("mission.create", rows)
    for mission in (ours, other):
        folder = settings.missions / mission
        (folder / "workspace").mkdir(parents=True)

        def git(*words: str, folder: Path = folder) -> str:
            argv = ["git", f"--git-dir={folder / 'repo.git'}", f"--work-tree={folder / 'workspace'}", *words]
            who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
            return subprocess.run([*argv[:3], *who, *argv[3:]], check=True, capture_output=True, text=True).stdout

        subprocess.run(["git", "init", "--bare", "-q", str(folder / "repo.git")], check=True)
        (folder / "workspace" / "list.txt").write_text(f"1 {NAME}\n")
        git("add", "list.txt")
        git("commit", "-q", "-m", "one")
        (folder / "workspace" / "list.txt").write_text("1 nobody\n")
        (folder / "workspace" / "left.txt").write_text(PERSON)
        git("commit", "-q", "-a", "-m", f"without {NAME}")
    report = run("audit", "erase", PERSON, "--also", NAME, "--reason", "asked")
    assert report["shredded"]
    found = {each["commit"]: each["paths"] for each in report["commits"]}
    assert {each["mission"] for each in report["commits"]} == {ours}
    assert sorted(found.values()) == [["(message)"], ["list.txt"]]
    assert [Path(name).name for name in report["files"]] == ["left.txt"]
    blanked = {(each["table"], each["column"]) for each in report["blanked"]}
    assert blanked == {("action", "target"), ("step_attempt", "log")}
    remains = {(each["table"], each["column"]): each["keys"] for each in report["remains"]}
    assert remains == {("mission", "input"): [ours]}
    assert report["unread"] == []
    with open_store(settings) as store:
        (log,) = store.view(lambda tx: tx.rows(ATTEMPT.select()))
        assert log["log"] == "mail to [erased] and [erased] sent"
        assert NAME not in str(store.view(lambda tx: query.find(tx, query.Filter(settings.workspace))))
    assert len(search(settings.missions / other / "repo.git", [NAME])) == 2
    home_bytes = b"".join(path.read_bytes() for path in home.glob("remit.db*"))
    assert f"mail to {NAME}".encode() not in home_bytes
    assert run("audit", "verify")["ok"]


def test_the_feed_shows_what_is_added_and_holds_nobody_up(run: Run, home: Path) -> None:
    run("audit", "holds")
    argv = [sys.executable, "-m", "remit.cli", "audit", "show", "--follow", "--json", "--home", str(home)]
    with start(argv, stdout=subprocess.PIPE, text=True) as feed:
        try:
            assert feed.stdout is not None
            assert json.loads(feed.stdout.readline())["entries"]
            for n in range(3):
                log_about(home, "", f"text {n}")
                (entry,) = json.loads(feed.stdout.readline())["entries"]
                assert entry["payload"]["text"] == f"text {n}"
        finally:
            feed.send_signal(signal.SIGINT)
            assert feed.wait(60) == 130
