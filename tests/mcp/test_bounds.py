"""Tool servers over HTTP that send without end: the connection is over before the memory is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from remit.adapters.mcp.program import MOST_MESSAGE
from remit.adapters.mcp.upstream import Target, Upstream
from remit.kernel.errors import Unavailable

PIECE = 1 << 18
ENDLESS = 40 * MOST_MESSAGE
KINDS = {
    "document": ("application/json", b'{"jsonrpc":"2.0","id":0,"result":{"x":"', "identity"),
    "event": ("text/event-stream", b"event: message\ndata: ", "identity"),
    "bomb": ("application/json", b"", "gzip"),
}


class Flood:
    """What answers every request with one message that does not end."""

    def __init__(self, kind: str) -> None:
        self.type, self.begin, self.encoding = KINDS[kind]
        self.piece = gzip.compress(b" " * (64 * PIECE)) if kind == "bomb" else b"x" * PIECE
        self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {self.type}\r\ncontent-encoding: {self.encoding}\r\n"
            writer.write(head.encode() + b"connection: close\r\n\r\n" + self.begin)
            while self.sent < ENDLESS:
                writer.write(self.piece)
                self.sent += len(self.piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def flooding(kind: str) -> AsyncGenerator[tuple[Flood, str]]:
    flood = Flood(kind)
    server = await asyncio.start_server(flood.serve, "127.0.0.1", 0)
    async with server:
        yield flood, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_without_end_ends_the_connection(kind: str) -> None:
    async with flooding(kind) as (flood, url):
        upstream = Upstream(Target("flood", url=url))
        with pytest.raises(Unavailable):
            await upstream.open()
        await upstream.close()
    assert flood.sent < 3 * MOST_MESSAGE, "it was read on"
