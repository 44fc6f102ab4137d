"""Several processes on one log, and kill -9 in the middle: nothing that was acknowledged is lost, the log stays whole.

``REMIT_PROVE=1`` kills 200 times, else 6.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.audit import query

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path

__all__ = ["postgres_server", "postgres_url"]

pytestmark = [pytest.mark.adapter, pytest.mark.timeout(1800)]

APPENDER = Path(__file__).parent / "appender.py"
KILLS = 200 if os.environ.get("REMIT_PROVE") == "1" else 6


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else "-"


def start(home: Path, url: str, name: str, *, count: int, seal: int, crash_at: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(APPENDER), str(home), url, name, str(count), str(seal)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "REMIT_CRASH_AT": crash_at},
    )


MOMENTS = [
    f"{point}:{side}" for point in ("guard.intent", "audit.checkpoint", "heads.append") for side in ("before", "after")
]


def opened(home: Path, url: str) -> Store:
    return open_store(home, url="" if url == "-" else url)


def steps(store: Store) -> list[str]:
    found: list[str] = []
    after = -1
    while page := store.view(lambda tx, a=after: query.find(tx, query.Filter("acme", after=a, limit=500))):
        found += [record.header["step"] for record in page]
        after = page[-1].seq
    return found


def test_three_processes_append_at_once(tmp_path: Path, url: str) -> None:
    opened(tmp_path, url).close()
    running = [start(tmp_path, url, f"p{n}", count=120, seal=10 + n) for n in range(3)]
    told = [process.communicate(timeout=120)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    with opened(tmp_path, url) as store:
        found = steps(store)
        assert sorted(found) == sorted(step for each in told for step in each)
        for n in range(3):  # each process's own order is kept
            assert [step for step in found if step.startswith(f"p{n}-")] == told[n]
        report = store.verify()
        assert (report.discrepancies, report.size, report.signed) == ((), 361, 361)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_at_every_named_write_of_the_log(tmp_path: Path, url: str, moment: str) -> None:
    opened(tmp_path, url).close()
    victim = start(tmp_path, url, "v", count=50, seal=3, crash_at=f"{moment}:4")
    told = victim.communicate(timeout=60)[0].split()
    assert victim.returncode == -signal.SIGKILL
    with opened(tmp_path, url) as store:
        store.seal()
        report = store.verify()
        assert (report.discrepancies, report.signed) == ((), report.size)
        found = steps(store)
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1  # at most the one whose waiter was never told


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, url: str) -> None:
    rand = random.Random(9)
    opened(tmp_path, url).close()
    acknowledged: list[str] = []
    survivor = start(tmp_path, url, "survivor", count=40 * KILLS, seal=25)
    for trial in range(KILLS):
        victim = start(tmp_path, url, f"v{trial}", count=100_000, seal=rand.randrange(1, 6))
        assert victim.stdout is not None
        first = victim.stdout.readline()  # it is at work
        time.sleep(rand.uniform(0.0, 0.15))
        victim.send_signal(signal.SIGKILL)
        rest = victim.communicate()[0]
        acknowledged += (first + rest[: rest.rfind("\n") + 1]).split()
    survivor_told = survivor.communicate(timeout=600)[0].split()
    assert survivor.returncode == 0
    with opened(tmp_path, url) as store:
        store.seal()
        report = store.verify()
        assert (report.discrepancies, report.signed) == ((), report.size)
        found = steps(store)
    assert len(found) == len(set(found))
    assert set(acknowledged) | set(survivor_told) <= set(found)
    assert len(acknowledged) >= KILLS
