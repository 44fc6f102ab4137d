"""Which answers of models may be given again: whole ones, with nothing refused or cut off, and no call of a tool.

What an agent may have called is judged when a model asks for it; a kept answer would pass that by.

The interfaces: OpenAI's chat completions (``finish_reason``), responses (``status``) and embeddings, Anthropic's
messages (``stop_reason``), as one document or as a stream of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import orjson

from remit.kernel.canonical import Json
from remit.kernel.effects import Wire

_GOOD = frozenset({"stop", "end_turn", "stop_sequence"})

type _Object = Mapping[str, Json]


def is_whole(body: str, *, wire: Wire, streamed: bool) -> bool:
    """Whether ``body`` is the whole of a good answer. What can't be understood is not.

    Args:
        body: The bytes that went to the client, as text.
        wire: The operation.
        streamed: Whether it is a stream of events.
    """
    try:
        found = list(_events(body)) if streamed else [_object(orjson.loads(body))]
        return _is_good(found, wire, streamed=streamed) and (wire is not Wire.CHAT or not streamed or _says_done(body))
    except ValueError:
        return False


def _is_good(found: Sequence[_Object], wire: Wire, *, streamed: bool) -> bool:
    if not found or any(event.get("error") or event.get("type") == "error" for event in found):
        return False
    match wire:
        case Wire.CHAT:
            return _chat(found)
        case Wire.MESSAGES:
            return _messages(found, streamed=streamed)
        case Wire.RESPONSES:
            return _responses(found, streamed=streamed)
        case _:
            return wire is Wire.EMBEDDINGS and not streamed and bool(found[0].get("data"))


def _events(body: str) -> Iterator[_Object]:
    """The data of each event of a stream (WHATWG server-sent events), but for chat's ``[DONE]``."""
    data: list[str] = []
    for line in (*body.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            data.clear()
            if text != "[DONE]":
                yield _object(orjson.loads(text))


def _says_done(body: str) -> bool:
    return body.rstrip().endswith("[DONE]")


def _object(value: Json) -> _Object:
    if isinstance(value, Mapping):
        return value
    message = "no object"
    raise ValueError(message)


def _objects(value: Json) -> list[_Object]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [each for each in value if isinstance(each, Mapping)]


def _chat(found: Sequence[_Object]) -> bool:
    ended: dict[Json, Json] = {}
    for event in found:
        for choice in _objects(event.get("choices")):
            said = _object(choice.get("message") or choice.get("delta") or {})
            if said.get("refusal") or said.get("tool_calls") or said.get("function_call"):
                return False
            which = cast("int", choice.get("index", 0))
            ended[which] = choice.get("finish_reason") or ended.get(which)
    return bool(ended) and all(reason in _GOOD for reason in ended.values())


def _messages(found: Sequence[_Object], *, streamed: bool) -> bool:
    if not streamed:
        return found[0].get("stop_reason") in _GOOD and not any(map(_is_call, _objects(found[0].get("content"))))
    reason: Json = None
    for event in found:
        if _is_call(_object(event.get("content_block") or {})):
            return False
        if event.get("type") == "message_delta":
            reason = _object(event.get("delta") or {}).get("stop_reason") or reason
    return reason in _GOOD and found[-1].get("type") == "message_stop"


def _responses(found: Sequence[_Object], *, streamed: bool) -> bool:
    answer = found[0]
    if streamed:
        if found[-1].get("type") != "response.completed":
            return False
        answer = _object(found[-1].get("response") or {})
    items = _objects(answer.get("output"))
    refused = any(part.get("type") == "refusal" for item in items for part in _objects(item.get("content")))
    return answer.get("status") == "completed" and not refused and not any(map(_is_call, items))


def _is_call(part: _Object) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and kind.endswith(("tool_use", "_call", "tool_result", "_call_output"))
