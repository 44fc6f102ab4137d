"""Backups of living homes, and homes made from them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shlex
import shutil
import signal
import sqlite3
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.bootstrap import open_store, restore_backup, take_backup
from remit.cli.root import run
from remit.kernel.errors import Conflict, Denied, IntegrityError, InvalidInput, NotFound, RemitError
from remit.operations.manifest import KEYS, Manifest, Member, Part, needed, part_of, problems, safe
from remit.settings import Settings
from remit.testing.drill import PACK, Drill, until

pytestmark = pytest.mark.timeout(240)


def take(settings: Settings, place: Path, *, keys: bool = True) -> Path:
    return take_backup(settings, place, keys=keys, passphrase_file=None, key_file=None).file


def put(source: Path, home: Path, *, keys: Path | None = None) -> Any:
    return restore_backup(Settings(home=home), source, keys=keys, passphrase_file=None, key_file=None)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_home_comes_back_whole(drill: Drill, settings: Settings, place: Path) -> None:
    before = drill.remit("missions").json()["missions"]
    trees = {one["mission"]: drill.remit("show", one["mission"]).json()["tree"] for one in before}
    source = take(settings, place)
    assert source.stat().st_mode & 0o777 == 0o600
    assert left(place) == [source.name]
    shutil.rmtree(drill.home)
    done = put(source, drill.home)
    assert drill.home.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in drill.home.iterdir()} >= {"remit.db", "engine.db", "heads.log", "missions", *KEYS}
    after = drill.remit("missions").json()["missions"]
    assert [(one["mission"], one["status"]) for one in after] == [(one["mission"], one["status"]) for one in before]
    assert {one["mission"]: drill.remit("show", one["mission"]).json()["tree"] for one in after} == trees
    assert [held.mission for held in done.held] == [one["mission"] for one in before if one["status"] == "interrupted"]
    assert drill.remit("audit", "verify").json()["ok"] is True
    for one in after:
        ran = drill.remit("resume", one["mission"])
        assert ran.code == 0, ran.err
        assert ran.json()["status"] == "succeeded"
    finished = next(one["mission"] for one in before if one["status"] == "succeeded")
    assert drill.remit("branch", finished, "--from", "start").code == 0
    assert drill.remit("audit", "verify").json()["ok"] is True


def test_a_backup_says_who_took_it_and_a_restore_that_it_happened(
    drill: Drill, settings: Settings, place: Path
) -> None:
    source = take(settings, place)
    put(source, drill.folder / "new")
    drill.home = drill.folder / "new"
    shown = drill.remit("audit", "show", "--limit", "1000").json()["entries"]
    told = [(one["action"], one["result"], one["actor"]) for one in shown if one["action"].startswith("home.")]
    assert told == [("home.backup", "pending", "user:owner"), ("home.restored", "success", "user:owner")]


def test_the_next_command_that_a_backup_tells_restores_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "old")
    assert run(["init", "--home", home]) == 0
    assert run(["backup", str(tmp_path / "b.gz"), "--home", home]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    next_ = shlex.split(told.removeprefix("next: remit ").replace(" NEW", f" {tmp_path / 'new'}"))
    assert run(next_) == 0, "the keys are not in the file: it says where they are"


def test_three_missions_that_run_while_it_is_taken_can_each_be_resumed(tmp_path: Path, place: Path) -> None:
    with Drill(tmp_path / "old") as old, Drill(tmp_path / "new") as new:
        assert old.remit("init").code == 0
        assert old.remit("plan", "set", "pro").code == 0
        given = old.intake(witness="", features=["a", "b", "c", "d"], pause_s=3)
        missions = [str(old.remit("run", PACK, given, "--queue").json()["mission"]) for _ in range(3)]
        worker = old.start("worker", "--concurrency", "3")
        until(lambda: sum(body.startswith("feature-") for body in old.look().bodies) >= 3, what="three that run")
        taken = old.remit("backup", place, "--with-keys")
        assert taken.code == 0, taken.err
        # The old home goes on, undisturbed by what happens on the same machine with its copy.
        restored = new.remit("restore", taken.json()["backup"])
        assert restored.code == 0, restored.err
        assert sorted(one["mission"] for one in restored.json()["interrupted"]) == sorted(missions)
        idle = new.start("worker", "--concurrency", "3")
        time.sleep(4)
        idle.send_signal(signal.SIGTERM)
        assert new.ended(idle).code == 0
        assert new.look().bodies == (), "nothing goes on by itself"
        done = _finished(new.home)
        assert len(done) >= 3
        for process in [new.start("resume", mission) for mission in missions]:
            ran = new.ended(process)
            assert ran.code == 0, ran.err
            assert ran.json()["status"] == "succeeded"
        assert done <= _finished(new.home), "no finished step ran again"
        assert new.remit("audit", "verify").json()["ok"] is True
        until(lambda: len(_finished(old.home)) == 3 * 7, within_s=90, what="the old home's missions")
        worker.send_signal(signal.SIGTERM)
        assert old.ended(worker).code == 0
        assert old.remit("audit", "verify").json()["ok"] is True


def _finished(home: Path) -> set[tuple[str, str, int]]:
    """Steps that are done, with how often each was begun."""
    with closing(sqlite3.connect(home / "remit.db")) as store:
        return set(store.execute("SELECT mission, name, attempts FROM step WHERE status = 'succeeded'"))


def test_an_approval_that_was_not_used_must_be_given_again(tmp_path: Path, place: Path) -> None:
    with Drill(tmp_path / "old") as old:
        asked = old.remit("run", PACK, old.intake(witness="", ship_usd=12))
        if asked.code != 4:  # without a witness nothing is shipped
            pytest.fail(asked.out + asked.err)
        request = old.remit("approvals").json()["approvals"][0]["approval"]
        taken = take(Settings(home=old.home), place)
        done = put(taken, tmp_path / "new")
        assert [held.was for held in done.held] == ["waiting"]
        old.home = tmp_path / "new"
        approved = old.remit("approve", request)
        assert approved.code != 0
        mission = old.remit("missions").json()["missions"][0]
        assert mission["status"] == "interrupted"
        ran = old.remit("resume", mission["mission"])
        assert ran.code == 4, "it asks anew"


def test_nobody_stays_signed_in(drill: Drill, settings: Settings, place: Path) -> None:
    with closing(sqlite3.connect(drill.home / "remit.db")) as store, store:
        kinds = {row[1]: row[2] for row in store.execute("PRAGMA table_info(sign_in_session)")}
        values: dict[str, object] = {name: 0 if "INT" in kind else "" for name, kind in kinds.items()}
        values |= {"id": "s1", "workspace": "default", "person": "owner", "expires_us": 1 << 60, "ended_us": None}
        marks = ", ".join("?" for _ in values)
        names = ", ".join(values)
        store.execute(f"INSERT INTO sign_in_session ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608
    put(take(settings, place), drill.folder / "new")
    with closing(sqlite3.connect(drill.folder / "new" / "remit.db")) as store:
        found = store.execute("SELECT ended_us > 0, ended_why FROM sign_in_session").fetchall()
    assert found == [(1, "restored")]


# ------------------------------------------------------------------------------------------------------ what is refused


def test_a_place_where_something_is_stays_as_it_is(drill: Drill, settings: Settings, place: Path) -> None:
    source = take(settings, place)
    with pytest.raises(Conflict, match="already"):
        put(source, drill.home)
    other = drill.folder / "other"
    other.mkdir()
    (other / "mine").write_text("mine")
    with pytest.raises(Conflict):
        put(source, other)
    assert left(other) == ["mine"]
    assert not [name for name in left(drill.folder) if name.startswith(".remit")]


def test_without_keys_nobody_reads_it_and_with_them_it_comes_back(
    drill: Drill, settings: Settings, place: Path
) -> None:
    source = take(settings, place, keys=False)
    with tarfile.open(source) as tar:
        assert not [name for name in tar.getnames() if name.endswith(".key")]
    with pytest.raises(NotFound, match="no keys"):
        put(source, drill.folder / "new")
    assert not (drill.folder / "new").exists()
    put(source, drill.folder / "new", keys=drill.home)
    for name in KEYS:
        assert (drill.folder / "new" / name).stat().st_mode & 0o777 == 0o600


def test_an_encrypted_one_opens_with_its_passphrase_only(drill: Drill, settings: Settings, place: Path) -> None:
    right, wrong = drill.folder / "right", drill.folder / "wrong"
    right.write_text("correct horse battery\n")
    wrong.write_text("incorrect horse battery\n")
    taken = take_backup(settings, place / "b.gz", keys=False, passphrase_file=right, key_file=None)
    assert taken.manifest.keys, "encrypted, it holds the keys too"
    for given, error in ((None, InvalidInput), (wrong, IntegrityError)):
        with pytest.raises(error):
            restore_backup(
                Settings(home=drill.folder / "new"), taken.file, keys=None, passphrase_file=given, key_file=None
            )
        assert not (drill.folder / "new").exists()
    restore_backup(Settings(home=drill.folder / "new"), taken.file, keys=None, passphrase_file=right, key_file=None)
    assert (drill.folder / "new" / "audit.key").exists()


def test_only_an_owner_takes_one_and_the_refusal_is_on_record(drill: Drill, settings: Settings, place: Path) -> None:
    assert drill.remit("users", "add", "bob", "--email", "bob@example.com", "--role", "admin").code == 0
    with pytest.raises(Denied):
        take(replace(settings, user="bob"), place)
    assert left(place) == []
    shown = drill.remit("audit", "show", "--limit", "1000").json()["entries"]
    assert shown[-1]["actor"] == "user:bob"
    assert shown[-1]["result"] == "blocked"


def test_neither_within_the_home_nor_over_another_file(settings: Settings, place: Path) -> None:
    with pytest.raises(InvalidInput, match="lies in the home"):
        take(settings, settings.home)
    (place / "b.gz").write_text("mine")
    with pytest.raises(Conflict):
        take(settings, place / "b.gz")
    assert (place / "b.gz").read_text() == "mine"
    with pytest.raises(InvalidInput, match="no folder"):
        take(settings, place / "nowhere" / "b.gz")
    with pytest.raises(InvalidInput, match=rf"no folder {place}/unmounted\."):
        take(settings, place / "unmounted")
    assert not (place / "unmounted").exists(), "a file where a folder was meant"


# ------------------------------------------------------------------------------------------------------------- damage


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with members changed, or (``None``) left out."""
    into = io.BytesIO()
    with tarfile.open(source) as old, tarfile.open(fileobj=into, mode="w") as new:
        for info in old.getmembers():
            file = old.extractfile(info)
            assert file is not None
            data = change(info.name, file.read())
            if data is not None:
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    target.write_bytes(gzip.compress(into.getvalue()))
    return target


def _flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def test_every_part_is_held_against_its_hash(drill: Drill, settings: Settings, place: Path) -> None:
    source = take(settings, place)
    with tarfile.open(source) as tar:
        names = tar.getnames()
    assert {"store.db", "engine.db", "heads.log", "manifest.json", "manifest.note"} <= set(names)
    for name in names:
        for change in (_flip, lambda _: None):
            bad = rewritten(source, place / "bad", lambda at, data: change(data) if at == name else data)  # noqa: B023
            with pytest.raises(RemitError) as caught:
                put(bad, drill.folder / "new")
            assert isinstance(caught.value, IntegrityError), (name, caught.value)
            assert not (drill.folder / "new").exists()
    assert not [name for name in left(drill.folder) if name.startswith(".remit")]


def test_a_cut_file_is_refused(drill: Drill, settings: Settings, place: Path) -> None:
    data = take(settings, place).read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 9):
        (place / "cut").write_bytes(data[:size])
        with pytest.raises(IntegrityError):
            put(place / "cut", drill.folder / "new")
    assert not (drill.folder / "new").exists()


def _relisted(source: Path, place: Path, name: str, data: bytes) -> Path:
    """Somebody who changes a part and the list, but has not the key."""

    def change(at: str, old: bytes) -> bytes:
        if at == name:
            return data
        if at == "manifest.json":
            listed = json.loads(old)
            listed["members"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            return json.dumps(listed, indent=1, sort_keys=True, ensure_ascii=False).encode()
        return old

    return rewritten(source, place / "relisted", change)


def test_a_list_that_was_not_signed_is_refused(drill: Drill, settings: Settings, place: Path) -> None:
    source = take(settings, place)
    with pytest.raises(IntegrityError):
        put(_relisted(source, place, "settings.json", b"{}"), drill.folder / "new")
    assert not (drill.folder / "new").exists()


def test_a_row_that_the_log_does_not_bear_out_stops_the_restore(drill: Drill, settings: Settings, place: Path) -> None:
    """Somebody changed a step's row before the backup was taken, in the living home."""
    with closing(sqlite3.connect(drill.home / "remit.db")) as store, store:
        store.execute("UPDATE step SET output_hash = 'other' WHERE name = 'start'")
    source = take(settings, place)
    with pytest.raises(IntegrityError, match="audit log does not say so"):
        put(source, drill.folder / "new")
    assert not (drill.folder / "new").exists()


def test_a_cut_log_is_not_backed_up(drill: Drill, settings: Settings, place: Path) -> None:
    with open_store(settings) as opened:
        opened.seal()  # what no head covers can be cut unseen
    with closing(sqlite3.connect(drill.home / "remit.db")) as store, store:
        for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f'DROP TRIGGER "{name}"')
        for table in ("audit_payload", "audit_entry"):
            store.execute(f"DELETE FROM {table} WHERE seq = (SELECT max(seq) FROM {table})")  # noqa: S608 - two names
    with pytest.raises(IntegrityError):
        take(settings, place)
    assert left(place) == []
    del drill


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "keys//x", "a\\b"])
def test_nothing_is_unpacked_outside(drill: Drill, place: Path, name: str) -> None:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    (place / "bad").write_bytes(gzip.compress(into.getvalue()))
    with pytest.raises(IntegrityError, match="can't be a part"):
        put(place / "bad", drill.folder / "new")
    assert not safe(name)


def test_links_are_no_part_of_a_backup(drill: Drill, place: Path) -> None:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as tar:
        info = tarfile.TarInfo("files/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    (place / "bad").write_bytes(gzip.compress(into.getvalue()))
    with pytest.raises(IntegrityError, match="can't be a part"):
        put(place / "bad", drill.folder / "new")


# ------------------------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize(
    "at", ["backup.taken:before", "backup.taken:after", "backup.archive:before", "backup.archive:after"]
)
def test_killed_while_it_is_taken(drill: Drill, settings: Settings, place: Path, at: str) -> None:
    assert drill.remit("backup", place / "b.gz", "--with-keys", at=at).killed
    assert (place / "b.gz").exists() == (at == "backup.archive:after")
    assert drill.remit("audit", "verify").json()["ok"] is True
    source = take(settings, place / "c.gz" if (place / "b.gz").exists() else place / "b.gz")
    assert not [name for name in left(place) if name.startswith(".")], "what the dead one left is gone"
    put(source, drill.folder / "new")


@pytest.mark.parametrize(
    "at", ["restore.held:before", "restore.held:after", "restore.place:before", "restore.place:after"]
)
def test_killed_while_it_is_restored(drill: Drill, settings: Settings, place: Path, at: str) -> None:
    source = take(settings, place)
    shutil.rmtree(drill.home)
    assert drill.remit("restore", source, at=at).killed
    assert drill.home.exists() == (at == "restore.place:after")
    if not drill.home.exists():
        put(source, drill.home)
    assert not [name for name in left(drill.folder) if name.startswith(".remit")]
    assert drill.remit("audit", "verify").json()["ok"] is True


# -------------------------------------------------------------------------------------------------------------- rules


def test_what_of_a_home_is_copied_how() -> None:
    assert part_of("remit.db") is Part.STORE
    assert part_of("audit.key") is Part.KEY
    assert [part_of(name) for name in ("remit.db-wal", "executors", ".x", "a.lock")] == [Part.PASSING] * 4
    assert part_of("secrets.json") is Part.FILE
    assert part_of("something new") is Part.FILE, "what nobody thought of is copied"


def test_a_list_without_what_is_needed_is_not_whole() -> None:
    one = Member("0" * 64, 1)
    bare = Manifest("", "", "sqlite", "", "", 0, "", keys=True, members={"store.db": one}, missions=[])
    assert needed(bare) - {"store.db"} == {"heads.log", "settings.json", *(f"keys/{name}" for name in KEYS)}
    assert "heads.log is missing" in problems(bare, {"store.db": one})
    assert "store.db is not what was written" in problems(bare, {"store.db": Member("1" * 64, 1)})
    assert "x is there and not listed" in problems(bare, {"store.db": one, "x": one})


def test_the_copy_may_be_taken_while_the_store_is_written(drill: Drill, settings: Settings, place: Path) -> None:
    with open_store(settings) as store:
        store.write("audit.checkpoint", lambda _tx: None)
        source = take(settings, place)
        store.write("audit.checkpoint", lambda _tx: None)
    put(source, drill.folder / "new")
