"""The way to providers of models over HTTP/1.1 (``http1``), with connections kept and shared.

No redirect is followed, no cookie kept, no proxy of the environment used; certificates are verified. An answer that
ends before its length, or before its last chunk, is never taken for a whole one.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from yarl import URL

from remit.adapters.providers.http1 import Connection, CutError, NoHttpError, Reply, SilentError, StaleError
from remit.kernel.errors import InvalidAnswer, InvalidInput, Timeout, Unavailable
from remit.kernel.ports import UpstreamAnswer, UpstreamCall

KEEPALIVE_S = 60.0  # an idle connection is closed after this
PIECE = 1 << 16  # bytes of a decompressed piece: what expands without end is passed on, and refused, piece by piece
_VISIBLE = re.compile(rb"[\x21-\x7e]+")


class _Pool:
    """The connections of one event loop."""

    __slots__ = ("_closing", "_idle", "_keepalive_s", "_live", "_loop", "_tls", "over")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, keepalive_s: float) -> None:
        self._loop = loop
        self._keepalive_s = keepalive_s
        self._idle: dict[Origin, list[Connection]] = {}
        self._live: dict[Connection, Origin] = {}
        self._tls: ssl.SSLContext | None = None
        self._closing = False
        self.over = asyncio.Event()

    def kept(self, origin: Origin) -> Connection | None:
        """One that can be asked at once: the one that was used last."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.open:
                return connection
        return None

    async def made(self, origin: Origin) -> Connection:
        """A new one.

        Raises:
            OSError: None can be made (``ssl.SSLError``, ``socket.gaierror``).
        """
        tls = None
        if origin.scheme == "https":
            tls = self._tls = self._tls or ssl.create_default_context()
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._loop, free=self._free, lost=self._lost, keepalive_s=self._keepalive_s),
            origin.host,
            origin.port,
            ssl=tls,
            server_hostname=origin.host if tls is not None else None,
        )
        self._live[connection] = origin
        return connection

    def close(self) -> None:
        """End every connection; ``over`` is set when the last has ended."""
        self._closing = True
        if not self._live:
            self.over.set()
        for connection in list(self._live):
            with suppress(RuntimeError):  # of transports whose loop can't be told any more
                connection.abort()

    def _free(self, connection: Connection) -> None:
        origin = self._live.get(connection)
        if origin is not None:
            self._idle.setdefault(origin, []).append(connection)

    def _lost(self, connection: Connection) -> None:
        origin = self._live.pop(connection, None)
        if origin is not None:
            with suppress(KeyError, ValueError):
                self._idle[origin].remove(connection)
        if self._closing and not self._live:
            self.over.set()


class Origin(NamedTuple):
    """Who is connected to."""

    scheme: str
    host: str
    port: int


class _Place(NamedTuple):
    """An address: who is connected to, what the request's line names, and its ``host``."""

    origin: Origin
    target: bytes
    host: bytes


class HttpUpstream:
    """``kernel.ports.ModelUpstream`` over sockets, from any number of event loops: each has connections of its own.

    Who ends a loop awaits ``close`` in it first: sockets of a loop that is over can't be closed in good order.

    Args:
        keepalive_s: Seconds after which an idle connection is closed.
    """

    def __init__(self, *, keepalive_s: float = KEEPALIVE_S) -> None:
        self._keepalive_s = keepalive_s
        self._pools: dict[asyncio.AbstractEventLoop, _Pool] = {}

    async def send(self, call: UpstreamCall) -> UpstreamAnswer:
        """Send a request; returns with the answer's head, whatever its status.

        A request that met a kept connection which its provider had closed, so that not a byte came back, is sent once
        more on a new one.

        Raises:
            InvalidInput: The address is none, or a header can't be sent.
            Unavailable: No connection, or none that lasted until the head (``Timeout``: not in time; ``InvalidAnswer``:
                what came is no HTTP).
        """
        pool = self._pools.get(asyncio.get_running_loop()) or self._open()
        place = _place(call.url)
        request = _request(place, call)
        connection = pool.kept(place.origin)
        if connection is not None:
            try:
                return await _asked(connection, request, place, call)
            except _StaleError:
                pass
        return await _asked(await _connected(pool, place, call), request, place, call)

    async def close(self) -> None:
        """Close every connection of this loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.close()
            await pool.over.wait()
        self._bury()

    def _open(self) -> _Pool:
        self._bury()
        loop = asyncio.get_running_loop()
        made = self._pools[loop] = _Pool(loop, keepalive_s=self._keepalive_s)
        return made

    def _bury(self) -> None:
        """Let go of the connections of loops that are over."""
        for loop in [each for each in self._pools if each.is_closed()]:
            self._pools.pop(loop).close()


class _StaleError(Exception):
    """A connection that was kept turned out to be closed: nothing came back for the request."""


async def _connected(pool: _Pool, place: _Place, call: UpstreamCall) -> Connection:
    try:
        async with asyncio.timeout(call.connect_s):
            return await pool.made(place.origin)
    except TimeoutError as error:
        told = f"The provider at {place.origin.host} took no connection within {call.connect_s:g} s."
        raise Timeout(told, code="model.connect") from error
    except OSError as error:
        raise _unconnected(error, place) from error


async def _asked(connection: Connection, request: bytes, place: _Place, call: UpstreamCall) -> _Answer:
    reply = connection.ask(request, call.body, silence_s=call.silence_s)
    try:
        await reply.head()
    except StaleError as error:
        raise _StaleError from error
    except (CutError, SilentError, NoHttpError) as error:
        raise _told(error, place, call) from error
    except BaseException:
        reply.close()
        raise
    return _Answer(reply, place, call)


@lru_cache(1024)
def _place(text: str) -> _Place:
    """An address as it is, without its characters being changed.

    Raises:
        InvalidInput: It is no http or https address.
    """
    try:
        url = URL(text, encoded=True)
        fits = url.scheme in {"http", "https"} and bool(url.host) and url.user is None
        target = url.raw_path_qs.encode("ascii")
        host, port = url.raw_host or "", url.port or 0
        named = f"[{host}]" if ":" in host else host
        named = named if url.is_default_port() else f"{named}:{port}"
        fits = fits and _VISIBLE.fullmatch(target) is not None and _VISIBLE.fullmatch(named.encode("ascii")) is not None
    except ValueError:
        fits, host, port, named, target, url = False, "", 0, "", b"", URL()
    if not fits:
        message = "The address of a provider is no http or https address without a user in it."
        raise InvalidInput(message, code="model.address", hint="remit providers list")
    return _Place(Origin(url.scheme, host, port), target, named.encode("ascii"))


def _request(place: _Place, call: UpstreamCall) -> bytes:
    """The request's line and headers.

    Raises:
        InvalidInput: A header's value would end its line.
    """
    names = {name.lower() for name, _ in call.headers}
    parts = [f"{call.method} ".encode(), place.target, b" HTTP/1.1\r\n"]
    if "host" not in names:
        parts += (b"host: ", place.host, b"\r\n")
    if "accept-encoding" not in names:
        parts.append(b"accept-encoding: identity\r\n")
    head = "".join([f"{name}: {value}\r\n" for name, value in call.headers]).encode("utf-8", "surrogateescape")
    if head.count(b"\n") != len(call.headers) or head.count(b"\r") != len(call.headers) or b"\0" in head:
        message = "A header for a provider holds the end of a line, so it can't be sent."
        raise InvalidInput(message, code="model.header", hint="remit providers list")
    parts.append(head)
    if call.body or call.method != "GET":
        parts.append(b"content-length: %d\r\n" % len(call.body))
    parts.append(b"\r\n")
    return b"".join(parts)


def _unconnected(error: OSError, place: _Place) -> Unavailable:
    """Why there is no connection; it names the host and nothing else of the request."""
    at = f"The provider at {place.origin.host}"
    match error:
        case socket.gaierror():
            return Unavailable(f"{at} can't be found: its name has no address.", code="model.name")
        case ssl.SSLError():
            return Unavailable(f"{at} has no certificate that can be trusted.", code="model.certificate")
        case _:
            why = error.strerror or "refused"
            return Unavailable(f"{at} takes no connection: {why}.", code="model.unreachable")


def _told(error: BaseException, place: _Place, call: UpstreamCall) -> Unavailable:
    """What became of an answer; it names the host and nothing else of the request."""
    at = f"The provider at {place.origin.host}"
    match error:
        case SilentError():
            return Timeout(f"{at} sent nothing for {call.silence_s:g} s.", code="model.silent")
        case NoHttpError():
            return InvalidAnswer(f"{at} answered with what is no HTTP.", code="model.http")
        case _:
            return Unavailable(f"{at} cut the connection before the end of its answer.", code="model.cut")


class _Answer:
    """An answer whose head is there."""

    __slots__ = ("_call", "_place", "_reply", "headers", "status")

    def __init__(self, reply: Reply, place: _Place, call: UpstreamCall) -> None:
        self._reply = reply
        self._place = place
        self._call = call
        self.status = reply.status
        self.headers = reply.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed."""
        unpack = _unpacking(self.headers.get("content-encoding", ""), self._place)
        read = self._reply.read
        try:
            if unpack is None:
                while piece := await read():
                    yield piece
                return
            while piece := await read():
                for plain in unpack.feed(piece):
                    yield plain
        except (CutError, SilentError, NoHttpError) as error:
            raise _told(error, self._place, self._call) from error
        except zlib.error as error:
            raise _unreadable(self._place) from error
        if not unpack.whole:
            raise _told(CutError(), self._place, self._call)

    async def close(self) -> None:
        """Let go of it; what has not been read ends the connection."""
        self._reply.close()


class _Unpacking:
    """gzip or deflate that comes in pieces, of several members as well."""

    __slots__ = ("_begun", "_inflate", "whole")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(47)  # 32 + 15: gzip or zlib, whichever it turns out to be
        self._begun = False
        self.whole = True

    def feed(self, data: bytes) -> list[bytes]:
        """What ``data`` adds, in pieces of at most 64 KiB each."""
        plain: list[bytes] = []
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(47)
            piece = self._inflate.decompress(data, PIECE)
            if piece:
                plain.append(piece)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
        self.whole = self._inflate.eof
        return plain


def _unpacking(encoding: str, place: _Place) -> _Unpacking | None:
    """What undoes a compression that was not asked for; ``None``: there is none."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Unpacking()
        case _:
            raise _unreadable(place)


def _unreadable(place: _Place) -> InvalidAnswer:
    at = f"The provider at {place.origin.host}"
    message = f"{at} compressed its answer in a way that was not asked for and can't be undone."
    return InvalidAnswer(message, code="model.encoding")
