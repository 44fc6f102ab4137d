"""The way to a tool server over HTTP, bounded: no message of it may be longer than one of a program's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import httpx2

from remit.adapters.mcp.program import MOST_MESSAGE

_EVENTS = "text/event-stream"
_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")  # of an event (HTML, 9.2.6)
_LONGEST_END = 4


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """Ends a connection whose server sends too much at once, or compressed, which was not asked for."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """As its base's.

        Raises:
            httpx2.RemoteProtocolError: The answer is compressed; or, while it is read, too long.
        """
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            await response.aclose()
            message = "the tool server compressed its answer, which was not asked for"
            raise httpx2.RemoteProtocolError(message, request=request)
        events = response.headers.get("content-type", "").lower().startswith(_EVENTS)
        response.stream = _Counted(cast("httpx2.AsyncByteStream", response.stream), events=events)
        return response


class _Counted(httpx2.AsyncByteStream):
    """The bytes of an answer, or of each of its events, counted as they come."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, events: bool) -> None:
        self._stream = stream
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, before = 0, b""
        async for piece in self._stream:
            size += len(piece)
            if self._events:
                seen = before + piece
                if (end := max(seen.rfind(each) for each in _ENDS)) >= 0:
                    size = len(seen) - end
                before = seen[-_LONGEST_END:]
            if size > MOST_MESSAGE:
                message = f"the tool server sent a message of more than {MOST_MESSAGE} bytes"
                raise httpx2.RemoteProtocolError(message)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
