from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.testing.model_server import ModelServer

from .running import Gateway, gateway


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(provider: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for a module's tests; each starts with a provider that behaves."""
    with gateway(tmp_path_factory.mktemp("home") / "home", provider) as made:
        yield made


@pytest.fixture
def gate(served: Gateway) -> Gateway:
    served.provider.forget()
    return served
