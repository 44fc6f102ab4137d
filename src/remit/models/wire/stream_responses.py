"""What the events of responses say, those that repeat whole texts included."""

from __future__ import annotations

from remit.models.wire.calls import ITEMS
from remit.models.wire.documents import Document, an_object, objects
from remit.models.wire.held import Held
from remit.models.wire.stream import Name, Stream
from remit.models.wire.whole import error_text

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_ARGUMENTS = frozenset(
    {"response.function_call_arguments", "response.mcp_call_arguments", "response.custom_tool_call_input"}
)
_CUSTOM = "response.custom_tool_call_input"
_WHOLE = frozenset({"response.output_item"})
_NO_TEXT = frozenset({"response.audio"})


def responses(stream: Stream, held: Held, document: Document) -> bool:
    """Read one event; whether it goes on at all."""
    kind = document.get("type")
    if not isinstance(kind, str):
        stream.walk(held, document)
        return True
    base, _, step = kind.rpartition(".")
    output = document.get("output_index")
    part = document.get("content_index", document.get("summary_index"))
    if step == "delta":
        _delta(stream, held, document, base, (output, part, base))
    elif step == "done" and base not in _WHOLE:
        stream.finish_text((output, part, base))
        stream.finish_text((output, part, base, "logprobs"))
        if base in _ARGUMENTS:
            stream.arguments(held, (output, "call"), {}, "")
        stream.walk(held, document)
    elif kind == "response.output_item.added":
        _item(stream, held, output, an_object(document.get("item")) or {}, done=False)
    elif kind == "response.output_item.done":
        _item(stream, held, output, an_object(document.get("item")) or {}, done=True)
    elif kind == "error":
        return stream.failed(error_text(document.get("error") or document) or "unknown")
    else:
        return _response(stream, held, kind, document)
    return True


def _delta(stream: Stream, held: Held, document: Document, base: str, name: Name) -> None:
    text = document.get("delta")
    if base in _ARGUMENTS:
        stream.arguments(held, (document.get("output_index"), "call"), document, "delta", json=base != _CUSTOM)
    elif base in _NO_TEXT:
        return
    elif isinstance(text, str):
        stream.piece(held, name, document, "delta", text)
        if document.get("logprobs"):
            stream.probabilities(held, (*name, "logprobs"), document)
    else:
        stream.walk(held, document)


def _item(stream: Stream, held: Held, output: object, item: Document, *, done: bool) -> None:
    stream.walk(held, item)
    if item.get("type") not in ITEMS:
        return
    call = stream.arguments(held, (output, "call"), {}, "")
    stream.named(call, held, item)
    if done:
        given = item.get("arguments", item.get("input"))
        if isinstance(given, str):
            call.text.start(given)
        stream.finish_call((output, "call"))


def _response(stream: Stream, held: Held, kind: str, document: Document) -> bool:
    response = an_object(document.get("response"))
    if response is None:
        stream.walk(held, document)
        return True
    if isinstance(model := response.get("model"), str):
        stream.meter.model = model
    usage = an_object(response.get("usage"))
    if usage is not None:
        stream.meter.openai(usage)
    if kind == "response.failed":
        return stream.failed(error_text(response.get("error")) or "the response failed")
    if stream.masks.joints(response):
        held.changed = True
    stream.walk(held, response)
    if kind not in _LAST:
        return True
    stream.ended()
    for item in objects(response.get("output")):
        if item.get("type") in ITEMS and not stream.calls.whole(item):
            stream.cut([held])
    return True
