"""Identifiers: UUID version 7 as lower-case text, so that they sort by creation time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from remit.kernel.entropy import random_bytes
from remit.kernel.errors import InvalidInput

_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_LOW = (1 << 62) - 1


def _random_bits(count: int) -> int:
    return int.from_bytes(random_bytes(8)) >> (64 - count)


def new_id(*, unix_ms: int | None = None, rand: Callable[[int], int] = _random_bits) -> str:
    """A fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random bits.

    Args:
        unix_ms: Milliseconds since the epoch; the machine's clock when left out.
        rand: Source of ``n`` random bits, at most 64; seeded in tests.
    """
    ms = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    if rand is _random_bits:
        drawn = int.from_bytes(random_bytes(10))  # all at once: 12 bits, and 62
        high, low = drawn >> 68, drawn & _LOW
    else:
        high, low = rand(12), rand(62)
    value = (ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Whether ``text`` is a UUID in canonical lower-case form."""
    return _SHAPE.fullmatch(text) is not None


def check_id(text: str, what: str) -> str:
    """``text`` when it is an id.

    Raises:
        InvalidInput: It is not; ``what`` names the thing ("mission").
    """
    if is_id(text):
        return text
    message = f"{text[:60]!r} is not a {what} id: ids are UUIDs such as {new_id(unix_ms=0, rand=lambda _n: 0)}."
    raise InvalidInput(message, hint="remit missions")
