from pathlib import Path

import pytest

from .world import World, copy_home, make_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("mcp"))


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    return World(copy_home(template, tmp_path), tmp_path)
