"""Rates: the generic cell rate algorithm over whole microseconds, as a pure function and in this process's memory.

A bucket holds ``burst`` units and refills one every ``unit_us``. All that is kept is one number, the theoretical
arrival time (TAT): the moment at which the bucket would be full again. A request of ``cost`` units passes when

    max(tat, now) + cost * unit_us - now <= burst * unit_us

and the left side's excess is how long to wait. Source: ITU-T I.371 (1993), annex A, "virtual scheduling algorithm".
From a full bucket exactly ``burst`` units pass at once, however they are divided; in any span of ``s`` microseconds at
most ``burst + s / unit_us``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: Keys that a memory store holds before it refuses new ones.
MOST_KEYS = 100_000
#: Between two looks for keys whose bucket is full again, in microseconds.
SWEEP_US = 1_000_000


class Demand(NamedTuple):
    """``cost`` units out of the bucket ``key``. All numbers are whole and not negative; ``unit_us`` is at least 1.

    ``mission`` names the mission that the bucket dies with, if it belongs to one.
    """

    key: str
    unit_us: int
    burst: int
    cost: int = 1
    mission: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a bucket stands: whole units left, and microseconds until it is full again."""

    remaining: int
    full_in_us: int


@dataclass(frozen=True, slots=True)
class Short:
    """A demand that does not fit now; ``wait_us`` microseconds until it would, ``None``: it never will."""

    demand: Demand
    level: Level
    wait_us: int | None


class Rates(Protocol):
    """Where buckets are kept: in memory, in SQLite, in Postgres; one contract suite holds all three.

    The clock is the store's: this process's in memory, the database's in SQL, so that hosts need not agree.
    """

    def take(self, demands: Sequence[Demand]) -> Short | None:
        """Take all demands, or none: then the one that has to wait longest."""
        ...

    def peek(self, demand: Demand) -> Level:
        """Where the demand's bucket stands; takes nothing."""
        ...

    def add(self, demand: Demand, units: int) -> None:
        """Correct what was taken by ``units``: more (the bucket may then owe), or, below zero, fewer.

        What is given back never fills a bucket above its burst.
        """
        ...

    def sweep(self) -> int:
        """Forget buckets that are full again; how many."""
        ...


def admit(tat_us: int, now_us: int, *, cost_us: int, cap_us: int) -> tuple[int, int]:
    """One request against one bucket: the new TAT, and 0; or the TAT as it was, and the microseconds to wait.

    Args:
        tat_us: The bucket's TAT; 0 for one that was never used.
        now_us: The time.
        cost_us: Units asked for, times ``unit_us``.
        cap_us: ``burst`` times ``unit_us``. A cost above it never passes; ask before.
    """
    new = (max(now_us, tat_us)) + cost_us
    excess = new - now_us - cap_us
    return (new, 0) if excess <= 0 else (tat_us, excess)


def level_of(tat_us: int, now_us: int, demand: Demand) -> Level:
    """Where a bucket with this TAT stands."""
    owed = max(tat_us - now_us, 0)
    return Level(max((demand.burst * demand.unit_us - owed) // demand.unit_us, 0), owed)


def short_of(tat_us: int, now_us: int, demand: Demand) -> Short | None:
    """Why ``demand`` does not fit a bucket with this TAT; ``None`` when it does."""
    if demand.cost > demand.burst:
        return Short(demand, level_of(tat_us, now_us, demand), None)
    cost_us, cap_us = demand.cost * demand.unit_us, demand.burst * demand.unit_us
    _, wait = admit(tat_us, now_us, cost_us=cost_us, cap_us=cap_us)
    return Short(demand, level_of(tat_us, now_us, demand), wait) if wait else None


def longest(found: Sequence[Short]) -> Short | None:
    """The one that has to wait longest."""
    never = 1 << 62
    return max(found, key=lambda each: never if each.wait_us is None else each.wait_us, default=None)


class MemoryRates:
    """``Rates`` in this process. Any thread may call.

    Bounded: a full store first forgets what is full again; when nothing is, a new key is refused (it fails closed), for
    to forget a bucket in use would lift its limit.

    Args:
        now_ns: Nanoseconds that never go back, e.g. ``time.monotonic_ns``.
        most: Keys that are held at most.
    """

    __slots__ = ("_lock", "_most", "_now_ns", "_swept_us", "_tats")

    def __init__(self, now_ns: Callable[[], int], *, most: int = MOST_KEYS) -> None:
        self._now_ns = now_ns
        self._most = most
        self._tats: dict[str, int] = {}
        self._lock = threading.Lock()
        self._swept_us = 0

    def __len__(self) -> int:
        """How many keys are held."""
        return len(self._tats)

    def hit(self, key: str, cost_us: int, cap_us: int) -> int:
        """Take from one bucket; 0, or the microseconds to wait. The quick way: one lock, one look-up, no objects."""
        now = self._now_ns() // 1000
        with self._lock:
            tats = self._tats
            tat = tats.get(key)
            if tat is None:
                if len(tats) >= self._most:
                    if not self._room(now):
                        return max(cost_us, 1)
                    tats = self._tats  # another one since keys were forgotten
                tat = now
            elif tat < now:
                tat = now
            new = tat + cost_us
            excess = new - now - cap_us
            if excess > 0:
                return excess
            tats[key] = new
        return 0

    def take(self, demands: Sequence[Demand]) -> Short | None:
        """Take all demands, or none."""
        now = self._now_ns() // 1000
        with self._lock:
            found = [short for each in demands if (short := short_of(self._tats.get(each.key, 0), now, each))]
            if found:
                return longest(found)
            new = sum(each.key not in self._tats for each in demands)
            if new and len(self._tats) + new > self._most and not self._room(now, new):
                first = demands[0]
                return Short(first, Level(0, 0), max(first.unit_us, 1))
            taken: dict[str, int] = {}
            for each in demands:
                before = taken.get(each.key, max(self._tats.get(each.key, 0), now))
                taken[each.key] = before + each.cost * each.unit_us
            self._tats |= taken
        return None

    def peek(self, demand: Demand) -> Level:
        """Where the demand's bucket stands."""
        return level_of(self._tats.get(demand.key, 0), self._now_ns() // 1000, demand)

    def add(self, demand: Demand, units: int) -> None:
        """Correct what was taken."""
        now = self._now_ns() // 1000
        with self._lock:
            tat = self._tats.get(demand.key, 0)
            if units > 0:
                self._tats[demand.key] = max(tat, now) + units * demand.unit_us
            elif tat:
                self._tats[demand.key] = tat + units * demand.unit_us

    def sweep(self) -> int:
        """Forget buckets that are full again."""
        with self._lock:
            return self._forget(self._now_ns() // 1000)

    def _room(self, now: int, wanted: int = 1) -> bool:
        """Whether there is room for new keys, after a look at most once a second for those that are full again."""
        if now - self._swept_us >= SWEEP_US or not self._swept_us:
            self._forget(now)
        return len(self._tats) + wanted <= self._most

    def _forget(self, now: int) -> int:
        before = len(self._tats)
        self._tats = {key: tat for key, tat in self._tats.items() if tat > now}
        self._swept_us = now
        return before - len(self._tats)
