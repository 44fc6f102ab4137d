"""What the events of messages say."""

from __future__ import annotations

from remit.models.wire.calls import name_of
from remit.models.wire.documents import Document, an_object, encoded
from remit.models.wire.held import Held
from remit.models.wire.hosted import used_block
from remit.models.wire.masks import STRUCTURE
from remit.models.wire.stream import Stream
from remit.models.wire.whole import error_text

#: Kinds of texts that are read as one, block after block.
JOINED = frozenset({"text", "thinking"})
_BLOCK = frozenset({*STRUCTURE, "text", "thinking", "input", "name"})


def messages(stream: Stream, held: Held, document: Document) -> bool:
    """Read one event; whether it goes on at all."""
    kind = document.get("type")
    index = document.get("index")
    match kind:
        case "content_block_delta":
            _delta(stream, held, index, an_object(document.get("delta")) or {})
        case "content_block_start":
            _block(stream, held, index, an_object(document.get("content_block")) or {})
        case "content_block_stop":
            for key in JOINED:
                stream.border((index, key))
            stream.finish_group(index)
        case "message_start":
            _started(stream, held, document)
        case "message_delta":
            usage = an_object(document.get("usage"))
            if usage is not None:
                stream.meter.anthropic(usage, final=True)
            stream.meter.contained((an_object(document.get("delta")) or {}).get("container"))
            stream.walk(held, document.get("delta"))
        case "message_stop":
            stream.ended()
        case "error":
            return stream.failed(error_text(document.get("error")) or "unknown")
        case _:
            stream.walk(held, document)
    return True


def _delta(stream: Stream, held: Held, index: object, delta: Document) -> None:
    for key, value in delta.items():
        if key == "partial_json":
            stream.arguments(held, (index, "call"), delta, key)
        elif isinstance(value, str):
            if key not in STRUCTURE:
                stream.piece(held, (index, key), delta, key, value)
        elif value is not None:
            stream.walk(held, value)


def _started(stream: Stream, held: Held, document: Document) -> None:
    message = an_object(document.get("message")) or {}
    if isinstance(model := message.get("model"), str):
        stream.meter.model = model
    usage = an_object(message.get("usage"))
    if usage is not None:
        stream.meter.anthropic(usage, final=False)
    stream.meter.contained(message.get("container"))
    stream.walk(held, message)


def _block(stream: Stream, held: Held, index: object, block: Document) -> None:
    kind = block.get("type")
    if isinstance(kind, str) and kind.endswith("tool_use"):
        stream.meter.used(used_block(block))
        call = stream.arguments(held, (index, "call"), block, "partial_json")
        stream.named(call, held, block)
        call.name = name_of(block) or call.name
        given = block.get("input")
        if given:
            stream.walk(held, given, loose=True)
            call.text.start(encoded(given).decode())
        return
    for key in ("text", "thinking"):
        if isinstance(text := block.get(key), str):
            stream.piece(held, (index, key), block, key, text)
    stream.others(held, block, _BLOCK)
