"""Requests and answers of models as JSON, which is what the guard scans, masks and hashes; and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from remit.adapters.agents.library import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequestParameters,
    ModelResponse,
    ModelResponsePart,
    ModelSettings,
    RequestUsage,
)
from remit.kernel.canonical import Json, canonical
from remit.kernel.usage import Usage

#: What says when and in which run something was said: no part of a request.
_WHEN = frozenset({"timestamp", "run_id", "conversation_id"})
#: The guard gives no personal data back in what has this type: it leaves for somebody else.
TOOL_CALL = "tool_call"
_PART: TypeAdapter[ModelResponsePart] = TypeAdapter(ModelResponsePart)
_ASKED = ("max_tokens", "temperature", "top_p", "seed", "stop_sequences", "parallel_tool_calls")


def told(
    messages: Sequence[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
) -> dict[str, Json]:
    """A request as data."""
    dumped = cast("list[dict[str, Any]]", ModelMessagesTypeAdapter.dump_python(list(messages), mode="json"))
    request: dict[str, Any] = {"messages": [_timeless(message) for message in dumped]}
    if parameters.instruction_parts:
        request["instructions"] = [part.content for part in parameters.instruction_parts]
    if parameters.function_tools:
        request["tools"] = [_tool(each) for each in parameters.function_tools]
    if parameters.output_tools:
        request["output_tools"] = [_tool(each) for each in parameters.output_tools]
    given = cast("Mapping[str, Any]", settings or {})
    request |= {name: to_jsonable_python(given[name]) for name in _ASKED if given.get(name) is not None}
    return request


def _tool(tool: Any) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters_json_schema}


def _timeless(message: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in message.items() if name not in _WHEN}
    parts = cast("list[dict[str, Any]]", message.get("parts") or [])
    return bare | {"parts": [{name: each for name, each in part.items() if name not in _WHEN} for part in parts]}


def masked_request(
    performed: Mapping[str, Json], parameters: ModelRequestParameters
) -> tuple[list[ModelMessage], ModelRequestParameters]:
    """What the guard let through of a request, once it masked something in it."""
    messages = ModelMessagesTypeAdapter.validate_python(performed["messages"])
    texts = cast("Sequence[str]", performed.get("instructions") or ())
    parts = [replace(part, content=text) for part, text in zip(parameters.instruction_parts or (), texts, strict=True)]
    return messages, replace(
        parameters,
        instruction_parts=parts or parameters.instruction_parts,
        function_tools=_tools(parameters.function_tools, performed.get("tools")),
        output_tools=_tools(parameters.output_tools, performed.get("output_tools")),
    )


def _tools(defined: list[Any], shown: Json) -> list[Any]:
    told_of = cast("Sequence[Mapping[str, Any]]", shown or ())
    return [
        replace(tool, description=each["description"] or None, parameters_json_schema=each["parameters"])
        for tool, each in zip(defined, told_of, strict=True)
    ]


def answer(response: ModelResponse) -> dict[str, Json]:
    """A model's answer as data; calls of tools are marked, so that they keep the tokens of personal data."""
    (dumped,) = cast("list[dict[str, Any]]", ModelMessagesTypeAdapter.dump_python([response], mode="json"))
    return {**dumped, "parts": [part_told(part) for part in dumped["parts"]]}


def part_told(part: dict[str, Any]) -> dict[str, Any]:
    """One part, marked when it is a call."""
    return {**part, "type": TOOL_CALL} if str(part.get("part_kind", "")).endswith("-call") else part


def part_json(part: ModelResponsePart) -> dict[str, Any]:
    """One part as data."""
    return part_told(cast("dict[str, Any]", _PART.dump_python(part, mode="json")))


def part_of(told_part: Mapping[str, Json]) -> ModelResponsePart:
    """A part from data."""
    return _PART.validate_python({name: value for name, value in told_part.items() if name != "type"})


def response_of(value: Mapping[str, Json]) -> ModelResponse:
    """An answer from data."""
    parts = [
        {name: each for name, each in part.items() if name != "type"}
        for part in cast("Sequence[Mapping[str, Json]]", value["parts"])
    ]
    (response,) = ModelMessagesTypeAdapter.validate_python([{**value, "parts": parts}])
    return cast("ModelResponse", response)


def same(one: Json, other: Json) -> bool:
    """Whether two pieces of JSON say the same."""
    return canonical(one) == canonical(other)


def used(usage: RequestUsage, *, provider: str, model: str, estimated: bool = False) -> Usage:
    """What an answer used up, in Remit's words."""
    return Usage(
        provider=provider,
        model=model,
        tokens_in=usage.input_tokens,
        tokens_out=usage.output_tokens,
        tokens_cached=min(usage.cache_read_tokens, usage.input_tokens),
        tokens_cache_write=min(usage.cache_write_tokens, usage.input_tokens),
        estimated=estimated,
    )


def priced(usage: RequestUsage) -> Decimal | None:
    """What the library says that an answer cost, in dollars; ``None``: it doesn't know."""
    cost = getattr(usage, "cost", None)
    return cost if isinstance(cost, Decimal) else None
