"""Bringing a database to this version's schema, inside the process that needs it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from remit.adapters.store.errors import from_sqlite
from remit.adapters.store.newest import make, written
from remit.kernel import crash
from remit.kernel.errors import Conflict

#: The newest revision under ``migrations/versions``; a test holds it. Alembic is imported only when it differs.
HEAD = "0030"

_VERSION = "SELECT version_num FROM alembic_version"


def migrate_sqlite(path: Path) -> None:
    """Create or upgrade the file; nothing happens when it is current.

    Raises:
        Conflict: A newer Remit wrote it.
        Unavailable: It cannot be opened or written.
    """
    version = revision_of_sqlite(path)
    if version == HEAD:
        return
    crash.reach("store.migrate:before")
    if not path.exists():
        path.touch(mode=0o600)
    try:
        made = version is None and make(path)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    if not made:
        take_revisions(path)
    crash.reach("store.migrate:after")


def take_revisions(path: Path) -> None:
    """Take the revisions that are missing, one after the other, in one transaction.

    Raises:
        Conflict, Unavailable: As ``migrate_sqlite``.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 30})

    def connected(connection: Any, _record: object) -> None:
        # The driver must not commit before DDL: a migration happens whole or not at all.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    def began(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    finally:
        engine.dispose()


def revision_of_sqlite(path: Path) -> str | None:
    """The revision that the file is at; ``None``: there is none yet.

    Raises:
        Unavailable: It can't be read.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            row = connection.execute(_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise from_sqlite(error) from error
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    return row[0] if row else None


def revision_of_postgres(url: str) -> str | None:
    """As ``revision_of_sqlite``, for the database at ``url``."""
    import psycopg

    from remit.adapters.store.errors import from_postgres

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            exists = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            row = connection.execute(_VERSION).fetchone() if exists and exists[0] is not None else None
    except psycopg.Error as error:
        raise from_postgres(error) from error
    return str(row[0]) if row else None


def migrate_postgres(url: str) -> None:
    """As ``migrate_sqlite``, for the database at ``url``; workers that start at once take turns."""
    import psycopg

    from remit.adapters.store.errors import from_postgres

    if revision_of_postgres(url) == HEAD:
        return
    crash.reach("store.migrate:before")
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(url))
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7246313)"))
            upgrade(connection)
    except psycopg.Error as error:
        raise from_postgres(error) from error
    finally:
        engine.dispose()
    crash.reach("store.migrate:after")


def upgrade(connection: Any) -> None:
    """Run the missing revisions on a SQLAlchemy connection, in its transaction.

    Raises:
        Conflict: The database is at a revision that this version does not know.
    """
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    config = alembic_config(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None:
        check_known(current)
    command.upgrade(config, "head")


def check_known(revision: str) -> None:
    """Refuse a store of a revision that this version does not know: there is no way back down.

    Raises:
        Conflict: It was written by a newer Remit.
    """
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(alembic_config(None)).walk_revisions()}
    if revision not in known:
        message = f"This store was written by a newer Remit (schema {revision}; this version knows up to {HEAD})."
        raise Conflict(message, code="store.newer", hint="install the newer Remit, or restore the home from a backup")


def alembic_config(connection: Any, *, folder: Callable[[], Path] | None = None) -> Any:
    """Alembic's configuration: the revisions of this package, and a connection that is open already."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    if folder is not None:
        config.set_main_option("version_locations", str(folder()))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """What ``migrations/newest.sql`` should hold, see ``newest``."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "new.db")
        take_revisions(path)
        with closing(sqlite3.connect(path)) as connection:
            return written(connection)


if __name__ == "__main__":
    sys.stdout.write(newest())
