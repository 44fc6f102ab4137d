"""Answers that come as one document: masked, looked through for tool calls and usage, else passed on as they are."""

from __future__ import annotations

from typing import cast

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidAnswer
from remit.models.wire.calls import Calls, asks
from remit.models.wire.documents import Document, an_object, decoded, encoded, objects
from remit.models.wire.hosted import used_block
from remit.models.wire.masks import Masks
from remit.models.wire.tokens import Meter

#: Bytes of an answer: the images that some models draw come as Base64.
MOST_ANSWER = 32 << 20


def whole(body: bytes, wire: Wire, *, masks: Masks, calls: Calls, meter: Meter) -> tuple[bytes, int, str]:
    """What goes on of an answer, how many characters of text it says, and the error that it is instead of one.

    Nothing goes on when a tool call was refused (``calls.blocked``).

    Raises:
        InvalidAnswer: It is no JSON object (``model.not_json``).
    """
    document = decoded(body)
    if not isinstance(document, dict):
        raise InvalidAnswer("The provider's answer is no JSON object.", code="model.not_json", hint="remit doctor")
    known = cast("Document", document)
    changed = masks.joints(known) if masks.active else False
    changed = (masks.walk(known) if masks.active else False) or changed
    length, failed = _READ[wire](known, calls, meter)
    if calls.blocked:
        return b"", length, failed
    return (encoded(known) if changed else body), length, failed


def error_text(value: object) -> str:
    """What an error in a document says; empty when there is none."""
    if value is None or value is False:
        return ""
    told = an_object(value)
    if told is None:
        return str(value)[:500]
    message = told.get("message") or told.get("type") or told.get("code")
    return message[:500] if isinstance(message, str) and message else "unknown"


def _chat(document: Document, calls: Calls, meter: Meter) -> tuple[int, str]:
    _named(document, meter)
    meter.served(document.get("service_tier"))
    usage = an_object(document.get("usage"))
    if usage is not None:
        meter.openai(usage)
    length = 0
    for choice in objects(document.get("choices")):
        message = an_object(choice.get("message")) or {}
        length += sum(
            _said(message.get(key), meter) for key in ("content", "refusal", "reasoning_content", "reasoning")
        )
        for call in objects(message.get("tool_calls")):
            inner = an_object(call.get("function")) or an_object(call.get("custom"))
            calls.whole(inner or {})
        older = an_object(message.get("function_call"))
        if older is not None:
            calls.whole(older)
    return length, error_text(document.get("error"))


def _messages(document: Document, calls: Calls, meter: Meter) -> tuple[int, str]:
    _named(document, meter)
    for block in objects(document.get("content")):
        meter.used(used_block(block))
    usage = an_object(document.get("usage"))
    if usage is not None:
        meter.anthropic(usage, final=True)
    meter.contained(document.get("container"))
    length = 0
    for block in objects(document.get("content")):
        length += _said(block.get("text"), meter) + _said(block.get("thinking"), meter)
        kind = block.get("type")
        if isinstance(kind, str) and kind.endswith("tool_use"):
            calls.whole(block)
    return length, error_text(document.get("error"))


def _responses(document: Document, calls: Calls, meter: Meter) -> tuple[int, str]:
    _named(document, meter)
    usage = an_object(document.get("usage"))
    if usage is not None:
        meter.openai(usage)
    length = 0
    meter.response(document)
    for item in objects(document.get("output")):
        meter.item(item)
        if asks(item):
            calls.whole(item)
        for part in (*objects(item.get("content")), *objects(item.get("summary"))):
            length += _said(part.get("text"), meter) + _said(part.get("refusal"), meter)
    return length, error_text(document.get("error"))


def _counted(document: Document, _calls: Calls, meter: Meter) -> tuple[int, str]:
    """Tokens were counted, which costs none; or texts were embedded."""
    _named(document, meter)
    usage = an_object(document.get("usage"))
    if usage is not None:
        meter.openai(usage)
    return 0, error_text(document.get("error"))


def _named(document: Document, meter: Meter) -> None:
    model = document.get("model")
    if isinstance(model, str):
        meter.model = model


def _said(value: object, meter: Meter) -> int:
    if not isinstance(value, str) or not value:
        return 0
    meter.said(value)
    return len(value)


_READ = {
    Wire.CHAT: _chat,
    Wire.MESSAGES: _messages,
    Wire.RESPONSES: _responses,
    Wire.EMBEDDINGS: _counted,
    Wire.COUNT_TOKENS: _counted,
}
