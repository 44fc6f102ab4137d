"""Agents, stops, the audit log, rules, breakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.accounts.agents import Agent, register_agent
from remit.accounts.kills import KillScope, Target, kill

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

AGENT = "/api/v1/agents/{agent}"


async def a_name(api: Api) -> Params:
    return {"new": api.name("worker")}


async def an_agent(api: Api) -> Params:
    name, who, runtime = api.name("worker"), api.runtime.owner, api.runtime
    agent = Agent("default", name, who.id, kind="worker", effects=frozenset({"model"}))
    await register_agent(runtime.store, agent, by=who, clock=runtime.clock)
    return {"agent": name}


async def a_stop(api: Api) -> Params:
    made = await an_agent(api)
    target = Target(KillScope.AGENT, made["agent"])
    who, runtime = api.runtime.owner, api.runtime
    await kill(runtime.store, target, workspace="default", reason="a test", by=who, clock=runtime.clock)
    return made


def an_order(made: Params) -> dict[str, str]:
    return {"scope": "agent", "name": made["agent"], "reason": "a test"}


SAMPLES = {
    ("GET", "/api/v1/agents"): Sample(an_agent),
    ("POST", "/api/v1/agents"): Sample(a_name, lambda made: {"name": made["new"], "owner": "owner"}),
    ("GET", AGENT): Sample(an_agent),
    ("PATCH", AGENT): Sample(an_agent, lambda _made: {"effects": ["model", "fetch"]}),
    ("POST", f"{AGENT}/retirement"): Sample(an_agent, lambda _made: {"reason": "a test"}),
    ("GET", "/api/v1/stops"): Sample(a_stop),
    ("GET", "/api/v1/stops/reach"): Sample(an_agent, query="?scope=agent&name={agent}"),
    ("POST", "/api/v1/stops"): Sample(an_agent, an_order),
    ("POST", "/api/v1/stops/lift"): Sample(a_stop, an_order),
}
