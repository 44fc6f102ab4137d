"""Providers and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.guard.breakers import Order
from remit.guard.breakers import move as circuit
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.models.orders_listing import SetDeployment, SetPrice
from remit.models.prices import rate_of

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api


async def a_model(api: Api) -> Params:
    """A model at a provider of its own."""
    runtime, name = api.runtime, api.name("house")
    provider = Provider("default", name, ProviderKind.COMPATIBLE, "http://127.0.0.1:8000/v1")
    changes = [SetProvider(provider), SetDeployment(f"{name}-model", name, "our-70b")]
    await order(runtime.store, changes, workspace="default", by=runtime.owner, clock=runtime.clock)
    return {"provider": name, "name": f"{name}-model", "target": f"{name}/our-70b"}


async def a_priced_one(api: Api) -> Params:
    made, runtime = await a_model(api), api.runtime
    changes = [SetPrice(made["provider"], "our-70b", rate_of("1", "2"))]
    await order(runtime.store, changes, workspace="default", by=runtime.owner, clock=runtime.clock)
    return made


async def an_open_one(api: Api) -> Params:
    """One whose breaker is held open."""
    made, runtime = await a_model(api), api.runtime
    held = Order("default", "model", made["target"])
    await circuit(runtime.store, held, opened=True, reason="outage", by=runtime.owner, clock=runtime.clock)
    return made


SAMPLES = {
    ("GET", "/api/v1/providers"): Sample(a_model),
    ("PUT", "/api/v1/providers/{provider}/status"): Sample(
        a_model, lambda _made: {"status": "paused", "reason": "an outage"}
    ),
    ("GET", "/api/v1/models"): Sample(a_model),
    ("PUT", "/api/v1/models/listed"): Sample(
        a_model, lambda made: {"name": made["name"], "target": made["target"], "weight": 3, "can": ["tools"]}
    ),
    ("DELETE", "/api/v1/models/listed"): Sample(a_model, query="?name={name}"),
    ("PUT", "/api/v1/models/aliases"): Sample(
        a_model, lambda made: {"name": f"{made['name']}-too", "target": made["name"]}
    ),
    ("PUT", "/api/v1/models/fallbacks"): Sample(
        a_model, lambda made: {"name": made["name"], "targets": [f"{made['provider']}/other"]}
    ),
    ("PUT", "/api/v1/models/prices"): Sample(
        a_model, lambda made: {"target": made["target"], "input": "0", "output": "1.5"}
    ),
    ("DELETE", "/api/v1/models/prices"): Sample(a_priced_one, query="?target={target}"),
    ("GET", "/api/v1/models/health"): Sample(an_open_one, query="?minutes=30"),
    ("GET", "/api/v1/models/route"): Sample(a_model, query="?name={name}"),
    ("POST", "/api/v1/models/reset"): Sample(an_open_one, lambda made: {"target": made["target"], "reason": "back"}),
}
