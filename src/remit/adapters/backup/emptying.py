"""A Postgres database that a backup is restored into: empty before, and empty again when that fails."""

from __future__ import annotations

from typing import Any

from remit.adapters.engine.database import SCHEMA
from remit.kernel.errors import Conflict

_TABLES = b"SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', %s)"


def empty_database(url: str) -> None:
    """Refuse a database with a table in it.

    Raises:
        Conflict: There is one.
        Unavailable: It does not answer.
    """
    found: Any = _ask(url, _TABLES, (SCHEMA,))
    if found[0]:
        message = "The database that store_url names is not empty: a backup is restored into a new one only."
        raise Conflict(message, code="restore.database", hint="make an empty database, and set store_url to it")


def clear_database(url: str) -> None:
    """Take out what was put into a database that was empty."""
    _ask(url, b"DROP SCHEMA IF EXISTS remit_dbos CASCADE", ())
    _ask(url, b"DROP SCHEMA public CASCADE", ())
    _ask(url, b"CREATE SCHEMA public", ())


def _ask(url: str, statement: bytes, parameters: tuple[str, ...]) -> Any:
    import psycopg

    from remit.adapters.store.errors import from_postgres

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            done = connection.execute(statement, parameters or None)
            return done.fetchone() if done.description else None
    except psycopg.Error as error:
        raise from_postgres(error) from error
