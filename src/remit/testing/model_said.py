"""What stand-ins for providers say, whatever the interface: texts, tokens, examples of schemas, events of streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from remit.testing.model_script import Reply, ToolCall

CREATED = 1_790_000_000
GREETING = "Hello from the model server."
OK = 200
JSON: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
SSE: tuple[tuple[str, str], ...] = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the pieces of the body: events of a stream, else one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]
    streamed: bool = False


def whole(told: Mapping[str, Any]) -> Answer:
    """An answer of one JSON object."""
    return Answer(OK, (*JSON, ("x-request-id", "req_test"), ("request-id", "req_test")), (orjson.dumps(dict(told)),))


def stream(events: Iterator[bytes], reply: Reply, broken: bytes) -> Answer:
    """An answer of events; ``broken`` is the event of an error, for ``Reply.error_after``."""
    pieces = list(events)
    if reply.error_after is not None:
        pieces = [*pieces[: reply.error_after], broken]
    return Answer(OK, (*SSE, ("x-request-id", "req_test"), ("request-id", "req_test")), tuple(pieces), streamed=True)


def data(told: Any) -> bytes:  # noqa: ANN401 - JSON
    """An event of a stream without a name."""
    return b"data: " + orjson.dumps(told) + b"\n\n"


def event_of(told: dict[str, Any]) -> bytes:
    """An event of a stream, named by its ``type``."""
    return b"event: " + str(told["type"]).encode() + b"\n" + data(told)


def split(text: str, length: int = 6) -> list[str]:
    """A text in pieces of ``length``."""
    return [text[at : at + length] for at in range(0, len(text), length)]


def part(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object in an object; empty when there is none."""
    found: Any = told.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Said:
    """A reply with its blanks filled from the request."""

    text: str
    deltas: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    tokens_in: int
    tokens_out: int


def say(request: Mapping[str, Any], reply: Reply, *, tools: Sequence[ToolCall], schema: Any) -> Said:  # noqa: ANN401 - JSON
    """A reply with its blanks filled: with the tools that must be called, an example of the schema, or a greeting."""
    calls, text = reply.calls, reply.text
    if text is None and not calls and not reply.deltas and not reply.refusal:
        calls = tuple(tools)
        text = "" if calls else GREETING if schema is None else orjson.dumps(example(schema)).decode()
    deltas = reply.deltas or words(text or "")
    thought = len(words(reply.thinking))
    written = len(deltas) + thought + sum(1 + len(words(call.text)) for call in calls) + len(words(reply.refusal))
    return Said(
        text="".join(deltas),
        deltas=deltas,
        calls=calls,
        tokens_in=count(request) if reply.tokens_in is None else reply.tokens_in,
        tokens_out=max(1, written) if reply.tokens_out is None else reply.tokens_out,
    )


def words(text: str) -> tuple[str, ...]:
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
