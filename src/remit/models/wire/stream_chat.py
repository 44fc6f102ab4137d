"""What the events of chat completions say."""

from __future__ import annotations

from typing import cast

from remit.models.wire.documents import Document, an_object, objects
from remit.models.wire.held import Held
from remit.models.wire.masks import STRUCTURE
from remit.models.wire.stream import Name, Stream
from remit.models.wire.whole import error_text

_CHUNK = frozenset({*STRUCTURE, "choices", "usage", "created"})
_CHOICE = frozenset({*STRUCTURE, "index", "delta", "logprobs"})


def chat(stream: Stream, held: Held, document: Document) -> bool:
    """Read one event; whether it goes on at all."""
    meter = stream.meter
    if not meter.model and isinstance(model := document.get("model"), str):
        meter.model = model
    if (service := document.get("service_tier")) is not None:
        meter.served(service)
    choices = document.get("choices")
    usage = document.get("usage")
    if usage is not None and (told := an_object(usage)) is not None:
        meter.openai(told)
        if stream.strip and not choices:
            return False
    if "error" in document and (error := error_text(document["error"])):
        return stream.failed(error)
    for choice in objects(choices):
        _choice(stream, held, choice)
    stream.others(held, document, _CHUNK)
    return True


def _choice(stream: Stream, held: Held, choice: Document) -> None:
    index = choice.get("index", 0)
    delta = choice.get("delta")
    if isinstance(delta, dict):
        _delta(stream, held, index, cast("Document", delta))
    if choice.get("logprobs") is not None:
        stream.probabilities(held, (index, "logprobs"), choice)
    stream.others(held, choice, _CHOICE)
    if choice.get("finish_reason"):
        stream.finish_group(index)


def _delta(stream: Stream, held: Held, index: object, delta: Document) -> None:
    for key, value in delta.items():
        if isinstance(value, str):
            if key not in STRUCTURE:
                stream.piece(held, (index, key), delta, key, value)
        elif value is not None:
            _nested(stream, held, index, key, value)


def _nested(stream: Stream, held: Held, index: object, key: str, value: object) -> None:
    """What stands in a delta and is no text by itself."""
    known = an_object(value)
    if key == "tool_calls":
        for at, call in enumerate(objects(value)):
            _tool_call(stream, held, (index, "call", call.get("index", at)), call)
    elif key == "content":  # as parts, which some providers send
        for part in objects(value):
            if isinstance(text := part.get("text"), str):
                stream.piece(held, (index, "content"), part, "text", text)
    elif key == "function_call" and known is not None:
        stream.named(stream.arguments(held, (index, "call", -1), known, "arguments"), held, known)
    elif key == "audio" and known is not None:
        if isinstance(spoken := known.get("transcript"), str):
            stream.piece(held, (index, "audio"), known, "transcript", spoken)
    else:
        stream.walk(held, value)


def _tool_call(stream: Stream, held: Held, name: Name, call: Document) -> None:
    custom = an_object(call.get("custom"))
    if custom is not None:
        stream.named(stream.arguments(held, name, custom, "input", json=False), held, custom)
    else:
        inner = an_object(call.get("function"))
        if inner is None:
            inner = call["function"] = {}
        stream.named(stream.arguments(held, name, inner, "arguments"), held, inner)
