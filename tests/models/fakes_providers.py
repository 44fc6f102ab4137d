"""A guard whose adapter for models asks a stand-in provider on loopback, with keys, prices and a budget."""

import asyncio
import secrets as random_secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from remit.accounts.budget_tables import USAGE
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET
from remit.adapters.providers.model import ModelAdapter, Observed, Patience, make_adapter
from remit.adapters.providers.upstream import HttpUpstream
from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.environment import EnvironmentSecrets
from remit.adapters.store.journal import Store
from remit.guard.breaker import Numbers
from remit.guard.secrets_provider import Secrets
from remit.kernel.action import Action
from remit.kernel.clock import Clock, SystemClock
from remit.kernel.effects import Model, Wire
from remit.kernel.money import Money, usd
from remit.kernel.permits import Head
from remit.models.catalogue import Models, Provider, ProviderKind
from remit.models.orders import Change, SetProvider, order
from remit.models.orders_listing import SetPrice
from remit.models.prices import Rates, rate_of
from remit.testing.model_server import ModelServer

from ..guard.fakes import OWNER, WORKSPACE, World, act, make_world  # noqa: TID252 - tests are no package to name

PRICE = rate_of("2", "8", cached_in="1", cache_write="3")  # dollars for a million tokens
ESTIMATE = usd("0.5")


@dataclass
class Client:
    """What reached whoever asked."""

    heads: list[Head] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, head: Head) -> None:
        self.heads.append(head)

    async def write(self, data: bytes) -> None:
        self.pieces.append(data)
        self.first.set()

    @property
    def got(self) -> bytes:
        return b"".join(self.pieces)


@dataclass
class Room:
    world: World
    server: ModelServer
    adapter: ModelAdapter
    models: Models
    key: str
    environ: dict[str, str]

    def ask(self, effect: Model, *, estimate: Money = ESTIMATE) -> Action:
        return act(effect, estimate=estimate, mission="")

    async def give(self, *changes: Change) -> None:
        await order(self.world.journal, changes, workspace=WORKSPACE, by=OWNER, clock=SystemClock())
        self.models.forget(WORKSPACE)

    def usage(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.world.rows(USAGE)]

    def spent(self) -> tuple[int, int]:
        """Micro-dollars spent and still reserved, of the workspace's budget."""
        (row,) = [each for each in self.world.rows(BUDGET) if each["scope"] == "workspace"]
        return row["spent"], row["reserved"]


def chat(provider: str = "openai", *, stream: bool = False, **more: Any) -> Model:
    asked = {"model": "public-name", "messages": [{"role": "user", "content": "hello"}], **more}
    return Model(provider, "small", asked | ({"stream": True} if stream else {}))


def messages(*, stream: bool = False, **more: Any) -> Model:
    asked = {"model": "public-name", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}], **more}
    return Model("anthropic", "small", asked | ({"stream": True} if stream else {}), wire=Wire.MESSAGES)


def responses(*, stream: bool = False) -> Model:
    return Model("openai", "small", {"model": "x", "input": "hello", "stream": stream}, wire=Wire.RESPONSES)


@asynccontextmanager
async def make_room(
    store: Store,
    *,
    clock: Clock | None = None,
    silence_s: float = 60.0,
    numbers: Numbers | None = None,
    observed: Observed | None = None,
) -> AsyncIterator[Room]:
    """A room with the providers openai, anthropic (both want the key) and local (none), and a budget of 1,000 USD."""
    real = SystemClock()
    world = await make_world(store, clock=clock or real, numbers=numbers)
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("1000"), by=OWNER)
    key = "key-of-a-provider-" + random_secrets.token_hex(16)
    environ = {"REMIT_SECRET_PROVIDER_KEY": key}
    vault = Secrets(
        CachedSecrets(EnvironmentSecrets(environ=environ), monotonic=real.monotonic, keep_s=0),
        workspace=WORKSPACE,
        redactor=world.redactor,
        journal=world.journal,
        clock=real,
    )
    async with ModelServer() as server:
        models = Models(world.journal, clock or real, Rates(real))
        adapter = make_adapter(
            HttpUpstream(),
            models=models,
            secrets=vault,
            redactor=world.redactor,
            clock=real,
            patience=Patience(silence_s=silence_s),
            observed=observed,
        )
        world.adapter.moves = [adapter.perform]
        room = Room(world, server, adapter, models, key, environ)
        url = server.url + "/v1"
        kinds = (("openai", ProviderKind.OPENAI), ("anthropic", ProviderKind.ANTHROPIC))
        await room.give(
            *(SetProvider(Provider(WORKSPACE, name, kind, url, "secret://provider_key")) for name, kind in kinds),
            SetProvider(Provider(WORKSPACE, "local", ProviderKind.COMPATIBLE, url)),
            *(SetPrice(name, "small", PRICE) for name in ("openai", "anthropic", "local")),
        )
        yield room
        await world.settled()
        await adapter.close()
