"""Time as a thing that is passed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from remit.kernel.errors import InvalidInput


class Clock(Protocol):
    """A source of time; ``remit.testing`` has one that tests move by hand."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, near enough."""
        return time.monotonic()


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999 of UTC


def micros_of(moment: datetime) -> int:
    """Microseconds since the Unix epoch, exact (no float on the way).

    Raises:
        ValueError: ``moment`` is naive.
        InvalidInput: Its offset moves it out of the years 1 to 9999 of UTC: no ``iso`` could tell it again.
    """
    if moment.tzinfo is None:
        message = "a naive datetime has no place on the time line"
        raise ValueError(message)
    delta = moment - EPOCH
    micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if not _FIRST_US <= micros <= _LAST_US:
        message = f"{moment.isoformat()} is not within the years 1 to 9999 of UTC."
        raise InvalidInput(message, hint="write a time such as 2026-01-31T12:00:00Z")
    return micros


def iso(micros: int) -> str:
    """RFC 3339 text of microseconds since the epoch, in UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")
