from collections.abc import Iterator

import pytest

from ...warm import warm_commands  # noqa: TID252 - tests are loaded by path
from .install import Install

__all__ = ["warm_commands"]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """One server for a module's journeys."""
    with Install(tmp_path_factory.mktemp("install")) as made:
        yield made
