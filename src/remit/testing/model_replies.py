"""What OpenAI's and Anthropic's interfaces answer, for ``remit.testing.model_server`` and ``model_upstream``.

Shapes are those of the public references of both (chat completions, responses, embeddings; messages, count_tokens),
with ids and times that do not change from call to call.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from remit.testing.model_script import Behaviour, Reply, Script, Seen, ToolCall

CREATED = 1_790_000_000
GREETING = "Hello from the model server."
_OK, _BAD, _UNAUTHORISED, _MISSING = 200, 400, 401, 404
_JSON: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
_SSE: tuple[tuple[str, str], ...] = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)

#: Status to the type and code of the error, as each of them writes it.
OPENAI_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}
ANTHROPIC_ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the pieces of the body: events of a stream, else one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]
    streamed: bool = False


def answer(script: Script, seen: Seen, behaviour: Behaviour, reply: Reply) -> Answer:
    """What the provider says to a request."""
    path = seen.path.partition("?")[0]
    anthropic = path.startswith("/v1/messages") or "anthropic-version" in seen.headers
    made = _answer(script, seen, behaviour, reply, path=path, anthropic=anthropic)
    if behaviour.body is not None:
        made = Answer(behaviour.status, made.headers, (behaviour.body,), made.streamed)
    if behaviour.headers:
        mine = {name.lower() for name, _ in behaviour.headers}
        made = replace(made, headers=(*(each for each in made.headers if each[0] not in mine), *behaviour.headers))
    if made.streamed and (behaviour.crlf or behaviour.comments):
        comment = b": still here\n\n" if behaviour.comments else b""
        pieces = (comment + each for each in made.pieces)
        ending = b"\r\n" if behaviour.crlf else b"\n"
        made = replace(made, pieces=tuple(each.replace(b"\n", ending) for each in pieces))
    return made


def error(status: int, message: str, *, anthropic: bool) -> Answer:
    """An error in the provider's shape."""
    if anthropic:
        kind = ANTHROPIC_ERRORS.get(status, "api_error")
        told: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test"}
        return Answer(status, (*_JSON, ("request-id", "req_test")), (orjson.dumps(told),))
    kind, code = OPENAI_ERRORS.get(status, ("server_error", None))
    told = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status, (*_JSON, ("x-request-id", "req_test")), (orjson.dumps(told),))


def _answer(script: Script, seen: Seen, behaviour: Behaviour, reply: Reply, *, path: str, anthropic: bool) -> Answer:
    refused = script.keys and _key(seen.headers) not in script.keys
    if refused or behaviour.status != _OK:
        status = _UNAUTHORISED if refused else behaviour.status
        message = "Incorrect API key provided." if refused else behaviour.message or f"Status {status}, as ordered."
        return error(status, message, anthropic=anthropic)
    if path == "/v1/models" and seen.method == "GET":
        return _models(script, anthropic=anthropic)
    make = _PATHS.get(path)
    if make is None or seen.method != "POST":
        return error(_MISSING, f"Unknown request URL: {seen.method} {path}.", anthropic=anthropic)
    request: Any = seen.json
    if not isinstance(request, dict) or not seen.model:
        return error(_BAD, "The body is no JSON object with a model.", anthropic=anthropic)
    if script.models and seen.model not in script.models:
        return error(_MISSING, f"The model `{seen.model}` does not exist.", anthropic=anthropic)
    return make(cast("dict[str, Any]", request), reply)


def _key(headers: Mapping[str, str]) -> str:
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def _models(script: Script, *, anthropic: bool) -> Answer:
    names = script.models or ("small", "large")
    if anthropic:
        told = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ]
        return _whole({"data": told, "has_more": False, "first_id": names[0], "last_id": names[-1]})
    return _whole(
        {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": CREATED, "owned_by": "test"} for name in names],
        }
    )


def _whole(told: Mapping[str, Any]) -> Answer:
    return Answer(_OK, (*_JSON, ("x-request-id", "req_test"), ("request-id", "req_test")), (orjson.dumps(dict(told)),))


def _stream(events: Iterator[bytes], reply: Reply, broken: bytes) -> Answer:
    pieces = list(events)
    if reply.error_after is not None:
        pieces = [*pieces[: reply.error_after], broken]
    return Answer(_OK, (*_SSE, ("x-request-id", "req_test"), ("request-id", "req_test")), tuple(pieces), streamed=True)


# -------------------------------------------------------------------------------------------------------- what is said


@dataclass(frozen=True, slots=True)
class _Said:
    """A reply with its blanks filled from the request."""

    text: str
    deltas: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    tokens_in: int
    tokens_out: int


def _said(request: Mapping[str, Any], reply: Reply, *, tools: Sequence[ToolCall], schema: Any) -> _Said:  # noqa: ANN401 - JSON
    calls, text = reply.calls, reply.text
    if text is None and not calls and not reply.deltas and not reply.refusal:
        calls = tuple(tools)
        text = "" if calls else GREETING if schema is None else orjson.dumps(example(schema)).decode()
    deltas = reply.deltas or _words(text or "")
    thought = len(_words(reply.thinking))
    written = len(deltas) + thought + sum(1 + len(_words(call.text)) for call in calls) + len(_words(reply.refusal))
    return _Said(
        text="".join(deltas),
        deltas=deltas,
        calls=calls,
        tokens_in=count(request) if reply.tokens_in is None else reply.tokens_in,
        tokens_out=max(1, written) if reply.tokens_out is None else reply.tokens_out,
    )


def _words(text: str) -> tuple[str, ...]:
    """A text in pieces that end behind each space."""
    pieces = text.split(" ")
    return tuple(f"{each} " for each in pieces[:-1]) + ((pieces[-1],) if pieces[-1] else ())


def count(request: Mapping[str, Any]) -> int:
    """Tokens of a request: a quarter of the characters of its texts, and 85 for each image."""
    characters, images = 0, 0
    waiting: list[Any] = [request.get(name) for name in ("system", "instructions", "messages", "input", "tools")]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            characters += len(each)
        elif isinstance(each, list):
            waiting += cast("list[Any]", each)
        elif isinstance(each, dict):
            told = cast("dict[str, Any]", each)
            if told.get("type") in {"image", "image_url", "input_image"}:
                images += 1
            else:
                waiting += told.values()
    return max(1, characters // 4) + 85 * images


def example(schema: Any) -> Any:  # noqa: ANN401 - JSON Schema in, JSON out
    """The plainest value that fits a JSON schema (objects, arrays, enums, const, anyOf, bounds of lengths)."""
    if not isinstance(schema, dict):
        return None
    told = cast("dict[str, Any]", schema)
    for name in ("anyOf", "oneOf", "allOf"):
        if told.get(name):
            return example(told[name][0])
    if "const" in told or told.get("enum"):
        return told["const"] if "const" in told else told["enum"][0]
    kind = told.get("type", "object")
    kind = cast("list[str]", kind)[0] if isinstance(kind, list) else kind
    properties = cast("dict[str, Any]", told.get("properties") or {})
    plain: dict[str, Any] = {
        "string": "x" * max(1, int(told.get("minLength") or 1)),
        "integer": int(told.get("minimum") or 0),
        "number": float(told.get("minimum") or 0.0),
        "boolean": True,
        "null": None,
    }
    if kind == "array":
        plain["array"] = [example(told.get("items"))] * max(1, int(told.get("minItems") or 1))
    if kind == "object":
        plain["object"] = {name: example(each) for name, each in properties.items()}
    return plain.get(str(kind))


# --------------------------------------------------------------------------------------------------------------- OpenAI


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
    told: Any = request.get("response_format") or (request.get("text") or {}).get("format") or {}
    if told.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return told.get("schema") or (told.get("json_schema") or {}).get("schema")


def _chat(request: Mapping[str, Any], reply: Reply) -> Answer:
    said = _said(request, reply, tools=_demanded(request), schema=_schema(request))
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
        asked = bool((request.get("stream_options") or {}).get("include_usage")) and reply.usage
        head |= {"object": "chat.completion.chunk"} | dict(reply.extra)
        events = _chat_events(head, said, reply, finish=finish, usage=usage if asked else None)
        broken = _data({"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
        return _stream(events, reply, broken)
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": reply.refusal or None}
    if said.calls:
        message["tool_calls"] = [_chat_call(number, call) for number, call in enumerate(said.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    told = head | {"object": "chat.completion", "choices": [choice]} | dict(reply.extra)
    return _whole(told | ({"usage": usage} if reply.usage else {}))


def _chat_call(number: int, call: ToolCall) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _chat_events(
    head: dict[str, Any], said: _Said, reply: Reply, *, finish: str, usage: Mapping[str, Any] | None
) -> Iterator[bytes]:
    rest = {} if usage is None else {"usage": None}

    def chunk(delta: dict[str, Any], finished: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}
        return _data(head | {"choices": [choice]} | rest)

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    if reply.refusal:
        yield chunk({"refusal": reply.refusal})
    for each in said.deltas:
        yield chunk({"content": each})
    for number, call in enumerate(said.calls):
        begun = _chat_call(number, call)
        begun["function"] = {"name": call.name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": number} | begun]})
        for piece in _split(call.text):
            yield chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    yield chunk({}, finish)
    if usage is not None:
        yield _data(head | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _split(text: str, length: int = 6) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def _data(told: Any) -> bytes:  # noqa: ANN401 - JSON
    return b"data: " + orjson.dumps(told) + b"\n\n"


def _event(told: dict[str, Any]) -> bytes:
    return b"event: " + str(told["type"]).encode() + b"\n" + _data(told)


def _responses(request: Mapping[str, Any], reply: Reply) -> Answer:
    said = _said(request, reply, tools=_demanded(request), schema=_schema(request))
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
        return _whole(told)
    broken = _event(
        {"type": "error", "sequence_number": 99, "code": "server_error", "message": "The server had an error."}
    )
    return _stream(_responses_events(told, said, reply), reply, broken)


def _output(said: _Said, reply: Reply) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if reply.thinking:
        summary = [{"type": "summary_text", "text": reply.thinking}]
        output.append({"id": "rs_test", "type": "reasoning", "summary": summary, "encrypted_content": None})
    if said.text or reply.refusal or not said.calls:
        content = (
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


def _responses_events(told: dict[str, Any], said: _Said, reply: Reply) -> Iterator[bytes]:
    number = -1

    def event(kind: str, **more: Any) -> bytes:  # noqa: ANN401 - JSON
        nonlocal number
        number += 1
        return _event({"type": kind, "sequence_number": number} | more)

    begun = told | {"status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(cast("list[dict[str, Any]]", told["output"])):
        where = {"item_id": item["id"], "output_index": index}
        empty = {"message": {"content": []}, "reasoning": {"summary": []}, "function_call": {"arguments": ""}}
        started = item | empty[item["type"]] | ({} if item["type"] == "reasoning" else {"status": "in_progress"})
        yield event("response.output_item.added", output_index=index, item=started)
        if item["type"] == "reasoning":
            part: dict[str, Any] = item["summary"][0]
            where["summary_index"] = 0
            yield event("response.reasoning_summary_part.added", **where, part=part | {"text": ""})
            for each in _words(reply.thinking):
                yield event("response.reasoning_summary_text.delta", **where, delta=each)
            yield event("response.reasoning_summary_text.done", **where, text=reply.thinking)
            yield event("response.reasoning_summary_part.done", **where, part=part)
        elif item["type"] == "message":
            part, where["content_index"] = item["content"][0], 0
            name, kind = ("text", "output_text") if part["type"] == "output_text" else ("refusal", "refusal")
            yield event("response.content_part.added", **where, part=part | {name: ""})
            more: dict[str, Any] = {"logprobs": []} if name == "text" else {}
            for each in said.deltas if name == "text" else _words(reply.refusal):
                yield event(f"response.{kind}.delta", **where, delta=each, **more)
            yield event(f"response.{kind}.done", **where, **{name: part[name]}, **more)
            yield event("response.content_part.done", **where, part=part)
        else:
            for each in _split(item["arguments"]):
                yield event("response.function_call_arguments.delta", **where, delta=each)
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield event("response.function_call_arguments.done", **where, **done)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=told)


def _embeddings(request: Mapping[str, Any], reply: Reply) -> Answer:
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
            import struct

            told = base64.b64encode(struct.pack(f"<{length}f", *vector)).decode()
        data.append({"object": "embedding", "index": number, "embedding": told})
    tokens = count(request) if reply.tokens_in is None else reply.tokens_in
    usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if reply.usage else {}
    return _whole({"object": "list", "data": data, "model": reply.model or request["model"], **usage, **reply.extra})


def _vector(data: bytes, length: int) -> list[float]:
    """Numbers in [-1, 1) that depend on ``data`` alone."""
    drawn = hashlib.shake_256(data).digest(length)
    return [each / 128 - 1 for each in drawn]


# ------------------------------------------------------------------------------------------------------------ Anthropic


def _messages(request: Mapping[str, Any], reply: Reply) -> Answer:
    choice: Mapping[str, Any] = request.get("tool_choice") or {}
    tools = [
        ToolCall(str(tool["name"]), example(tool.get("input_schema")) or {})
        for tool in request.get("tools") or ()
        if choice.get("type") == "any" or (choice.get("type") == "tool" and tool.get("name") == choice.get("name"))
    ]
    schema = ((request.get("output_config") or {}).get("format") or request.get("output_format") or {}).get("schema")
    said = _said(request, reply, tools=tools[:1], schema=schema)
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
        return _whole(told)
    broken = _event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    return _stream(_message_events(told, said, reply), reply, broken)


def _blocks(said: _Said, reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.thinking:
        blocks.append({"type": "thinking", "thinking": reply.thinking, "signature": signature(reply.thinking)})
    if said.text or reply.refusal:
        blocks.append({"type": "text", "text": said.text or reply.refusal})
    for number, call in enumerate(said.calls):
        given = orjson.loads(call.text) if call.raw is None else {}
        blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": call.name, "input": given})
    return blocks


def signature(thinking: str) -> str:
    """What stands for Anthropic's signature over a block of thinking: opaque, and to be passed on as it is."""
    return base64.b64encode(hashlib.sha512(thinking.encode()).digest()).decode()


def _message_events(told: dict[str, Any], said: _Said, reply: Reply) -> Iterator[bytes]:
    usage: dict[str, Any] = told.get("usage") or {}
    started = told | {"content": [], "stop_reason": None}
    if usage:
        started["usage"] = usage | {"output_tokens": 1}
    yield _event({"type": "message_start", "message": started})
    calls = iter(said.calls)
    for index, block in enumerate(cast("list[dict[str, Any]]", told["content"])):
        empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
        begun = block | empty[block["type"]]
        yield _event({"type": "content_block_start", "index": index, "content_block": begun})
        if index == 0:
            yield _event({"type": "ping"})
        for delta in _block_deltas(block, said, reply, calls):
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    ended: dict[str, Any] = {"stop_reason": told["stop_reason"], "stop_sequence": None}
    last = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    yield _event({"type": "message_delta", "delta": ended} | last)
    yield _event({"type": "message_stop"})


def _block_deltas(
    block: Mapping[str, Any], said: _Said, reply: Reply, calls: Iterator[ToolCall]
) -> Iterator[dict[str, Any]]:
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": each} for each in _words(reply.thinking))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": each} for each in said.deltas or _words(reply.refusal))
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": each} for each in _split(next(calls).text))


def _count_tokens(request: Mapping[str, Any], reply: Reply) -> Answer:
    return _whole({"input_tokens": count(request) if reply.tokens_in is None else reply.tokens_in})


_PATHS = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _responses,
    "/v1/embeddings": _embeddings,
    "/v1/messages": _messages,
    "/v1/messages/count_tokens": _count_tokens,
}
