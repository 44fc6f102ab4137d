"""Connections that clients open: how long one may keep a place without asking for anything, and how many places are.

Uvicorn reads HTTP well and bounds nothing of this: who sent half a head, let the rest of a body drip after its answer,
took nothing of an answer, or asked a thousand things in one packet, kept a connection, and what it holds, for ever.
There is no timer per connection: one look a second or so at those that are open, and two numbers in each.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Set as AbstractSet
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Any, override

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from remit.settings import Settings

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75.0  # longer than clients keep idle connections, so that they close them first
MOST_LOOSE = 64 << 10  # bytes that come in a row and end nothing: no head, no piece of a body, no trailer
MOST_PIPELINED = 32  # requests that wait for the answer to the first of them
LOOK_S = 1.0  # between looks at what is open
FULL_S = 0.25  # after nobody could be sent away, so long nobody is looked for
OTHERS = 256  # open files that are no connection of a client, nor one for it to a provider

_BODY = frozenset({b"content-length", b"transfer-encoding"})


class TooManyRequestsError(Exception):
    """More requests in one connection than are kept while the first is answered."""


class NotTakenError(Exception):
    """A request for the whole server (``OPTIONS *``), which is no path; or for a WebSocket, with a body."""


class Door:
    """What the connections of one server have in common.

    Args:
        most: How many may be open.
        head_s: Seconds from the opening, or the first byte of a further request, to the end of its head.
        slow_s: Seconds after which a client that takes nothing of its answer counts as gone.
        idle_s: Seconds that a connection is kept between two requests.
    """

    def __init__(self, *, most: int, head_s: float, slow_s: float, idle_s: float = KEEP_ALIVE_S) -> None:
        self.most = most
        self.head_s = head_s
        self.slow_s = slow_s
        self.idle_s = idle_s
        self._every_s = min(LOOK_S, head_s / 4, slow_s / 4)
        self._looking = False
        self._full_until = 0.0

    def enter(self, new: Connection) -> bool:
        """Whether there is a place for it. When all are taken, those go that have waited longest for a request."""
        if not self._looking:
            self._looking = True
            new.loop.call_later(self._every_s, self._look, new.loop, new.connections)
        if len(new.connections) <= self.most:
            return True
        now = new.since
        if now < self._full_until:
            return False
        waiting = [each for each in _ours(new.connections) if each is not new and each.waiting]
        waiting.sort(key=attrgetter("since"))
        for each in waiting[: 1 + self.most // 64]:  # several at once, so that not every newcomer looks at all
            each.leave()
        if waiting:
            return True
        self._full_until = now + FULL_S
        _log.warning("all %d connections are in use: setting connections", self.most)
        return False

    def _look(self, loop: asyncio.AbstractEventLoop, connections: AbstractSet[object]) -> None:
        now = loop.time()
        for each in _ours(connections):
            each.look(now)
        self._looking = bool(connections)
        if self._looking:
            loop.call_later(self._every_s, self._look, loop, connections)


def _ours(connections: AbstractSet[object]) -> list[Connection]:
    """Those that speak HTTP; WebSockets have an end of their own."""
    return [each for each in connections if isinstance(each, Connection)]


class Connection(HttpToolsProtocol):
    """One connection: uvicorn's, with an end to each wait for the client.

    Attributes:
        since: Since when (the loop's seconds) it waits for a request.
        begun: Whether some of that request, or more of one that was answered before its end, has come.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.since = 0.0
        self.begun = True
        self._door = door
        self._loose = 0
        self._left = 0
        self._left_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether nothing of it is being answered."""
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] - it may

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a place, or say that there is none."""
        self.since = self.loop.time()
        super().connection_made(transport)
        if not self._door.enter(self):
            said = "The server has as many connections as it takes."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "server.full", said, "ask again in a second")

    @override
    def data_received(self, data: bytes) -> None:
        """Read on; what ends nothing is bounded."""
        self._loose += len(data)
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - there is one while data comes
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._upgraded()
                return
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, TooManyRequestsError):
                self._refuse(
                    HTTPStatus.TOO_MANY_REQUESTS, "server.pipelined", str(error.__context__), "wait for answers"
                )
            else:
                said = "What came is no HTTP request."
                self._refuse(HTTPStatus.BAD_REQUEST, "server.request", said, "speak HTTP/1.1")
            return
        if self._loose > MOST_LOOSE:
            said = f"The request's head, or what follows its body, has more than {MOST_LOOSE:,} bytes."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "server.head_large", said, "send less of it")
        elif not self.begun and self.waiting:
            self.begun = True
            self.since = self.loop.time()

    @override
    def on_headers_complete(self) -> None:
        """Begin with the answer. Trailers that follow the body are nobody's headers (RFC 9110, 6.5.1)."""
        self._loose = 0
        if len(self.pipeline) >= MOST_PIPELINED:
            message = f"More than {MOST_PIPELINED} requests wait for their answers in one connection."
            raise TooManyRequestsError(message)
        if self.url.startswith(b"*"):
            raise NotTakenError
        super().on_headers_complete()
        if not self.parser.should_upgrade():  # pyright: ignore[reportOptionalMemberAccess] - it has called this
            self.begun = False
            self.headers = []
        elif not self._should_upgrade():  # to what we don't speak: it is answered as it stands, and that is all
            self.begun = False
            self.scope["headers"] = list(self.headers)
            self.cycle.keep_alive = False
        elif any(name in _BODY and value.strip(b"0") for name, value in self.headers):
            raise NotTakenError  # whoever speaks the other protocol would wait for bytes that were read here

    @override
    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._loose = 0
        super().on_body(body)

    @override
    def on_response_complete(self) -> None:
        """Go on with the next request, if it is here, else wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.since = self.loop.time()
        self.begun = self.cycle.more_body

    def look(self, now: float) -> None:
        """End it if its client has had its time."""
        closing = self.transport.is_closing()
        if not (closing or self.waiting):
            return  # what answers has bounds of its own
        left = self.transport.get_write_buffer_size()
        if left:
            self.since = now
            if left != self._left:
                self._left, self._left_at = left, now
            elif now - self._left_at >= self._door.slow_s:
                self.transport.abort()
            return
        self._left = 0
        if not closing and now - self.since >= (self._door.head_s if self.begun else self._door.idle_s):
            self._late()

    def leave(self) -> None:
        """Make way for another one."""
        self.connections.discard(self)
        self.transport.abort()

    def _late(self) -> None:
        if self._loose and not (self.cycle and self.cycle.more_body):
            said = f"The request's head did not arrive within {self._door.head_s:g} s."
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "server.head_slow", said, "send the request again")
        else:
            self.transport.close()

    def _upgraded(self) -> None:
        """A WebSocket, on a connection that has nothing else to say."""
        if self.waiting:
            self.handle_websocket_upgrade()
            self.loop.call_later(self._door.head_s, _accepted, self.transport)
        else:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, code: str, told: str, hint: str) -> None:
        """Say why, unless an answer to something else would be cut by it, and be done."""
        if not self.waiting:
            if self.cycle.response_started or self.pipeline:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        error = {"message": told, "type": "invalid_request_error", "code": code, "param": None}
        document: dict[str, object] = {"title": status.phrase, "status": status.value, "detail": told}
        body = orjson.dumps({**document, "code": code, "hint": hint, "error": error})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"x-remit-code: {code}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        )
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            head += "retry-after: 1\r\n"
        _log.info("a connection was ended (%s)", code)
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()


def _accepted(transport: asyncio.Transport) -> None:
    """End what asked for a WebSocket and has not become one in the time of a head."""
    if not getattr(transport.get_protocol(), "handshake_complete", True):
        transport.abort()


def connections(settings: Settings) -> partial[Connection]:
    """What makes the connections of one server, for uvicorn's ``http``."""
    most = places(settings.connections)
    return partial(Connection, door=Door(most=most, head_s=settings.connection_head_s, slow_s=settings.gateway_slow_s))


def places(wanted: int) -> int:
    """How many connections this process may have: as many as wanted, if the system lets it open the files.

    A call of the gateway has two, its client's and one to the provider. The process's own limit is raised as far as
    that needs and the system allows.
    """
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - Windows has none

    needed = 2 * wanted + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        within = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))
            soft = within
        except (OSError, ValueError):
            _log.info("the limit of open files stays at %d", soft)
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, (soft - OTHERS) // 2))
