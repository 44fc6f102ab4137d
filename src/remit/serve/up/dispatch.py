"""Who answers: by the path, before anything else is looked at. And how what lasts is ended when the process stops."""

from __future__ import annotations

import asyncio

from remit.serve.api.app import is_api
from remit.serve.edge.asgi import App, Message, Receive, Scope, Send
from remit.serve.gateway.paths import LIST, PLACES, find

#: Seconds that a stream of events has to send its last word, when the process stops.
LAST_WORD_S = 0.5
_EVENTS = b"text/event-stream"
#: What clients ask for whose base URL lacks its ``/v1``: the gateway tells them so. ``/models`` is a page.
_UNVERSIONED = frozenset(place.removeprefix("/v1") for place in PLACES if place.startswith("/v1/") and place != LIST)


def to_gateway(path: str) -> bool:
    """Whether the gateway answers a path; also what clients of models may ask for and it has not, in their own form."""
    if is_api(path):  # asked first: ``/api/v1/models`` is no provider named ``api``
        return False
    first, _, rest = path[1:].partition("/")
    return path in _UNVERSIONED or find(path) is not None or first == "v1" or rest == "v1" or rest.startswith("v1/")


class Dispatcher:
    """The ASGI callable of ``remit up``.

    Args:
        gateway: Answers clients of models. It has rules of its own about who asks.
        rest: The edge, with the API and the console behind it (``serve.api.app.Served``).
    """

    def __init__(self, gateway: App, rest: App) -> None:
        self._gateway = gateway
        self._rest = rest
        self._stopping = False
        self._streams: set[asyncio.Task[None]] = set()
        self._ended: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Soon end what streams of events don't end by themselves: clients come back. Any other answer has its time."""
        self._stopping = True
        asyncio.get_running_loop().call_later(LAST_WORD_S, self._end_all)

    def _end_all(self) -> None:
        for task in list(self._streams):
            self._end(task)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._ended.add(task)
        task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and to_gateway(scope["path"]):
            await self._gateway(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":  # the server itself tells sockets that it goes
            await self._rest(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        open_ended = False

        async def told(message: Message) -> None:
            nonlocal open_ended
            if message["type"] == "http.response.start" and _is_stream(message):
                open_ended = True
                self._streams.add(task)
                if self._stopping:
                    self._end(task)
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                open_ended = False
            await send(message)

        task = asyncio.create_task(_asked(self._rest, scope, receive, told))
        try:
            await task
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            if open_ended:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.discard(task)
            self._ended.discard(task)


async def _asked(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(_EVENTS) for name, value in message.get("headers", ())
    )
