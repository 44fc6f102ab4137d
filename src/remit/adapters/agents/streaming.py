"""Streams of models of this process: masked while they come, piece by piece, and put together again on the other side.

Texts pass as they come, behind the masking of secrets and then the return of personal data; calls of tools and other
parts pass whole, when they are complete. A text that ends in what may be the beginning of a secret is joined with one
that follows it at once, since whoever reads puts both together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from remit.adapters.agents.library import (
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    RequestUsage,
    StreamedResponse,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from remit.adapters.agents.messages import part_json, part_of, used
from remit.kernel import permits
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO
from remit.kernel.permits import Delivery, Head, Restorer
from remit.kernel.usage import Usage
from remit.redact.redactor import Redactor
from remit.redact.stream import StreamRedactor

WAITING = 64  # pieces between the model and whoever reads
_CHARACTERS = 4  # of a token, for what nobody has counted yet
_HEAD = Head(200, (("content-type", "application/x-ndjson"),))


class Pipe:
    """A ``Tap`` whose pieces somebody in this process reads."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(WAITING)
        self._open = asyncio.Event()

    async def begin(self, head: Head) -> None:
        """The answer has begun."""
        del head
        self._open.set()

    async def write(self, data: bytes) -> None:
        """One piece; waits while whoever reads is far behind."""
        await self._room.acquire()
        self._pieces.put_nowait(cast("dict[str, Any]", orjson.loads(data)))

    def end(self) -> None:
        """Nothing more comes."""
        self._open.set()
        self._pieces.put_nowait(None)

    async def begun(self, task: asyncio.Task[Outcome]) -> None:
        """Wait until it has begun, or raise why it hasn't."""
        await self._open.wait()
        if task.done():
            task.result()

    async def pieces(self) -> AsyncIterator[dict[str, Any]]:
        """Each piece."""
        while (piece := await self._pieces.get()) is not None:
            self._room.release()
            yield piece


@dataclass(slots=True)
class _Text:
    """One text of an answer on its way out."""

    masks: StreamRedactor
    restorer: Restorer | None
    thinking: bool

    def flush(self) -> str:
        shown = self.masks.flush()
        return shown if self.restorer is None else self.restorer.feed(shown)

    @property
    def undecided(self) -> bool:
        return self.masks.owes or self.masks.held > 0

    def feed(self, text: str) -> str:
        shown = self.masks.feed(text)
        return shown if self.restorer is None else self.restorer.feed(shown)

    def finish(self) -> str:
        rest = self.masks.finish()
        return rest if self.restorer is None else self.restorer.feed(rest) + self.restorer.close()


@dataclass(slots=True)
class _Passing:
    """What passes on from one stream."""

    delivery: Delivery
    redactor: Redactor
    provider: str
    model: str
    texts: dict[int, _Text] = field(default_factory=dict[int, _Text])
    into: dict[int, int] = field(default_factory=dict[int, int])  # texts that were joined with another
    whole: dict[int, ModelResponsePart] = field(default_factory=dict[int, ModelResponsePart])
    waiting: list[tuple[int, ModelResponsePart]] = field(default_factory=list[tuple[int, ModelResponsePart]])
    characters: int = 0

    async def event(self, event: ModelResponseStreamEvent) -> None:
        match event:
            case PartStartEvent(index=index, part=TextPart() | ThinkingPart() as part):
                await self._text(index, part.content, thinking=isinstance(part, ThinkingPart))
            case PartStartEvent(index=index, part=part):
                await self._decide_texts()
                self.whole[index] = part
            case PartDeltaEvent(index=index, delta=TextPartDelta() as delta):
                await self._text(index, delta.content_delta, thinking=False)
            case PartDeltaEvent(index=index, delta=ThinkingPartDelta() as delta):
                await self._text(index, delta.content_delta or "", thinking=True)
            case PartEndEvent(index=index, part=part) if index in self.whole:
                self.whole.pop(index)
                await self._part(index, part)
            case _:
                return

    async def _text(self, index: int, text: str, *, thinking: bool) -> None:
        index = self.into.get(index, index)
        known = self.texts.get(index)
        if known is None:
            index, known = await self._begun(index, thinking=thinking)
        self.characters += len(text)
        usage = Usage(
            provider=self.provider,
            model=self.model,
            tokens_out=-(-self.characters // _CHARACTERS),
            estimated=True,
        )
        permits.spent(ZERO, usage)
        if shown := known.feed(text):
            await self._write({"i": index, "k": "thinking" if thinking else "text", "t": shown})

    async def _begun(self, index: int, *, thinking: bool) -> tuple[int, _Text]:
        """A text begins: it goes into the one before it if what is held back of that may reach over."""
        for before, text in self.texts.items():
            if text.thinking is thinking:
                if shown := text.flush():
                    await self._write({"i": before, "k": "more", "t": shown})
                if text.undecided:
                    self.into[index] = before
                    return before, text
        await self._end_texts()
        restorer = self.delivery.restorer
        masks = StreamRedactor(self.redactor, cards=True)
        known = self.texts[index] = _Text(masks, None if restorer is None else restorer(), thinking)
        await self._write({"i": index, "k": "thinking" if thinking else "text", "t": ""})
        return index, known

    async def _decide_texts(self) -> None:
        """A tool call begins: a text whose end may begin a secret goes on behind it, as one, and the call waits for it.

        All other texts end before it.
        """
        for index, text in self.texts.items():
            if shown := text.flush():
                await self._write({"i": index, "k": "more", "t": shown})
        if not any(text.undecided for text in self.texts.values()):
            await self._end_texts()

    async def _end_texts(self) -> None:
        """A part begins: what is held back of the texts before it belongs before it, and so do calls that waited."""
        for index, text in self.texts.items():
            if rest := text.finish():
                await self._write({"i": index, "k": "more", "t": rest})
        self.texts = {}
        for index, part in self.waiting:
            await self._part(index, part)
        self.waiting = []

    async def _part(self, index: int, part: ModelResponsePart) -> None:
        if self.texts:
            self.waiting.append((index, part))
            return
        shown = self.redactor.mask_tree(part_json(part), names=False, cards=True)
        await self._write({"i": index, "k": "part", "p": shown})

    async def finish(self, response: ModelResponse) -> None:
        await self._end_texts()
        for index in list(self.whole):  # parts that have no end of their own
            self.whole.pop(index)
            await self._part(index, response.parts[index])

    async def _write(self, piece: dict[str, Any]) -> None:
        if not self.delivery.begun:
            permits.first_byte()
            await self.delivery.begin(_HEAD)
        await self.delivery.write(orjson.dumps(piece))


async def pass_on(
    stream: StreamedResponse, delivery: Delivery, redactor: Redactor, *, provider: str, model: str
) -> ModelResponse:
    """Pass a model's stream on; the whole answer."""
    passing = _Passing(delivery, redactor, provider, model)
    async for event in stream:
        await passing.event(event)
    response = stream.get()
    permits.spent(ZERO, used(response.usage, provider=provider, model=model))
    await passing.finish(response)
    if not delivery.begun:
        await delivery.begin(_HEAD)
    return response


class _Ours(StreamedResponse):
    """What both kinds of streams answer alike."""

    def __init__(self, parameters: Any, *, provider: str, model: str) -> None:
        super().__init__(model_request_parameters=parameters)
        self._provider = provider
        self._model = model
        self._at = datetime.now(UTC)

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self._model

    @property
    def provider_name(self) -> str | None:
        """Who provides it."""
        return self._provider

    @property
    def provider_url(self) -> str | None:
        """Not told: agents know names, not addresses."""
        return None

    @property
    def timestamp(self) -> datetime:
        """When it was asked."""
        return self._at

    def _events(self, index: int, part: ModelResponsePart) -> Iterator[ModelResponseStreamEvent]:
        manager = self._parts_manager
        match part:
            case TextPart():
                yield from manager.handle_text_delta(vendor_part_id=index, content=part.content)
            case ThinkingPart():
                yield from manager.handle_thinking_delta(
                    vendor_part_id=index,
                    content=part.content,
                    id=part.id,
                    signature=part.signature,
                    provider_name=part.provider_name,
                )
            case ToolCallPart():
                yield manager.handle_tool_call_part(
                    vendor_part_id=index,
                    tool_name=part.tool_name,
                    args=cast("Any", part.args),
                    tool_call_id=part.tool_call_id,
                    id=part.id,
                    provider_name=part.provider_name,
                    provider_details=part.provider_details,
                )
            case _:
                yield manager.handle_part(vendor_part_id=index, part=part)


class GovernedStream(_Ours):
    """An answer that is still coming, as the guard lets it through."""

    def __init__(self, parameters: Any, *, pipe: Pipe, task: asyncio.Task[Outcome], target: tuple[str, str]) -> None:
        super().__init__(parameters, provider=target[0], model=target[1])
        self._pipe = pipe
        self._task = task
        self._kinds: dict[int, str] = {}

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async for piece in self._pipe.pieces():
            for event in self._of(piece):
                yield event
        if self.cancelled:
            return
        outcome = await self._task
        usage = outcome.usage
        self._usage = RequestUsage(
            input_tokens=usage.tokens_in, output_tokens=usage.tokens_out, cache_read_tokens=usage.tokens_cached
        )
        self.finish_reason = cast("Any", outcome.value.get("finish_reason"))

    def _of(self, piece: dict[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        index, kind = int(piece["i"]), str(piece["k"])
        if kind == "part":
            yield from self._events(index, part_of(piece["p"]))
            return
        kind = self._kinds.setdefault(index, kind)
        if kind == "thinking":
            yield from self._parts_manager.handle_thinking_delta(vendor_part_id=index, content=piece["t"])
        else:
            yield from self._parts_manager.handle_text_delta(vendor_part_id=index, content=piece["t"])

    async def close_stream(self) -> None:
        """End the attempt: what was used until then is billed."""
        self._task.cancel()


class Replayed(_Ours):
    """An answer that is there already, as a stream."""

    def __init__(self, parameters: Any, response: ModelResponse) -> None:
        super().__init__(parameters, provider=response.provider_name or "", model=response.model_name or "")
        self._response = response

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        for index, part in enumerate(self._response.parts):
            for event in self._events(index, part):
                yield event
        self._usage = self._response.usage
        self.finish_reason = self._response.finish_reason

    async def close_stream(self) -> None:
        """Nothing is open."""
