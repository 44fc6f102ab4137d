"""Two gateways on one Postgres share budgets: calls for more than it holds never pass, whoever takes them."""

import threading
from pathlib import Path

import pytest

from remit.testing.model_server import ModelServer, Reply

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path
from .conftest import SETTINGS
from .running import Gateway, ask

__all__ = ["postgres_server", "postgres_url"]

ASKED = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Go on."}]}


@pytest.mark.timeout(120)
def test_two_gateways_share_a_budget(tmp_path: Path, postgres_url: str) -> None:
    from remit.settings import Settings

    settings = Settings(home=tmp_path / "home", store_url=postgres_url, **SETTINGS)
    with ModelServer() as provider:
        provider.say(Reply(text="Yes.", tokens_in=10, tokens_out=100))
        first = Gateway(settings, provider).start()
        try:
            second = Gateway(settings, provider, token=first.token).start()
            try:
                token = first.do(lambda: first.make_key("shared"))
                first.do(lambda: first.key_budget("shared", "0.005"))
                said: list[int] = []

                def call(gate: Gateway) -> None:
                    said.append(ask(gate.url, "/v1/chat/completions", ASKED, token=token)[0])

                threads = [threading.Thread(target=call, args=(gate,)) for gate in (first, second) * 6]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert set(said) == {200, 402}
                spent = sum(row["cost_micros"] for row in first.settled(12) if row["key"] == "shared")
                assert 0 < spent <= 5000
                assert provider.count == said.count(200)
                assert not any(first.reserved())
            finally:
                second.stop()
        finally:
            first.stop()
