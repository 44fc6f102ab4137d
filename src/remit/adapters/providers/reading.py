"""Reads a provider's answer as it comes, and passes on what may go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import cast

import orjson

from remit.adapters.providers.headers import inward
from remit.kernel.canonical import Json
from remit.kernel.effects import Wire
from remit.kernel.errors import Denied, Unavailable
from remit.kernel.permits import Delivery, Head
from remit.kernel.ports import UpstreamAnswer
from remit.models.wire.answer import AnswerReader
from remit.models.wire.errors import typed

LINGER_S = 1.0  # an answer whose end was seen is waited for so long to end as HTTP, so that its connection is kept
_OK = 200


async def read_whole(
    reader: AnswerReader,
    answer: UpstreamAnswer,
    *,
    delivery: Delivery | None,
    heard: Callable[[], None],
    spoken: Wire,
) -> Mapping[str, Json]:
    """An answer of one document: read whole and judged before any of it passes on. Without a delivery, decoded."""
    async for piece in answer.chunks():
        heard()
        reader.feed(piece)
    document = reader.finish()
    _judge(reader, spoken)
    if delivery is None:
        return cast("Mapping[str, Json]", orjson.loads(document))
    await delivery.begin(Head(answer.status, inward(answer.headers)))
    await delivery.write(document)
    return {}


async def read_stream(
    reader: AnswerReader,
    answer: UpstreamAnswer,
    *,
    delivery: Delivery | None,
    heard: Callable[[], None],
    spoken: Wire,
) -> str:
    """An answer of events, each passed on as soon as it may be. Without a delivery, all of them as a text.

    What fails before anything went out can be tried again: an error event that comes first is not passed on.
    """
    onward = _Onward(delivery, Head(answer.status, inward(answer.headers)))
    pieces = answer.chunks()
    async for piece in pieces:
        heard()
        data = reader.feed(piece)
        if reader.error and not onward.begun:
            break
        await onward.write(data)
        if reader.blocked or reader.error:
            break
        if reader.complete:
            await onward.write(await _rest(pieces, reader))
            break
    if not (reader.error or reader.blocked):
        await onward.write(reader.finish())
    _judge(reader, spoken)
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


async def _rest(pieces: AsyncIterator[bytes], reader: AnswerReader) -> bytes:
    """What still comes after an answer's end, so that its connection can be kept; its lack is no failure."""
    out = b""
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(LINGER_S):
            async for piece in pieces:
                out += reader.feed(piece)
    return out
