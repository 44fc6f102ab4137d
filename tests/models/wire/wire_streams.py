"""Streams of the three interfaces, written as providers write them, from pieces of text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from remit.kernel.effects import Wire
from remit.kernel.permits import Restorer
from remit.models.wire.answer import AnswerReader
from remit.redact.redactor import Redactor

KEY = b"tests only: 16 bytes or more"


def event(document: object, *, name: str = "", ascii_only: bool = True) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document, ensure_ascii=ascii_only)}\n\n".encode("utf-8", "surrogatepass")


def chat(pieces: Sequence[str], *, key: str = "content", usage: bool = True, done: bool = True) -> bytes:
    def chunk(delta: object, reason: str | None = None) -> bytes:
        return event(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "gpt-x",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            }
        )

    def said(piece: str) -> object:
        if key == "arguments":
            return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        return {key: piece}

    first = {"role": "assistant", "content": ""}
    if key == "arguments":
        first = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look"}}]}
    parts = [chunk(first), *(chunk(said(piece)) for piece in pieces), chunk({}, "stop")]
    if usage:
        told = {"prompt_tokens": 12, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
        parts.append(event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": told}))
    return b"".join([*parts, b"data: [DONE]\n\n" if done else b""])


def messages(pieces: Sequence[str], *, key: str = "text") -> bytes:
    def sent(document: dict[str, object]) -> bytes:
        return event(document, name=str(document["type"]))

    kinds: dict[str, tuple[dict[str, object], str]] = {
        "text": ({"type": "text", "text": ""}, "text_delta"),
        "thinking": ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta"),
        "partial_json": ({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}, "input_json_delta"),
    }
    block, kind = kinds[key]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x", "usage": usage}
    return b"".join(
        [
            sent({"type": "message_start", "message": head}),
            sent({"type": "content_block_start", "index": 0, "content_block": block}),
            sent({"type": "ping"}),
            *(
                sent({"type": "content_block_delta", "index": 0, "delta": {"type": kind, key: piece}})
                for piece in pieces
            ),
            sent({"type": "content_block_stop", "index": 0}),
            sent({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            sent({"type": "message_stop"}),
        ]
    )


def responses(pieces: Sequence[str], *, key: str = "output_text") -> bytes:
    number = itertools.count()

    def sent(kind: str, **members: object) -> bytes:
        return event({"type": kind, "sequence_number": next(number), **members}, name=kind)

    whole = "".join(pieces)
    at = {"item_id": "item_1", "output_index": 0}
    if key == "function_call_arguments":
        item = {"type": "function_call", "id": "item_1", "call_id": "call_1", "name": "look"}
        begun, over, done = {**item, "arguments": ""}, {**item, "arguments": whole}, {"arguments": whole}
    else:
        item = {"type": "message", "id": "item_1", "role": "assistant"}
        begun = {**item, "content": []}
        over = {**item, "content": [{"type": "output_text", "text": whole, "annotations": []}]}
        done = {"text": whole}
        at["content_index"] = 0
    usage = {"input_tokens": 12, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}}
    full = {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-x",
        "status": "completed",
        "output": [over],
        "usage": usage,
    }
    return b"".join(
        [
            sent("response.created", response={"id": "resp_1", "model": "gpt-x", "output": []}),
            sent("response.output_item.added", output_index=0, item=begun),
            *(sent(f"response.{key}.delta", **at, delta=piece) for piece in pieces),
            sent(f"response.{key}.done", **at, **done),
            sent("response.output_item.done", output_index=0, item=over),
            sent("response.completed", response=full),
        ]
    )


#: Interface, kind of text, and what writes a stream of it.
STREAMS = {
    "chat content": (Wire.CHAT, chat),
    "chat reasoning": (Wire.CHAT, lambda pieces: chat(pieces, key="reasoning_content")),
    "chat arguments": (Wire.CHAT, lambda pieces: chat(pieces, key="arguments")),
    "messages text": (Wire.MESSAGES, messages),
    "messages thinking": (Wire.MESSAGES, lambda pieces: messages(pieces, key="thinking")),
    "messages input": (Wire.MESSAGES, lambda pieces: messages(pieces, key="partial_json")),
    "responses text": (Wire.RESPONSES, responses),
    "responses arguments": (Wire.RESPONSES, lambda pieces: responses(pieces, key="function_call_arguments")),
}


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[low:high] for low, high in itertools.pairwise(edges)]


def read(
    wire: Wire, chunks: Sequence[bytes], redactor: Redactor | None, **options: object
) -> tuple[AnswerReader, bytes]:
    reader = AnswerReader(wire, streamed=True, redactor=redactor, **options)  # type: ignore[arg-type]
    return reader, b"".join([*(reader.feed(chunk) for chunk in chunks), reader.finish()])


def documents(data: bytes) -> list[dict[str, object]]:
    found = []
    for block in data.split(b"\n\n"):
        lines = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
        found += [json.loads(line) for line in lines if line != b"[DONE]"]
    return found


def said(wire: Wire, data: bytes) -> str:
    """The streamed text, joined, as a client joins it."""
    parts: list[str] = []
    for document in documents(data):
        if wire is Wire.CHAT:
            for choice in document.get("choices", []):
                delta = choice["delta"]
                parts += [value for key, value in delta.items() if isinstance(value, str) and key != "role"]
                parts += [call["function"].get("arguments", "") for call in delta.get("tool_calls", [])]
        elif wire is Wire.MESSAGES:
            if document["type"] == "content_block_delta":
                parts += [value for key, value in document["delta"].items() if key != "type"]
        elif str(document["type"]).endswith(".delta"):
            parts.append(str(document["delta"]))
    return "".join(parts)


class Upper:
    """A restorer for tests: puts ``Alice`` in place of ``<NAME_1_abcdef>``, holding back what may be one."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        self._held = (self._held + piece).replace("<NAME_1_abcdef>", "Alice")
        at = self._held.rfind("<")
        if at < 0 or len(self._held) - at >= 15:
            at = len(self._held)
        out, self._held = self._held[:at], self._held[at:]
        return out

    def close(self) -> str:
        out, self._held = self._held, ""
        return out


def restorer() -> Restorer:
    return Upper()
