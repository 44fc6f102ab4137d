"""What a document costs to read is bounded before it is read: how many values it holds, how deep they lie.

Ten megabytes of prose are read in a moment; ten megabytes of small values, and an error for each that does not fit,
hold a process for seconds. So values are counted first, by passes over the bytes that take a hundredth of that.
"""

from __future__ import annotations

from typing import cast

from remit.kernel.aside import LARGE, aside
from remit.kernel.errors import InvalidInput, TooLarge
from remit.serve.edge.asgi import App, Message, Receive, Scope, Send
from remit.serve.edge.forms import SAFE

MOST_VALUES = 20_000
DEEPEST = 100
_OPENING = frozenset(b"[{")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


class Documents:
    """Stands before an application that reads JSON.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request.

        Raises:
            InvalidInput, TooLarge: As ``weigh``.
        """
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self._app(scope, receive, send)
            return
        body = await whole(receive)
        if len(body) < LARGE:
            weigh(body)
        else:
            await aside(weigh, body)
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


def weigh(body: bytes) -> None:
    """Refuse a document that takes long to read. Whether it is JSON at all is for its reader to find.

    Raises:
        TooLarge: It holds more than ``MOST_VALUES`` values (``api.values``).
        InvalidInput: They lie more than ``DEEPEST`` deep in each other, or it is not in UTF-8 (``api.json``).
    """
    if b"\0" in body:  # the other encodings that readers of JSON find out have it in every bracket
        message = "The document is not in UTF-8."
        raise InvalidInput(message, code="api.json", hint="send JSON in UTF-8")
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MOST_VALUES:  # each value is one text at most, and has one name
        raise _too_many()
    outside = b"".join(bare.split(b'"')[::2])
    brackets = outside.translate(None, _OTHERS)
    opening = brackets.count(b"[") + brackets.count(b"{")
    if outside.count(b",") + opening > MOST_VALUES or len(brackets) > 2 * MOST_VALUES:
        raise _too_many()
    depth = 0
    for each in brackets:
        depth += 1 if each in _OPENING else -1
        if depth > DEEPEST:
            message = f"The document has objects or lists in each other more than {DEEPEST} deep."
            raise InvalidInput(message, code="api.json", hint="send less deeply nested JSON")


def _too_many() -> TooLarge:
    message = f"The document holds more than {MOST_VALUES:,} values."
    return TooLarge(message, code="api.values", hint="send it in parts")


async def whole(receive: Receive) -> bytes:
    """The body; the edge has bounded it.

    Raises:
        InvalidInput: The client went away before its end.
    """
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            gone = "The client went away before its request had come."
            raise InvalidInput(gone, code="api.gone", hint="ask again")
        parts.append(cast("bytes", message.get("body", b"")))
        more = bool(message.get("more_body", False))
    return b"".join(parts)
