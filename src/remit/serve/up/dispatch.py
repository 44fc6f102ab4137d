"""Who answers: by the path, before anything else is looked at. And how what lasts is ended when the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from remit.serve.gateway.paths import find

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What the API answers. It is asked first: ``/api/v1/models`` is no provider named ``api``.
API = ("/api/", "/.well-known/", "/health/")
API_EXACTLY = frozenset({"/api", "/health", "/openapi.json", "/metrics"})
_EVENTS = b"text/event-stream"
_RESTART = 1012  # RFC 6455's registry: the service restarts, come back


def to_api(path: str) -> bool:
    """Whether the API answers a path."""
    return path in API_EXACTLY or path.startswith(API)


def to_gateway(path: str) -> bool:
    """Whether the gateway answers a path; also what clients of models may ask for and it has not, in their own form."""
    if to_api(path):
        return False
    first, _, rest = path[1:].partition("/")
    return find(path) is not None or first == "v1" or rest == "v1" or rest.startswith("v1/")


class Split:
    """The API and the console as one application, for the edge to stand before."""

    def __init__(self, api: App, console: App) -> None:
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await (self._api if to_api(scope["path"]) else self._console)(scope, receive, send)


class Dispatcher:
    """The ASGI callable of ``remit up``.

    Args:
        gateway: Answers clients of models. It has rules of its own about who asks.
        rest: The edge, with the API and the console behind it.
    """

    def __init__(self, gateway: App, rest: App) -> None:
        self._gateway = gateway
        self._rest = rest
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End what lasts: to streams of events it is as if their clients had gone. Calls of models run on."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and to_gateway(scope["path"]):
            await self._gateway(scope, receive, send)
        elif scope["type"] in {"http", "websocket"}:
            lasting = _Lasting(self._stopping, receive, send, socket=scope["type"] == "websocket")
            await self._rest(scope, lasting.receive, lasting.send)


class _Lasting:
    """One exchange; once it streams events, a stop is heard in ``receive``."""

    def __init__(self, stopping: asyncio.Event, receive: Receive, send: Send, *, socket: bool) -> None:
        self._stopping = stopping
        self._receive = receive
        self._send = send
        self._socket = socket
        self._streams = asyncio.Event()
        if socket:
            self._streams.set()

    async def send(self, message: Message) -> None:
        """Pass on, and notice streams."""
        if message["type"] == "http.response.start" and any(
            name.lower() == b"content-type" and value.startswith(_EVENTS) for name, value in message.get("headers", ())
        ):
            self._streams.set()
        await self._send(message)

    async def receive(self) -> Message:
        """What comes next; of a stream also that it is over."""
        if not self._streams.is_set() and not self._stopping.is_set():
            asked = asyncio.ensure_future(self._receive())
            begun = asyncio.ensure_future(self._streams.wait())
            await self._first(asked, begun)
            if asked.done():
                return asked.result()
            return await self._until_stopped(asked)
        if not self._streams.is_set():
            return await self._receive()
        return await self._until_stopped(asyncio.ensure_future(self._receive()))

    async def _until_stopped(self, asked: asyncio.Future[Message]) -> Message:
        stopped = asyncio.ensure_future(self._stopping.wait())
        await self._first(asked, stopped)
        if asked.done():
            return asked.result()
        await _end(asked)
        return {"type": "websocket.disconnect", "code": _RESTART} if self._socket else {"type": "http.disconnect"}

    @staticmethod
    async def _first(asked: asyncio.Future[Message], other: asyncio.Future[Any]) -> None:
        try:
            await asyncio.wait({asked, other}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await _end(asked)
            raise
        finally:
            await _end(other)


async def _end(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
