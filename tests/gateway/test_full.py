"""When writes pile up: a call waits for a place, or is refused at once, as the policy says. Nothing is dropped."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from remit.testing.model_server import ModelServer

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .conftest import SETTINGS
from .running import Gateway, ask, gateway

ASKED = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi."}]},
    "/v1/messages": {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]},
}


@pytest.fixture(scope="module")
def small(provider: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose queue of writes is soon full."""
    with gateway(tmp_path_factory.mktemp("full") / "home", provider, **SETTINGS, gateway_queue=20) as made:
        yield made


@pytest.fixture
def impatient(provider: ModelServer, tmp_path: Path) -> Iterator[Gateway]:
    """As well, and who waits for a place waits for half a second."""
    with gateway(tmp_path / "home", provider, **SETTINGS, gateway_queue=20, gateway_queue_s=0.5) as made:
        yield made


@contextmanager
def piled_up(gate: Gateway) -> Generator[threading.Event]:
    """A store that is busy with one write, and has many more to do, until the event is set."""
    go_on, busy = threading.Event(), threading.Event()

    def slow(_tx: Any) -> None:
        busy.set()
        go_on.wait(30)

    def queue() -> None:
        for _ in range(40):
            gate.runtime.store.submit("guard.settle", lambda _tx: None)

    gate.runtime.store.submit("guard.settle", slow)
    assert busy.wait(60)
    queue()
    try:
        yield go_on
    finally:
        go_on.set()


@pytest.mark.parametrize("path", ASKED)
def test_a_call_is_refused_at_once(small: Gateway, path: str) -> None:
    small.do(lambda: small.policy(on_full="refuse"))
    before, count = len(small.rows()), small.provider.count
    with piled_up(small) as go_on:
        pace = Pace()
        status, headers, body = ask(small.url, path, ASKED[path], token=small.token)
        assert pace.spent() < 1.5
        go_on.set()
    assert status in {503, 529}, body
    assert headers["x-remit-code"] == "gateway.full"
    assert float(headers["retry-after"]) >= 1
    assert small.provider.count == count, "nothing was asked"
    assert len(small.rows()) == before
    assert ask(small.url, path, ASKED[path], token=small.token)[0] == 200, "it came back"


def test_a_call_waits_for_a_place_and_is_on_record(small: Gateway) -> None:
    small.do(lambda: small.policy(on_full="block"))
    before = len(small.rows())
    with piled_up(small) as go_on:
        threading.Timer(0.5, go_on.set).start()
        status, _, _ = ask(small.url, "/v1/messages", ASKED["/v1/messages"], token=small.token)
    assert status == 200
    assert [row["state"] for row in small.settled(before + 1)[before:]] == ["ok"]


def test_a_call_does_not_wait_for_ever(impatient: Gateway) -> None:
    impatient.do(lambda: impatient.policy(on_full="block"))
    with piled_up(impatient):
        status, headers, _ = ask(impatient.url, "/v1/messages", ASKED["/v1/messages"], token=impatient.token)
    assert status in {503, 529}
    assert headers["x-remit-code"] == "gateway.full"
