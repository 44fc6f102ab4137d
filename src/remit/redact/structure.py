"""Any Python value as plain data (dicts, lists, texts, numbers), so that a redactor sees everything that is in it."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Mapping, Set
from enum import Enum
from typing import Any, cast

DEEPEST = 32
MOST = 10_000  # values; what comes after is cut off, so that data that refers to itself many times over ends

CYCLE, TOO_DEEP, CUT, HIDDEN = "[cycle]", "[too deep]", "[cut]", "[hidden]"


def structured(value: object) -> object:
    """``value`` as plain data.

    Keys become texts; tuples, sets and deques lists; bytes text (UTF-8, what isn't as escapes); dataclasses, Pydantic
    models and named tuples dicts; enums their values; numbers that are none their names; secrets that know they are (``SecretStr``) ``[hidden]``; anything
    else its ``str``. What contains itself, lies deeper than 32 levels, or comes after 10,000 values says so instead.

    Raises:
        Exception: Whatever a value's own ``str`` or model raises.
    """
    return _Walk().walk(value, 0)


class _Walk:
    def __init__(self) -> None:
        self._path: set[int] = set()
        self._left = MOST

    def walk(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        self._left -= 1
        if self._left < 0:
            return CUT
        if isinstance(value, Enum):
            return self.walk(value.value, depth)
        if isinstance(value, str | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no word for those
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "backslashreplace")
        return self._inner(value, depth)

    def _inner(self, value: object, depth: int) -> object:
        inner = _opened(value)
        if isinstance(inner, str):
            return inner
        if depth >= DEEPEST:
            return TOO_DEEP
        if id(value) in self._path:
            return CYCLE
        self._path.add(id(value))
        try:
            if isinstance(inner, dict):
                return {_key(key): self.walk(each, depth + 1) for key, each in inner.items()}
            return [self.walk(each, depth + 1) for each in inner]
        finally:
            self._path.discard(id(value))


def _opened(value: object) -> dict[object, object] | list[object] | str:
    """One level of a container, or the text of what is none."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(cast("Any", value)._asdict())
    if isinstance(value, list | tuple | Set | deque):
        return list(cast("list[object]", value))
    if hasattr(value, "get_secret_value"):
        return HIDDEN
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    if isinstance(getattr(type(value), "model_fields", None), Mapping):
        return dict(vars(value))
    return str(value)


def _key(key: object) -> str:
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key).decode("utf-8", "backslashreplace")
    return key if isinstance(key, str) else str(key)
