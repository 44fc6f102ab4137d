"""A workspace with providers and models, made by the orders that a person gives."""

from __future__ import annotations

import random

from remit.accounts.owner import create_local_owner
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, SystemClock
from remit.kernel.ports import Journal
from remit.models.catalogue import Catalogue, Deployment, Provider, ProviderKind, informed
from remit.models.orders import Change, SetProvider, order
from remit.models.orders_listing import SetDeployment
from remit.models.prices import Rates
from remit.models.router import Router

WORKSPACE = "acme"
OWNER = Principal(ActorKind.USER, "ada")
RATES = Rates(SystemClock())

OPENAI = Provider(WORKSPACE, "openai", ProviderKind.OPENAI, "https://api.openai.com/v1", "secret://openai-key")
ANTHROPIC = Provider(
    WORKSPACE, "anthropic", ProviderKind.ANTHROPIC, "https://api.anthropic.com/v1", "secret://anthropic-key"
)
LOCAL = Provider(WORKSPACE, "local", ProviderKind.COMPATIBLE, "http://127.0.0.1:11434/v1")


async def own(journal: Journal, *, clock: Clock | None = None) -> None:
    """Give the workspace its owner."""
    await create_local_owner(journal, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=clock or SystemClock())


async def give(journal: Journal, *changes: Change, by: Principal = OWNER) -> tuple[str, ...]:
    """Give orders as the owner."""
    return await order(journal, changes, workspace=WORKSPACE, by=by, clock=SystemClock())


async def furnish(journal: Journal) -> None:
    """Two makers, a machine of one's own, three names."""
    await own(journal)
    await give(
        journal,
        SetProvider(OPENAI),
        SetProvider(ANTHROPIC),
        SetProvider(LOCAL),
        SetDeployment("small", "openai", "gpt-4o-mini"),
        SetDeployment("smart", "openai", "gpt-4o"),
        SetDeployment("smart", "anthropic", "claude-sonnet-4-5", order=1),
        SetDeployment("house", "local", "our-own-7b", capabilities=frozenset({"chat", "tools"}), quality=20),
    )


def deployment(name: str, provider: Provider, model: str, **more: object) -> Deployment:
    """A deployment as the catalogue would know it."""
    plain = Deployment(WORKSPACE, name, provider.name, model, **{"quality": -1, "context": -1, **more})  # type: ignore[arg-type]
    return informed(plain, provider, plain.prices, RATES)


def catalogue(*deployments: Deployment, providers: tuple[Provider, ...] = (OPENAI, ANTHROPIC, LOCAL)) -> Catalogue:
    """A catalogue of these."""
    groups: dict[str, tuple[Deployment, ...]] = {}
    for each in deployments:
        groups[each.name] = (*groups.get(each.name, ()), each)
    return Catalogue(WORKSPACE, {each.name: each for each in providers}, groups, _rates=RATES)


def router(seed: int = 1) -> Router:
    """A router whose chance is always the same."""
    return Router(rand=random.Random(seed).random)
