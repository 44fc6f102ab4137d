"""What of ASGI the gateway uses, and how it reads a request: bounded in bytes and in seconds, decoded once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import orjson

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, Timeout, TooLarge

type Message = MutableMapping[str, Any]  # ASGI's own messages
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]

LONGEST_NAME = 200  # characters of a model's name
_QUOTE_ESCAPED = b"\\u0022"


class ClientGoneError(Exception):
    """Whoever asked has closed the connection: there is nobody to answer."""


async def read_body(receive: Receive, *, most: int, seconds: float) -> bytes:
    """The whole body.

    Args:
        receive: ASGI's.
        most: How many bytes are taken; they are counted as they come, whatever the headers promise.
        seconds: How long it may take to arrive.

    Raises:
        TooLarge: There are more.
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
                body = await _rest(body, receive, most=most)
    except TimeoutError as error:
        told = f"The body of the request did not arrive within {seconds:g} s."
        raise Timeout(told, code="gateway.body_slow", hint="send the request again") from error
    if len(body) > most:
        raise _too_large(most)
    return body


async def _rest(begun: bytes, receive: Receive, *, most: int) -> bytes:
    parts, size, more = [begun], len(begun), True
    while more:
        if size > most:
            raise _too_large(most)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = cast("bytes", message.get("body", b""))
        parts.append(part)
        size += len(part)
        more = bool(message.get("more_body", False))
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    told = f"The request has more than {most:,} bytes."
    return TooLarge(told, code="gateway.body_large", hint="send less, or raise the setting gateway_body_bytes")


def decoded(body: bytes) -> dict[str, Json]:
    """The request's JSON, an object in which every name stands once.

    A name that stands twice is refused: the provider might read the one, and the guard have judged the other.

    Raises:
        InvalidInput: It is not JSON, no object, or has a name twice.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        told = f"The body of the request is not JSON: {error}."
        raise InvalidInput(told, code="gateway.json", hint="send one JSON object in UTF-8") from error
    if not isinstance(value, dict):
        told = "The body of the request must be one JSON object."
        raise InvalidInput(told, code="gateway.json", hint="send one JSON object in UTF-8")
    # Each name and each text has two quotes, and quotes inside a text are escaped in both forms: the counts differ
    # exactly when a name was dropped, unless the body writes quotes as \u0022.
    if body.count(b'"') != orjson.dumps(value).count(b'"') or _QUOTE_ESCAPED in body:
        _refuse_twice(body)
    return cast("dict[str, Json]", value)


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
