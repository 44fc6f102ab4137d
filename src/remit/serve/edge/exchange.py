"""One request and its answer, as the edge sees them: bytes counted in, headers added out, time kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import cast

from remit.kernel.errors import RemitError, TooLarge
from remit.serve.edge.answers import complete
from remit.serve.edge.asgi import Headers, Message, Receive, Scope, Send
from remit.serve.edge.problems import body_of, headers_of, status_of
from remit.serve.edge.rates import Counted
from remit.serve.edge.traces import Trace

LINGER_S = 5.0
LINGER_BYTES = 32 << 20
_STREAM = b"text/event-stream"
_KEPT = frozenset({b"retry-after", b"connection"})
_PROGRAMS = ("/api/", "/health", "/.well-known/", "/openapi.json", "/static/")


class Exchange:
    """One request and its answer.

    Attributes:
        more: Headers that the answer gets beside its own.
        counted: How the sender stands, when the request was counted.
        secure: Whether the answer goes over HTTPS in production.
        status: Of the answer; 0: none yet.
        first_s: Seconds until the answer began.
        streams: Called when the answer turns out to be one that stays open.
    """

    __slots__ = (
        *("_all", "_began", "_ended", "_idle_s", "_most", "_over", "_receive", "_send", "_size", "_timer"),
        *("counted", "first_s", "headers", "more", "path", "scope", "secure", "status", "streams", "trace"),
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        headers: Mapping[bytes, bytes],
        trace: Trace,
        most: int,
        idle_s: float,
    ) -> None:
        self.scope = scope
        self.headers = headers
        self.trace = trace
        self.path = cast("str", scope["path"])
        self.more: Headers = []
        self.counted: Counted | None = None
        self.secure = False
        self.status = 0
        self.first_s = 0.0
        self.streams: Callable[[], None] | None = None
        self._receive = receive
        self._send = send
        self._most = self._all = most
        self._idle_s = idle_s
        self._size = 0
        self._over = False
        self._ended = False
        self._timer: asyncio.Timeout | None = None
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._began

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks for a page; what a script of a page fetches is none."""
        html = b"text/html" in self.headers.get(b"accept", b"") and b"hx-request" not in self.headers
        return html and not self.path.startswith(_PROGRAMS)

    def timed(self, seconds: float) -> asyncio.Timeout:
        """The time until the answer must have begun; after that, each part of it has its own."""
        self._timer = asyncio.timeout(seconds)
        return self._timer

    def check_length(self) -> None:
        """Refuse a body whose length says that it is too large, before any of it is read.

        Raises:
            TooLarge: It is.
        """
        said = self.headers.get(b"content-length", b"")
        if said.isdigit() and int(said) > self._most:
            raise self._too_large()

    def bound(self, most: int) -> None:
        """Take fewer bytes of this one.

        Raises:
            TooLarge: As ``check_length``.
        """
        self._most = min(self._most, most)
        self.check_length()

    def reading(self, receive: Receive) -> None:
        """Read the body from here instead (some of it was looked at)."""
        self._receive = receive

    async def receive(self) -> Message:
        """ASGI's, bounded: bytes are counted as they come, whatever the headers promised.

        Raises:
            TooLarge: There are more than are taken.
        """
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        if message["type"] == "http.request":
            self._size += len(cast("bytes", message.get("body", b"")))
            if self._size > self._most:
                self._over = True  # whatever the application makes of the error, the answer is this
                raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """ASGI's, with what every answer carries."""
        if message["type"] == "http.response.start":
            if self._over and self.wants_page and message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                await self.clear(self._too_large())
            if self._over:
                await self.refuse(self._too_large())
                return
            await self._start(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif not self._over or self.status == 0:
            if self._timer is not None:
                self._timer.reschedule(asyncio.get_running_loop().time() + self._idle_s)
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers: Headers = list(message.get("headers", ()))
        self.status = message["status"]
        self.first_s = self.seconds
        if any(name.lower() == b"content-type" and value.startswith(_STREAM) for name, value in headers):
            if self.streams is not None:
                self.streams()
        elif self.counted is not None:
            headers += self.counted.headers
        headers += self.trace.headers
        headers.append((b"x-response-time", b"%.3fms" % (self.first_s * 1000)))
        headers += self.more
        message["headers"] = complete(headers, secure=self.secure)
        await self._send(message)

    async def refuse(self, error: RemitError) -> None:
        """Answer with a problem document, if nothing was answered yet."""
        if self.status:
            return
        if isinstance(error, TooLarge):
            await self._linger()
        body = body_of(error, path=self.path)
        await self.answer(status_of(error), headers_of(error), body)

    async def clear(self, error: RemitError) -> None:
        """Make way for a page that says the refusal: the answer gets its headers, what still comes is thrown away."""
        if isinstance(error, TooLarge):
            await self._linger()
            self._over = False
        self._timer = None  # it may have run out: the page has the time that it takes
        self.more += [each for each in headers_of(error) if each[0] in _KEPT]

    async def _linger(self) -> None:
        """Read on for a moment what is thrown away: who still sends hears a broken connection, and not the answer."""
        if self._ended:
            return
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while size < LINGER_BYTES:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    size += len(cast("bytes", message.get("body", b"")))

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Answer at once."""
        head = self.scope["method"] == "HEAD"
        if status != 204:  # noqa: PLR2004 - no content, so no length of it
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self._start({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if head else body})

    def _too_large(self) -> TooLarge:
        message = f"The request has more than {self._most:,} bytes."
        hint = "send less, or raise the setting api_body_bytes" if self._most == self._all else "sign in first"
        return TooLarge(message, code="api.body_large", hint=hint)
