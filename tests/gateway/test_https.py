"""A production install is spoken to over HTTPS alone, also by clients of models: as the API's (api/test_edge.py)."""

import secrets
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from remit.settings import Environment
from remit.testing.model_server import ModelServer

from .conftest import SETTINGS
from .running import Gateway, ask, gateway

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE: dict[str, Any] = CHAT | {"max_tokens": 16, "model": "claude-sonnet-4-5"}
PRODUCTION: dict[str, Any] = SETTINGS | {
    "environment": Environment.PRODUCTION,
    "signing_secret": secrets.token_urlsafe(48),
    "public_url": "https://remit.example.org",
}


@pytest.fixture(scope="module")
def behind(provider: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In production, behind proxies on this machine."""
    home = tmp_path_factory.mktemp("home") / "home"
    with gateway(home, provider, proxies="127.0.0.0/8", **PRODUCTION) as made:
        yield made


def call(gate: Gateway, path: str, body: dict[str, Any], **more: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, told = ask(gate.url, path, body, token=gate.token, **more)
    return status, headers, orjson.loads(told)


def test_a_call_in_the_clear_is_refused_in_its_clients_protocol_and_asks_nobody(behind: Gateway) -> None:
    behind.provider.forget()
    status, headers, told = call(behind, "/v1/chat/completions", CHAT)
    assert (status, told["error"]["code"], headers["x-remit-code"]) == (403, "gateway.https", "gateway.https")
    status, _, told = call(behind, "/v1/messages", MESSAGE, anthropic_version="2023-06-01")
    assert (status, told["type"], told["error"]["type"]) == (403, "error", "permission_error")
    assert "HTTPS" in told["error"]["message"]
    for path in ("/v1/models", "/v1/models/gpt-4o-mini"):
        assert call(behind, path, {}, method="GET")[0] == 403
    assert call(behind, "/v1/nothing", CHAT)[0] == 403
    assert not behind.provider.requests


def test_health_answers_in_the_clear(behind: Gateway) -> None:
    assert call(behind, "/health", {}, method="GET")[0] == 200


@pytest.mark.parametrize(
    "told",
    [
        {"x_forwarded_proto": "https", "x_forwarded_for": "203.0.113.5"},
        {"x_forwarded_proto": "http, https", "x_forwarded_for": "203.0.113.5"},
        {"forwarded": 'for="[2001:db8::7]:8080";proto=https'},
    ],
)
def test_a_proxy_that_we_know_says_what_its_client_spoke(behind: Gateway, told: dict[str, str]) -> None:
    behind.provider.forget()
    assert call(behind, "/v1/chat/completions", CHAT, **told)[0] == 200
    assert behind.provider.requests


@pytest.mark.parametrize(
    "told",
    [
        {"x_forwarded_proto": "http", "x_forwarded_for": "203.0.113.5"},
        {"x_forwarded_proto": "https, http", "x_forwarded_for": "203.0.113.5"},
        {"x_forwarded_proto": "https"},
        {"forwarded": "for=203.0.113.5;proto=http"},
        {"forwarded": "for=unknown;proto=https"},
        {"x_forwarded_ssl": "on", "front_end_https": "on"},
    ],
)
def test_what_does_not_say_https_is_in_the_clear(behind: Gateway, told: dict[str, str]) -> None:
    assert call(behind, "/v1/chat/completions", CHAT, **told)[0] == 403


def test_nobody_but_a_proxy_that_we_know_is_believed(
    provider: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home") / "home"
    with gateway(home, provider, proxies="192.0.2.0/24", **PRODUCTION) as gate:
        told = {"x_forwarded_proto": "https", "x_forwarded_for": "192.0.2.1", "forwarded": "for=192.0.2.1;proto=https"}
        assert call(gate, "/v1/chat/completions", CHAT, **told)[0] == 403


def test_where_every_client_is_on_this_machine_the_setting_opens_it(
    provider: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway(tmp_path_factory.mktemp("home") / "home", provider, https="off", **PRODUCTION) as gate:
        assert call(gate, "/v1/chat/completions", CHAT)[0] == 200
