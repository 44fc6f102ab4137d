"""The periods of a budget: days and months in UTC, and a total that never begins anew.

UTC for every workspace: a period is then the same moment for all workers and everyone who reads the log, and no day
has 23 or 25 hours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from remit.kernel.clock import micros_of

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
_DECEMBER = 12


class Period(StrEnum):
    """For how long a limit holds before it begins anew."""

    TOTAL = "total"
    MONTH = "month"
    DAY = "day"

    @property
    def adjective(self) -> str:
        """``daily``, for sentences."""
        return {"total": "total", "month": "monthly", "day": "daily"}[self.value]


def start_of(period: Period, at_us: int) -> int:
    """When the period that ``at_us`` lies in began, in microseconds since the epoch; 0 for the total."""
    match period:
        case Period.TOTAL:
            return 0
        case Period.DAY:
            return at_us - at_us % DAY_US
        case Period.MONTH:
            return _month_of(at_us - at_us % DAY_US)


@lru_cache(64)
def _month_of(day_us: int) -> int:
    day = datetime.fromtimestamp(day_us // 1_000_000, UTC)
    return micros_of(datetime(day.year, day.month, 1, tzinfo=UTC))


def end_of(period: Period, starts_us: int) -> int | None:
    """When the period that began at ``starts_us`` ends and the next begins; ``None``: the total never does."""
    match period:
        case Period.TOTAL:
            return None
        case Period.DAY:
            return starts_us + DAY_US
        case Period.MONTH:
            day = datetime.fromtimestamp(starts_us // 1_000_000, UTC)
            year, month = (day.year + 1, 1) if day.month == _DECEMBER else (day.year, day.month + 1)
            return micros_of(datetime(year, month, 1, tzinfo=UTC))
