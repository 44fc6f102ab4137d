from collections.abc import Iterator
from typing import Any

import pytest

from remit.kernel.usage import UnknownPrice
from remit.testing.model_server import ModelServer

from .running import Gateway, gateway

#: A sign of life soon; models that tests invent have no price.
SETTINGS: dict[str, Any] = {
    "gateway_heartbeat_s": 0.2,
    "unknown_price": UnknownPrice.CEILING,
    "unknown_price_usd": "0.01",
    "personal_data": "models",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(provider: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for a module's tests; each starts with a provider that behaves."""
    with gateway(tmp_path_factory.mktemp("home") / "home", provider, **SETTINGS) as made:
        yield made


@pytest.fixture
def gate(served: Gateway) -> Gateway:
    served.provider.forget()
    return served
