"""Callers in several processes at once, some of which are killed: never over, and exactly what fits succeeds."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.budget import Race, budget_race  # noqa: E402 - the benchmarks are no package of ours

from ..postgres import postgres_server, postgres_url  # noqa: E402, TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

ROUNDS = 500 if os.environ.get("REMIT_PROVE") == "1" else 4
SEED = 20260101
KILLS = 10 if ROUNDS > 100 else 2

pytestmark = pytest.mark.timeout(900 if ROUNDS > 100 else 240)


def judge(race: Race) -> None:
    assert race.wrong == []
    assert race.rounds == ROUNDS
    assert race.exact > 0
    assert race.killed > 0


def test_a_server_and_two_writers_on_sqlite(tmp_path: Path) -> None:
    callers = 200 if ROUNDS > 100 else 60
    judge(budget_race("", tmp_path, rounds=ROUNDS, seed=SEED, callers=callers, processes=(8, 1, 1), kill_every=KILLS))


def test_workers_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    callers = 200 if ROUNDS > 100 else 60
    judge(
        budget_race(
            postgres_url, tmp_path, rounds=ROUNDS, seed=SEED, callers=callers, processes=(1, 1, 1), kill_every=KILLS
        )
    )
