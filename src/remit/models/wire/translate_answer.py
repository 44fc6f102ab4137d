"""Answers of chat as answers of messages, and the other way; streams are in ``translate_stream``."""

from __future__ import annotations

from collections.abc import Mapping

from remit.kernel.errors import InvalidAnswer
from remit.models.wire.documents import Document, an_object, decoded, encoded, objects

_TO_CHAT = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TO_MESSAGES = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def chat_reason(reason: object) -> str | None:
    """``stop_reason`` as ``finish_reason``; one that nobody knows is a stop."""
    return None if reason is None else _TO_CHAT.get(str(reason), "stop")


def messages_reason(reason: object) -> str | None:
    """``finish_reason`` as ``stop_reason``."""
    return None if not reason else _TO_MESSAGES.get(str(reason), "end_turn")


def messages_answer(answer: Mapping[str, object], *, model: str = "") -> Document:
    """An answer of chat as one of messages. ``model``: the name to show instead of the provider's.

    Raises:
        InvalidAnswer: It has no answer in it (``model.untranslatable``).
    """
    choice = next(iter(objects(answer.get("choices"))), None)
    message = None if choice is None else an_object(choice.get("message"))
    if choice is None or message is None:
        raise _no_answer()
    content: list[Document] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    said = (message.get("content"), message.get("refusal"))
    content += [{"type": "text", "text": text} for text in said if isinstance(text, str) and text]
    for call in objects(message.get("tool_calls")):
        function = an_object(call.get("function")) or {}
        given = decoded(str(function.get("arguments") or "{}").encode("utf-8", "surrogatepass"))
        if not isinstance(given, dict):
            raise _no_answer()
        content.append({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given})
    return {
        "id": answer.get("id"),
        "type": "message",
        "role": "assistant",
        "model": model or answer.get("model"),
        "content": content,
        "stop_reason": messages_reason(choice.get("finish_reason") or "stop"),
        "stop_sequence": None,
        "usage": messages_usage(an_object(answer.get("usage")) or {}),
    }


def chat_answer(answer: Mapping[str, object], *, model: str = "", created: int = 0) -> Document:
    """An answer of messages as one of chat; ``created`` in seconds since 1970, which messages don't tell.

    Raises:
        InvalidAnswer: It has no content in it (``model.untranslatable``).
    """
    if not isinstance(answer.get("content"), list):
        raise _no_answer()
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Document] = []
    for block in objects(answer.get("content")):
        match block.get("type"):
            case "text":
                texts.append(str(block.get("text", "")))
            case "thinking":
                thoughts.append(str(block.get("thinking", "")))
            case "tool_use":
                function: Document = {
                    "name": block.get("name"),
                    "arguments": encoded(block.get("input") or {}).decode(),
                }
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "redacted_thinking":
                pass
            case _:
                raise _no_answer()
    message: Document = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    choice: Document = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": chat_reason(answer.get("stop_reason") or "end_turn"),
    }
    return {
        "id": answer.get("id"),
        "object": "chat.completion",
        "created": created,
        "model": model or answer.get("model"),
        "choices": [choice],
        "usage": chat_usage(an_object(answer.get("usage")) or {}),
    }


def messages_usage(usage: Mapping[str, object]) -> Document:
    """Usage of chat as messages tell it: what was read from the cache apart."""
    cached = _tokens(an_object(usage.get("prompt_tokens_details")) or {}, "cached_tokens")
    return {
        "input_tokens": max(0, _tokens(usage, "prompt_tokens") - cached),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": _tokens(usage, "completion_tokens"),
    }


def chat_usage(usage: Mapping[str, object]) -> Document:
    """Usage of messages as chat tells it: everything that was read together."""
    cached = _tokens(usage, "cache_read_input_tokens")
    read = _tokens(usage, "input_tokens") + cached + _tokens(usage, "cache_creation_input_tokens")
    out = _tokens(usage, "output_tokens")
    return {
        "prompt_tokens": read,
        "completion_tokens": out,
        "total_tokens": read + out,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _tokens(usage: Mapping[str, object], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _no_answer() -> InvalidAnswer:
    return InvalidAnswer(
        "The provider's answer has something in it that the caller's interface can't say.", code="model.untranslatable"
    )
