"""However many ask at once with one key: exactly what fits passes, never a micro more, and nothing stays reserved."""

import os
from pathlib import Path

import pytest

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .key_race import Raced, key_race

__all__ = ["postgres_server", "postgres_url"]

PROVE = os.environ.get("REMIT_PROVE") == "1"
ROUNDS = 150 if PROVE else 3
CALLERS = 150 if PROVE else 36

pytestmark = pytest.mark.timeout(1800 if PROVE else 240)


def judge(found: list[Raced], *, leaving: bool) -> None:
    assert [each for each in found if each.wrong] == []
    assert {each.what for each in found} == {"money", "tokens", "requests"}
    assert len(found) == ROUNDS
    if leaving:
        assert sum(each.left for each in found) > ROUNDS
    else:
        assert [each.passed for each in found] == [each.fits for each in found]


@pytest.mark.parametrize("leaving", [0.0, 0.5], ids=["stay", "leave"])
def test_a_server_and_two_writers_on_sqlite(tmp_path: Path, leaving: float) -> None:
    found = key_race(tmp_path, rounds=ROUNDS, callers=CALLERS, seed=1, leaving=leaving)
    judge(found, leaving=bool(leaving))


@pytest.mark.parametrize("leaving", [0.0, 0.5], ids=["stay", "leave"])
def test_workers_on_postgres(tmp_path: Path, postgres_url: str, leaving: float) -> None:
    found = key_race(tmp_path, url=postgres_url, rounds=ROUNDS, callers=CALLERS, seed=2, leaving=leaving)
    judge(found, leaving=bool(leaving))
