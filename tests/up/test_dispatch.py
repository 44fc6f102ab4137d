"""Who answers which path, and that what lasts ends when the process stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from remit.serve.api.app import is_api
from remit.serve.up.dispatch import Dispatcher, to_gateway

API = ["/api/v1/missions", "/api/v1/models", "/health", "/health/ready", "/.well-known/x", "/openapi.json"]
GATEWAY = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/models/gpt-4o",
    "/openai/v1/models",
    "/v1/audio",
    "/v1",
    "/x/v1",
    "/chat/completions",
    "/messages/count_tokens",
]
CONSOLE = [
    "/",
    "/api",
    "/models",
    "/approvals",
    "/missions/1",
    "/static/1/css/remit.css",
    "/apix",
    "/v1x",
    "/a/b/v1/c",
    "/v10/x",
]


def answering(name: str, told: list[str]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive, send
        told.append(f"{name} {scope['path']}")

    return app


@pytest.mark.parametrize(
    ("path", "who"), [(path, who) for who, paths in [("gateway", GATEWAY), ("rest", API + CONSOLE)] for path in paths]
)
async def test_each_path_has_one_who_answers(path: str, who: str) -> None:
    told: list[str] = []
    dispatcher = Dispatcher(answering("gateway", told), answering("rest", told))
    await dispatcher({"type": "http", "path": path}, None, None)  # type: ignore[arg-type]
    assert told == [f"{who} {path}"]
    assert to_gateway(path) == (who == "gateway")
    assert is_api(path) == (path in API)


class Exchange:
    """A client that stays."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.first = {"type": "http.request", "body": b"", "more_body": False}
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        if self.first:
            first, self.first = self.first, {}
            return first
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Streams until its client goes, or for `wait` seconds."""
    assert (await receive())["type"] == "http.request"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", scope["kind"])]})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    gone = asyncio.create_task(receive())
    try:
        await asyncio.wait({gone}, timeout=scope["wait"])
        body = b"its client went" if gone.done() else b"its time is over"
        await send({"type": "http.response.body", "body": body, "more_body": False})
    finally:
        gone.cancel()


async def asked(kind: bytes, wait: float, *, stop_first: bool = False) -> list[Any]:
    dispatcher = Dispatcher(streaming, streaming)
    exchange = Exchange()
    scope: Any = {"type": "http", "path": "/live", "kind": kind, "wait": wait}
    if stop_first:
        dispatcher.stop()
    task = asyncio.create_task(dispatcher(scope, exchange.receive, exchange.send))
    await asyncio.sleep(0.02)
    dispatcher.stop()
    await asyncio.wait_for(task, 60)
    return exchange.sent


END = {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_stream_of_events_ends_when_the_process_stops() -> None:
    sent = await asked(b"text/event-stream; charset=utf-8", 600)
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n", b""]
    assert sent[-1] == END


async def test_one_that_begins_meanwhile_ends_too() -> None:
    assert (await asked(b"text/event-stream", 600, stop_first=True))[-1] == END


async def test_any_other_answer_has_its_time() -> None:
    assert (await asked(b"application/octet-stream", 0.1))[-1]["body"] == b"its time is over"


async def test_a_cancelled_request_is_cancelled_and_nothing_is_swallowed() -> None:
    dispatcher = Dispatcher(streaming, streaming)
    exchange = Exchange()
    scope: Any = {"type": "http", "path": "/live", "kind": b"text/event-stream", "wait": 600.0}
    task = asyncio.create_task(dispatcher(scope, exchange.receive, exchange.send))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_goes_is_heard_as_before() -> None:
    dispatcher = Dispatcher(streaming, streaming)
    exchange = Exchange()
    scope: Any = {"type": "http", "path": "/live", "kind": b"text/event-stream", "wait": 600.0}
    task = asyncio.create_task(dispatcher(scope, exchange.receive, exchange.send))
    await asyncio.sleep(0.02)
    exchange.gone.set()
    await asyncio.wait_for(task, 60)
    assert exchange.sent[-1]["body"] == b"its client went"
