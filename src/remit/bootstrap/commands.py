"""Commands in the sandbox, with what must be on disk before one starts."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from remit.adapters.sandbox.adapter import CommandAdapter
from remit.adapters.sandbox.tiers import Tier
from remit.bootstrap.store import Store
from remit.guard.secrets_provider import Secrets
from remit.kernel.action import Action
from remit.kernel.clock import Clock, micros_of
from remit.kernel.mission import Outcome
from remit.missions.rows import ChildRow, forget_child, record_child
from remit.settings import Settings

HOST = platform.node() or "localhost"


class Commands:
    """Commands in the sandbox, each on disk from before its first instruction until nothing of it is left."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, vault: Secrets) -> None:
        self._store = store
        self._clock = clock
        self._running: dict[str, ChildRow] = {}
        self._sandbox = CommandAdapter(
            python=Path(sys.executable),
            record=self.record,
            resolve=vault.resolve,
            minimum_tier=Tier(settings.sandbox_tier),
        )

    async def perform(self, action: Action) -> Outcome:
        """Run it once, and forget its process group when it has ended."""
        try:
            return await self._sandbox.perform(action)
        finally:
            self.forget(action)

    def forget(self, action: Action) -> None:
        """Nothing of an action's process group is left."""
        child = self._running.pop(action.id, None)
        if child is not None:
            self._store.submit("command.end", lambda tx: forget_child(tx, child))

    async def record(self, action: Action, pgid: int, start: str) -> None:
        """Have an action's process group on disk, so that a resume can end it."""
        child = ChildRow(
            workspace=action.workspace,
            mission=action.mission,
            step=action.step,
            host=HOST,
            pgid=pgid,
            start_time=start,
            recorded_us=micros_of(self._clock.now()),
        )
        await self._store.commit("command.start", lambda tx: record_child(tx, child))
        self._running[action.id] = child
