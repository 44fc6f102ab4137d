"""Consistent copies of what a home is made of, while others write to it.

The order is what makes the parts fit. The engine is copied first: it then knows no run that the store's copy does not
know, so a run that is ordered after a restore is never taken for one that has ended. The store is one snapshot. The
heads file is read after it and cut to what the snapshot holds, for a head is written outside before its row is. The
repositories come last, each with its branch where the snapshot says: they hold at least what the snapshot names.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from remit.adapters.backup.archive import PRIVATE
from remit.adapters.store.errors import from_sqlite
from remit.adapters.store.sqlite import connect, dialect
from remit.adapters.store.statements import Statements
from remit.adapters.store.transaction import ReadTransaction
from remit.audit import verify as audit
from remit.audit.heads import decode_heads
from remit.audit.keyring import Keyring
from remit.audit.note import Verifier, open_note, parse_checkpoint
from remit.audit.query import latest_note
from remit.audit.query import size as log_size
from remit.audit.report import LogReader, Report
from remit.kernel.errors import IntegrityError, RemitError, Unavailable
from remit.missions.tables import MISSION

REVISION = "SELECT version_num FROM alembic_version"
_MISSIONS = select(MISSION.c.id, MISSION.c.workspace, MISSION.c.status, MISSION.c.head_commit).order_by(MISSION.c.id)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy of the store holds. ``head`` is its newest signed head; a mission is id, workspace, status, head."""

    schema: str
    entries: int
    head: str
    missions: tuple[tuple[str, str, str, str], ...]


# --------------------------------------------------------------------------------------------------------------- SQLite


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as one moment has it, by SQLite's own means; writers go on meanwhile. ``target`` is on disk then.

    Raises:
        Unavailable: The disk is full, or the database is away.
        IntegrityError: The copy is damaged, because the database is.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    try:
        with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            found = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    if found != ("ok",):
        message = f"The database {source} is damaged: {found[0] if found else 'it can not be read'}."
        raise IntegrityError(message, code="store.damaged", hint="restore an earlier backup")
    with target.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def reading(path: Path, keys: Keyring | None = None) -> Generator[ReadTransaction]:
    """One read transaction over a copy that nobody writes to."""
    with closing(connect(path, read_only=True)) as connection:
        connection.execute("BEGIN")
        yield ReadTransaction(connection.cursor(), Statements(dialect()), from_sqlite, keys=keys)
        connection.execute("COMMIT")


def look_into(path: Path) -> Copied:
    """What a copy on SQLite holds."""
    with reading(path) as tx:
        return looked(tx)


def verify_copy(path: Path, heads: bytes, verifiers: tuple[Verifier, ...], *, keys: Keyring, start: int) -> Report:
    """Verify the log of a copy on SQLite from the entry ``start`` on."""
    with reading(path, keys) as tx:
        return audit.verify(tx, verifiers=verifiers, heads=lambda: heads, start=start)


def looked(tx: ReadTransaction) -> Copied:
    """What a store holds, in one snapshot."""
    tx.cursor.execute(REVISION)
    schema = str(tx.cursor.fetchall()[0][0])
    reader: LogReader = tx
    missions = tuple((str(a), str(b), str(c), str(d)) for a, b, c, d in reader.tuples(_MISSIONS))
    return Copied(schema, log_size(reader), latest_note(reader) or "", missions)


# ------------------------------------------------------------------------------------------------------------- Postgres


def program(name: str) -> str:
    """The path of one of Postgres' own programs.

    Raises:
        Unavailable: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        message = f"A store on Postgres is copied by its own {name}, and there is none on this machine."
        raise Unavailable(message, code="backup.program", hint="install the client programs of your Postgres version")
    return found


def environment(url: str) -> dict[str, str]:
    """The database's address as libpq's variables, so that no password stands in a command line."""
    from psycopg import pq

    given = {item.keyword: item for item in pq.Conninfo.parse(url.encode()) if item.val is not None}
    names = {item.keyword: item.envvar for item in pq.Conninfo.get_defaults() if item.envvar is not None}
    found = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
    for keyword, item in given.items():
        if keyword in names and item.val is not None:
            found[names[keyword].decode()] = item.val.decode()
    return found


def run(url: str, name: str, *arguments: str) -> None:
    """Run one of Postgres' programs on the database at ``url``.

    Raises:
        Unavailable: It did not do its work; says what it said.
    """
    done = subprocess.run(
        [program(name), *arguments], env=environment(url), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        message = f"{name} ended with {done.returncode}: {said}"
        raise Unavailable(message, code="backup.program", hint="remit doctor")


def copy_postgres(url: str, target: Path) -> Copied:
    """Dump the database, the engine's schema included, in the snapshot in which it is looked at."""
    import psycopg
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    from remit.adapters.store.errors import from_postgres

    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            name: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
            found = looked(ReadTransaction(connection.cursor(), Statements(PGDialect_psycopg()), from_postgres))
            run(
                url,
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={name[0]}",
                f"--file={target}",
            )
            connection.execute("COMMIT")
    except psycopg.Error as error:
        raise from_postgres(error) from error
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return found


# ---------------------------------------------------------------------------------------------------------------- heads


def heads_within(data: bytes, entries: int, verifiers: Iterable[Verifier]) -> bytes:
    """The lines of a heads file but those of heads over more than ``entries``; a damaged line stays, to be named."""
    known, kept = tuple(verifiers), list[bytes]()
    for head, raw in zip(decode_heads(data), data.split(b"\n")[:-1], strict=True):
        if head.note is not None:
            with suppress(RemitError):
                if parse_checkpoint(open_note(head.note, known)).size > entries:
                    continue
        kept.append(raw + b"\n")
    return b"".join(kept)
