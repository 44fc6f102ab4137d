"""Requests of messages as requests of chat, and the other way.

What one interface can say and the other can't is refused (``model.untranslatable``), or listed as a loss in
docs/wire.md; nothing that was asked is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from remit.kernel.errors import InvalidInput
from remit.models.wire.documents import Document, an_object, decoded, encoded, objects

#: What a chat request that bounds nothing may be answered with: messages must bound it.
MOST_OUT = 4096

#: Fewer tokens of thinking Anthropic does not take.
LEAST_THINKING = 1024

#: Tokens of thinking for an effort, and back: chat names the effort, messages the tokens.
EFFORTS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768}

_MESSAGES = frozenset(
    [
        *("model", "messages", "max_tokens", "system", "temperature", "top_p", "stop_sequences", "stream", "tools"),
        *("tool_choice", "metadata", "thinking", "service_tier", "output_format", "output_config", "top_k"),
    ]
)
_CHAT = frozenset(
    [
        *("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "stream"),
        *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "user", "metadata", "reasoning_effort"),
        *("response_format", "n", "store", "seed", "presence_penalty", "frequency_penalty", "logprobs"),
        *("safety_identifier", "prompt_cache_key", "service_tier"),
    ]
)


def chat_request(body: Mapping[str, object]) -> Document:
    """A request of messages as one of chat.

    Raises:
        InvalidInput: It asks for what chat can't say (``model.untranslatable``); ``place`` names the member.
    """
    _known(body, _MESSAGES, "chat completions")
    if body.get("top_k") is not None:
        raise _cannot("top_k", "chat completions")
    out: Document = {"model": body.get("model"), "messages": list(_chat_messages(body))}
    for ours, theirs in (("max_tokens", "max_completion_tokens"), ("stop_sequences", "stop")):
        if body.get(ours) is not None:
            out[theirs] = body[ours]
    out |= _same(body)
    if body.get("stream") is True:
        out["stream_options"] = {"include_usage": True}
    tools = [_chat_tool(tool, at) for at, tool in enumerate(objects(body.get("tools")))]
    if tools:
        out["tools"] = tools
    out |= _chat_choice(an_object(body.get("tool_choice")))
    user = (an_object(body.get("metadata")) or {}).get("user_id")
    if isinstance(user, str):
        out["user"] = user
    return out | _chat_thinking(body)


def _same(body: Mapping[str, object]) -> Document:
    return {name: body[name] for name in ("temperature", "top_p", "stream") if body.get(name) is not None}


def _chat_thinking(body: Mapping[str, object]) -> Document:
    out: Document = {}
    thinking = an_object(body.get("thinking"))
    config = an_object(body.get("output_config")) or {}
    if thinking is not None and thinking.get("type") != "disabled":
        out["reasoning_effort"] = _effort(config.get("effort"), thinking.get("budget_tokens"))
    schema = an_object(config.get("format") or body.get("output_format"))
    if schema is not None:
        named: Document = {"name": "answer", "schema": schema.get("schema"), "strict": True}
        out["response_format"] = {"type": "json_schema", "json_schema": named}
    return out


def _effort(effort: object, budget: object) -> str:
    if isinstance(effort, str):
        return {"max": "xhigh"}.get(effort, effort)
    if not isinstance(budget, int):
        return "medium"
    return next((name for name, most in EFFORTS.items() if name != "minimal" and budget <= most), "xhigh")


def _chat_choice(choice: Document | None) -> Document:
    if choice is None:
        return {}
    kinds: Document = {"auto": "auto", "any": "required", "none": "none"}
    kind = str(choice.get("type"))
    out: Document
    if kind == "tool":
        out = {"tool_choice": {"type": "function", "function": {"name": choice.get("name")}}}
    elif kind in kinds:
        out = {"tool_choice": kinds[kind]}
    else:
        raise _cannot("tool_choice", "chat completions")
    if choice.get("disable_parallel_tool_use") is True:
        out["parallel_tool_calls"] = False
    return out


def _chat_tool(tool: Document, at: int) -> Document:
    if tool.get("type", "custom") != "custom":
        raise _cannot(f"tools[{at}]", "chat completions")
    function: Document = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    for same in ("description", "strict"):
        if tool.get(same) is not None:
            function[same] = tool[same]
    return {"type": "function", "function": function}


def _chat_messages(body: Mapping[str, object]) -> Iterator[Document]:
    system = body.get("system")
    if system:
        yield {"role": "system", "content": _joined(system, "system")}
    for at, message in enumerate(objects(body.get("messages"))):
        place = f"messages[{at}]"
        content = message.get("content")
        role = message.get("role")
        if isinstance(content, str):
            yield {"role": role, "content": content}
        elif role == "assistant":
            yield _chat_said(objects(content), place)
        else:
            yield from _chat_asked(objects(content), place)


def _chat_said(blocks: list[Document], place: str) -> Document:
    """What a model said before. Its signed thinking is left out: no other provider can check it (docs/wire.md)."""
    texts: list[str] = []
    calls: list[Document] = []
    for at, block in enumerate(blocks):
        match block.get("type"):
            case "text":
                texts.append(str(block.get("text", "")))
            case "tool_use":
                function: Document = {
                    "name": block.get("name"),
                    "arguments": encoded(block.get("input") or {}).decode(),
                }
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "thinking" | "redacted_thinking":
                pass
            case _:
                raise _cannot(f"{place}.content[{at}]", "chat completions")
    out: Document = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    return out | {"tool_calls": calls} if calls else out


def _chat_asked(blocks: list[Document], place: str) -> Iterator[Document]:
    """What a person or a tool said: results of tools are messages of their own, and come first."""
    parts: list[Document] = []
    for at, block in enumerate(blocks):
        where = f"{place}.content[{at}]"
        match block.get("type"):
            case "tool_result":
                text = _joined(block.get("content") or "", f"{where}.content")
                told = f"Error: {text}" if block.get("is_error") is True else text
                yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": told}
            case "text":
                parts.append({"type": "text", "text": block.get("text")})
            case "image":
                parts.append({"type": "image_url", "image_url": {"url": _image_url(block, where)}})
            case _:
                raise _cannot(where, "chat completions")
    if parts:
        yield {"role": "user", "content": parts}


def _image_url(block: Document, place: str) -> str:
    source = an_object(block.get("source")) or {}
    if source.get("type") == "url":
        return str(source.get("url"))
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    raise _cannot(place, "chat completions")


def messages_request(body: Mapping[str, object]) -> Document:
    """A request of chat as one of messages.

    Raises:
        InvalidInput: It asks for what messages can't say (``model.untranslatable``); ``place`` names the member.
    """
    _known(body, _CHAT, "messages")
    for member, neutral in _NEUTRAL.items():
        if body.get(member) not in neutral:
            raise _cannot(member, "messages")
    most = body.get("max_completion_tokens")
    most = body.get("max_tokens") if most is None else most
    system, asked = _conversation(objects(body.get("messages")))
    out: Document = {
        "model": body.get("model"),
        "max_tokens": MOST_OUT if most is None else most,
        "messages": asked,
    }
    if system:
        out["system"] = system
    out |= _same(body)
    stop = body.get("stop")
    if stop is not None:
        out["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := [_messages_tool(tool, at) for at, tool in enumerate(objects(body.get("tools")))]:
        out["tools"] = tools
    out |= _messages_choice(body)
    if isinstance(body.get("user"), str):
        out["metadata"] = {"user_id": body["user"]}
    out |= _messages_thinking(body, out)
    return out | _messages_format(body)


#: What changes nothing, so that it may be left out.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (None, 1),
    "seed": (None,),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logprobs": (None, False),
}


def _messages_thinking(body: Mapping[str, object], out: Document) -> Document:
    effort = body.get("reasoning_effort")
    if effort in {None, "none"}:
        return {}
    budget = EFFORTS.get(str(effort))
    if budget is None:
        raise _cannot("reasoning_effort", "messages")
    # The bound counts thinking too, there as here, and must be above it (as Anthropic's documentation says). It is what
    # was reserved: it stays as it is, and thinking gets at most three quarters of it, or none where that is too little.
    most = out["max_tokens"]
    if body.get("max_completion_tokens", body.get("max_tokens")) is None or not isinstance(most, int):
        return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": MOST_OUT + budget}
    budget = min(budget, most * 3 // 4)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= LEAST_THINKING else {}


def _messages_format(body: Mapping[str, object]) -> Document:
    form = an_object(body.get("response_format"))
    if form is None or form.get("type") == "text":
        return {}
    inner = an_object(form.get("json_schema"))
    if form.get("type") != "json_schema" or inner is None:
        raise _cannot("response_format", "messages")
    return {"output_config": {"format": {"type": "json_schema", "schema": inner.get("schema")}}}


def _messages_tool(tool: Document, at: int) -> Document:
    function = an_object(tool.get("function"))
    if tool.get("type") != "function" or function is None:
        raise _cannot(f"tools[{at}]", "messages")
    out: Document = {
        "name": function.get("name"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
    for same in ("description", "strict"):
        if function.get(same) is not None:
            out[same] = function[same]
    return out


def _messages_choice(body: Mapping[str, object]) -> Document:
    choice = body.get("tool_choice")
    single = body.get("parallel_tool_calls") is False
    named = an_object(choice)
    out: Document
    if named is not None:
        function = an_object(named.get("function"))
        if function is None:
            raise _cannot("tool_choice", "messages")
        out = {"type": "tool", "name": function.get("name")}
    elif choice in {None, "auto", "required", "none"}:
        if choice is None and not (single and body.get("tools")):
            return {}
        out = {"type": {"required": "any", "none": "none"}.get(str(choice), "auto")}
    else:
        raise _cannot("tool_choice", "messages")
    if single and out["type"] != "none":
        out["disable_parallel_tool_use"] = True
    return {"tool_choice": out}


def _conversation(asked: list[Document]) -> tuple[str, list[Document]]:
    """The system prompt, and the turns: neighbours of one side become one, as messages want it."""
    system: list[str] = []
    turns: list[Document] = []
    for at, message in enumerate(asked):
        place = f"messages[{at}]"
        role = message.get("role")
        if role in {"system", "developer"}:
            if turns:
                raise _cannot(place, "messages")
            system.append(_joined(message.get("content") or "", f"{place}.content"))
            continue
        if role == "assistant":
            side, blocks = "assistant", list(_said(message, place))
        elif role == "tool":
            text = _joined(message.get("content") or "", f"{place}.content")
            block: Document = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": text}
            side, blocks = "user", [block]
        elif role == "user":
            side, blocks = "user", list(_parts(message.get("content"), place))
        else:
            raise _cannot(f"{place}.role", "messages")
        if turns and turns[-1]["role"] == side:
            cast("list[Document]", turns[-1]["content"]).extend(blocks)
        else:
            turns.append({"role": side, "content": blocks})
    return "\n\n".join(system), turns


def _said(message: Document, place: str) -> Iterator[Document]:
    yield from _parts(message.get("content"), place)
    if message.get("function_call") is not None or message.get("audio") is not None:
        raise _cannot(place, "messages")
    for at, call in enumerate(objects(message.get("tool_calls"))):
        function = an_object(call.get("function"))
        where = f"{place}.tool_calls[{at}].function.arguments"
        if function is None:
            raise _cannot(where, "messages")
        written = function.get("arguments") or "{}"
        given = decoded(written.encode("utf-8", "surrogatepass")) if isinstance(written, str) else None
        if not isinstance(given, dict):
            raise InvalidInput(
                f"In the request, {where} is no JSON object.", place=where, code="model.request", hint="send JSON"
            )
        yield {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


def _parts(content: object, place: str) -> Iterator[Document]:
    if isinstance(content, str):
        if content:
            yield {"type": "text", "text": content}
        return
    for at, part in enumerate(objects(content)):
        where = f"{place}.content[{at}]"
        match part.get("type"):
            case "text":
                yield {"type": "text", "text": part.get("text")}
            case "refusal":
                yield {"type": "text", "text": part.get("refusal")}
            case "image_url":
                yield {"type": "image", "source": _source(part, where)}
            case _:
                raise _cannot(where, "messages")


def _source(part: Document, place: str) -> Document:
    url = (an_object(part.get("image_url")) or {}).get("url")
    if not isinstance(url, str):
        raise _cannot(place, "messages")
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, comma, data = url[5:].partition(",")
    media, _, form = head.partition(";")
    if not comma or form != "base64":
        raise _cannot(place, "messages")
    return {"type": "base64", "media_type": media, "data": data}


def _joined(content: object, place: str) -> str:
    """A text, or parts that are texts only."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for at, part in enumerate(objects(content)):
        if part.get("type") != "text":
            raise _cannot(f"{place}[{at}]", "the other interface")
        texts += (str(part.get("text", "")),)
    return "\n\n".join(texts)


def _known(body: Mapping[str, object], members: frozenset[str], there: str) -> None:
    for member, value in body.items():
        if member not in members and value is not None:
            raise _cannot(member, there)


def _cannot(place: str, there: str) -> InvalidInput:
    return InvalidInput(
        f"This model is asked by another interface ({there}), which has nothing like {place} of this request.",
        place=place,
        code="model.untranslatable",
        hint="leave it out, or name a model whose provider has this interface",
    )
