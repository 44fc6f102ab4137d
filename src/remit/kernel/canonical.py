"""Canonical JSON: the one byte form that is hashed, compared and signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import orjson

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces.

    For ASCII keys, strings and integers below 2^53 this equals RFC 8785; numbers with a fraction are written as the
    shortest text that reads back the same.

    Raises:
        TypeError: A value has no JSON form (bytes, sets, objects).
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: object) -> str:
    """SHA-256, hexadecimal, of the canonical form of ``value``."""
    return hashlib.sha256(canonical(value)).hexdigest()


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data``, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
