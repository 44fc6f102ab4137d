"""Deployments, with what must be on disk before one touches anything."""

from __future__ import annotations

import sys
from pathlib import Path

from remit.adapters.deploy.adapter import DeployAdapter
from remit.adapters.deploy.smoke import Smoker
from remit.adapters.git.process import Git
from remit.adapters.sandbox.tiers import Tier
from remit.bootstrap.commands import Commands
from remit.bootstrap.home import DEPLOYS
from remit.bootstrap.store import Store
from remit.kernel.action import Action
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Deploy
from remit.kernel.mission import Outcome
from remit.missions.deployments import agreed
from remit.settings import Settings


class Deploys:
    """Deployments, each on disk from before it touches anything; see ``remit.missions.deployments``."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, commands: Commands) -> None:
        self._store = store
        self._clock = clock
        self._commands = commands
        smoker = Smoker(
            python=Path(sys.executable),
            record=commands.record,
            minimum_tier=Tier(settings.sandbox_tier),
            scratch=settings.home / DEPLOYS,
        )
        self._adapter = DeployAdapter(
            git_of=lambda mission: Git(
                settings.missions / mission / "repo.git", settings.missions / mission / "workspace"
            ),
            smoker=smoker,
            agreed=self._agreed,
        )
        self.preview = self._adapter.preview

    async def perform(self, action: Action) -> Outcome:
        """Deploy once."""
        try:
            return await self._adapter.perform(action)
        finally:
            self._commands.forget(action)

    async def _agreed(self, action: Action, effect: Deploy) -> None:
        now_us = micros_of(self._clock.now())
        await self._store.commit("deploy.record", lambda tx: agreed(tx, action, effect, now_us=now_us))
