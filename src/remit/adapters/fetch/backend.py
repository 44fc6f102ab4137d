"""The network under httpcore: resolve once, judge every answer, connect to one of exactly those addresses.

Whatever library stands above, this is where a connection is made, so this is where addresses are judged. httpcore gets
the host's name for SNI and certificate; the socket is connected to the address that was judged, and nothing resolves a
second time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore

from remit.adapters.fetch.resolving import Resolve
from remit.guard.fetching import FetchTerms, address_problem
from remit.kernel.errors import Denied, Failed, RemitError, Unavailable

#: Connects a socket to an IP address and a port. Only tests have another one.
type Dial = Callable[[str, int], Awaitable[socket.socket]]

MOST_TRIED = 4  # addresses of one name
SLICE_S = 3.0  # seconds for one of several


async def dial(address: str, port: int) -> socket.socket:
    """A connected socket; ``address`` is an IP address, so nothing is looked up."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET  # noqa: PLR2004 - of IP
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)  # noqa: FBT003 - the socket module's way
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """One connection of one fetch.

    Args:
        terms: Which private networks may be reached.
        resolve: Names to addresses; asked once.
        dial: Address to socket.

    Attributes:
        address: What was connected to; empty before.
    """

    def __init__(self, terms: FetchTerms, *, resolve: Resolve, dial: Dial) -> None:
        self._terms = terms
        self._resolve = resolve
        self._dial = dial
        self.address = ""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the addresses of ``host``, all of which must be such as may be reached.

        Raises:
            Denied: One of them may not. Failed, Unavailable: The name can't be resolved, nobody listens.
        """
        del timeout, local_address, socket_options  # the whole fetch has one bound; nothing else is ever given
        addresses = await self._judged(host, port)
        refused: OSError | None = None
        for place, address in enumerate(addresses):
            last = place == len(addresses) - 1
            try:
                async with asyncio.timeout(None if last else SLICE_S):
                    made = await self._dial(address, port)
            except OSError as error:  # a slice that is over is one too
                refused = error
                continue
            self.address = address
            reader, writer = await asyncio.open_connection(sock=made)
            return PinnedStream(reader, writer)
        why = (refused.strerror or type(refused).__name__) if refused is not None else "no address"
        message = f"{host} can't be reached at {', '.join(addresses)}, port {port}: {why}."
        raise Unavailable(message, code="fetch.connect")

    async def _judged(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses: Sequence[str] = [str(ip_address(host))]
        except ValueError:
            addresses = await self._resolve(host, port)
        if not addresses:
            message = f"The name {host} has no address."
            raise Failed(message, code="fetch.unknown_host", hint="check how the address is spelled")
        for address in addresses:
            problem = address_problem(address, host, self._terms)
            if problem:
                hint = "fetch from a public host, or open its network with the setting fetch_private (docs/fetch.md)"
                raise Denied(problem, code="fetch.address", hint=hint)
        return addresses[:MOST_TRIED]

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: no address leads to one."""
        del timeout, socket_options
        message = f"Nothing is fetched from the socket {path[:80]!r}."
        raise Denied(message, code="fetch.address")

    async def sleep(self, seconds: float) -> None:
        """For httpcore's retries, of which there are none."""
        await asyncio.sleep(seconds)


class PinnedStream(httpcore.AsyncNetworkStream):
    """A connection, in the clear or within TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as above
        """What came, at most ``max_bytes``; empty at the end."""
        del timeout
        return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        """Send all of it."""
        del timeout
        self._writer.write(buffer)
        await self._writer.drain()

    async def aclose(self) -> None:
        """Close at once: nothing is owed to a server that does not close its side."""
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS; the certificate must be the host's.

        Raises:
            Failed: The certificate is not trusted, or there is no TLS.
        """
        del timeout
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except ssl.SSLError as error:
            raise _tls_failure(error, server_hostname or "the host") from error
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection: here, whether it is TLS."""
        return self._writer.get_extra_info("ssl_object") if info == "ssl_object" else None


def _tls_failure(error: ssl.SSLError, host: str) -> RemitError:
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"The certificate of {host} is not trusted: {error.verify_message}."
        hint = "check the address; an authority of your own goes into the setting fetch_ca (docs/fetch.md)"
        return Failed(message, code="fetch.certificate", hint=hint)
    message = f"{host} can't be spoken to over TLS: {error.reason or type(error).__name__}."
    return Failed(message, code="fetch.tls", hint="check scheme and port of the address")
