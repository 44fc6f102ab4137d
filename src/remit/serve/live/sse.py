"""A stream as server-sent events: a response that is pure ASGI and ends when either side does."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.responses import Response

from remit.serve.live.stream import LAST, LAST_WORD_S, Stream

type Scope = MutableMapping[str, Any]
type Received = MutableMapping[str, Any]

MEDIA_TYPE = "text/event-stream"
#: Milliseconds after which a browser comes back; it tells us the last number by itself.
RETRY = b"retry: 2000\n\n"
BEAT = b": beat\n\n"


class EventStream(Response):
    """The response over an opened stream, which it closes.

    Args:
        opened: What ``Hub.watch`` gave, entered already; it is left at the end.
        stream: The stream in it.
    """

    media_type = MEDIA_TYPE

    def __init__(self, opened: AbstractAsyncContextManager[Stream], stream: Stream) -> None:
        super().__init__(
            headers={"cache-control": "no-store", "x-accel-buffering": "no", "content-encoding": "identity"}
        )
        del self.headers["content-length"]
        self._opened = opened
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG002 - ASGI's own
        """Send until the stream ends, the reader goes away, or they don't take the last word in time."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        late = asyncio.create_task(self._late())
        try:
            await asyncio.wait({sending, leaving, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving, late):
                task.cancel()
            await asyncio.gather(sending, leaving, late, return_exceptions=True)
            await self._opened.__aexit__(None, None, None)

    async def _send(self, send: Any) -> None:  # noqa: ANN401 - ASGI's own
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        async for batch in self._stream.messages():
            body = b"".join(each.sse for each in batch) if batch else BEAT
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if batch and batch[-1].kind in LAST:
                break
        await send({"type": "http.response.body", "body": b""})

    async def _late(self) -> None:
        """A reader who was let go and still takes nothing is cut off."""
        await self._stream.slow.wait()
        await asyncio.sleep(LAST_WORD_S)


async def _left(receive: Any) -> None:  # noqa: ANN401 - ASGI's own
    while (await receive())["type"] != "http.disconnect":
        pass


async def opened_stream(opened: AbstractAsyncContextManager[Stream]) -> EventStream:
    """The response over a stream; what refuses it is raised here, as of any other route.

    Raises:
        RemitError: As ``Hub.watch``.
    """
    return EventStream(opened, await opened.__aenter__())
