"""The ids of a request, in and out: ``X-Request-ID``, and the W3C's trace context (``traceparent``, level 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from remit.kernel.entropy import random_bytes
from remit.kernel.ids import is_id, new_id
from remit.serve.edge.asgi import Headers

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """A request's ids.

    Attributes:
        request_id: The one that the client sent, if it is a UUID; a new one otherwise.
        trace: The trace that the client said it belongs to (32 hexadecimal digits); empty: it begins here.
        span: This request's span.
        flags: The client's (01: sampled).
    """

    request_id: str
    trace: str
    span: str
    flags: str

    @property
    def headers(self) -> Headers:
        """What the answer says of them."""
        trace = self.trace or self.request_id.replace("-", "")
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"traceparent", f"00-{trace}-{self.span}-{self.flags}".encode()),
        ]


def read_trace(headers: Mapping[bytes, bytes]) -> Trace:
    """The ids that a request brings, and new ones for those that it does not."""
    asked = headers.get(b"x-request-id", b"").decode("latin-1").lower()
    request_id = asked if is_id(asked) else new_id()
    span = random_bytes(8).hex()
    found = _PARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1").strip())
    if found is None:
        return Trace(request_id, "", span, "00")
    version, trace, parent, flags, more = found.groups()
    void = version == "ff" or (version == "00" and more) or not trace.strip("0") or not parent.strip("0")
    return Trace(request_id, "", span, "00") if void else Trace(request_id, trace, span, flags)
