"""A home with work in it, made once; each test has a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.settings import Settings
from remit.testing.drill import PACK, Drill

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path
from ..warm import warm_commands  # noqa: TID252 - as above

__all__ = ["postgres_server", "postgres_url", "warm_commands"]


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a finished mission, and one that died in the middle."""
    folder = tmp_path_factory.mktemp("worked")
    with Drill(folder) as drill:
        assert drill.remit("run", PACK, drill.intake(witness="")).code == 0
        assert drill.remit("run", PACK, drill.intake(witness=""), at="step.finish:before:3").killed
        yield drill.home


@pytest.fixture
def drill(tmp_path: Path, worked: Path) -> Iterator[Drill]:
    """Commands over a copy of that home."""
    with Drill(tmp_path) as made:
        shutil.copytree(worked, made.home, symlinks=True)
        yield made


@pytest.fixture
def settings(drill: Drill) -> Settings:
    """That copy's."""
    return Settings(home=drill.home)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where backups go."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder
