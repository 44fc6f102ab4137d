"""Both databases that the engine runs on; every test that asks for ``engine_url`` runs on each."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # import mode importlib adds no folder: engine_workers and postgres

from engine_workers import QUICK, Worker  # noqa: E402

from postgres import postgres_server, postgres_url  # noqa: E402
from remit.adapters.engine import DurableEngine, ExecutorLocks, Lease  # noqa: E402

__all__ = ["postgres_server", "postgres_url"]

WORKER = HERE / "worker.py"


@pytest.fixture(params=["sqlite", "postgres"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database for one test."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/engine.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "witness.txt"


@pytest.fixture
def spawn(engine_url: str, tmp_path: Path, witness: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers: ``spawn(role="worker"|"cli", steps=10, pause=0.2, locks=False, submit=run_id)``."""
    workers: list[Worker] = []

    def start(
        *,
        role: str = "worker",
        steps: int = 10,
        pause: float = 0.2,
        locks: bool = False,
        submit: str = "-",
        version: str = "-",
    ) -> Worker:
        folder = str(tmp_path / "executors") if locks else "-"
        arguments = [engine_url, str(witness), role, str(steps), str(pause), folder, submit, version]
        with (tmp_path / f"worker-{len(workers)}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-W", "error", str(WORKER), *arguments], stdout=log, stderr=log)
        worker = Worker(process, witness)
        workers.append(worker)
        deadline = time.monotonic() + 20
        while not any(line[1] == "up" for line in worker.lines()):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((tmp_path / f"worker-{len(workers) - 1}.log").read_text()[-3000:])
            time.sleep(0.02)
        return worker

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.signal(signal.SIGCONT)
            worker.kill()


@pytest.fixture
async def make_engine(engine_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., DurableEngine]]:
    """Makes engines on the test's database, with a short lease; what a failed test left running is stopped."""
    engines: list[DurableEngine] = []

    def make(*, locks: bool = False, lease: Lease = QUICK, grace: float = 5.0) -> DurableEngine:
        held = ExecutorLocks(tmp_path / "executors") if locks else None
        engines.append(DurableEngine(engine_url, lease=lease, locks=held, grace=grace))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.stop()
