"""Virtual keys."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from remit.accounts.agents import Agent, register_agent
from remit.accounts.key_orders import create_key
from remit.accounts.key_tokens import Word
from remit.accounts.keys import Key

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

ONE = "/api/v1/keys/{key}"


async def an_agent(api: Api) -> Params:
    """An agent that may ask models."""
    runtime, name = api.runtime, api.name("asker")
    agent = Agent("default", name, runtime.owner.id, effects=frozenset({"model"}))
    await register_agent(runtime.store, agent, by=runtime.owner, clock=runtime.clock)
    return {"agent": name, "new": api.name("key")}


async def a_key(api: Api) -> Params:
    """A key of such an agent."""
    made, runtime = await an_agent(api), api.runtime
    key = Key("default", made["new"], made["agent"], "")
    await create_key(
        runtime.store, key, by=runtime.owner, clock=runtime.clock, rand=secrets.token_bytes, word=Word.TEST
    )
    return {**made, "key": made["new"]}


SAMPLES = {
    ("GET", "/api/v1/keys"): Sample(a_key),
    ("POST", "/api/v1/keys"): Sample(
        an_agent, lambda made: {"key": made["new"], "agent": made["agent"], "days": 30, "budget_usd": "5"}
    ),
    ("GET", ONE): Sample(a_key),
    ("DELETE", ONE): Sample(a_key, query="?reason=over"),
    ("POST", f"{ONE}/rotate"): Sample(a_key, lambda _made: {"overlap_s": 60}),
    ("PUT", f"{ONE}/rates"): Sample(a_key, lambda _made: {"requests": 60}),
}
