"""Making sure that a destroyed key is nowhere in the files of the database any more."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import delete, insert, select

from remit.adapters.store.errors import from_sqlite
from remit.adapters.store.transaction import WriteTransaction
from remit.audit.tables import DEK

TRUNCATE_SECONDS = 10.0

_EVERY = select(DEK)
_EMPTY = delete(DEK)
_ADD = insert(DEK)


def overwrite(tx: WriteTransaction) -> None:
    """Have SQLite write zeros over what is deleted from here on: on this connection, for good."""
    tx.cursor.execute("PRAGMA secure_delete=ON")
    tx.cursor.fetchall()


def rewrite_keys(tx: WriteTransaction) -> None:
    """Write the table of keys anew.

    Zeros over a changed row are not enough: when pages were split, earlier bytes of a row may have been left in the
    unused part of a page. Emptied under ``overwrite``, the table's pages become zeros as a whole.
    """
    rows = tx.rows(_EVERY)
    tx.execute(_EMPTY)
    tx.execute(_ADD, rows)


def truncate_wal(path: Path) -> bool:
    """Move everything into the database file and cut the write-ahead log to nothing; whether it came to that.

    The log holds earlier versions of pages until then. A reader in the middle of a snapshot holds it up, so this waits
    for a while.
    """
    deadline = time.monotonic() + TRUNCATE_SECONDS
    try:
        with closing(sqlite3.connect(path, timeout=1.0)) as connection:
            while True:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy or time.monotonic() > deadline:
                    return not busy
                time.sleep(0.05)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
