"""What was reserved, spent and done: kept in order for those who are gone, and told to the missions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from remit.bootstrap.home import LOCKS
from remit.kernel.action import Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Deploy
from remit.kernel.errors import Conflict
from remit.kernel.ports import Tx
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.adapters.engine import ExecutorLocks
    from remit.bootstrap.store import Store
    from remit.guard.records import Past
    from remit.missions.deployments import Deployments
    from remit.missions.deps import Performed


async def keep_ledger(
    store: Store, settings: Settings, *, clock: Clock, locks: ExecutorLocks | None = None
) -> Sequence[Past]:
    """Settle what processes that are gone left open, which is returned, and add up the hours that are over."""
    from remit.accounts.telemetry_events import prune
    from remit.adapters.engine import ExecutorLocks
    from remit.guard.budget_expiry import expire
    from remit.guard.budget_rollup import roll_up
    from remit.models.cache import tidy

    known = locks or ExecutorLocks(settings.home / LOCKS)
    now_us = micros_of(clock.now())
    settled = await expire(store, settings.workspace, alive=known.alive, alone=not settings.store_url, now_us=now_us)
    await roll_up(store, settings.workspace, now_us=now_us)
    await tidy(store, settings.workspace, now_us=now_us)
    await prune(store, settings.workspace, now_us=now_us, days=settings.telemetry_days)
    return settled


class Ledger:
    """What the guard knows of a mission's effects, for the missions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.deployments: Deployments | None = None

    async def performed(self, workspace: str, mission: str) -> Sequence[Performed]:
        """Effects on the outside world that were done (or may have been), newest first."""
        from remit.guard.outside import performed
        from remit.missions.deps import Performed

        rows = await self._store.read(lambda tx: performed(tx, workspace, mission))
        return [Performed(row.action, row.step, row.kind, row.target, row.reversal) for row in rows]

    async def compensate(self, performed: Performed, *, workspace: str, actor: Principal) -> None:
        """Take a deployment back. No adapter of this version can undo another outside effect: rollback names it.

        Raises:
            Conflict: It can't be undone; says why.
        """
        if performed.kind == Deploy.trait.kind and self.deployments is not None:
            await self.deployments.compensate(performed, workspace=workspace, actor=actor)
            return
        message = f"The {performed.kind} of step {performed.step!r} to {performed.target} can't be undone here."
        raise Conflict(message, code="rollback.irreversible", hint=f"remit why {performed.action}")

    def settle_abandoned(self, tx: Tx, workspace: str, mission: str) -> None:
        """Close what dead runs left open."""
        from remit.guard.records import settle_abandoned

        settle_abandoned(tx, mission, workspace=workspace, now_us=micros_of(self._clock.now()))
