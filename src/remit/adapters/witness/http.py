"""A small POST for infrastructure that a person configured: no redirects, a time limit, a bounded answer."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from remit.kernel.errors import InvalidInput, Unavailable

SECONDS = 20.0
LARGEST = 1 << 20


def post(url: str, body: bytes, *, kind: str) -> tuple[int, bytes]:
    """Status and answer.

    Raises:
        InvalidInput: The address is no http or https address.
        Unavailable: Nobody answers there, or the answer is too large.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"{url!r} is no http or https address."
        raise InvalidInput(message, code="audit.address", hint="remit audit witness --help")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname, parts.port, timeout=SECONDS)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read(LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        message = f"{parts.hostname} does not answer: {error}."
        raise Unavailable(message, code="audit.outside") from error
    finally:
        connection.close()
    if len(content) > LARGEST:
        message = f"{parts.hostname} answered with more than {LARGEST >> 20} MiB."
        raise Unavailable(message, code="audit.outside")
    return answer.status, content
