from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .browser import chromium
from .served import Served, three_requests


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One console for a module's tests, with three requests that wait."""
    made = Served(tmp_path_factory.mktemp("home") / "home", three_requests, approval_hours=3.0).start()
    try:
        yield made
    finally:
        made.stop()
