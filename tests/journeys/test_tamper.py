"""Changes made to a home's audit log behind Remit's back: ``remit audit verify`` exits 1 and names the place."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from remit.testing.drill import DATABASE, PACK, Drill

from .recorded import SEED

pytestmark = pytest.mark.timeout(240)

#: Every column of every audit table that a home on SQLite uses; a test holds it against the database.
COLUMNS = {
    "audit_entry": ("seq", "workspace", "ts_us", "mission", "action", "actor", "header", "leaf_hash"),
    "audit_payload": ("seq", "workspace", "salt", "body", "dek"),
    "audit_node": ("level", "idx", "hash"),
    "audit_checkpoint": ("size", "note"),
}


#: Postgres only; data keys and holds, which tests/audit/test_keyring.py and test_retention.py harm.
ELSEWHERE = {"audit_pending", "audit_dek", "audit_hold"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a finished mission, closed: everything is in the one file."""
    with Drill(tmp_path_factory.mktemp("original")) as drill:
        ran = drill.remit("run", PACK, drill.intake())
        assert ran.code == 0, ran.err
        assert drill.remit("audit", "verify").code == 0
        with closing(sqlite3.connect(drill.home / DATABASE)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return drill.home


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Iterator[Drill]:
    """A copy of it to be harmed."""
    shutil.copytree(original, tmp_path / "home", symlinks=True)
    with Drill(tmp_path) as drill:
        yield drill


def _change(drill: Drill, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the database as somebody with the file would: triggers that guard the tables go first."""
    with closing(sqlite3.connect(drill.home / DATABASE, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        for statement, values in statements:
            assert connection.execute(statement, values).rowcount > 0, statement


def _named(drill: Drill, *places: str) -> None:
    """Verification must fail and name one of these places, for people and for programs."""
    ran = drill.remit("audit", "verify")
    assert ran.code == 1, ran.out
    told = ran.json()
    assert told["ok"] is False
    assert any(str(one).find(place) >= 0 for one in told["discrepancies"] for place in places), told["discrepancies"]


def _rows(drill: Drill, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(drill.home / DATABASE)) as connection:
        return connection.execute(f"SELECT {', '.join(COLUMNS[table])} FROM {table}").fetchall()  # noqa: S608


def _this(table: str) -> str:
    return " AND ".join(f"{name} IS ?" for name in COLUMNS[table])


def _flipped(value: object, rand: random.Random) -> object:
    """The value with one byte changed."""
    if isinstance(value, int):
        return value ^ (1 << rand.randrange(20))
    data = bytearray(value.encode() if isinstance(value, str) else bytes(value))  # type: ignore[arg-type]
    if not data:
        data = bytearray(b"x")
    else:
        place = rand.randrange(len(data))
        data[place] = (data[place] + 1) % 128 if isinstance(value, str) else data[place] ^ 0x40
    return data.decode() if isinstance(value, str) else bytes(data)


def test_the_columns_are_those_of_the_database(copy: Drill) -> None:
    with closing(sqlite3.connect(copy.home / DATABASE)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            table: tuple(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
            for table in tables
            if table.startswith("audit_") and table not in ELSEWHERE
        }
    assert found == COLUMNS


#: Runs the real entry point once for each home, in one process: an interpreter's start for each would say no more.
EVERY = """
import contextlib, io, json, sys
from remit.cli.root import run
for home in sys.stdin.read().splitlines():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["audit", "verify", "--home", home, "--json"])
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


def _harmed(original: Path, base: Path, name: str) -> Drill:
    shutil.copytree(original, base / name / "home", symlinks=True)
    return Drill(base / name)


def test_a_changed_byte_in_any_column_and_a_deleted_row_are_named(original: Path, tmp_path: Path) -> None:
    homes: dict[str, str] = {}
    for table, columns in COLUMNS.items():
        for place, column in enumerate(columns):
            rand = random.Random(f"{SEED} {table}.{column}")
            drill = _harmed(original, tmp_path, f"{table}.{column}")
            rows = _rows(drill, table)
            row = rand.choice(rows)
            new = _flipped(row[place], rand)
            while column in {"seq", "size", "level", "idx"} and new in {one[place] for one in rows}:
                new = int(str(new)) + 1_000_000
            _change(drill, (f"UPDATE {table} SET {column} = ? WHERE {_this(table)}", (new, *row)))  # noqa: S608
            homes[str(drill.home)] = table
        drill = _harmed(original, tmp_path, f"{table} deleted")
        row = random.Random(f"{SEED} {table}").choice(_rows(drill, table))
        _change(drill, (f"DELETE FROM {table} WHERE {_this(table)}", row))  # noqa: S608
        homes[str(drill.home)] = table
    argv = [sys.executable, "-c", EVERY]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
    done = subprocess.run(
        argv,
        input="\n".join(homes),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environ,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(homes) == 22
    for (home, table), one in zip(homes.items(), told, strict=True):
        assert one["code"] == 1, (home, one)
        found = json.loads(one["out"])["discrepancies"]
        assert any(table in str(place) for place in found), (home, found)


def test_a_damaged_newest_checkpoint_is_named(copy: Drill) -> None:
    newest = "(SELECT max(size) FROM audit_checkpoint)"
    _change(copy, (f"UPDATE audit_checkpoint SET note = replace(note, 'remit', 'remot') WHERE size = {newest}", ()))  # noqa: S608
    _named(copy, "audit_checkpoint")


def test_two_swapped_entries_are_named(copy: Drill) -> None:
    first, second = random.Random(SEED).sample(range(12), 2)
    swap = "UPDATE audit_entry SET seq = ? WHERE seq = ?"
    _change(copy, (swap, (-1, first)), (swap, (first, second)), (swap, (second, -1)))
    _named(copy, "audit_entry")


def test_a_cut_tail_is_named_by_the_heads_outside(copy: Drill) -> None:
    with closing(sqlite3.connect(copy.home / DATABASE)) as connection:
        size = int(connection.execute("SELECT size FROM audit_checkpoint ORDER BY size LIMIT 1").fetchone()[0])
    _change(
        copy,
        ("DELETE FROM audit_entry WHERE seq >= ?", (size,)),
        ("DELETE FROM audit_payload WHERE seq >= ?", (size,)),
        ("DELETE FROM audit_node WHERE (idx + 1) << level > ?", (size,)),
        ("DELETE FROM audit_checkpoint WHERE size > ?", (size,)),
    )
    _named(copy, "heads.log")


@pytest.mark.parametrize("how", ["cut", "emptied"])
def test_a_database_file_that_was_cut_is_never_taken_for_sound(how: str, copy: Drill) -> None:
    path = copy.home / DATABASE
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if how == "cut" else b"")
    ran = copy.remit("audit", "verify")
    assert ran.code not in {0, -9}, ran.out
    assert ran.json()


def test_what_stands_in_the_write_ahead_log_is_checked_too(copy: Drill) -> None:
    def harm(connection: sqlite3.Connection) -> None:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE audit_payload SET body = body || x'20' WHERE seq = 3")

    _in_wal(copy.home / DATABASE, harm)
    assert (copy.home / f"{DATABASE}-wal").stat().st_size > 0
    _named(copy, "audit_payload 3")


def _in_wal(path: Path, harm: Callable[[sqlite3.Connection], None]) -> None:
    """Do harm that stays in the write-ahead log: the file is put back without a checkpoint."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        harm(connection)
        kept = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    for suffix, data in kept.items():
        Path(f"{path}{suffix}").write_bytes(data)
    Path(f"{path}-shm").unlink(missing_ok=True)


@pytest.mark.parametrize("order", ["resume", "rollback"])
def test_a_mission_does_not_go_on_over_a_damaged_log(order: str, copy: Drill) -> None:
    mission = copy.look().mission
    _change(copy, ("UPDATE audit_payload SET body = body || x'20' WHERE seq = 3", ()))
    ran = copy.remit(*("resume", mission, "--from", "join") if order == "resume" else ("rollback", mission))
    assert ran.code == 1
    assert "audit_payload 3" in ran.json()["error"]["message"]


ROWS = {
    "a skip key": "UPDATE step SET skip_key = 'x' WHERE name = (SELECT min(name) FROM step)",
    "a result": "UPDATE step SET result = '{\"forged\":1}' WHERE name = (SELECT min(name) FROM step)",
    "another step's commit": (
        "UPDATE step SET commit_id = (SELECT max(commit_id) FROM step) WHERE name = "
        "(SELECT name FROM step WHERE commit_id NOT IN ('', (SELECT max(commit_id) FROM step)) LIMIT 1)"
    ),
    "the paths": "UPDATE step SET paths = '[\"gone\"]' WHERE name = (SELECT min(name) FROM step)",
    "the input": "UPDATE mission SET input = x'5b5d'",
}


@pytest.mark.parametrize("what", ROWS)
def test_a_mission_does_not_go_on_over_a_row_that_the_log_does_not_bear_out(copy: Drill, what: str) -> None:
    mission, last = _newest(copy)
    _change(copy, (ROWS[what], ()))
    refused = copy.remit("resume", mission, "--from", last)
    assert refused.code == 1
    assert "was changed" in refused.err


def test_a_plan_that_was_changed_together_with_its_hash_is_refused(copy: Drill) -> None:
    mission, last = _newest(copy)
    with closing(sqlite3.connect(copy.home / DATABASE)) as connection:
        plan = connection.execute("SELECT plan FROM mission").fetchone()[0] + b" "
    _change(copy, ("UPDATE mission SET plan = ?, plan_hash = ?", (plan, hashlib.sha256(plan).hexdigest())))
    refused = copy.remit("resume", mission, "--from", last)
    assert refused.code == 1
    assert "not the one that was logged" in refused.err


def test_branches_and_their_branches_are_borne_out_by_what_they_came_from(copy: Drill) -> None:
    mission, last = _newest(copy)
    for _ in range(2):
        assert copy.remit("branch", mission, "--from", last).code == 0
        mission = _newest(copy)[0]
        assert copy.remit("resume", mission, "--from", last).code == 0


def _newest(drill: Drill) -> tuple[str, str]:
    """The newest mission and its last step."""
    with closing(sqlite3.connect(drill.home / DATABASE)) as connection:
        (mission,) = connection.execute("SELECT id FROM mission ORDER BY id DESC LIMIT 1").fetchone()
        query = "SELECT name FROM step WHERE mission = ? ORDER BY revision DESC, position DESC LIMIT 1"
        return mission, connection.execute(query, (mission,)).fetchone()[0]
