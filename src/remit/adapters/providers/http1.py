"""HTTP/1.1 as a client of providers needs it: one request and its answer at a time on a connection that is kept.

Plain ``asyncio`` transports and llhttp's parser (``httptools``, which the gateway's own server stands on too). A client
library's request, headers and response objects cost a call twice as much as everything here together.

An answer ends where its length, its last chunk or (without either) the connection ends; anything else is a cut. What
comes on a connection after an answer's end, or unasked, ends the connection and is nobody's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools  # pyright: ignore[reportMissingTypeStubs]

MOST_HEAD = 64 << 10  # bytes before a head must be whole
MOST_AHEAD = 256 << 10  # bytes that are read before whoever asked takes them
_SWITCHING = 101
_OK = 200


class CutError(Exception):
    """The connection ended before the answer did."""


class StaleError(CutError):
    """It was a connection that had been kept, and nothing came back: it had been closed before it was asked."""


class SilentError(Exception):
    """Nothing came for too long."""


class NoHttpError(Exception):
    """What came is no HTTP."""


class Reply:
    """An answer while it comes.

    Attributes:
        status: Its status; 0 until its head is there.
        headers: Its headers, names in lower case; of one that stands twice the last.
    """

    __slots__ = ("_connection", "_error", "_pieces", "_size", "_waiter", "_whole", "headers", "heard", "status")

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.heard = False
        self._connection: Connection | None = connection
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._whole = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait until status and headers are there.

        Raises:
            CutError: The connection ended before. SilentError: Nothing came. NoHttpError: Something else came.
        """
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """What has come of the body since; empty at its end.

        Raises:
            CutError, SilentError, NoHttpError: As ``head``.
        """
        while not self._pieces:
            if self._whole:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._connection is not None:
            self._connection.resume()
        return data

    def close(self) -> None:
        """Let go of it; what has not come yet ends the connection."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _wait(self) -> None:
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    # --------------------------------------------------------------------------------------- the connection's side

    def add(self, piece: bytes) -> bool:
        """The next bytes of the body; whether there are many that nobody took."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size > MOST_AHEAD

    def end(self) -> None:
        """The answer is whole."""
        self._whole = True
        self._connection = None

    def fail(self, error: Exception) -> None:
        """It will never be."""
        if not self._whole:
            self._error = error
        self._connection = None

    def wake(self) -> None:
        """Tell who waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection to a provider.

    Args:
        loop: Whose it is.
        free: Called when it may be asked again.
        lost: Called when it is over.
        keepalive_s: Seconds after which it is closed when nobody asks.
    """

    __slots__ = (
        *("_asked", "_deadline", "_free", "_head_bytes", "_headers", "_keepalive_s", "_loop", "_lost", "_parser"),
        *("_paused", "_reply", "_silence_s", "_timer", "_transport", "_unsent", "_until_end", "open"),
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        free: Callable[[Connection], None],
        lost: Callable[[Connection], None],
        keepalive_s: float,
    ) -> None:
        self.open = False
        self._loop = loop
        self._free = free
        self._lost = lost
        self._keepalive_s = keepalive_s
        self._transport: asyncio.Transport
        self._parser: Any = None
        self._reply: Reply | None = None
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._asked = 0
        self._paused = False
        self._until_end = False
        self._silence_s = 0.0
        self._deadline = 0.0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, request: bytes, body: bytes, *, silence_s: float) -> Reply:
        """Send a request; its answer, which is still to come."""
        self._reply = reply = Reply(self)
        self._parser = httptools.HttpResponseParser(self)
        self._headers = {}
        self._head_bytes = 0
        self._until_end = False
        self._asked += 1
        self._silence_s = silence_s
        if len(body) > MOST_HEAD:
            self._transport.write(request)
            self._transport.write(body)
        else:
            self._transport.write(request + body)
        self._unsent = self._transport.get_write_buffer_size()
        self._watch(silence_s)
        return reply

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """End it now."""
        self.open = False
        self._transport.abort()

    # --------------------------------------------------------------------------------------------------------- time

    def _watch(self, seconds: float) -> None:
        """Look after so many seconds, or before: a timer that is due earlier looks again."""
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        left = self._deadline - self._loop.time()
        unsent = self._transport.get_write_buffer_size()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._reply is None:
            self.abort()
        elif unsent < self._unsent or self._paused:  # it still takes our request, or we don't take its answer
            self._unsent = unsent
            self._watch(self._silence_s)
        else:
            self._fail(SilentError())

    # ----------------------------------------------------------------------------------------- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's
        self.open = True

    def data_received(self, data: bytes) -> None:
        """As asyncio's."""
        reply = self._reply
        if reply is None:
            self.abort()  # nobody asked
            return
        reply.heard = True
        self._deadline = self._loop.time() + self._silence_s
        if not reply.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError):
            self._fail(NoHttpError())
            reply.wake()
            return
        if not reply.status and self._head_bytes > MOST_HEAD:
            self._fail(NoHttpError())
        reply.wake()

    def eof_received(self) -> bool:
        """As asyncio's: what is read until the end is whole now."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio's."""
        self.open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reply, self._reply = self._reply, None
        if reply is not None:
            if exc is None and self._until_end and reply.status:
                reply.end()
            else:
                reply.fail(StaleError() if self._asked > 1 and not reply.heard else CutError())
            reply.wake()
        self._lost(self)

    def _fail(self, error: Exception) -> None:
        reply, self._reply = self._reply, None
        self.abort()
        if reply is not None:
            reply.fail(error)
            reply.wake()

    # -------------------------------------------------------------------------------------------- the parser's side

    def on_message_begin(self) -> None:
        """A second answer to one request is nobody's."""
        if self._reply is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there; one that only says to wait is passed over."""
        status: int = self._parser.get_status_code()
        headers, self._headers = self._headers, {}
        reply = self._reply
        if reply is None or (status < _OK and status != _SWITCHING):
            return
        reply.status = status
        reply.headers = headers
        self._until_end = "content-length" not in headers and "transfer-encoding" not in headers

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        reply = self._reply
        if reply is not None and reply.add(body) and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The end; the connection can be asked again, if it is to be kept."""
        reply = self._reply
        if reply is None or not reply.status:
            return
        self._reply = None
        reply.end()
        self.resume()
        if not self.open or not self._parser.should_keep_alive():
            self.abort()
            return
        self._watch(self._keepalive_s)
        self._free(self)
