"""What a limit costs: taking from a bucket in memory, and in a transaction of the store."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from remit.adapters.store import open_store
from remit.guard.gcra import Demand, MemoryRates
from remit.guard.rate_store import SqlRates
from remit.kernel.ports import Tx


def memory_ns(*, calls: int = 100_000, rounds: int = 9) -> float:
    """Nanoseconds of one uncontended take in memory: the median round's mean. The goal is 1,000."""
    rates = MemoryRates(time.monotonic_ns)
    hit, found = rates.hit, list[float]()
    for _ in range(rounds):
        began = time.perf_counter_ns()
        for _ in range(calls):
            hit("agent", 1, 1_000_000_000)
        found.append((time.perf_counter_ns() - began) / calls)
    return median(found)


def store_us(folder: Path, *, calls: int = 2_000) -> float:
    """Microseconds of one take inside a transaction on SQLite, the commit apart."""
    demand = Demand("agent", 1, 1_000_000_000)

    def op(tx: Tx) -> float:
        rates = SqlRates(tx, "bench")
        began = time.perf_counter_ns()
        for _ in range(calls):
            assert rates.take([demand]) is None
        return (time.perf_counter_ns() - began) / calls / 1000

    with open_store(folder) as store:
        return store.submit("guard.intent", op).result(60)
