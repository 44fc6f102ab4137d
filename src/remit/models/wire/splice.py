"""Changing two members of a request's bytes, and no other byte: the model's name, and whether usage is streamed."""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from remit.kernel.errors import InvalidInput
from remit.models.wire.documents import an_object, decoded, encoded

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]++")
#: Everything up to the next bracket that stands outside a string.
_FLAT = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_MODEL = b'{"model":'
_USAGE = b'"stream_options":{"include_usage":true},'


class Member(NamedTuple):
    """A member of the outermost object: its name, and where its value stands."""

    name: str
    start: int
    end: int


def splice(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """``body`` with another model's name, and with ``stream_options.include_usage`` set.

    Every other byte stays: spaces, order, escapes, unknown members. A member that is written twice is changed twice,
    since readers differ in which one they take.

    Args:
        body: A JSON object that was decoded before: what is no JSON at all is not fully checked here.
        model: The name to be sent; ``None``: that member stays.
        include_usage: Whether the stream is to end with its usage.

    Raises:
        InvalidInput: It is no object (``model.request``).
    """
    if model is None and not include_usage:
        return body
    quick = _quickly(body, model, include_usage=include_usage)
    if quick is not None:
        return quick
    found = members(body)
    edits: list[tuple[int, int, bytes]] = []
    missing = b""
    if model is not None:
        name = orjson.dumps(model)
        places = [(each.start, each.end, name) for each in found if each.name == "model"]
        edits += places
        missing += b"" if places else b'"model":' + name + b","
    if include_usage:
        places = [
            (each.start, each.end, _with_usage(body[each.start : each.end]))
            for each in found
            if each.name == "stream_options"
        ]
        edits += places
        missing += b"" if places else _USAGE
    parts: list[bytes] = []
    done = 0
    if missing:
        done = body.index(b"{") + 1
        parts += (body[:done], missing if found else missing[:-1])
    for start, end, text in sorted(edits):
        parts += (body[done:start], text)
        done = end
    parts.append(body[done:])
    return b"".join(parts)


def _quickly(body: bytes, model: str | None, *, include_usage: bool) -> bytes | None:
    """The same for bodies as clients write them: the model first, once, no escapes that could hide a name."""
    if b"\\u" in body or (include_usage and b'"stream_options"' in body):
        return None
    usage = _USAGE if include_usage else b""
    if model is None:
        return b"{" + usage + body[1:] if body.startswith(_MODEL) else None
    if not body.startswith(_MODEL) or body.count(b'"model"') != 1:
        return None
    start = len(_MODEL) + (body[len(_MODEL)] == _BLANK)
    match = _STRING.match(body, start)
    if match is None:
        return None
    return b"".join((b"{", usage, body[1:start], orjson.dumps(model), body[match.end() :]))


_BLANK = 0x20


def _with_usage(value: bytes) -> bytes:
    options = an_object(decoded(value))
    if options is None:
        return b'{"include_usage":true}'
    return value if options.get("include_usage") is True else encoded(options | {"include_usage": True})


def members(body: bytes) -> list[Member]:
    """The members of the outermost object, in order, also those that are written twice.

    Raises:
        InvalidInput: It is no object, or ends too early (``model.request``).
    """
    at = _space(body, 0)
    if body[at : at + 1] != b"{":
        raise _no_object()
    at = _space(body, at + 1)
    found: list[Member] = []
    while body[at : at + 1] != b"}":
        name = _STRING.match(body, at)
        if name is None:
            raise _no_object()
        at = _space(body, name.end())
        if body[at : at + 1] != b":":
            raise _no_object()
        start = _space(body, at + 1)
        end = _value(body, start)
        found.append(Member(str(decoded(name[0])), start, end))
        at = _space(body, end)
        if body[at : at + 1] == b",":
            at = _space(body, at + 1)
        elif body[at : at + 1] != b"}":
            raise _no_object()
    return found


def _space(body: bytes, at: int) -> int:
    found = _SPACE.match(body, at)
    return at if found is None else found.end()


def _value(body: bytes, start: int) -> int:
    """Where the value that starts there ends."""
    first = body[start : start + 1]
    if first == b'"':
        found = _STRING.match(body, start)
    elif first in {b"{", b"["}:
        return _nested(body, start)
    else:
        found = _SCALAR.match(body, start)
    if found is None:
        raise _no_object()
    return found.end()


def _nested(body: bytes, start: int) -> int:
    depth = 0
    at = start
    while True:
        found = _FLAT.match(body, at)
        at = at if found is None else found.end()
        bracket = body[at : at + 1]
        at += 1
        if bracket in {b"{", b"["}:
            depth += 1
        elif bracket in {b"}", b"]"}:
            depth -= 1
            if depth == 0:
                return at
        else:
            raise _no_object()


def _no_object() -> InvalidInput:
    return InvalidInput(
        "The request's body is no JSON object.", code="model.request", hint="send one JSON object as the body"
    )
