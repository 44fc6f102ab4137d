"""Anthropic's interface as a stand-in answers it: messages and the count of their tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from remit.testing.model_said import Answer, Said, count, event_of, example, part, say, split, stream, whole, words
from remit.testing.model_script import Reply, ToolCall


def messages(request: Mapping[str, Any], reply: Reply) -> Answer:
    """``POST /v1/messages``."""
    choice: Mapping[str, Any] = request.get("tool_choice") or {}
    tools = [
        ToolCall(str(tool["name"]), example(tool.get("input_schema")) or {})
        for tool in request.get("tools") or ()
        if choice.get("type") == "any" or (choice.get("type") == "tool" and tool.get("name") == choice.get("name"))
    ]
    form = part(part(request, "output_config"), "format") or part(request, "output_format")
    schema = form.get("schema")
    said = say(request, reply, tools=tools[:1], schema=schema)
    finish = reply.finish or ("tool_use" if said.calls else "refusal" if reply.refusal else "end_turn")
    fresh = max(0, said.tokens_in - reply.cached - reply.cache_write)
    usage = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": reply.cache_write,
        "cache_read_input_tokens": reply.cached,
        "output_tokens": said.tokens_out,
        "service_tier": "standard",
    }
    told: dict[str, Any] = {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": reply.model or request["model"],
        "content": _blocks(said, reply),
        "stop_reason": finish,
        "stop_sequence": None,
        "usage": usage,
        **reply.extra,
    }
    if not reply.usage:
        del told["usage"]
    if not request.get("stream"):
        return whole(told)
    broken = event_of({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    return stream(_message_events(told, said, reply), reply, broken)


def _blocks(said: Said, reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.thinking:
        blocks.append({"type": "thinking", "thinking": reply.thinking, "signature": signature(reply.thinking)})
    if said.text or reply.refusal:
        blocks.append({"type": "text", "text": said.text or reply.refusal})
    for number, call in enumerate(said.calls):
        given: Any = orjson.loads(call.text) if call.raw is None else {}
        blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": call.name, "input": given})
    return blocks


def signature(thinking: str) -> str:
    """What stands for Anthropic's signature over a block of thinking: opaque, and to be passed on as it is."""
    return base64.b64encode(hashlib.sha512(thinking.encode()).digest()).decode()


def _message_events(told: dict[str, Any], said: Said, reply: Reply) -> Iterator[bytes]:
    usage: dict[str, Any] = told.get("usage") or {}
    started: dict[str, Any] = told | {"content": [], "stop_reason": None}
    if usage:
        started["usage"] = usage | {"output_tokens": 1}
    yield event_of({"type": "message_start", "message": started})
    calls = iter(said.calls)
    for index, block in enumerate(cast("list[dict[str, Any]]", told["content"])):
        empty: dict[str, dict[str, Any]] = {
            "thinking": {"thinking": "", "signature": ""},
            "text": {"text": ""},
            "tool_use": {"input": {}},
        }
        begun: dict[str, Any] = block | empty[block["type"]]
        yield event_of({"type": "content_block_start", "index": index, "content_block": begun})
        if index == 0:
            yield event_of({"type": "ping"})
        for delta in _block_deltas(block, said, reply, calls):
            yield event_of({"type": "content_block_delta", "index": index, "delta": delta})
        yield event_of({"type": "content_block_stop", "index": index})
    ended: dict[str, Any] = {"stop_reason": told["stop_reason"], "stop_sequence": None}
    last = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    yield event_of({"type": "message_delta", "delta": ended} | last)
    yield event_of({"type": "message_stop"})


def _block_deltas(
    block: Mapping[str, Any], said: Said, reply: Reply, calls: Iterator[ToolCall]
) -> Iterator[dict[str, Any]]:
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": each} for each in words(reply.thinking))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": each} for each in said.deltas or words(reply.refusal))
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": each} for each in split(next(calls).text))


def count_tokens(request: Mapping[str, Any], reply: Reply) -> Answer:
    """``POST /v1/messages/count_tokens``."""
    return whole({"input_tokens": count(request) if reply.tokens_in is None else reply.tokens_in})
