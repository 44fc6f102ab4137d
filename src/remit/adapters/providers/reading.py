"""Reads a provider's answer as it comes, and passes on what may go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from remit.adapters.providers.headers import inward
from remit.kernel.canonical import Json
from remit.kernel.effects import Wire
from remit.kernel.errors import Denied, Unavailable
from remit.kernel.permits import Delivery, Head
from remit.kernel.ports import UpstreamAnswer
from remit.models.wire.answer import AnswerReader
from remit.models.wire.errors import typed

if TYPE_CHECKING:
    from remit.adapters.providers.turning import Turn

LINGER_S = 1.0  # an answer whose end was seen is waited for so long to end as HTTP, so that its connection is kept
_OK = 200


@dataclass(frozen=True, slots=True)
class Way:
    """The way of an answer to whoever asked.

    Attributes:
        reader: Masks, meters and judges it.
        delivery: Where its bytes go; ``None``: into the outcome.
        heard: To be called when something has come.
        spoken: The interface in which the provider answers.
        turn: Turns that into the caller's, where it is another.
    """

    reader: AnswerReader
    delivery: Delivery | None
    heard: Callable[[], None]
    spoken: Wire
    turn: Turn | None = None

    def feed(self, data: bytes) -> bytes:
        """What of a stream may go on."""
        return self._turned(self.reader.feed(data))

    def finish(self) -> bytes:
        """The rest of a stream."""
        return self._turned(self.reader.finish())

    def _turned(self, data: bytes) -> bytes:
        return data if self.turn is None or not data else self.turn.feed(data)


async def read_whole(answer: UpstreamAnswer, way: Way) -> Mapping[str, Json]:
    """An answer of one document: read whole and judged before any of it passes on. Without a delivery, decoded."""
    reader, delivery = way.reader, way.delivery
    async for piece in answer.chunks():
        way.heard()
        reader.feed(piece)
    document = reader.finish()
    _judge(reader, way.spoken)
    if way.turn is not None:
        document = way.turn.whole(document)
    if delivery is None:
        return cast("Mapping[str, Json]", orjson.loads(document))
    await delivery.begin(Head(answer.status, inward(answer.headers)))
    await delivery.write(document)
    return {}


async def read_stream(answer: UpstreamAnswer, way: Way) -> str:
    """An answer of events, each passed on as soon as it may be. Without a delivery, all of them as a text.

    What fails before anything went out can be tried again: an error event that comes first is not passed on.
    """
    reader = way.reader
    onward = _Onward(way.delivery, Head(answer.status, inward(answer.headers)))
    pieces = answer.chunks()
    async for piece in pieces:
        way.heard()
        data = way.feed(piece)
        if reader.error and not onward.begun:
            break
        await onward.write(data)
        if reader.blocked or reader.error:
            break
        if reader.complete:
            await onward.write(await _rest(pieces, way))
            break
    if not (reader.error or reader.blocked):
        await onward.write(way.finish())
    _judge(reader, way.spoken)
    return onward.text


class _Onward:
    """Where the bytes of a stream go: to whoever asked, else into the outcome."""

    __slots__ = ("_delivery", "_head", "_kept")

    def __init__(self, delivery: Delivery | None, head: Head) -> None:
        self._delivery = delivery
        self._head = head
        self._kept: list[bytes] = []

    @property
    def begun(self) -> bool:
        """Whether any of it has gone out."""
        return self._delivery is not None and self._delivery.begun

    @property
    def text(self) -> str:
        """What was kept."""
        return b"".join(self._kept).decode("utf-8", "replace")

    async def write(self, data: bytes) -> None:
        """The next bytes, the head before the first."""
        if not data:
            return
        if self._delivery is None:
            self._kept.append(data)
            return
        if not self._delivery.begun:
            await self._delivery.begin(self._head)
        await self._delivery.write(data)


def _judge(reader: AnswerReader, spoken: Wire) -> None:
    """Refuse an answer that must not stand: a tool call in it, an error of its provider's, an end before its end."""
    if reader.blocked:
        message = f"A tool call in the model's answer was refused: {reader.blocked}"
        raise Denied(message, code="model.tool")
    if reader.error:
        raise typed(_OK, {}, orjson.dumps({"error": {"message": reader.error}}), spoken)
    if not reader.complete:
        message = "The provider ended its answer before the end that its interface has."
        raise Unavailable(message, code="model.cut")


async def _rest(pieces: AsyncIterator[bytes], way: Way) -> bytes:
    """What still comes after an answer's end, so that its connection can be kept; its lack is no failure."""
    out = b""
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(LINGER_S):
            async for piece in pieces:
                out += way.feed(piece)
    return out
