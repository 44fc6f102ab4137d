"""What the gateway itself says: errors in the client's protocol, and the headers that every answer of it carries."""

from __future__ import annotations

from remit.kernel.effects import Wire
from remit.kernel.errors import RemitError, TooLarge
from remit.models.wire.errors import ANTHROPIC, error_body
from remit.serve.gateway.asgi import Headers, Send, send_whole

_UNREAD = frozenset({"gateway.body_slow", "gateway.bodies"})


def ours(wire: Wire, request_id: str) -> Headers:
    """The header by which a client's report finds our logs."""
    return [(b"request-id" if wire in ANTHROPIC else b"x-request-id", request_id.encode())]


async def failed(
    send: Send,
    wire: Wire,
    error: RemitError,
    *,
    request_id: str,
    status: int | None = None,
    more: Headers | None = None,
) -> None:
    """Tell an error as the client's SDK expects it.

    Args:
        send: ASGI's.
        wire: The client's protocol.
        error: What went wrong.
        request_id: This request's.
        status: Instead of the status that the error has by its kind.
        more: More headers.
    """
    own, told, body = error_body(wire, error, request_id=request_id)
    headers: Headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told]
    headers.append((b"x-remit-code", error.code.encode("latin-1", "replace")))
    action = getattr(error, "decision_id", None)
    if action:
        headers.append((b"x-remit-action", str(action).encode()))
    if isinstance(error, TooLarge) or error.code in _UNREAD:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send_whole(send, status or own, headers + (more or []), body)
