"""Where the bytes of an answer go: to the client, as fast as it takes them, and never after it has gone.

A stream goes on piece by piece. An answer in one piece is held until the call is over, so that its head can say what
it cost; it is no longer in being held, for it is whole when its first byte passes the guard.
"""

from __future__ import annotations

import asyncio

from remit.kernel import permits
from remit.kernel.permits import Head
from remit.serve.gateway.asgi import Headers, Send

EVENTS = "text/event-stream"
HEARTBEAT = b": keep-alive\n\n"  # a comment: both SDKs pass over it
#: What a provider's answer may say about itself to a client; all else (cookies, its own network) stays here.
PASSED = frozenset(
    {"content-type", "request-id", "x-request-id", "retry-after", "x-should-retry", "openai-processing-ms"}
    | {"openai-version", "openai-model"}
)
PASSED_FAMILIES = ("x-ratelimit-", "anthropic-ratelimit-")


class ClientTap:
    """A ``kernel.permits.Tap`` over ASGI's ``send``.

    Args:
        send: ASGI's.
        own: The gateway's own headers; a provider's of the same name stand before them.

    Attributes:
        started: Whether the client has got a head: from then on errors are events of the stream.
        head: The head of an answer that is held.
        action: The action that answers; its stand-in, when another had to.
        writing: Since when (the loop's seconds) the client has not taken what was written last; 0: it has.
    """

    __slots__ = ("_held", "_own", "_send", "_time", "action", "head", "started", "writing")

    def __init__(self, send: Send, own: Headers) -> None:
        self._send = send
        self._own = own
        self._held: list[bytes] = []
        self._time = asyncio.get_running_loop().time
        self.writing = 0.0
        self.action = ""
        self.head: Head | None = None
        self.started = False

    def named(self, action: str) -> str:
        """The action that is asked next."""
        self.action = action
        return action

    async def begin(self, head: Head) -> None:
        """The answer has begun; a stream's head goes on at once, once."""
        self.action = permits.CURRENT.get() or self.action
        self.head = head
        if not self.started and _streamed(head):
            await self.start(head.status, self.headers())

    async def write(self, data: bytes) -> None:
        """The next bytes; waits while the client does not take them."""
        if not self.started:
            self._held.append(data)
        elif data:
            self.writing = self._time()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self.writing = 0.0

    async def start(self, status: int, headers: Headers) -> None:
        """Begin a stream."""
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def finish(self, last: bytes = b"") -> None:
        """End a stream, with its last bytes."""
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def beat(self) -> None:
        """A sign of life to who waits for a stream; its head goes first."""
        if not self.started:
            headers = [*self._own, (b"content-type", b"text/event-stream; charset=utf-8"), self._about()]
            await self.start(200, headers)
        await self._send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})

    def headers(self) -> Headers:
        """The headers of the answer: what the provider said that passes, and ours."""
        told = [] if self.head is None else passed(self.head)
        names = {name for name, _ in told}
        return [*told, *(each for each in self._own if each[0] not in names), self._about()]

    def _about(self) -> tuple[bytes, bytes]:
        return b"x-remit-action", self.action.encode()

    @property
    def held(self) -> bytes:
        """The answer that is held, whole; nothing of a stream is."""
        return self._held[0] if len(self._held) == 1 else b"".join(self._held)


def _streamed(head: Head) -> bool:
    return any(name == "content-type" and value.startswith(EVENTS) for name, value in head.headers)


def passed(head: Head) -> Headers:
    """What of an answer's headers reaches the client (docs/gateway.md lists them)."""
    return [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in head.headers
        if name in PASSED or name.startswith(PASSED_FAMILIES)
    ]
