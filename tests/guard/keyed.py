"""What tests of keys share: an agent with a key in a world, and calls that came in by it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from remit.accounts.agents import Agent, register_agent
from remit.accounts.gateway_policy import set_policy
from remit.accounts.key_orders import create_key
from remit.accounts.keys import Key
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Effect, Model
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import Usage

from .fakes import OWNER, WORKSPACE, HandClock, World, act

HELPER = Principal(ActorKind.AGENT, "helper")
ASKED: dict[str, Json] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}


def model(target: str = "acme/large", **fields: Any) -> Model:
    """A request to a model."""
    provider, _, name = target.partition("/")
    return Model(provider, name, {**ASKED, **fields.pop("request", {})}, **fields)


async def register(world: World, name: str = "helper", **fields: Any) -> None:
    """An agent of Ada's that may ask any model."""
    agent = Agent(WORKSPACE, name, OWNER.id, **{"kind": "gateway", "effects": frozenset({"model"}), **fields})
    await register_agent(world.store, agent, by=OWNER, clock=world.clock)


async def make_key(world: World, name: str = "app", *, clock: Clock | None = None, **fields: Any) -> str:
    """A key of the agent ``helper``, made at a moment of another clock if one is given; its token."""
    key = Key(**{"workspace": WORKSPACE, "id": name, "agent": "helper", "owner": OWNER.id, **fields})
    token = await create_key(world.store, key, by=OWNER, clock=clock or world.clock, rand=secrets.token_bytes)
    await world.guard.register.refresh(WORKSPACE)
    return token


async def make_expired_key(world: World, name: str = "app") -> str:
    """A key that was made long ago, for a second; its token."""
    then = HandClock()
    return await make_key(world, name, clock=then, expires_us=micros_of(then.now()) + 1_000_000)


async def policy(world: World, **words: str) -> None:
    """Set the gateway's policy and let the guard know."""
    await set_policy(world.store, words, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)


def call(effect: Effect | None = None, *, key: str = "app", estimate: Money = ZERO, **fields: Any) -> Action:
    """What the gateway makes of a call that came in by the key ``key``."""
    action = act(effect or model(), principal=HELPER, origin=OWNER, mission="", estimate=estimate)
    return replace(action, key=key, step="", **fields)


def answer(cost: Money = ZERO, *, tokens: int = 0) -> Outcome:
    """An answer that cost so much and used so many tokens."""
    return Outcome(
        ok=True, cost=cost, usage=Usage("acme", "large", tokens_in=tokens - tokens // 2, tokens_out=tokens // 2)
    )
