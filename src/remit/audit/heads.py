"""Signed heads kept outside the database: one JSON string (the note) a line, appended and never changed.

The file is what a cut tail or a forked log is held against, so a copy of it elsewhere is worth having.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class HeadLine:
    """A line of the file: its number from 1, and the note (``None`` when the line is damaged)."""

    number: int
    note: str | None


def encode_head(note: str) -> bytes:
    """A note as a line."""
    return orjson.dumps(note) + b"\n"


def decode_heads(data: bytes) -> list[HeadLine]:
    """Every complete line. What follows the last newline was never relied on: a write that a crash cut short."""
    return [HeadLine(number, _note(line)) for number, line in enumerate(data.split(b"\n")[:-1], start=1)]


def last_head(data: bytes) -> str | None:
    """The note of the last complete line, if there is one that can be read."""
    lines = data.split(b"\n")
    return _note(lines[-2]) if len(lines) > 1 else None


def _note(line: bytes) -> str | None:
    try:
        note = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    # Only the one encoding counts: an escape or a space more would be a changed line that reads the same.
    return note if isinstance(note, str) and orjson.dumps(note) == line else None
