from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from remit.adapters.store.sqlite import SqliteStore

from .fakes import World, make_store, make_world


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with make_store(tmp_path) as made:
        yield made


@pytest.fixture
async def world(store: SqliteStore) -> AsyncIterator[World]:
    made = await make_world(store)
    yield made
    await made.settled()
