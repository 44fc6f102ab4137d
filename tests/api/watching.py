"""A client of the live streams that sees exactly what comes over the wire."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal

BOT = Principal(ActorKind.SYSTEM, "remit")


@dataclass(frozen=True, slots=True)
class Got:
    """One event."""

    kind: str
    data: dict[str, Any]
    number: int | None

    @property
    def seq(self) -> int:
        assert self.number is not None
        return self.number


def parse(text: str) -> Got | None:
    """A block of an event stream; nothing for comments and settings."""
    fields = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line and not line.startswith(":"))
    if "event" not in fields:
        return None
    return Got(fields["event"], orjson.loads(fields["data"]), int(fields["id"]) if "id" in fields else None)


class Watch:
    """A stream that is read event by event."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int) -> None:
        self.reader = reader
        self.writer = writer
        self.status = status
        self.rest = ""
        self.beats = 0
        self._raw = b""

    async def blocks(self) -> AsyncIterator[str]:
        while True:
            while "\n\n" in self.rest:
                block, self.rest = self.rest.split("\n\n", 1)
                yield block
            size = await self.reader.readline()
            if not size or size.strip() == b"0":
                return
            self.rest += (await self.reader.readexactly(int(size, 16))).decode()
            await self.reader.readexactly(2)

    async def events(self) -> AsyncIterator[Got]:
        async for block in self.blocks():
            self.beats += block.startswith(":")
            found = parse(block)
            if found is not None:
                yield found

    async def take(self, many: int, *, seconds: float = 20) -> list[Got]:
        """So many entries; what else comes is left out."""
        return await self.until(lambda found: len(found) >= many, seconds=seconds)

    async def until(self, enough: Callable[[list[Got]], bool], *, seconds: float = 20) -> list[Got]:
        found: list[Got] = []
        async with asyncio.timeout(seconds):
            if enough(found):
                return found
            async for event in self.events():
                if event.kind == "entry":
                    found.append(event)
                    if enough(found):
                        break
        return found

    async def rest_of(self, *, seconds: float = 20) -> list[Got]:
        """Everything until the server ends it."""
        async with asyncio.timeout(seconds):
            return [event async for event in self.events()]


@asynccontextmanager
async def watching(
    url: str, token: str, *, query: str = "", last: int | None = None, buffer: int = 0, path: str = "/api/v1/events"
) -> AsyncIterator[Watch]:
    """A stream; ``buffer``: how little the client's side takes before it reads."""
    place = urlsplit(url)
    made = socket.socket()
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(0)
    await asyncio.get_running_loop().sock_connect(made, (place.hostname, place.port))
    reader, writer = await asyncio.open_connection(sock=made, limit=4096 if buffer else 1 << 20)
    try:
        resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
        ask = f"GET {path}{query} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n{resume}\r\n"
        writer.write(ask.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield Watch(reader, writer, int(head.split(" ")[1]))
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def entry(number: int, *, workspace: str = "default", mission: str = "", action: str = "mission.status") -> Entry:
    return Entry(
        actor=BOT,
        action=action,
        domain="missions",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=f"n{number}",
        mission=mission,
    )


async def append(store: Any, many: int, *, start: int = 0, **options: Any) -> None:
    """Entries in one transaction."""

    def op(tx: Any) -> None:
        for number in range(start, start + many):
            tx.append(entry(number, **options))

    await store.commit("mission.status", op)
