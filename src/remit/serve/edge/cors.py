"""Pages of other origins: only those that settings name, with credentials, and never any (Fetch standard, 3.2).

A page of an origin that is not named gets no header that would let it read the answer, and its writes are refused
(``forms``); there is no wildcard.
"""

from __future__ import annotations

from collections.abc import Mapping

from remit.serve.edge.asgi import Headers

PREFLIGHT_S = 600
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ASKED = (
    b"authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, x-api-key, "
    b"x-csrf-token, x-request-id"
)
_TOLD = (
    b"etag, link, location, remit-checkpoint, retry-after, x-ratelimit-limit-hour, x-ratelimit-limit-minute, "
    b"x-ratelimit-remaining-hour, x-ratelimit-remaining-minute, x-request-id, x-response-time"
)


class Cors:
    """Decides about origins.

    Args:
        origins: Those that are let in, as browsers write them (``https://app.example.org``).
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        """Whether pages of this origin may ask and read."""
        return origin in self._origins

    def preflight(self, headers: Mapping[bytes, bytes]) -> Headers | None:
        """The answer to a browser that asks before it asks; ``None``: this origin or method is not let in."""
        origin = headers.get(b"origin", b"")
        wanted = headers.get(b"access-control-request-method", b"").decode("latin-1")
        if not self.allows(origin) or wanted not in METHODS:
            return None
        return [
            *self.headers(origin),
            (b"access-control-allow-methods", ", ".join(METHODS).encode()),
            (b"access-control-allow-headers", _ASKED),
            (b"access-control-max-age", b"%d" % PREFLIGHT_S),
        ]

    def headers(self, origin: bytes) -> Headers:
        """What lets a page of ``origin`` read an answer; only that it varies, for any other."""
        if not self._origins:
            return []
        if not self.allows(origin):
            return [(b"vary", b"origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _TOLD),
            (b"vary", b"origin"),
        ]
