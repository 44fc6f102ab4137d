"""Moments as a person writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from remit.kernel.clock import micros_of
from remit.kernel.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def since_us(text: str) -> int:
    """Microseconds since the epoch of an ISO time (UTC unless it says otherwise) or of ``30m``, ``2h``, ``7d`` ago.

    Nothing is the beginning of time.

    Raises:
        InvalidInput: It is neither.
    """
    if not text:
        return 0
    try:
        if text[-1] in _UNITS and text[:-1].isdecimal():
            return micros_of(datetime.now(UTC) - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]]))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is no time: write 2026-01-31T12:00:00Z, or 30m, 2h, 7d."
        raise InvalidInput(message) from error
    return micros_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
