"""Workers in processes of their own, and what they did."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from remit.adapters.engine import Lease
from remit.adapters.engine.database import engine_database

#: Short, and the same as in worker.py.
QUICK = Lease(lease=1.5, beat=0.25)


@dataclass
class Worker:
    """A worker in a process of its own; what its driver did stands in ``witness``, one line each."""

    process: subprocess.Popen[bytes]
    witness: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[list[str]]:
        return witnessed(self.witness, self.pid)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def freeze(self, url: str) -> None:
        """Stop the process, though not while it writes: on SQLite it would take everybody's lock with it (see docs)."""
        engine = engine_database(url).engine(1)
        for _ in range(50):
            self.signal(signal.SIGSTOP)
            try:
                with engine.begin() as connection:
                    if engine.dialect.name == "sqlite":
                        connection.exec_driver_sql("PRAGMA busy_timeout=300")
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError:
                self.signal(signal.SIGCONT)
                time.sleep(0.05)
            else:
                break
        engine.dispose()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def witnessed(witness: Path, pid: int | None = None) -> list[list[str]]:
    """Lines ``[pid, word, run, ...]``, of one process if ``pid`` is given."""
    if not witness.exists():
        return []
    lines = [line.split() for line in witness.read_text().splitlines()]
    return [line for line in lines if pid is None or line[0] == str(pid)]


async def until(condition: Callable[[], bool], *, seconds: float = 60.0) -> float:
    """Wait for ``condition``; the seconds it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"did not happen within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - begun
