"""An engine that runs a mission's runs as tasks of this loop and forgets them with the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from remit.kernel.errors import Cancelled, NotFound
from remit.kernel.ports import RunTicket

type Drive = Callable[[RunTicket], Awaitable[None]]


class InlineEngine:
    """``kernel.ports.Engine`` without durability."""

    def __init__(self, executor: str = "inline") -> None:
        self.executor = executor
        self.runs: dict[str, asyncio.Task[None]] = {}
        self.cancelled: list[str] = []
        self._drive: Drive | None = None

    async def start(self, drive: Drive, *, worker: bool) -> None:
        """Remember the driver."""
        del worker
        self._drive = drive

    async def submit(self, run_id: str, *, queued: bool = False) -> None:
        """Run it now, once for each id."""
        del queued
        if self._drive is None:
            raise AssertionError("start the engine first")
        if run_id not in self.runs:
            self.runs[run_id] = asyncio.ensure_future(self._drive(RunTicket(run_id, 0, self.executor)))

    async def wait(self, run_id: str) -> None:
        """Wait for the task; ``Cancelled`` when the run was cancelled before anybody saw it end."""
        if run_id not in self.runs:
            raise NotFound(f"There is no run {run_id}.")
        await asyncio.shield(self.runs[run_id])
        if run_id in self.cancelled:
            raise Cancelled

    async def cancel(self, run_id: str) -> None:
        """Remember the order."""
        self.cancelled.append(run_id)

    async def still_mine(self, run_id: str) -> bool:
        """Whether it runs here."""
        return run_id in self.runs and not self.runs[run_id].done()

    async def unfinished(self) -> list[str]:
        """Runs that have not ended."""
        return [run_id for run_id, task in self.runs.items() if not task.done()]

    async def loose(self) -> list[str]:
        """Runs die with this process, so nobody gives any back."""
        return []

    async def retain(self, *, older_than: datetime) -> int:
        """Nothing is kept."""
        del older_than
        return 0

    async def stop(self) -> None:
        """End what runs."""
        for task in self.runs.values():
            task.cancel()
        await asyncio.gather(*self.runs.values(), return_exceptions=True)
