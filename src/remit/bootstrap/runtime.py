"""A wired Remit, as commands and servers hold it: started, tended, stopped."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from remit.bootstrap.ledger import keep_ledger
from remit.kernel import correlation
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.accounts.entrance import Entrance
    from remit.accounts.sign_in import SignIn
    from remit.adapters.engine import DurableEngine, ExecutorLocks
    from remit.adapters.providers.wiring import ModelRoom
    from remit.bootstrap.store import Store
    from remit.guard.approval_notices import Notices
    from remit.guard.faults import Faults
    from remit.guard.guard import Guard
    from remit.guard.secrets_provider import Secrets
    from remit.missions.deployments import Deployments
    from remit.missions.queue_worker import Worker
    from remit.missions.service import Missions
    from remit.redact.redactor import Redactor

TEND_S = 2.0  # seconds between the rounds of ``Runtime.tend``
LEDGER_ROUNDS = 30  # of them between looks for reservations that nobody will settle: a minute

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A wired Remit: the use cases, and what stands behind them for those who only look."""

    settings: Settings
    store: Store
    guard: Guard
    engine: DurableEngine
    missions: Missions
    redactor: Redactor
    clock: Clock
    locks: ExecutorLocks
    worker: Worker
    deployments: Deployments
    notices: Notices
    secrets: Secrets
    models: ModelRoom
    entrance: Entrance
    faults: Faults | None = None

    @property
    def sign_in(self) -> SignIn:
        """Recognises who asks by a session, an access token or an API key."""
        return self.entrance.sign_in

    @property
    def owner(self) -> Principal:
        """The local owner, in whose name the command line acts."""
        return Principal(ActorKind.USER, self.settings.owner)

    @property
    def acting(self) -> Principal:
        """Who gives the orders of the command line: the setting ``user``, or the owner."""
        return Principal(ActorKind.USER, self.settings.acting)

    async def start(self, *, worker: bool = False) -> None:
        """Start the engine; a worker also takes queued missions and those of dead workers."""
        await self.guard.restore(self.settings.workspace)
        await keep_ledger(self.store, self.settings, clock=self.clock, locks=self.locks)
        # A worker's runs are requests of their own; a command's belong to it.
        drive = correlation.request(self.missions.drive) if worker else self.missions.drive
        await self.engine.start(drive, worker=worker)
        if worker:
            threading.Thread(target=self.redactor.warm, name="remit-redact-warm", daemon=True).start()
            await self.worker.start()

    async def stop(self) -> None:
        """Take nothing more, stop the engine, put back what a worker had in hand."""
        await self.worker.halt()
        await self.engine.stop()
        await self.worker.close()

    async def tell_of_budgets(self) -> None:
        """Send people what thresholds of budgets were reached, on every channel that they have."""
        from remit.guard.budget_notices import tell_of_budgets

        names = [channel.name for channel in self.settings.notify]
        await tell_of_budgets(self.guard, self.settings.workspace, names)

    async def tell_of_secrets(self) -> None:
        """Send people what was out of the ordinary about secrets, on every channel that they have."""
        from remit.guard.secrets_notices import tell_of_secrets

        names = [channel.name for channel in self.settings.notify]
        await tell_of_secrets(self.guard, self.settings.workspace, names)

    async def tend(self, *, missions: bool = True) -> None:
        """What a worker does beside missions, for ever: end what expired, tell what was not told, wake who waited.

        Without ``missions`` (a gateway) nobody is woken: here is no worker that they could be queued for.
        """
        from remit.guard.approval_notices import sweep_expired
        from remit.missions.waking import wake

        workspace = self.settings.workspace
        for number in count():
            try:
                if number % LEDGER_ROUNDS == 0:
                    await keep_ledger(self.store, self.settings, clock=self.clock, locks=self.locks)
                    await self.tell_of_budgets()
                    await self.tell_of_secrets()
                    await self.models.health.flush(self.store)
                await sweep_expired(self.store, workspace, clock=self.clock)
                await self.notices.catch_up(workspace)
                if missions:
                    await wake(self.missions, workspace)
            except RemitError as error:  # the next round tries again; said, for nobody waits for an answer here
                _log.warning("a worker's round failed (%s): %s", error.code, error.message)
            await asyncio.sleep(TEND_S)
