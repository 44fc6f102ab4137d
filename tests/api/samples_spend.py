"""What was spent, and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.kernel.money import usd

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

BUDGETS = "/api/v1/budgets"


async def a_spender(api: Api) -> Params:
    """An agent with a budget of its own."""
    runtime, name = api.runtime, api.name("spender")
    agent = Agent("default", name, runtime.owner.id, effects=frozenset({"fetch"}))
    await register_agent(runtime.store, agent, by=runtime.owner, clock=runtime.clock)
    await set_limit(
        runtime.store,
        BudgetScope.AGENT,
        workspace="default",
        name=name,
        limit=usd("3"),
        by=runtime.owner,
        period=Period.DAY,
    )
    return {"agent": name, "scope": "agent", "name": name, "period": "day"}


SAMPLES = {
    ("GET", "/api/v1/spend"): Sample(query="?span=month"),
    ("GET", "/api/v1/usage"): Sample(query="?by=model&since=2026-01-01T00:00:00Z"),
    ("GET", "/api/v1/usage/calls"): Sample(query="?agent=coder&limit=10"),
    ("POST", "/api/v1/usage/true-up"): Sample(body=lambda _made: {"since": "2026-01-01T00:00:00Z", "dry_run": True}),
    ("GET", BUDGETS): Sample(a_spender),
    ("PUT", BUDGETS): Sample(
        a_spender, lambda made: {"scope": "agent", "name": made["agent"], "period": "day", "limit_usd": "4.50"}
    ),
    ("DELETE", BUDGETS): Sample(a_spender, query="?scope=agent&name={name}&period=day"),
}
