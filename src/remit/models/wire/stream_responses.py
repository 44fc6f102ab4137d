"""What the events of responses say, those that repeat whole texts included."""

from __future__ import annotations

from collections.abc import Iterator

from remit.models.wire.calls import arguments_of, asks, name_of
from remit.models.wire.documents import Document, an_object, objects
from remit.models.wire.held import Held
from remit.models.wire.stream import Name, Stream
from remit.models.wire.whole import error_text

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_ARGUMENTS = frozenset(
    {"response.function_call_arguments", "response.mcp_call_arguments", "response.custom_tool_call_input"}
)
_CUSTOM = "response.custom_tool_call_input"
_CUSTOM_ITEM = "custom_tool_call"
_NO_TEXT = frozenset({"response.audio"})
_PARTS = frozenset({"response.content_part", "response.reasoning_summary_part"})
#: Texts that are read as one, part after part: what their events begin with, and the member of the last of them.
_SAID = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "text",
    "response.reasoning_summary_text": "text",
}
JOINED: frozenset[object] = frozenset(_SAID)
#: The same by the type of the part in which they stand whole.
_KINDS = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
    "summary_text": "response.reasoning_summary_text",
}

#: A text that stands whole in an event: its name, where it stands and under which key, and as the provider wrote it.
type Told = tuple[Name, Document, str, str]


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
    elif base in _PARTS:
        _texts(stream, held, document, [*_part(output, part, document.get("part"))], over=step == "done")
    elif kind in {"response.output_item.added", "response.output_item.done"}:
        _item(stream, held, output, an_object(document.get("item")) or {}, done=step == "done")
    elif step == "done":
        _done(stream, held, document, base, (output, part, base))
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


def _done(stream: Stream, held: Held, document: Document, base: str, name: Name) -> None:
    """A text or a tool call is over; the event says it whole."""
    stream.finish_text((*name, "logprobs"))
    if base in _ARGUMENTS:
        stream.arguments(held, (document.get("output_index"), "call"), {}, "")
        stream.walk(held, document, owner=False)
        return
    key = _SAID.get(base, "text")
    text = document.get(key)
    told: list[Told] = [(name, document, key, text)] if base in _SAID and isinstance(text, str) else []
    _texts(stream, held, document, told, over=True)
    stream.border(name)
    stream.finish_text(name)


def _part(output: object, at: object, value: object) -> Iterator[Told]:
    """The text of a part, if it is of a kind that is read as one."""
    part = an_object(value)
    kind = None if part is None else part.get("type")
    base = _KINDS.get(kind) if isinstance(kind, str) else None
    if part is not None and base is not None and isinstance(text := part.get(_SAID[base]), str):
        yield (output, at, base), part, _SAID[base], text


def _texts(stream: Stream, held: Held, node: Document, told: list[Told], *, over: bool) -> None:
    """Mask whole texts in ``node``. Those in ``told`` came in pieces before; or else they are pieces themselves.

    Args:
        stream: What reads the answer.
        held: The event.
        node: Everything in it that is looked at.
        told: Texts in it that are read as one with others of their kind.
        over: They end here.
    """
    known = [each for each in told if stream.known(each[0])]
    if over:
        for name, *_ in known:
            stream.border(name)
            stream.finish_text(name)
    stream.walk(held, node)
    for each in known:
        stream.repeat(held, *each)
    if not stream.masks.active:
        return
    for name, where, key, text in told:
        if text and (not known or all(name != each[0] for each in known)):
            where[key] = text
            stream.piece(held, name, where, key, text)
            if over:
                stream.border(name)
                stream.finish_text(name)


def _item(stream: Stream, held: Held, output: object, item: Document, *, done: bool) -> None:
    stream.meter.item(item, done=done)
    told = [
        each
        for key in ("content", "summary")
        for at, part in enumerate(objects(item.get(key)))
        for each in _part(output, at, part)
    ]
    _texts(stream, held, item, told, over=done)
    if not asks(item):
        return
    free = item.get("type") == _CUSTOM_ITEM
    call = stream.arguments(held, (output, "call"), {}, "", json=not free)
    stream.named(call, held, item)
    call.name = name_of(item)
    if done:
        given = item.get("input") if free else arguments_of(item)
        call.text.start(given if isinstance(given, str) else "")
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
    stream.meter.response(response)
    if kind == "response.failed":
        return stream.failed(error_text(response.get("error")) or "the response failed")
    if stream.masks.joints(response):
        held.changed = True
    stream.walk(held, response)
    if kind not in _LAST:
        return True
    stream.ended()
    for item in objects(response.get("output")):
        if asks(item) and not stream.calls.whole(item):
            stream.cut([held])
    return True
