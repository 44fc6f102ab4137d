"""Any Python value as plain data (dicts, lists, texts, numbers), so that a redactor sees everything that is in it."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, cast

DEEPEST = 32
MOST = 10_000  # values; what comes after is cut off, so that data that refers to itself many times over ends

CYCLE, TOO_DEEP, CUT, HIDDEN = "[cycle]", "[too deep]", "[cut]", "[hidden]"


def structured(value: object) -> object:
    """``value`` as plain data.

    Keys become texts; tuples, sets and deques lists; bytes text (UTF-8, what isn't as escapes); dataclasses, Pydantic
    models and named tuples dicts; enums their values; infinite numbers and those that are none their names; secrets
    that know they are (``SecretStr``) ``[hidden]``; anything else its ``str``. What contains itself, lies deeper than
    32 levels, or comes after 10,000 values says so instead.

    Raises:
        Exception: Whatever a value's own ``str`` or model raises.
    """
    return _Walk().walk(value, 0)


class _Walk:
    def __init__(self) -> None:
        self._path: set[int] = set()
        self._left = MOST

    def walk(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0:
            return CUT
        if isinstance(value, Enum):
            return self.walk(value.value, depth)
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no word for those
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


type _Level = dict[object, object] | list[object] | str


def _opened(value: object) -> _Level:
    """One level of a container, or the text of what is none."""
    if _is_bytes(value):
        return _text(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, list | tuple | AbstractSet | deque):
        known = cast("Any", value)
        return dict(known._asdict()) if hasattr(known, "_asdict") else list(cast("Iterable[object]", known))
    return _fields(value)


def _fields(value: object) -> _Level:
    """What an object is made of, where it says so."""
    known: Any = value
    if hasattr(known, "get_secret_value"):
        return HIDDEN
    if dataclasses.is_dataclass(known) and not isinstance(known, type):
        return {each.name: getattr(known, each.name, None) for each in dataclasses.fields(known)}
    if isinstance(getattr(cast("Any", type(known)), "model_fields", None), Mapping):
        return {**vars(known), **(getattr(known, "__pydantic_extra__", None) or {})}
    return str(known)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes | bytearray | memoryview)


def _text(value: object) -> str:
    return bytes(cast("bytes", value)).decode("utf-8", "backslashreplace")


def _key(key: object) -> str:
    return _text(key) if _is_bytes(key) else str(key)
