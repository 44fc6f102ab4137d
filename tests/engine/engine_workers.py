"""Workers in processes of their own, and what they did."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from remit.adapters.engine import Lease

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

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def witnessed(witness: Path, pid: int | None = None) -> list[list[str]]:
    """Lines ``[pid, word, run, ...]``, of one process if ``pid`` is given."""
    if not witness.exists():
        return []
    lines = [line.split() for line in witness.read_text().splitlines()]
    return [line for line in lines if pid is None or line[0] == str(pid)]


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> float:
    """Wait for ``condition``; the seconds it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"did not happen within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - begun
