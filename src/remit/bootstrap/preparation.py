"""A new install: everything a first mission needs."""

from __future__ import annotations

import asyncio

from remit.bootstrap.home import make_home
from remit.bootstrap.packs import shipped_agents
from remit.bootstrap.store import open_store
from remit.kernel.clock import SystemClock
from remit.settings import Settings


async def prepare_home(settings: Settings) -> bool:
    """Make a home with everything a first mission needs; whether it is a new one. Harmless to repeat.

    Raises:
        Conflict, Unavailable: The folder or the store can't be made.
    """
    from remit.accounts.agents import read_agents, register_agent
    from remit.accounts.owner import create_local_owner
    from remit.adapters.store.genesis import begin_log
    from remit.guard.rules.revisions import install_shipped

    fresh = make_home(settings)
    clock = SystemClock()
    with open_store(settings) as store:
        await asyncio.to_thread(begin_log, store)
        owner = await create_local_owner(
            store, workspace=settings.workspace, user=settings.owner, name=settings.owner, clock=clock
        )
        await install_shipped(store, workspace=settings.workspace, clock=clock)
        known = await store.read(lambda tx: read_agents(tx, settings.workspace))
        for agent in shipped_agents(settings.workspace, owner.id):
            if agent.name not in known:
                await register_agent(store, agent, by=owner.principal, clock=clock)
        await asyncio.to_thread(store.seal)
    return fresh
