"""Both stores behind one fixture."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore

from ..postgres import blank_url, postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path

__all__ = ["blank_url", "postgres_server", "postgres_url"]

type Opener = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the store; every call is another handle on the same one."""
    signer = create_key(tmp_path / "audit.key")
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opened: list[Store] = []

    def open_() -> Store:
        if url:
            from remit.adapters.store.postgres import PostgresStore

            store: Store = PostgresStore(url, [signer], heads=tmp_path / "heads.log")
        else:
            store = SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log")
        store.migrate()
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Opener) -> Store:
    """The store, empty."""
    return reopen()


@pytest.fixture
def reopen_postgres(postgres_url: str, tmp_path: Path) -> Iterator[Opener]:
    """As ``reopen``, on Postgres only."""
    from remit.adapters.store.postgres import PostgresStore

    signer = create_key(tmp_path / "audit.key")
    opened: list[Store] = []

    def open_() -> Store:
        store = PostgresStore(postgres_url, [signer], heads=tmp_path / "heads.log")
        store.migrate()
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()
