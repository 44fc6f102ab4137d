"""Agents of another library, governed by this install's guard."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remit.bootstrap.opening import open_runtime
from remit.settings import load as load_settings

if TYPE_CHECKING:
    from remit.adapters.agents.agent import Governed, Opened
    from remit.adapters.agents.library import AbstractAgent


def governed[D, O](
    agent: AbstractAgent[D, O],
    *,
    home: str | Path | None = None,
    workspace: str | None = None,
    agent_name: str = "",
    own_clients: bool = False,
) -> Governed[D, O]:
    """A Pydantic AI agent that behaves as ``agent`` and asks Remit's guard before every model attempt and tool call.

    Every way to run it is governed: ``run``, ``run_sync``, ``run_stream``, ``run_stream_events``, ``iter``. The first
    run opens the home; it stays open until ``async with agent:`` ends, ``await agent.close()``, or the program does.

    Args:
        agent: The agent; it stays as it is, and is still ungoverned when it is run by itself.
        home: The home's folder; the settings' when left out.
        workspace: The workspace; the settings' when left out.
        agent_name: The registered agent that it acts as; the agent's own name when left out.
        own_clients: Whether models that speak neither OpenAI's nor Anthropic's interface may be asked by the client
            that they were made with. It then sends what the guard let through, under a permit, with a key of its own.

    Raises:
        InvalidInput: Pydantic AI isn't installed, or a setting is wrong.
    """
    from remit.adapters.agents.wiring import doors

    flags = {"home": None if home is None else str(home), "workspace": workspace}
    settings, _ = load_settings(flags=flags)

    @asynccontextmanager
    async def opener() -> AsyncGenerator[Opened]:
        async with open_runtime(settings) as runtime:
            yield doors().Opened(runtime.guard, settings.workspace, runtime.acting)

    return doors().govern(agent, opener=opener, agent_name=agent_name, own_clients=own_clients)
