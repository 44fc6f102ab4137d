"""Drivers' errors as Remit's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from remit.kernel.errors import Conflict, IntegrityError, InternalError, RemitError, Unavailable

_FULL = "The disk that holds Remit's store is full."
_FULL_HINT = "free some space on the disk of --home, then run the command again"

_BY_CODE = {
    sqlite3.SQLITE_BUSY: ("store.busy", "Another process has been writing to Remit's store for too long."),
    sqlite3.SQLITE_LOCKED: ("store.busy", "Another process has been writing to Remit's store for too long."),
    sqlite3.SQLITE_READONLY: (
        "store.readonly",
        "Remit's store cannot be written: its file or folder is read-only.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("store.open", "Remit's store cannot be opened."),
    sqlite3.SQLITE_IOERR: ("store.io", "The disk that holds Remit's store reports an error."),
}


def from_sqlite(error: BaseException) -> BaseException:
    """A ``sqlite3`` error as a ``RemitError``; anything else as it is."""
    if isinstance(error, RemitError) or not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(_FULL, code="store.full", hint=_FULL_HINT)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(f"The store refused a write: {error}.", code="store.constraint")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return IntegrityError(
            f"Remit's store is damaged: {error}.",
            code="store.damaged",
            hint="restore the home from a backup, then: remit audit verify",
        )
    if code in _BY_CODE:
        name, message = _BY_CODE[code]
        return Unavailable(f"{message} ({error})", code=name)
    return InternalError(f"The store refused a statement: {error}.", code="store.statement")


def disk_full(path: Path, free: int, floor: int) -> Unavailable:
    """Too little space is left to write safely."""
    return Unavailable(
        f"{_FULL} {free >> 20} MiB are left under {path}, at least {floor >> 20} are needed to write safely.",
        code="store.full",
        hint=_FULL_HINT,
    )


def from_postgres(error: BaseException) -> BaseException:
    """A psycopg error as a ``RemitError``; anything else as it is."""
    import psycopg

    if isinstance(error, RemitError) or not isinstance(error, psycopg.Error):
        return error
    text = str(error).strip().partition("\n")[0]
    state = error.sqlstate or ""
    if state.startswith("23"):
        return Conflict(f"The store refused a write: {text}.", code="store.constraint")
    if state.startswith("53"):
        return Unavailable(f"Postgres is out of resources: {text}.", code="store.full")
    if state in ("40001", "40P01", "55P03"):
        return Unavailable(f"Postgres ended the transaction: {text}.", code="store.contention")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(f"Postgres is not there: {text}.", code="store.connection")
    return InternalError(f"The store refused a statement: {text}.", code="store.statement")
