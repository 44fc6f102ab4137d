"""One stream: first what its reader missed, then what comes, in one order; bounded, whoever reads it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import orjson

from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.missions.events import Event

#: What may wait for one reader: beyond, it is let go.
MOST_WAITING = 512
#: Seconds of silence after which something is sent all the same, so that both ends know the other is there.
BEAT_S = 15.0
#: Seconds that a reader who was let go has to take the last word.
LAST_WORD_S = 5.0


class Kind(StrEnum):
    """What a message is."""

    READY = "ready"  # the first: the number that the stream begins after
    ENTRY = "entry"  # an event; only these have numbers
    STATE = "state"  # where a step stands
    RESET = "reset"  # the number asked for is beyond the log: what was seen before does not count
    DROPPED = "dropped"  # the reader was too slow; come back with the number of the last event
    GONE = "gone"  # the reader may not watch any more
    END = "end"  # the server stops, or nothing more was asked for


LAST = frozenset({Kind.DROPPED, Kind.GONE, Kind.END})


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. ``number``: an event's; -1: none. ``data``: JSON."""

    kind: Kind
    data: bytes
    number: int = -1

    @property
    def sse(self) -> bytes:
        """As a server-sent event (HTML Living Standard, 9.2)."""
        numbered = b"id: %d\n" % self.number if self.number >= 0 or self.kind is Kind.READY else b""
        return b"%sevent: %s\ndata: %s\n\n" % (numbered, self.kind.value.encode(), self.data)

    @property
    def text(self) -> str:
        """As a message over WebSocket."""
        number = b'"id":%d,' % self.number if self.number >= 0 else b""
        return (b'{%s"event":"%s","data":%s}' % (number, self.kind.value.encode(), self.data)).decode()


def message(kind: Kind, number: int = -1, /, **data: Json) -> Message:
    """A message of these members."""
    return Message(kind, orjson.dumps(data), number)


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who watches what.

    Attributes:
        principal: Who.
        workspace: Where.
        session: The session, token or key that they showed; asked again while the stream is open.
        mission: Only this mission's; empty: every one's.
        kinds: Only events whose action begins so (``approval``); none: all.
        after: The number of the last event they saw; ``None``: from now on.
        follow: Whether to go on with what comes; else the stream ends where the log ends.
    """

    principal: Principal
    workspace: str
    session: str = ""
    mission: str = ""
    kinds: tuple[str, ...] = ()
    after: int | None = None
    follow: bool = True


class Teller(Protocol):
    """Who knows what a stream missed: the hub."""

    def missed(self, stream: Stream) -> AsyncIterator[list[Message]]:
        """What it has to be told before what comes; at the end it is told what comes."""
        ...


@dataclass(eq=False, slots=True)
class Stream:
    """Made by the hub, read by one connection with ``messages``."""

    hub: Teller
    watcher: Watcher
    waiting: deque[Message] = field(default_factory=deque[Message])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    after: int = -1  # the number up to which everything was handed over
    attached: bool = False
    over: bool = False
    slow: asyncio.Event = field(default_factory=asyncio.Event)  # set when it is let go while it does not read

    def wants(self, event: Event) -> bool:
        """Whether an event is for this reader."""
        return event.about(self.watcher.mission, self.watcher.kinds)

    def push(self, found: Message) -> None:
        """Hand over a message; never waits. A reader behind by too much is let go."""
        if self.over:
            return
        if len(self.waiting) >= MOST_WAITING:
            self.finish(Kind.DROPPED, why="slow")
            return
        self.waiting.append(found)
        self.arrived.set()

    def finish(self, kind: Kind, **why: Json) -> None:
        """The last word; what waited is not sent any more but after a proper end: the reader comes back for it."""
        if self.over:
            return
        self.over = True
        if kind is not Kind.END:
            self.waiting.clear()
        self.waiting.append(message(kind, **why))
        self.arrived.set()
        self.slow.set()

    async def messages(self) -> AsyncIterator[list[Message]]:
        """What to send, in order, several at once when several are there; an empty list is a heartbeat.

        Ends after a last word.
        """
        async for batch in self.hub.missed(self):
            if self.over:
                break
            yield batch
        while True:
            if not self.waiting:
                self.arrived.clear()
                try:
                    async with asyncio.timeout(BEAT_S):
                        await self.arrived.wait()
                except TimeoutError:
                    yield []
                    continue
            batch = list(self.waiting)
            self.waiting.clear()
            yield batch
            if batch[-1].kind in LAST:
                return
