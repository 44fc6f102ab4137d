"""The store that the settings name, SQLite or Postgres, with the keys of its home."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from remit.adapters.store.keyfile import KeyFile
from remit.adapters.store.origin import process_origin
from remit.adapters.store.shown import Masking
from remit.audit.keyring import Keyring
from remit.bootstrap.home import DATABASE, HEADS, KEY, check_home, payload_key
from remit.kernel import commanded
from remit.redact import sinks
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.adapters.store.postgres import PostgresStore
    from remit.adapters.store.sqlite import SqliteStore

type Store = SqliteStore | PostgresStore

#: What is written to the store is masked with all that this process knows.
MASKING = Masking(sinks.mask, partial(sinks.mask_tree, names=False))


def make_store(settings: Settings) -> Store:
    """The store that the settings name, not yet migrated.

    Raises:
        NotFound: No home was made there.
    """
    check_home(settings)
    key_file = KeyFile(settings.home / KEY)
    signers = key_file.read().signers
    heads = settings.home / HEADS
    keys = Keyring(payload_key(settings), shared=bool(settings.store_url))
    if settings.store_url:
        from remit.adapters.store.postgres import PostgresStore

        return PostgresStore(
            settings.store_url,
            signers,
            heads=heads,
            keys=keys,
            key_file=key_file,
            origin=process_origin,
            masking=MASKING,
        )
    from remit.adapters.store.sqlite import SqliteStore

    return SqliteStore(
        settings.home / DATABASE,
        signers,
        heads=heads,
        keys=keys,
        key_file=key_file,
        origin=process_origin,
        masking=MASKING,
    )


@contextmanager
def open_store(settings: Settings, *, migrate: bool = True) -> Generator[Store]:
    """The store, migrated and closed afterwards: for commands that read, verify or administer."""
    store = make_store(settings)
    try:
        if migrate:
            store.migrate()
        commanded.look(partial(records_use, store, settings))
        yield store
    finally:
        store.close()


def records_use(store: Store, settings: Settings) -> bool:
    """Whether the use of commands is recorded; an older or broken store says no."""
    from remit.accounts.telemetry import Switch, read_switches

    try:
        return store.view(lambda tx: read_switches(tx, settings.workspace, settings)[Switch.TELEMETRY].on)
    except Exception:  # noqa: BLE001 - whatever it is, the command itself meets it and tells it
        return False
