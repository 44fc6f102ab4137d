"""The way to providers of models over HTTP/1.1: aiohttp, with connections kept and shared.

No redirect is followed, no cookie kept, no proxy of the environment used; certificates are verified. An answer that
ends before its length, or before its last chunk, is never taken for a whole one.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from io import BytesIO
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from remit.kernel.errors import InvalidAnswer, InvalidInput, Timeout, Unavailable
from remit.kernel.ports import UpstreamAnswer, UpstreamCall

KEEPALIVE_S = 60.0  # an idle connection is closed after this
PIECE = 1 << 16  # bytes of a decompressed piece: what expands without end is passed on, and refused, piece by piece


class _Handler(ResponseHandler):
    """One connection: knows how many requests it carried, and whether anything came back for the last."""

    asked = 0
    heard = False

    def data_received(self, data: bytes) -> None:
        self.heard = True
        super().data_received(data)


class _StaleError(Exception):
    """A connection that was kept turned out to be closed: nothing came back for the request."""


_ENDS = frozenset("\r\n\0")  # what would begin another header, or end this one early


_AUTOMATIC = ("User-Agent", "Content-Type", "Accept")  # headers that aiohttp would add, and that are not sent
_SKIPPED: Any = frozenset(_AUTOMATIC)


class _Request(aiohttp.ClientRequest):
    def update_auto_headers(self, skip_auto_headers: Any) -> None:  # noqa: ARG002 - the same for every request
        """Adds none: those that are not skipped stand among the session's own."""
        self._skip_auto_headers = _SKIPPED

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """As its parent, but not on a connection on which something came that nobody had asked for."""
        handler = conn.protocol
        if handler.asked and handler.should_close:
            raise _StaleError
        handler.heard = False
        return await super().send(conn)


class _Response(aiohttp.ClientResponse):
    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """As its parent; says when it was only that a kept connection had been closed."""
        handler = connection.protocol
        kept = handler.asked > 0
        handler.asked += 1
        try:
            return await super().start(connection)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if kept and not handler.heard:
                raise _StaleError from error
            raise


class HttpUpstream:
    """``kernel.ports.ModelUpstream`` over sockets, from any number of event loops: each has connections of its own.

    Who ends a loop awaits ``close`` in it first: sockets of a loop that is over can't be closed in good order.

    Args:
        keepalive_s: Seconds after which an idle connection is closed.
    """

    def __init__(self, *, keepalive_s: float = KEEPALIVE_S) -> None:
        self._keepalive_s = keepalive_s
        self._sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, aiohttp.ClientSession]] = {}

    async def send(self, call: UpstreamCall) -> UpstreamAnswer:
        """Send a request; returns with the answer's head, whatever its status.

        A request that met a kept connection which its provider had closed, so that not a byte came back, is sent once
        more on a new one.

        Raises:
            InvalidInput: The address is none, or a header would end its line.
            Unavailable: No connection, or none that lasted until the head (``Timeout``: not in time; ``InvalidAnswer``:
                what came is no HTTP).
        """
        sessions = self._sessions.get(asyncio.get_running_loop()) or self._open()
        url = _url(call.url)
        if any(not _ENDS.isdisjoint(value) for _, value in call.headers):
            message = "A header for a provider holds the end of a line, so it can't be sent."
            raise InvalidInput(message, code="model.header", hint="remit providers list")
        try:
            try:
                response = await self._ask(sessions[0], url, call)
            except _StaleError:
                response = await self._ask(sessions[1], url, call)
        except (aiohttp.ClientError, TimeoutError, OSError, _StaleError, ValueError) as error:
            raise _told(error, url, call) from error
        return _Answer(response, url, call)

    async def close(self) -> None:
        """Close every connection of this loop."""
        loop = asyncio.get_running_loop()
        for session in self._sessions.pop(loop, ()):
            await session.close()
        self._bury()

    async def _ask(self, session: aiohttp.ClientSession, url: URL, call: UpstreamCall) -> aiohttp.ClientResponse:
        return await session.request(
            call.method,
            url,
            # aiohttp wants to read what is large bit by bit, so that other calls have their turn.
            data=BytesIO(call.body) if len(call.body) > PIECE else call.body or None,
            headers=call.headers,
            timeout=_patience(call.connect_s, call.silence_s),
            allow_redirects=False,
        )

    def _open(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        """The sessions of this loop: one that keeps connections, one that makes a new one each time."""
        self._bury()
        loop = asyncio.get_running_loop()
        made = (_session(loop, keepalive_s=self._keepalive_s), _session(loop, keepalive_s=None))
        self._sessions[loop] = made
        return made

    def _bury(self) -> None:
        """Let go of the sessions of loops that are over."""
        for loop in [each for each in self._sessions if each.is_closed()]:
            for session in self._sessions.pop(loop):
                connector = session.connector
                session.detach()
                with suppress(RuntimeError):  # of transports whose loop can't be told any more
                    if connector is not None:
                        connector.close()


def _session(loop: asyncio.AbstractEventLoop, *, keepalive_s: float | None) -> aiohttp.ClientSession:
    if keepalive_s is None:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
    else:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_s)
    # The one private name of aiohttp here: what makes the protocol of a connection (tests hold it to that).
    factory: Any = partial(_Handler, loop=loop)
    connector._factory = factory  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(loop=loop),
        auto_decompress=False,
        trust_env=False,
        request_class=_Request,
        response_class=_Response,
        skip_auto_headers=_AUTOMATIC,
        headers={"accept-encoding": "identity"},
    )
    session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - ours does that
    return session


@lru_cache(64)
def _patience(connect_s: float, silence_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=silence_s)


@lru_cache(1024)
def _url(text: str) -> URL:
    """An address as it is, without its characters being changed.

    Raises:
        InvalidInput: It is no http or https address.
    """
    try:
        url = URL(text, encoded=True)
        fits = url.scheme in {"http", "https"} and bool(url.host) and url.user is None
    except ValueError:
        url, fits = URL(), False
    if not fits:
        message = "The address of a provider is no http or https address without a user in it."
        raise InvalidInput(message, code="model.address", hint="remit providers list")
    return url


def _told(error: BaseException, url: URL, call: UpstreamCall) -> Unavailable:  # noqa: PLR0911 - one row each
    """An error of the client as ours; it names the host and nothing else of the request."""
    at = f"The provider at {url.host}"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Timeout(f"{at} took no connection within {call.connect_s:g} s.", code="model.connect")
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return Timeout(f"{at} sent nothing for {call.silence_s:g} s.", code="model.silent")
        case aiohttp.ClientConnectorDNSError():
            return Unavailable(f"{at} can't be found: its name has no address.", code="model.name")
        case aiohttp.ClientSSLError():
            return Unavailable(f"{at} has no certificate that can be trusted.", code="model.certificate")
        case aiohttp.ClientConnectorError():
            told = f"{at} takes no connection: {error.strerror or 'refused'}."
            return Unavailable(told, code="model.unreachable", hint="remit providers list, then providers test NAME")
        case aiohttp.ClientResponseError() | ValueError():
            return InvalidAnswer(f"{at} answered with what is no HTTP.", code="model.http")
        case _:
            return Unavailable(f"{at} cut the connection before the end of its answer.", code="model.cut")


class _Answer:
    """An answer whose head is there."""

    __slots__ = ("_call", "_response", "_url", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, url: URL, call: UpstreamCall) -> None:
        self._response = response
        self._url = url
        self._call = call
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed: all that came before its end, whatever that end is."""
        unpack = _unpacking(self.headers.get("content-encoding", ""), self._url)
        content = self._response.content
        broken: Exception | None = None
        try:
            while True:
                try:
                    piece = await content.readany()
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    piece, broken = _unread(content), error
                if piece and unpack is None:
                    yield piece
                elif piece and unpack is not None:
                    for plain in unpack.feed(piece):
                        yield plain
                if broken is not None:
                    raise _told(broken, self._url, self._call) from broken
                if not piece:
                    break
        except zlib.error as error:
            raise _unreadable(self._url) from error
        if unpack is not None and not unpack.whole:
            raise _told(aiohttp.ClientPayloadError(), self._url, self._call)

    async def close(self) -> None:
        """Let go of it; what has not been read ends the connection."""
        self._response.close()


def _unread(content: aiohttp.StreamReader) -> bytes:
    """What came before a body broke off and was not read yet: aiohttp keeps it, but tells of the break first."""
    cast("Any", content).set_exception(None)
    return content.read_nowait()


class _Unpacking:
    """gzip or deflate that comes in pieces, of several members as well."""

    __slots__ = ("_begun", "_inflate", "whole")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(47)  # 32 + 15: gzip or zlib, whichever it turns out to be
        self._begun = False
        self.whole = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` adds, in pieces of at most 64 KiB each, one by one: it may be a thousand times as much."""
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(47)
            piece = self._inflate.decompress(data, PIECE)
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
        self.whole = self._inflate.eof


def _unpacking(encoding: str, url: URL) -> _Unpacking | None:
    """What undoes a compression that was not asked for; ``None``: there is none."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Unpacking()
        case _:
            raise _unreadable(url)


def _unreadable(url: URL) -> InvalidAnswer:
    message = f"The provider at {url.host} compressed its answer in a way that was not asked for and can't be undone."
    return InvalidAnswer(message, code="model.encoding")
