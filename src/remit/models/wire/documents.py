"""JSON documents as providers write them, read without losing what they are."""

from __future__ import annotations

import json
from typing import cast

import orjson

type Document = dict[str, object]


def decoded(data: bytes) -> object:
    """A JSON document, also one with half a surrogate pair in it; ``None`` for what is none."""
    try:
        return cast("object", orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    try:
        return cast("object", json.loads(data))
    except (ValueError, RecursionError):
        return None


def encoded(document: object) -> bytes:
    """The document as JSON, also with half a surrogate pair in it."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, separators=(",", ":")).encode()


def objects(value: object) -> list[Document]:
    """The objects in a list; none for what is no list."""
    if not isinstance(value, list):
        return []
    return [cast("Document", each) for each in cast("list[object]", value) if isinstance(each, dict)]


def an_object(value: object) -> Document | None:
    """The value if it is an object."""
    return cast("Document", value) if isinstance(value, dict) else None
