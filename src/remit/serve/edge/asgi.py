"""ASGI's own types, as the edge uses them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]


def joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; one that stands several times is one list (RFC 9110, 5.3), so nobody hides a second one."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        old = found.get(name)
        found[name] = value if old is None else old + (b"; " if name == b"cookie" else b", ") + value
    return found
