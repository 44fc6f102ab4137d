"""Streams of chat as streams of messages, and the other way: event by event, as they come."""

from __future__ import annotations

from remit.kernel.errors import InvalidAnswer
from remit.models.wire.documents import Document, an_object, decoded, encoded, objects
from remit.models.wire.sse import SseParser
from remit.models.wire.translate_answer import chat_reason, chat_usage, messages_reason, messages_usage
from remit.models.wire.whole import error_text

_DONE = b"[DONE]"


class MessagesStream:
    """Chat in, messages out. Blocks follow each other: a text ends when thinking or a call begins.

    Calls that come interleaved are kept until their turn. An error event, and an end that never comes, stay what they
    are: the stream of messages then has no ``message_stop``.

    Args:
        model: The name to show; the provider's when empty.
    """

    def __init__(self, *, model: str = "") -> None:
        self._parser = SseParser()
        self._model = model
        self._begun = False
        self._ended = False
        self._index = -1
        self._kind = ""  # of the block that is open; "" for none
        self._call: object = None  # which call the open block is
        self._calls: dict[object, Document] = {}  # those whose turn has not come: id, name, and what came of them
        self._reason: object = None
        self._usage: Document = {}
        self._out: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """What the events in ``data`` mean.

        Raises:
            InvalidAnswer: It is no stream of events, or not one that messages can say.
        """
        for event in self._parser.feed(data):
            if event.data == _DONE:
                self._end()
            elif event.data is not None and (known := an_object(decoded(event.data))) is not None:
                self._chunk(known)
            elif event.rest and event.data is None:
                self._out.append(event.raw)
        return self._taken()

    def finish(self) -> bytes:
        """The rest: nothing more comes."""
        return self._taken()

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _send(self, kind: str, **members: object) -> None:
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + encoded({"type": kind, **members}) + b"\n\n")

    def _chunk(self, chunk: Document) -> None:
        if chunk.get("error"):
            error: Document = {"type": "api_error", "message": error_text(chunk["error"])}
            self._send("error", error=error)
            return
        if not self._begun:
            self._begin(chunk)
        usage = an_object(chunk.get("usage"))
        if usage is not None:
            self._usage = usage
        for choice in objects(chunk.get("choices")):
            delta = an_object(choice.get("delta")) or {}
            for key in ("reasoning_content", "reasoning"):
                self._text("thinking", "thinking", delta.get(key))
            for key in ("content", "refusal"):
                self._text("text", "text", delta.get(key))
            for at, call in enumerate(objects(delta.get("tool_calls"))):
                self._tool(call.get("index", at), call)
            self._reason = choice.get("finish_reason") or self._reason

    def _begin(self, chunk: Document) -> None:
        self._begun = True
        message: Document = {
            "id": chunk.get("id") or "msg",
            "type": "message",
            "role": "assistant",
            "model": self._model or chunk.get("model") or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        self._send("message_start", message=message)

    def _open(self, kind: str, block: Document) -> None:
        self._close()
        self._index += 1
        self._kind = kind
        self._send("content_block_start", index=self._index, content_block=block)

    def _close(self) -> None:
        if self._kind:
            if self._kind == "thinking":
                self._delta({"type": "signature_delta", "signature": ""})
            self._send("content_block_stop", index=self._index)
        self._kind = ""
        self._call = None

    def _delta(self, delta: Document) -> None:
        self._send("content_block_delta", index=self._index, delta=delta)

    def _text(self, kind: str, key: str, text: object) -> None:
        if not isinstance(text, str) or not text:
            return
        if self._kind != kind:
            block: Document = {"type": kind, key: ""}
            self._open(kind, block | {"signature": ""} if kind == "thinking" else block)
        self._delta({"type": f"{kind}_delta", key: text})

    def _tool(self, index: object, call: Document) -> None:
        function = an_object(call.get("function")) or {}
        known = self._calls.setdefault(index, {"id": "", "name": "", "text": ""})
        known["id"] = known["id"] or call.get("id") or ""
        known["name"] = known["name"] or function.get("name") or ""
        text = function.get("arguments")
        piece = text if isinstance(text, str) else ""
        if self._kind == "tool_use" and self._call == index:
            if piece:
                self._delta({"type": "input_json_delta", "partial_json": piece})
            return
        if known["text"] is None:
            if piece:
                raise InvalidAnswer(
                    "The provider's stream goes on with a tool call that it had left.", code="model.protocol"
                )
            return
        known["text"] = f"{known['text']}{piece}"
        if self._kind != "tool_use" and known["name"]:
            self._turn(index, known)

    def _turn(self, index: object, known: Document) -> None:
        """It is this call's turn: open its block, with what has come of it."""
        self._open("tool_use", {"type": "tool_use", "id": known["id"], "name": known["name"], "input": {}})
        self._call = index
        if known["text"]:
            self._delta({"type": "input_json_delta", "partial_json": known["text"]})
        known["text"] = None  # from now on what comes of it goes on

    def _end(self) -> None:
        if self._ended or not self._begun:
            return
        self._ended = True
        self._close()
        for index, known in self._calls.items():
            if known["text"] is not None:
                self._turn(index, known)
                self._close()
        delta: Document = {"stop_reason": messages_reason(self._reason or "stop"), "stop_sequence": None}
        self._send("message_delta", delta=delta, usage=messages_usage(self._usage))
        self._send("message_stop")


class ChatStream:
    """Messages in, chat out.

    Args:
        model: The name to show; the provider's when empty.
        created: Seconds since 1970, which messages don't tell.
        include_usage: Whether the stream ends with an event that tells usage.
    """

    def __init__(self, *, model: str = "", created: int = 0, include_usage: bool = False) -> None:
        self._parser = SseParser()
        self._model = model
        self._created = created
        self._include_usage = include_usage
        self._id: object = ""
        self._usage: Document = {}
        self._calls: dict[object, int] = {}
        self._out: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """What the events in ``data`` mean.

        Raises:
            InvalidAnswer: It is no stream of events.
        """
        for event in self._parser.feed(data):
            if event.data is not None and (known := an_object(decoded(event.data))) is not None:
                self._event(known)
            elif event.rest and event.data is None:
                self._out.append(event.raw)
        return self._taken()

    def finish(self) -> bytes:
        """The rest: nothing more comes."""
        return self._taken()

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _send(self, choices: list[Document], **members: object) -> None:
        chunk: Document = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
            **members,
        }
        self._out.append(b"data: " + encoded(chunk) + b"\n\n")

    def _say(self, delta: Document, reason: str | None = None) -> None:
        self._send([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])

    def _event(self, event: Document) -> None:
        match event.get("type"):
            case "message_start":
                message = an_object(event.get("message")) or {}
                self._id = message.get("id")
                self._model = self._model or str(message.get("model") or "")
                self._usage = an_object(message.get("usage")) or {}
                self._say({"role": "assistant", "content": ""})
            case "content_block_start":
                self._block(event.get("index"), an_object(event.get("content_block")) or {})
            case "content_block_delta":
                self._delta(event.get("index"), an_object(event.get("delta")) or {})
            case "message_delta":
                usage = an_object(event.get("usage")) or {}
                self._usage |= {name: value for name, value in usage.items() if value is not None}
                delta = an_object(event.get("delta")) or {}
                self._say({}, chat_reason(delta.get("stop_reason") or "end_turn"))
            case "message_stop":
                if self._include_usage:
                    self._send([], usage=chat_usage(self._usage))
                self._out.append(b"data: [DONE]\n\n")
            case "error":
                error: Document = {"message": error_text(event.get("error")), "type": "server_error", "code": None}
                self._out.append(b"data: " + encoded({"error": error | {"param": None}}) + b"\n\n")
            case _:
                pass  # pings, and the ends of blocks, which chat doesn't have

    def _block(self, index: object, block: Document) -> None:
        if block.get("type") == "tool_use":
            number = self._calls[index] = len(self._calls)
            function: Document = {
                "name": block.get("name"),
                "arguments": encoded(block["input"]).decode() if block.get("input") else "",
            }
            call: Document = {"index": number, "id": block.get("id"), "type": "function", "function": function}
            self._say({"tool_calls": [call]})
        elif isinstance(text := block.get("text"), str) and text:
            self._say({"content": text})

    def _delta(self, index: object, delta: Document) -> None:
        match delta.get("type"):
            case "text_delta":
                self._say({"content": delta.get("text")})
            case "thinking_delta":
                self._say({"reasoning_content": delta.get("thinking")})
            case "input_json_delta":
                if delta.get("partial_json"):
                    function: Document = {"arguments": delta.get("partial_json")}
                    self._say({"tool_calls": [{"index": self._calls.get(index, 0), "function": function}]})
            case _:
                pass  # signatures and citations, which chat doesn't have
