"""Remit's own store, on SQLite or Postgres.

Promise: what a waiter was told is committed is on disk, its business rows and audit entries together, or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remit.adapters.store.journal import Store
    from remit.kernel.clock import Clock

DATABASE = "remit.db"
KEY = "audit.key"
HEADS = "heads.log"
PAYLOAD_KEY = "payload.key"


def open_store(home: Path, *, url: str = "", clock: Clock | None = None) -> Store:
    """The store of a home, its schema current and its log begun.

    Args:
        home: The folder that holds the database (SQLite), the log's keys and its heads. The signing key is made when
            missing and the log is empty.
        url: A Postgres database in place of the file.
        clock: For the entries' times; the machine's when left out.

    Raises:
        Conflict: A newer Remit wrote the database.
        NotFound: The log has entries and its key is gone.
        Unavailable: The database does not answer.
    """
    from remit.adapters.store.genesis import begin_log
    from remit.adapters.store.keyfile import KeyFile, create_key, create_payload_key, load_key
    from remit.audit.keyring import Keyring
    from remit.kernel.clock import SystemClock

    time = clock or SystemClock()
    key = home / KEY
    keys = Keyring(create_payload_key(home / PAYLOAD_KEY), shared=bool(url))
    if url:
        from remit.adapters.store.postgres import PostgresStore

        signer = load_key(key) if key.exists() else create_key(key)
        store: Store = PostgresStore(url, [signer], heads=home / HEADS, clock=time, keys=keys, key_file=KeyFile(key))
    else:
        from remit.adapters.store.sqlite import SqliteStore

        fresh = not (home / DATABASE).exists() and not (home / HEADS).exists()
        signer = create_key(key) if fresh else load_key(key)
        store = SqliteStore(home / DATABASE, [signer], heads=home / HEADS, clock=time, keys=keys, key_file=KeyFile(key))
    try:
        store.migrate()
        begin_log(store)
    except BaseException:
        store.close()
        raise
    return store
