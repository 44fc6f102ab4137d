"""A limit of k, and 200 callers in several processes: exactly k get through, on SQLite and on Postgres."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .rate_race import Ran, rate_race

__all__ = ["postgres_server", "postgres_url"]

PROVE = os.environ.get("REMIT_PROVE") == "1"
RUNS = 500 if PROVE else 3  # on each store: 1,000 in all
GUARDED = 20 if PROVE else 2
SEED = int(os.environ.get("RACE_SEED", "7"))

pytestmark = pytest.mark.timeout(1200 if PROVE else 120)


def wrong(ran: list[Ran]) -> list[Ran]:
    return [each for each in ran if each.passed != each.fits]


def test_exactly_what_fits_gets_through_on_sqlite(tmp_path: Path) -> None:
    ran = rate_race(tmp_path, runs=RUNS, seed=SEED, guarded=GUARDED)
    assert len(ran) == RUNS
    assert wrong(ran) == []


def test_exactly_what_fits_gets_through_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    ran = rate_race(tmp_path, url=postgres_url, runs=RUNS, seed=SEED, guarded=GUARDED)
    assert len(ran) == RUNS
    assert wrong(ran) == []
