"""The journeys are taken once for all tests; each test has a witness of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.testing.drill import Drill, adopt_orphans
from remit.testing.witness import witness

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path
from ..warm import warm_commands  # noqa: TID252 - as above
from .recorded import Recorded, record

__all__ = ["postgres_server", "postgres_url", "warm_commands"]


@pytest.fixture(autouse=True, scope="session")
def orphans() -> None:
    """What a killed command leaves behind becomes this process's child, where it can't hide."""
    adopt_orphans()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Every journey, unbroken."""
    folder = tmp_path_factory.mktemp("recorded")
    with witness(folder / "witness.log") as address, Drill(folder, witness=address) as drill:
        found = record(drill)
        assert drill.remit("audit", "verify").code == 0
        assert drill.left_over() == []
        yield found


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A home that is not made yet, and a witness."""
    with witness(tmp_path / "witness.log") as address, Drill(tmp_path, witness=address) as found:
        yield found
