from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .site import Web, web_of
from .world import World, make_world, store_in


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_of() as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, web: Web) -> AsyncIterator[World]:
    with store_in(tmp_path) as store:
        made = await make_world(store, web)
        yield made
        await store.commit("guard.settle", lambda _tx: None)
