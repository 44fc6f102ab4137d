"""The facts, gathered one by one; what can't be looked at is a fact too."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import func, select

from remit.adapters.store.journal import Store
from remit.adapters.store.migrate import check_known, revision_of_postgres, revision_of_sqlite
from remit.audit.tables import ENTRY
from remit.kernel.errors import Conflict, RemitError
from remit.kernel.ports import ReadTx
from remit.operations.checkup import Log, Trouble
from remit.operations.manifest import KEYS

LIBRARIES = ("click", "sqlalchemy", "alembic", "dbos", "cryptography", "fastapi", "uvicorn", "jinja2", "pydantic")
PORT = 4100
_CHUNK_BACK = 1  # entries before the last head that the quick look starts from
_NEWEST = select(func.max(ENTRY.c.ts_us))


def libraries(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Their versions; empty when one is missing."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def modules_missing(names: Sequence[str]) -> list[str]:
    """Which of them can't be imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def sqlite_version() -> tuple[int, ...]:
    """Of the library that Python was built with."""
    return sqlite3.sqlite_version_info


def files_limit() -> int:
    """How many files this process may have open."""
    if sys.platform == "win32":
        return 1 << 20
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def keys(home: Path) -> dict[str, tuple[int, int] | None]:
    """Mode and owner of each key file; the payload key may come from the environment instead."""
    found: dict[str, tuple[int, int] | None] = {}
    for name in KEYS:
        try:
            state = (home / name).stat()
        except FileNotFoundError:
            if name == "payload.key" and os.environ.get("REMIT_PAYLOAD_KEY"):
                continue
            found[name] = None
        else:
            found[name] = (state.st_mode & 0o777, state.st_uid)
    return found


def unwritable(home: Path) -> list[str]:
    """Which of the home's folders can't be written."""
    places = [home, home / "missions", home / "executors"]
    return [str(place) for place in places if place.exists() and not os.access(place, os.W_OK | os.X_OK)]


def free(home: Path) -> int:
    """Bytes on its disk."""
    return shutil.disk_usage(home).free


def disk_skew_s(home: Path) -> float:
    """The file system's clock less this machine's: they differ when it is another machine's."""
    try:
        with tempfile.NamedTemporaryFile(dir=home, prefix=".doctor-") as file:
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return 0.0  # told as an unwritable folder


def schema(home: Path, url: str) -> tuple[str, bool]:
    """The store's revision, and whether it is one that this version does not know."""
    revision = revision_of_postgres(url) if url else revision_of_sqlite(home / "remit.db")
    if revision is None:
        return "", False
    try:
        check_known(revision)
    except Conflict:
        return revision, True
    return revision, False


def store_skew_s(url: str) -> float:
    """The database's clock less this machine's."""
    if not url:
        return 0.0
    import psycopg

    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
        before = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        after = time.time()
        return float(row[0]) - (before + after) / 2 if row else 0.0
    return 0.0


def log_of(store: Store) -> Log:
    """The quick look: signatures, both places of the heads, and what came since the last of them."""
    signed = store.statistics().signed
    report = store.verify(start=max(signed - _CHUNK_BACK, 0))
    return Log(report.size, report.signed, tuple(str(each) for each in report.discrepancies))


def newest_s(tx: ReadTx) -> float:
    """When the newest entry was written; 0: there is none."""
    row = tx.row(_NEWEST)
    return (next(iter(row.values())) or 0) / 1_000_000 if row else 0.0


def port(*, served: bool) -> str:
    """What is at ``remit up``'s own port on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asked:
        asked.settimeout(1)
        taken = asked.connect_ex(("127.0.0.1", PORT)) == 0
    return ("remit" if served else "taken") if taken else "free"


def tried[T](look: Callable[[], T]) -> T | Trouble:
    """What a look gave, or what it said."""
    try:
        return look()
    except RemitError as error:
        return Trouble(error.message, error.hint)


def crash_points(environ: Mapping[str, str]) -> list[str]:
    """Variables of crash drills that are set."""
    return [name for name in ("REMIT_CRASH_AT", "REMIT_CRASH_LOG") if environ.get(name)]
