"""OpenAI's interface as a stand-in answers it: chat completions, responses, embeddings."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from remit.testing.model_said import (
    CREATED,
    Answer,
    Said,
    count,
    data,
    event_of,
    example,
    part,
    say,
    split,
    stream,
    whole,
    words,
)
from remit.testing.model_script import Reply, ToolCall


def _demanded(request: Mapping[str, Any]) -> list[ToolCall]:
    """The tools of OpenAI that must be called: any one, or the named one."""
    choice = request.get("tool_choice")
    named = ""
    if isinstance(choice, dict):
        told = cast("dict[str, Any]", choice)
        named = str(told.get("name") or cast("dict[str, Any]", told.get("function") or {}).get("name") or "")
    if choice != "required" and not named:
        return []
    tools = [cast("dict[str, Any]", tool.get("function") or tool) for tool in request.get("tools") or ()]
    fit = [tool for tool in tools if not named or tool.get("name") == named]
    return [ToolCall(str(tool["name"]), example(tool.get("parameters")) or {}) for tool in fit[:1]]


def _schema(request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    told = part(request, "response_format") or part(part(request, "text"), "format")
    if told.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return told.get("schema") or part(told, "json_schema").get("schema")


def chat(request: Mapping[str, Any], reply: Reply) -> Answer:
    """``POST /v1/chat/completions``."""
    said = say(request, reply, tools=_demanded(request), schema=_schema(request))
    usage = {
        "prompt_tokens": said.tokens_in,
        "completion_tokens": said.tokens_out,
        "total_tokens": said.tokens_in + said.tokens_out,
        "prompt_tokens_details": {"cached_tokens": reply.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning, "audio_tokens": 0},
    }
    finish = reply.finish or ("tool_calls" if said.calls else "stop")
    name = reply.model or request["model"]
    head: dict[str, Any] = {"id": "chatcmpl-test", "created": CREATED, "model": name, "system_fingerprint": "fp_test"}
    if request.get("stream"):
        asked = bool(part(request, "stream_options").get("include_usage")) and reply.usage
        head |= {"object": "chat.completion.chunk"} | dict(reply.extra)
        events = _chat_events(head, said, reply, finish=finish, usage=usage if asked else None)
        broken = data({"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
        return stream(events, reply, broken)
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": reply.refusal or None}
    if said.calls:
        message["tool_calls"] = [_chat_call(number, call) for number, call in enumerate(said.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    told = head | {"object": "chat.completion", "choices": [choice]} | dict(reply.extra)
    return whole(told | ({"usage": usage} if reply.usage else {}))


def _chat_call(number: int, call: ToolCall) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _chat_events(
    head: dict[str, Any], said: Said, reply: Reply, *, finish: str, usage: Mapping[str, Any] | None
) -> Iterator[bytes]:
    rest = {} if usage is None else {"usage": None}

    def chunk(delta: dict[str, Any], finished: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}
        return data(head | {"choices": [choice]} | rest)

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    if reply.refusal:
        yield chunk({"refusal": reply.refusal})
    for each in said.deltas:
        yield chunk({"content": each})
    for number, call in enumerate(said.calls):
        begun = _chat_call(number, call)
        begun["function"] = {"name": call.name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": number} | begun]})
        for piece in split(call.text):
            yield chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    yield chunk({}, finish)
    if usage is not None:
        yield data(head | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def responses(request: Mapping[str, Any], reply: Reply) -> Answer:
    """``POST /v1/responses``."""
    said = say(request, reply, tools=_demanded(request), schema=_schema(request))
    told: dict[str, Any] = {
        "id": "resp_test",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "model": reply.model or request["model"],
        "output": _output(said, reply),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": request.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": said.tokens_in,
            "input_tokens_details": {"cached_tokens": reply.cached},
            "output_tokens": said.tokens_out,
            "output_tokens_details": {"reasoning_tokens": reply.reasoning},
            "total_tokens": said.tokens_in + said.tokens_out,
        }
        if reply.usage
        else None,
        "user": None,
        "metadata": {},
        **reply.extra,
    }
    if not request.get("stream"):
        return whole(told)
    broken = event_of(
        {"type": "error", "sequence_number": 99, "code": "server_error", "message": "The server had an error."}
    )
    return stream(_responses_events(told, said, reply), reply, broken)


def _output(said: Said, reply: Reply) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if reply.thinking:
        summary = [{"type": "summary_text", "text": reply.thinking}]
        output.append({"id": "rs_test", "type": "reasoning", "summary": summary, "encrypted_content": None})
    if said.text or reply.refusal or not said.calls:
        content: dict[str, Any] = (
            {"type": "refusal", "refusal": reply.refusal}
            if reply.refusal
            else {"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}
        )
        message = {
            "id": "msg_test",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [content],
        }
        output.append(message)
    for number, call in enumerate(said.calls):
        told = {"id": f"fc_{number}", "type": "function_call", "status": "completed", "call_id": f"call_{number}"}
        output.append(told | {"name": call.name, "arguments": call.text})
    return output


def _responses_events(told: dict[str, Any], said: Said, reply: Reply) -> Iterator[bytes]:
    number = -1

    def event(kind: str, **more: Any) -> bytes:  # noqa: ANN401 - JSON
        nonlocal number
        number += 1
        return event_of({"type": kind, "sequence_number": number} | more)

    begun: dict[str, Any] = told | {"status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(cast("list[dict[str, Any]]", told["output"])):
        where = {"item_id": item["id"], "output_index": index}
        empty: dict[str, dict[str, Any]] = {
            "message": {"content": []},
            "reasoning": {"summary": []},
            "function_call": {"arguments": ""},
        }
        started: dict[str, Any] = (
            item | empty[item["type"]] | ({} if item["type"] == "reasoning" else {"status": "in_progress"})
        )
        yield event("response.output_item.added", output_index=index, item=started)
        if item["type"] == "reasoning":
            part: dict[str, Any] = item["summary"][0]
            where["summary_index"] = 0
            yield event("response.reasoning_summary_part.added", **where, part=part | {"text": ""})
            for each in words(reply.thinking):
                yield event("response.reasoning_summary_text.delta", **where, delta=each)
            yield event("response.reasoning_summary_text.done", **where, text=reply.thinking)
            yield event("response.reasoning_summary_part.done", **where, part=part)
        elif item["type"] == "message":
            part, where["content_index"] = item["content"][0], 0
            name, kind = ("text", "output_text") if part["type"] == "output_text" else ("refusal", "refusal")
            yield event("response.content_part.added", **where, part=part | {name: ""})
            more: dict[str, Any] = {"logprobs": []} if name == "text" else {}
            for each in said.deltas if name == "text" else words(reply.refusal):
                yield event(f"response.{kind}.delta", **where, delta=each, **more)
            yield event(f"response.{kind}.done", **where, **{name: part[name]}, **more)
            yield event("response.content_part.done", **where, part=part)
        else:
            for each in split(item["arguments"]):
                yield event("response.function_call_arguments.delta", **where, delta=each)
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield event("response.function_call_arguments.done", **where, **done)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=told)


def embeddings(request: Mapping[str, Any], reply: Reply) -> Answer:
    """``POST /v1/embeddings``: vectors that depend on each text alone."""
    given = request.get("input")
    texts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    if texts and isinstance(texts[0], int):
        texts = [texts]  # one text, as tokens
    length = int(request.get("dimensions") or 8)
    data: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        vector = _vector(orjson.dumps(text), length)
        told: Any = vector
        if request.get("encoding_format") == "base64":
            told = base64.b64encode(struct.pack(f"<{length}f", *vector)).decode()
        data.append({"object": "embedding", "index": number, "embedding": told})
    tokens = count(request) if reply.tokens_in is None else reply.tokens_in
    usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if reply.usage else {}
    return whole({"object": "list", "data": data, "model": reply.model or request["model"], **usage, **reply.extra})


def _vector(data: bytes, length: int) -> list[float]:
    """Numbers in [-1, 1) that depend on ``data`` alone."""
    drawn = hashlib.shake_256(data).digest(length)
    return [each / 128 - 1 for each in drawn]
