"""What of ASGI the gateway uses, and how it reads a request: bounded in bytes and in seconds, decoded once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import orjson

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, Timeout, TooLarge, Unavailable

type Message = MutableMapping[str, Any]  # ASGI's own messages
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]

LONGEST_NAME = 200  # characters of a model's name
_QUOTE_ESCAPED = b"\\u0022"
#: Members of a request by which it is judged. Readers that heed no case (programs in Go: Ollama, LocalAI) take `Model`
#: for `model`, and the last one counts: such a second name is refused.
_JUDGED = frozenset(
    {"model", "messages", "input", "instructions", "system", "prompt", "tools", "functions", "mcp_servers", "stream"}
    | {"stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "background", "plugins"}
    | {"web_search_options", "search_parameters", "tool_choice", "previous_response_id", "conversation"}
    | {"models", "fallbacks", "service_tier", "speed", "inference_geo", "container", "max_tool_calls"}
)


class ClientGoneError(Exception):
    """Whoever asked has closed the connection: there is nobody to answer."""


class Room:
    """How many bytes of requests that came in pieces a process holds at once: all of a call's are held until its end.

    Args:
        most: So many. What came in one piece is not counted: it is small.
    """

    __slots__ = ("_most", "taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    def take(self, size: int) -> None:
        """Take so much of it.

        Raises:
            Unavailable: There is not so much left.
        """
        if self.taken + size > self._most:
            told = "The gateway holds as many bytes of large requests as it may."
            raise Unavailable(told, code="gateway.bodies", hint="ask again, or send less at once", retry_after=1.0)
        self.taken += size

    def give(self, size: int) -> None:
        """Give it back."""
        self.taken -= size


class Body:
    """A request's body while it is read and answered.

    Attributes:
        held: Bytes of it that take room.
    """

    __slots__ = ("_room", "held")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.held = 0

    def take(self, size: int) -> None:
        """See ``Room.take``."""
        self._room.take(size)
        self.held += size

    def give(self) -> None:
        """The call is over."""
        if self.held:
            self._room.give(self.held)
            self.held = 0


async def read_body(receive: Receive, *, most: int, seconds: float, room: Body) -> bytes:
    """The whole body.

    Args:
        receive: ASGI's.
        most: How many bytes are taken; they are counted as they come, whatever the headers promise.
        seconds: How long it may take to arrive.
        room: Where a body that comes in pieces takes its place; whoever made it gives it back.

    Raises:
        TooLarge: There are more.
        Unavailable: There is no room for it.
        Timeout: It did not arrive in time.
        ClientGoneError: The client went away before its end.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            body = cast("bytes", message.get("body", b""))
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            if message.get("more_body", False):
                body = await _rest(body, receive, most=most, room=room)
    except TimeoutError as error:
        told = f"The body of the request did not arrive within {seconds:g} s."
        raise Timeout(told, code="gateway.body_slow", hint="send the request again") from error
    if len(body) > most:
        raise _too_large(most)
    return body


async def _rest(begun: bytes, receive: Receive, *, most: int, room: Body) -> bytes:
    parts, size, more = [begun], len(begun), True
    room.take(size)
    while more:
        if size > most:
            raise _too_large(most)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = cast("bytes", message.get("body", b""))
        parts.append(part)
        size += len(part)
        room.take(len(part))
        more = bool(message.get("more_body", False))
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    told = f"The request has more than {most:,} bytes."
    return TooLarge(told, code="gateway.body_large", hint="send less, or raise the setting gateway_body_bytes")


def decoded(body: bytes) -> dict[str, Json]:
    """The request's JSON, an object in which every name stands once.

    A name that stands twice is refused, also in another case where Remit judges by it: the provider might read the one,
    and the guard have judged the other.

    Raises:
        InvalidInput: It is not JSON, no object, nested too deeply, or has a name twice.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        told = f"The body of the request is not JSON: {error}."
        raise InvalidInput(told, code="gateway.json", hint="send one JSON object in UTF-8") from error
    if not isinstance(value, dict):
        told = "The body of the request must be one JSON object."
        raise InvalidInput(told, code="gateway.json", hint="send one JSON object in UTF-8")
    known = cast("dict[str, Json]", value)
    for name in known:
        if name not in _JUDGED and (meant := name.casefold()) in _JUDGED:
            told = f"The body of the request has the name {name[:60]!r}, which some providers read as {meant!r}."
            raise InvalidInput(told, code="gateway.json", hint=f"write {meant}")
    # Each name and each text has two quotes, and quotes inside a text are escaped in both forms: the counts differ
    # exactly when a name was dropped, unless the body writes quotes as \u0022.
    try:
        again = orjson.dumps([[[[[[[[known]]]]]]]])  # orjson writes 254 deep, and it is put into other objects
        if body.count(b'"') != again.count(b'"') or _QUOTE_ESCAPED in body:
            _refuse_twice(body)
    except (TypeError, RecursionError) as error:
        told = "The body of the request has objects or lists in each other more than 240 deep."
        raise InvalidInput(told, code="gateway.json", hint="send less deeply nested JSON") from error
    return known


def _refuse_twice(body: bytes) -> None:
    def once(pairs: list[tuple[str, object]]) -> None:
        names = {name for name, _ in pairs}
        if len(names) != len(pairs):
            told = "An object in the body of the request has the same name twice."
            raise InvalidInput(told, code="gateway.json", hint="send each name once")

    json.loads(body, object_pairs_hook=once)


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer at once."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
