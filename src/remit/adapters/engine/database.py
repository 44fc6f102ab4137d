"""The engine's own database: a SQLite file of its own, or a schema of its own in Remit's Postgres database.

The engine may lose its last commits when the power goes (SQLite at ``synchronous=NORMAL``): Remit's step rows decide,
so nothing is lost but a little scheduling. That pragma is set by a hook on this one engine object, never for the
process: Remit's own store must stay at FULL.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from remit.kernel.errors import InvalidInput

SCHEMA = "remit_dbos"
#: SQLite learned ``unixepoch('subsec')``, which DBOS calls in its defaults, in 3.42; Debian 12 ships 3.40.
UNIXEPOCH_SINCE = (3, 42)
_BUSY_SECONDS = 30
_IDLE_TRANSACTION_MS = 60_000


@dataclass(frozen=True, slots=True)
class EngineDatabase:
    """Where the engine's rows live. ``schema`` is ``None`` on SQLite."""

    url: sa.URL
    schema: str | None

    @property
    def sqlite(self) -> bool:
        """Whether this is a SQLite file: one host, one file lock decides who lives."""
        return self.schema is None

    @property
    def threads(self) -> int:
        """Threads that DBOS may use: more only slow SQLite down and cost memory (measured, see docs/engine.md)."""
        return 4 if self.sqlite else 8

    def engine(self, pool_size: int) -> sa.Engine:
        """A new SQLAlchemy engine on this database; whoever asks for it disposes of it."""
        if self.sqlite:
            engine = sa.create_engine(
                self.url, pool_size=pool_size, max_overflow=0, connect_args={"timeout": _BUSY_SECONDS}
            )
            event.listen(engine, "connect", _prepare_sqlite)
        else:
            given = self.url.query.get("options", "")
            engine = sa.create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_pre_ping=True,
                connect_args={
                    "application_name": "remit-engine",
                    "connect_timeout": 10,
                    # A frozen process must not hold its row locks for ever.
                    "options": f"{given} -c idle_in_transaction_session_timeout={_IDLE_TRANSACTION_MS}".strip(),
                },
            )
        return engine.execution_options(schema_translate_map={None: self.schema})


def engine_database(url: str) -> EngineDatabase:
    """Read ``sqlite:///<path>`` or ``postgresql://...``.

    Raises:
        InvalidInput: Any other kind of database, an in-memory one included (it would outlive nothing).
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        message = "The engine's database address can't be read; it looks like sqlite:////path or postgresql://host/db."
        raise InvalidInput(message, hint="correct store_url: see docs/settings.md") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return EngineDatabase(parsed.set(drivername="sqlite"), None)
    if parsed.get_backend_name() == "postgresql" and parsed.database:
        return EngineDatabase(parsed.set(drivername="postgresql+psycopg"), SCHEMA)
    message = f"The engine runs on a SQLite file or a Postgres database, not on {parsed.get_backend_name()!r} here."
    raise InvalidInput(message, hint="correct store_url: see docs/settings.md")


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """Make one connection fit for DBOS: WAL, NORMAL, writers in turn, ``unixepoch('subsec')`` where it is missing."""
    if sqlite3.sqlite_version_info < UNIXEPOCH_SINCE:
        connection.create_function("unixepoch", -1, _unixepoch)
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys=ON")
    _to_wal(connection)
    connection.execute("PRAGMA synchronous=NORMAL")


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; two processes that switch a new file at once may not wait for each other, so try on."""
    for attempt in range(20):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            time.sleep(0.01 * (attempt + 1))
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _unixepoch(*arguments: object) -> float:
    """What SQLite 3.42's ``unixepoch`` answers to the one call DBOS makes; any other is an error, not a wrong time."""
    if arguments != ("subsec",):
        message = "this database's unixepoch knows 'subsec' only"
        raise ValueError(message)
    return time.time()
