"""Lists in pages: keyset cursors, so that a page costs the same wherever it is and nothing is shown twice.

A cursor is opaque to clients: the sort key of the last item of the page, as base64url JSON. It opens nothing; whoever
makes one up gets another place of a list that they may read anyway.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import orjson
from fastapi import Depends, Query
from pydantic import BaseModel, Field

from remit.kernel.errors import InvalidInput

MOST = 200
USUAL = 50
LONGEST_CURSOR = 1000
MOST_INTEGER = (1 << 63) - 1

type Key = tuple[str | int, ...]


class Page[T](BaseModel):
    """One page of a list."""

    items: list[T] = Field(description="In the list's order.")
    next: str | None = Field(description="The `cursor` of the next page; null: this is the last.")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for: at most ``limit`` items after the key ``after``; ``None``: from the start."""

    limit: int
    after: Key | None

    def text(self) -> str:
        """The key of a list that is sorted by one text; empty: from the start.

        Raises:
            InvalidInput: The cursor is of another list.
        """
        if self.after is None:
            return ""
        if len(self.after) == 1 and isinstance(self.after[0], str):
            return self.after[0]
        raise bad_cursor()

    def number(self, start: int) -> int:
        """The key of a list that is sorted by one number; ``start``: from the start.

        Raises:
            InvalidInput: The cursor is of another list.
        """
        if self.after is None:
            return start
        if len(self.after) == 1 and isinstance(self.after[0], int):
            return self.after[0]
        raise bad_cursor()

    def timed(self) -> tuple[int, str] | None:
        """The key of a list that is sorted by time and id; ``None``: from the start.

        Raises:
            InvalidInput: The cursor is of another list.
        """
        match self.after:
            case None:
                return None
            case (int(moment), str(name)):
                return moment, name
            case _:
                raise bad_cursor()


async def _paging(
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")] = USUAL,
    cursor: Annotated[str, Query(max_length=LONGEST_CURSOR, description="`next` of the page before.")] = "",
) -> Paging:
    return Paging(limit, read_cursor(cursor) if cursor else None)


#: A route's parameter: which page.
AskedPage = Annotated[Paging, Depends(_paging)]


def write_cursor(key: Key) -> str:
    """A key as a cursor."""
    return urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def read_cursor(text: str) -> Key:
    """A cursor's key.

    Raises:
        InvalidInput: Not one of ours.
    """
    try:
        found: object = orjson.loads(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, UnicodeEncodeError) as error:
        raise bad_cursor() from error
    if not isinstance(found, list):
        raise bad_cursor()
    parts = tuple(cast("list[object]", found))
    if not parts or not all(_fit(part) for part in parts):
        raise bad_cursor()
    return cast("Key", parts)


def _fit(part: object) -> bool:
    if isinstance(part, bool):
        return False
    if isinstance(part, int):
        return abs(part) <= MOST_INTEGER
    return isinstance(part, str) and "\0" not in part


def bad_cursor() -> InvalidInput:
    """A cursor that is of another list, or of none."""
    message = "The cursor is none of this list's."
    return InvalidInput(message, code="api.cursor", hint="ask without a cursor for the first page")


def cut[R](rows: Sequence[R], paging: Paging, key: Callable[[R], Key]) -> tuple[Sequence[R], str | None]:
    """The rows of a page and the cursor of the next, from up to ``limit + 1`` rows: one more than is shown."""
    if len(rows) <= paging.limit:
        return rows, None
    shown = rows[: paging.limit]
    return shown, write_cursor(key(shown[-1]))
