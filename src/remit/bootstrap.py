"""The one place that wires everything: settings, store, engine, guard, adapters, packs.

Promise: whoever wants a running Remit asks here, and no other module knows both a port and the adapter behind it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remit.adapters.store.keyfile import create_key, load_key
from remit.kernel.errors import Conflict, NotFound, Unavailable
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.adapters.store.postgres import PostgresStore
    from remit.adapters.store.sqlite import SqliteStore

type Store = SqliteStore | PostgresStore

DATABASE = "remit.db"
ENGINE_DATABASE = "engine.db"
KEY = "audit.key"
MASK_KEY = "mask.key"
HEADS = "heads.log"
PRIVATE = 0o700


def make_home(settings: Settings) -> bool:
    """Make the home folder (mode 0700) with its keys, unless they are there; whether anything was made.

    Raises:
        Conflict: The path is taken by something that is no folder.
        Unavailable: The folder can't be made or written.
    """
    home = settings.home
    fresh = not (home / KEY).exists()
    try:
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        home.chmod(PRIVATE)
        settings.missions.mkdir(mode=PRIVATE, exist_ok=True)
        create_key(home / KEY)
        _create_mask_key(home / MASK_KEY)
    except FileExistsError as error:
        message = f"{home} is there already and is no folder."
        raise Conflict(message, hint="choose another place: --home DIR") from error
    except OSError as error:
        message = f"The home folder {home} can't be written: {error.strerror}."
        raise Unavailable(message, hint="choose another place: --home DIR") from error
    return fresh


def _create_mask_key(path: Path) -> None:
    """The key of the masks' suffixes, whole or not at all: written beside, then linked into place."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def mask_key(settings: Settings) -> bytes:
    """The key of this install's masks."""
    return (settings.home / MASK_KEY).read_bytes()


def check_home(settings: Settings) -> None:
    """Refuse a folder that is no home.

    Raises:
        NotFound: No home was made there.
    """
    if not (settings.home / KEY).is_file():
        message = f"There is no Remit home at {settings.home}."
        raise NotFound(message, code="home.missing", hint=f"remit init --home {settings.home}")


def make_store(settings: Settings) -> Store:
    """The store that the settings name, not yet migrated.

    Raises:
        NotFound: No home was made there.
    """
    check_home(settings)
    signers = [load_key(settings.home / KEY)]
    heads = settings.home / HEADS
    if settings.store_url:
        from remit.adapters.store.postgres import PostgresStore

        return PostgresStore(settings.store_url, signers, heads=heads)
    from remit.adapters.store.sqlite import SqliteStore

    return SqliteStore(settings.home / DATABASE, signers, heads=heads)


@contextmanager
def open_store(settings: Settings, *, migrate: bool = True) -> Generator[Store]:
    """The store, migrated and closed afterwards: for commands that read, verify or administer."""
    store = make_store(settings)
    try:
        if migrate:
            store.migrate()
        yield store
    finally:
        store.close()
