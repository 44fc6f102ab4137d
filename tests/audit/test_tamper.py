"""Whatever is changed afterwards is found, and the place is named. 10 kinds, each with random trials.

``REMIT_PROVE=1`` runs 200 trials of each kind, else 4.
"""

# ruff: noqa: S608 - table and column names are this file's own

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import Entry, Result
from remit.audit.heads import decode_heads, encode_head
from remit.audit.merkle import Edge, leaf_hash
from remit.audit.note import Checkpoint, new_signer, sign_note
from remit.audit.prune import prune
from remit.audit.verify import Report
from remit.audit.walk import CHUNK
from remit.kernel.action import ActorKind, Principal

pytestmark = pytest.mark.timeout(900)

TRIALS = 200 if os.environ.get("REMIT_PROVE") == "1" else 4
SIZE = CHUNK + 176
ADMIN = Principal(ActorKind.USER, "ada")
TABLES = {
    "audit_entry": ("seq", "workspace", "ts_us", "mission", "action", "actor", "header", "leaf_hash"),
    "audit_payload": ("seq", "workspace", "salt", "body"),
    "audit_node": ("level", "idx", "hash"),
    "audit_checkpoint": ("size", "note"),
}
REST = ", ".join(TABLES["audit_entry"][1:])
SHIFTED = "body = CAST(substr(salt, 16) || body AS BLOB), salt = substr(salt, 1, 15)"
type Attack = Callable[[Callable[[sqlite3.Connection, Path], object]], Report]
KEYS = {"audit_entry": 1, "audit_payload": 1, "audit_node": 2, "audit_checkpoint": 1}


def entry(n: int) -> Entry:
    return Entry(
        actor=Principal(ActorKind.AGENT, f"agent{n % 5}"),
        action="guard.intent" if n % 2 == 0 else "guard.outcome",
        domain="command",
        result=Result.SUCCESS,
        workspace="acme" if n % 3 else "globex",
        mission=f"m{n % 7}",
        step=f"s{n}",
    )


def open_store(home: Path) -> SqliteStore:
    return SqliteStore(home / "remit.db", [load_key(home / "audit.key")], heads=home / "heads.log")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound log with a prune in it, signed at many sizes, its last entry signed."""
    home = tmp_path_factory.mktemp("original")
    create_key(home / "audit.key")
    with open_store(home) as store:
        store.migrate()
        at = 0
        while at < SIZE - 1:
            stop = min(at + 97, SIZE - 1)
            store.write("guard.intent", lambda tx, a=at, b=stop: [tx.append(entry(n), {"n": n}) for n in range(a, b)])
            store.seal()
            at = stop
        store.write(
            "guard.outcome", lambda tx: prune(tx, ADMIN, workspace="acme", first=10, last=39, reason="retention")
        )
        store.seal()
        report = store.verify()
        assert (report.ok, report.size, report.signed, report.pruned) == (True, SIZE, SIZE, 20)
    with closing(sqlite3.connect(home / "remit.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.commit()
    return home


@pytest.fixture
def attack(original: Path, tmp_path: Path) -> Attack:
    """Runs an attack on a fresh copy of the log and verifies it."""
    count = 0

    def run(change: Callable[[sqlite3.Connection, Path], object]) -> Report:
        nonlocal count
        count += 1
        home = tmp_path / f"copy{count}"
        shutil.copytree(original, home)
        with closing(sqlite3.connect(home / "remit.db")) as db:
            change(db, home)
            db.commit()
        with open_store(home) as store:
            report = store.verify()
        shutil.rmtree(home)
        return report

    return run


def pick(db: sqlite3.Connection, rand: random.Random, table: str) -> tuple:
    rows = db.execute(f"SELECT {', '.join(TABLES[table])} FROM {table}").fetchall()
    return rand.choice(rows)


def place(table: str, row: tuple) -> str:
    return f"{table} {row[0]}/{row[1]}" if table == "audit_node" else f"{table} {row[0]}"


def where(table: str) -> str:
    return " AND ".join(f"{column} = ?" for column in TABLES[table][: KEYS[table]])


def named(report: Report, *places: str) -> bool:
    """Whether the report names one of the places."""
    return not report.ok and any(d.place in places for d in report.discrepancies)


def seeds(kind: str) -> list[random.Random]:
    return [random.Random(f"{kind} {trial}") for trial in range(TRIALS)]


def other_byte(rand: random.Random, value: object) -> object:
    """The value with one byte (digit, character) changed."""
    if isinstance(value, int):
        return value ^ (1 << rand.randrange(max(value.bit_length(), 3)))
    if isinstance(value, str) and not value:
        return "x"
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    at = rand.randrange(len(raw))
    raw[at] ^= 1 << rand.randrange(8)
    return (
        raw.decode(errors="surrogateescape").encode(errors="surrogateescape") if isinstance(value, str) else bytes(raw)
    )


def test_an_untouched_copy_is_sound(attack: Attack) -> None:
    assert attack(lambda _db, _home: None).ok


@pytest.mark.parametrize("table", TABLES)
def test_one_byte_of_any_column(attack: Attack, table: str) -> None:
    for rand in seeds(f"byte {table}"):
        column = rand.choice(TABLES[table])
        expected: list[str] = []

        def change(
            db: sqlite3.Connection,
            _home: Path,
            rand: random.Random = rand,
            column: str = column,
            expected: list[str] = expected,
        ) -> None:
            while True:
                row = pick(db, rand, table)
                new = other_byte(rand, row[TABLES[table].index(column)])
                text = isinstance(row[TABLES[table].index(column)], str)
                mark = "CAST(? AS TEXT)" if text else "?"
                try:
                    db.execute(f"UPDATE {table} SET {column} = {mark} WHERE {where(table)}", (new, *row[: KEYS[table]]))
                except sqlite3.IntegrityError:
                    continue  # a key that is taken
                break
            expected.append(place(table, row))
            if (table, column) in {("audit_payload", "seq"), ("audit_checkpoint", "size")}:
                expected.append(f"{table} {new}")  # where the row stands now: its number is what was changed

        report = attack(change)
        assert named(report, *expected), (column, expected, report.discrepancies[:5])


@pytest.mark.parametrize("table", TABLES)
def test_a_row_deleted(attack: Attack, table: str) -> None:
    for rand in seeds(f"delete {table}"):
        expected: list[str] = []

        def change(
            db: sqlite3.Connection, _home: Path, rand: random.Random = rand, expected: list[str] = expected
        ) -> None:
            row = pick(db, rand, table)
            db.execute(f"DELETE FROM {table} WHERE {where(table)}", row[: KEYS[table]])
            expected.append(place(table, row))
            if table == "audit_entry" and row[0] == SIZE - 1:
                expected.append("audit_node 0/0")

        report = attack(change)
        if expected[0] == f"audit_entry {SIZE - 1}":
            assert any(f"entries {SIZE - 1} to {SIZE - 1} are missing" in d.problem for d in report.discrepancies)
        else:
            assert named(report, *expected), (expected, report.discrepancies[:5])


@pytest.mark.parametrize("table", TABLES)
def test_two_rows_swapped(attack: Attack, table: str) -> None:
    keys = KEYS[table]
    for rand in seeds(f"swap {table}"):
        expected: list[str] = []

        def change(
            db: sqlite3.Connection, _home: Path, rand: random.Random = rand, expected: list[str] = expected
        ) -> None:
            one = two = pick(db, rand, table)
            while one[keys:] == two[keys:]:
                two = pick(db, rand, table)
            columns = ", ".join(f"{column} = ?" for column in TABLES[table][keys:])
            for target, source in ((one, two), (two, one)):
                db.execute(f"UPDATE {table} SET {columns} WHERE {where(table)}", (*source[keys:], *target[:keys]))
            expected += [place(table, one), place(table, two)]

        report = attack(change)
        assert all(named(report, each) for each in expected), (expected, report.discrepancies[:5])


def cut_to(db: sqlite3.Connection, size: int) -> None:
    """Leave a log that is whole in itself, only shorter."""
    db.execute("DELETE FROM audit_entry WHERE seq >= ?", (size,))
    db.execute("DELETE FROM audit_payload WHERE seq >= ?", (size,))
    db.execute("DELETE FROM audit_node WHERE (idx + 1) << level > ?", (size,))
    db.execute("DELETE FROM audit_checkpoint WHERE size > ?", (size,))


def test_the_tail_cut(attack: Attack) -> None:
    for rand in seeds("cut"):
        size = rand.randrange(SIZE)
        report = attack(lambda db, _home, size=size: cut_to(db, size))
        assert any(f"entries {size} to" in d.problem and "missing" in d.problem for d in report.discrepancies), size
        assert report.discrepancies[0].place.startswith("heads.log line")


def test_rows_renumbered(attack: Attack) -> None:
    for rand in seeds("renumber"):
        gone = rand.randrange(SIZE - 1)

        def change(db: sqlite3.Connection, _home: Path, gone: int = gone) -> None:
            for table in ("audit_entry", "audit_payload"):
                db.execute(f"DELETE FROM {table} WHERE seq = ?", (gone,))
                for (seq,) in db.execute(f"SELECT seq FROM {table} WHERE seq > ? ORDER BY seq", (gone,)).fetchall():
                    db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq - 1, seq))

        report = attack(change)
        assert report.discrepancies, gone
        assert named(report, f"audit_entry {gone}"), (gone, report.discrepancies[:5])
        assert any("entries" in d.problem and "missing" in d.problem for d in report.discrepancies)


def rebuild(db: sqlite3.Connection) -> Edge:
    """Make every leaf hash and node fit the headers again, as a careful insider would."""
    edge = Edge()
    db.execute("DELETE FROM audit_node")
    for seq, header in db.execute("SELECT seq, header FROM audit_entry ORDER BY seq").fetchall():
        leaf = leaf_hash(header)
        db.execute("UPDATE audit_entry SET leaf_hash = ? WHERE seq = ?", (leaf, seq))
        db.executemany("INSERT INTO audit_node VALUES (?, ?, ?)", edge.append(leaf))
    return edge


def rewrite(db: sqlite3.Connection, seq: int, rand: random.Random) -> None:
    """Change an entry and its payload so that they fit each other."""
    header = orjson.loads(db.execute("SELECT header FROM audit_entry WHERE seq = ?", (seq,)).fetchone()[0])
    body, salt = orjson.dumps({"n": rand.randrange(1000)}), rand.randbytes(16)
    header |= {"actor": "agent:innocent", "pd": sha256(salt + body).hexdigest()}
    db.execute(
        "UPDATE audit_entry SET header = ?, actor = ? WHERE seq = ?",
        (orjson.dumps(header, option=orjson.OPT_SORT_KEYS), header["actor"], seq),
    )
    db.execute("UPDATE audit_payload SET salt = ?, body = ? WHERE seq = ?", (salt, body, seq))


def test_an_entry_rewritten_and_everything_after_it_rehashed(attack: Attack) -> None:
    for rand in seeds("rehash"):
        seq = rand.randrange(SIZE)

        def change(db: sqlite3.Connection, _home: Path, rand: random.Random = rand, seq: int = seq) -> None:
            rewrite(db, seq, rand)
            rebuild(db)

        report = attack(change)
        first = report.discrepancies[0]
        low, high = (int(word) for word in first.problem.split("entries ")[2].split(" were")[0].split(" to "))
        assert "rewritten" in first.problem
        assert low <= seq <= high
        assert high - low < 98


def test_a_node_changed_with_its_parents_recomputed(attack: Attack) -> None:
    for rand in seeds("node"):
        expected: list[str] = []

        def change(
            db: sqlite3.Connection, _home: Path, rand: random.Random = rand, expected: list[str] = expected
        ) -> None:
            level, index, _ = pick(db, rand, "audit_node")
            expected.append(f"audit_node {level}/{index}")
            forged = rand.randbytes(32)
            while True:
                db.execute("UPDATE audit_node SET hash = ? WHERE level = ? AND idx = ?", (forged, level, index))
                pair = [
                    db.execute("SELECT hash FROM audit_node WHERE level = ? AND idx = ?", (level, at)).fetchone()
                    for at in (index & ~1, index | 1)
                ]
                level, index = level + 1, index >> 1
                above = db.execute("SELECT 1 FROM audit_node WHERE level = ? AND idx = ?", (level, index)).fetchone()
                if above is None or None in pair:
                    return
                forged = sha256(b"\x01" + pair[0][0] + pair[1][0]).digest()

        assert named(attack(change), *expected), expected


def test_a_checkpoint_replaced(attack: Attack, original: Path) -> None:
    key = load_key(original / "audit.key")
    for rand in seeds("checkpoint"):
        expected: list[str] = []
        way = rand.choice(["stranger", "stolen key", "older note", "surplus line"])

        def change(
            db: sqlite3.Connection,
            _home: Path,
            rand: random.Random = rand,
            expected: list[str] = expected,
            way: str = way,
        ) -> None:
            size, note = pick(db, rand, "audit_checkpoint")
            expected.append(f"audit_checkpoint {size}")
            text = Checkpoint(key.name, size, rand.randbytes(32)).text()
            if way == "stranger":
                note = sign_note(note.partition("\n\n")[0] + "\n", [new_signer(key.name, rand.randbytes)])
            elif way == "stolen key":
                note = sign_note(text, [key])
            elif way == "older note":
                other = size
                while other == size:
                    other, note = pick(db, rand, "audit_checkpoint")
            else:
                note += new_signer("someone.else", rand.randbytes).sign(text)
            db.execute("UPDATE audit_checkpoint SET note = ? WHERE size = ?", (note, size))

        assert named(attack(change), *expected), (way, expected)


def test_payloads_gone_without_a_prune_entry(attack: Attack) -> None:
    for rand in seeds("prune"):
        first = rand.randrange(40, SIZE - 30)
        last = first + rand.randrange(20)

        def change(
            db: sqlite3.Connection, _home: Path, first: int = first, last: int = last, rand: random.Random = rand
        ) -> None:
            db.execute("DELETE FROM audit_payload WHERE seq BETWEEN ? AND ?", (first, last))
            if rand.random() < 0.5:  # and the real prune entry made to cover them
                header = db.execute("SELECT header FROM audit_entry WHERE seq = ?", (SIZE - 1,)).fetchone()[0]
                forged = header.replace(b"payloads:10-39", b"payloads:10-%d" % last)
                assert forged != header
                db.execute(
                    "UPDATE audit_entry SET header = ?, leaf_hash = ? WHERE seq = ?",
                    (forged, leaf_hash(forged), SIZE - 1),
                )

        report = attack(change)
        places = {d.place for d in report.discrepancies}
        covered = any("rewritten" in d.problem for d in report.discrepancies)
        globex = {f"audit_payload {n}" for n in range(first, last + 1) if n % 3 == 0}
        assert covered or {f"audit_payload {n}" for n in range(first, last + 1)} <= places
        assert globex <= places  # the entry speaks of one workspace only


def test_the_heads_file_changed(attack: Attack) -> None:
    for rand in seeds("heads"):
        way = rand.choice(["byte", "line gone", "lines swapped", "cut", "forged", "removed"])

        def change(_db: sqlite3.Connection, home: Path, rand: random.Random = rand, way: str = way) -> None:
            file = home / "heads.log"
            lines = file.read_bytes().splitlines(keepends=True)
            at = rand.randrange(len(lines) - 1)
            if way == "byte":
                raw = bytearray(file.read_bytes())
                raw[rand.randrange(len(raw))] ^= 1 << rand.randrange(8)
                lines = [bytes(raw)]
            elif way == "line gone":
                del lines[at]
            elif way == "lines swapped":
                lines[at], lines[at + 1] = lines[at + 1], lines[at]
            elif way == "cut":
                del lines[at + 1 :]
            elif way == "forged":
                lines[at] = encode_head(sign_note("x\n1\n" + "A" * 43 + "=\n", [new_signer("x", rand.randbytes)]))
            else:
                lines = []
            file.write_bytes(b"".join(lines))

        report = attack(change)
        assert not report.ok, way
        assert any(d.place.startswith(("heads.log line", "audit_checkpoint")) for d in report.discrepancies), way


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO audit_node VALUES (0, 0, x'00')", "audit_node 0/0"),
        ("INSERT INTO audit_node VALUES (1, 100000, x'00')", "audit_node 1/100000"),
        ("INSERT INTO audit_node VALUES (40, 0, x'00')", "audit_node 40/0"),
        ("INSERT INTO audit_node VALUES (1, -1, x'00')", "audit_node 1/-1"),
        ("INSERT INTO audit_payload VALUES (100000, 'acme', x'00', x'00', '')", "audit_payload 100000"),
        (f"INSERT INTO audit_entry SELECT -1, {REST} FROM audit_entry WHERE seq = 0", "audit_entry -1"),
        ("UPDATE audit_entry SET seq = 4611686018427387904 WHERE seq = 5", "audit_entry 5"),
        ("UPDATE audit_entry SET mission = CAST(x'ff' AS TEXT) WHERE seq = 5", "audit_entry 5"),
        ("UPDATE audit_entry SET header = CAST(header AS TEXT) WHERE seq = 5", "audit_entry 5"),
        ("UPDATE audit_checkpoint SET note = CAST(x'ff' AS TEXT) WHERE size = 97", "audit_checkpoint 97"),
        ("UPDATE audit_checkpoint SET note = CAST(note AS BLOB) WHERE size = 97", "audit_checkpoint 97"),
        (f"UPDATE audit_payload SET {SHIFTED} WHERE seq = 5", "audit_payload 5"),
        ("UPDATE audit_payload SET workspace = CAST(x'ff' AS TEXT) WHERE seq = 5", "audit_payload 5"),
        ("INSERT INTO audit_pending VALUES ('1', 'acme', 1, x'7b7d', x'00', x'00', x'00')", "audit_pending 1"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_named(attack: Attack, statement: str, expected: str) -> None:
    report = attack(lambda db, _home: db.execute(statement))
    assert named(report, expected), report.discrepancies[:5]


def test_a_database_brought_back_from_yesterday_and_continued_is_a_fork(original: Path, tmp_path: Path) -> None:
    home = tmp_path / "fork"
    shutil.copytree(original, home)
    heads = (home / "heads.log").read_bytes()
    with closing(sqlite3.connect(home / "remit.db")) as db:
        cut_to(db, 500)
        db.commit()
    (home / "heads.log").write_bytes(b"".join(heads.splitlines(keepends=True)[:5]))
    with open_store(home) as store:
        store.write("guard.intent", lambda tx: [tx.append(entry(n)) for n in range(SIZE)])
        store.seal()
        # With a heads file that went back as well, the heads look sound; a copy of it kept elsewhere tells.
        assert not any("rewritten" in d.problem for d in store.verify().discrepancies)
        (home / "heads.log").write_bytes(heads)
        problems = [str(d) for d in store.verify().discrepancies]
    assert any("rewritten" in problem for problem in problems)
    assert decode_heads(heads)[0].note is not None
