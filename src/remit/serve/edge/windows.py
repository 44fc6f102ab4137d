"""How often somebody asks: counted in sliding windows of a minute and an hour, in this process's memory.

No span of 60 seconds ever holds more than the minute's limit, and none of 3600 more than the hour's: requests are
counted in slices of a sixtieth of the window, and a slice counts until the last moment of it is out of the window. So
whoever used a limit up waits up to a sixtieth longer than the window, never shorter. Memory for one key is bounded, as
is the number of keys: whoever was heard of longest ago is forgotten first.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

SLICES = 60
MINUTE_S, HOUR_S = 60.0, 3600.0
MOST_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Limits:
    """So many requests; 0: none at all."""

    minute: int
    hour: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands, this request counted unless it is refused.

    Attributes:
        limits: What holds for them.
        minute: How many are left of the minute's.
        hour: How many are left of the hour's.
        wait_s: After how many seconds to come back; 0: this one passes.
        window: Which limit refuses: ``minute`` or ``hour``; empty: none.
    """

    limits: Limits
    minute: int
    hour: int
    wait_s: float = 0.0
    window: str = ""


class _Window:
    """One window of one key."""

    __slots__ = ("_slice_s", "_slices", "count")

    def __init__(self, span_s: float) -> None:
        self._slice_s = span_s / SLICES
        self._slices: deque[list[int]] = deque()  # [which slice, how many]
        self.count = 0

    def move(self, now: float) -> int:
        """Forget what is out of the window; the slice that is now."""
        current = int(now / self._slice_s)
        slices = self._slices
        while slices and slices[0][0] < current - SLICES:
            self.count -= slices.popleft()[1]
        return current

    def add(self, current: int) -> None:
        """Count one."""
        slices = self._slices
        if slices and slices[-1][0] == current:
            slices[-1][1] += 1
        else:
            slices.append([current, 1])
        self.count += 1

    def take_back(self) -> None:
        """The newest was none."""
        if self._slices:
            self._slices[-1][1] -= 1
            self.count -= 1

    def wait(self, now: float, most: int) -> float:
        """Seconds until one more fits."""
        surplus = self.count - most + 1
        for which, number in self._slices:
            surplus -= number
            if surplus <= 0:
                return (which + SLICES + 1) * self._slice_s - now
        return self._slice_s * SLICES


class Windows:
    """Counts. For one event loop; nothing is shared with other processes, each counts what it is asked.

    Args:
        monotonic: Seconds that never go back.
        most: Keys that are remembered.
    """

    def __init__(self, monotonic: Callable[[], float], *, most: int = MOST_KEYS) -> None:
        self._monotonic = monotonic
        self._most = most
        self._known: OrderedDict[str, tuple[_Window, _Window]] = OrderedDict()

    def take(self, key: str, limits: Limits) -> Standing:
        """Count a request, unless it does not fit."""
        now = self._monotonic()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (_Window(MINUTE_S), _Window(HOUR_S))
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        minute, hour = found
        slice_m, slice_h = minute.move(now), hour.move(now)
        if hour.count >= limits.hour:
            wait = hour.wait(now, limits.hour)
            return Standing(limits, max(limits.minute - minute.count, 0), 0, wait, "hour")
        if minute.count >= limits.minute:
            wait = minute.wait(now, limits.minute)
            return Standing(limits, 0, limits.hour - hour.count, wait, "minute")
        minute.add(slice_m)
        hour.add(slice_h)
        return Standing(limits, limits.minute - minute.count, limits.hour - hour.count)

    def take_back(self, key: str) -> None:
        """The request that was counted last is none of those that count (a stream was opened)."""
        for window in self._known.get(key, ()):
            window.take_back()


def whole(seconds: float) -> int:
    """Seconds for ``Retry-After``: rounded up, at least 1."""
    return max(math.ceil(seconds), 1)
