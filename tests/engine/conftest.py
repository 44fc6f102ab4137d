"""Both databases that the engine runs on; every test that asks for ``engine_url`` runs on each."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # import mode importlib adds no folder: engine_workers

from engine_workers import QUICK, Worker  # noqa: E402

from remit.adapters.engine import DurableEngine, ExecutorLocks, Lease  # noqa: E402
from remit.kernel.ports import RunTicket  # noqa: E402

from ..postgres import blank_url, postgres_server, with_database  # noqa: E402, TID252 - tests are loaded by path

__all__ = ["blank_url", "postgres_server"]

WORKER = HERE / "worker.py"


@pytest.fixture(scope="session")
def migrated(postgres_server: str) -> Iterator[str]:
    """The name of a database in which an engine has run once, to be copied: DBOS has 125 migrations."""
    name = f"remit_engine_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    async def nothing(_ticket: RunTicket) -> None:
        """Drive a run that has nothing to do."""

    async def once() -> None:
        engine = DurableEngine(with_database(postgres_server, name))
        await engine.start(nothing, worker=False)
        await engine.stop()

    asyncio.run(once())
    yield name
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres_copy(postgres_server: str, migrated: str) -> Iterator[str]:
    """A database of its own for a test, with the engine's tables."""
    name = f"remit_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(migrated)))
    yield with_database(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgres"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for one test."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/engine.db"
    return request.getfixturevalue("postgres_copy")


@pytest.fixture(params=["sqlite", "postgres"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which nothing has run yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/engine.db"
    return request.getfixturevalue("blank_url")


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
        deadline = time.monotonic() + 60
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
