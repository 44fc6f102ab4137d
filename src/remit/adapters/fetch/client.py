"""One request and its answer over one pinned connection: no redirects, no cookies, no proxies, nothing kept."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpcore

from remit.adapters.fetch.backend import Dial, PinnedBackend
from remit.adapters.fetch.decoding import Body
from remit.adapters.fetch.resolving import Resolve
from remit.guard.fetching import FetchTerms
from remit.kernel.errors import Failed, Unavailable
from remit.kernel.permits import first_byte
from remit.kernel.urls import Url

ACCEPT = "text/html, application/xhtml+xml, application/json;q=0.9, application/xml;q=0.9, text/*;q=0.8, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. ``body`` is decompressed."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header, by its name in lower case."""
        return [value for known, value in self.headers if known == name]

    def header(self, name: str) -> str:
        """The first value of a header; empty when there is none."""
        return next(iter(self.all(name)), "")


@dataclass(frozen=True, slots=True)
class Network:
    """How connections are made: names, sockets, trust."""

    resolve: Resolve
    dial: Dial
    trust: ssl.SSLContext


def trusting(terms: FetchTerms) -> ssl.SSLContext:
    """TLS with certificates checked against the system's authorities, and the operator's own.

    Raises:
        Failed: The file of authorities can't be read.
    """
    context = ssl.create_default_context()
    if terms.ca_file:
        try:
            context.load_verify_locations(cafile=terms.ca_file)
        except OSError as error:  # ssl.SSLError is one
            message = f"The authorities in {terms.ca_file} can't be read: {error.strerror or error}."
            raise Failed(message, code="fetch.trust", hint="correct the setting fetch_ca") from error
    return context


async def exchange(
    url: Url,
    *,
    method: str,
    headers: Mapping[str, str],
    terms: FetchTerms,
    backend: PinnedBackend,
    trust: ssl.SSLContext,
    most: int,
    cut: bool = False,
) -> Answer:
    """Ask once. The caller bounds the time.

    Args:
        url: What.
        method: ``GET`` or ``HEAD``.
        headers: Sent beside the fetcher's own, references resolved.
        terms: The User-Agent header.
        backend: The connection to be made.
        trust: For https.
        most: Bytes of a body.
        cut: Whether a longer one is cut; else it is an error.

    Raises:
        Denied: The address may not be reached.
        Failed: The answer is none, or its body too large. Unavailable: No connection, or it was lost.
    """
    accepts = any(name.lower() == "accept" for name in headers)
    lines = [
        ("Host", url.authority),
        ("User-Agent", terms.user_agent),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "close"),
        *(() if accepts else (("Accept", ACCEPT),)),
        *headers.items(),
    ]
    place = httpcore.URL(
        scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode("ascii")
    )
    request = httpcore.Request(method.encode(), place, headers=[(n.encode(), v.encode("ascii")) for n, v in lines])
    connection = httpcore.AsyncHTTPConnection(place.origin, ssl_context=trust, network_backend=backend)
    try:
        response = await connection.handle_async_request(request)
        try:
            first_byte()
            return await _read(response, method=method, most=most, cut=cut)
        finally:
            await response.aclose()
    except (httpcore.ProtocolError, UnicodeDecodeError) as error:
        message = f"{url.host} does not speak HTTP as it should: {str(error)[:200]}."
        raise Failed(message, code="fetch.protocol", hint="check the address") from error
    except (OSError, httpcore.NetworkError) as error:
        message = f"The connection to {url.host} was lost: {type(error).__name__}."
        raise Unavailable(message, code="fetch.connection") from error
    finally:
        await connection.aclose()


async def _read(response: httpcore.Response, *, method: str, most: int, cut: bool) -> Answer:
    headers = [(name.decode("ascii").lower(), _decoded(value)) for name, value in response.headers]
    told = next((value for name, value in headers if name == "content-length"), "")
    codings = [value for name, value in headers if name == "content-encoding"]
    if method == "HEAD":
        return Answer(response.status, headers, b"")
    if told.isdecimal() and len(told) < 20 and int(told) > most and not cut:  # noqa: PLR2004 - digits of 2^64
        message = f"The page is {told} bytes long; at most {most} are read."
        raise Failed(message, code="fetch.too_large", hint="fetch a smaller page, or raise the setting fetch_bytes")
    body = Body(", ".join(codings), most=most, cut=cut)
    async for chunk in response.aiter_stream():
        body.feed(chunk)
        if body.full:
            break
    return Answer(response.status, headers, body.whole())


def _decoded(value: bytes) -> str:
    """Header values are ASCII; UTF-8 is met in Location, anything else is taken byte by byte."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
