"""One read for all who ask for the same at once: a key that a thousand callers show is looked up once, good or bad."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from remit.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class _Read[T]:
    began: float
    task: asyncio.Task[T]


class SharedReads[T]:
    """Reads that are under way, by what they are of. Nothing is kept of one that is over.

    Args:
        clock: Monotonic time.
        young_s: Who asks later than so many seconds after a read began gets one of their own, so that what they hear
            is never older than that.
    """

    def __init__(self, clock: Clock, *, young_s: float) -> None:
        self._clock = clock
        self._young_s = young_s
        self._reads: dict[str, _Read[T]] = {}

    def __contains__(self, name: str) -> bool:
        """Whether it is being read."""
        return name in self._reads

    async def read(self, name: str, ask: Callable[[float], Awaitable[T]]) -> T:
        """What ``ask`` gives, given the moment at which it began; asked anew unless somebody has just asked.

        Who stops waiting stops nobody else's read. What ``ask`` raises, everybody hears who waits for it.
        """
        return await asyncio.shield(self._under_way(name, ask, self._young_s).task)

    def begin(self, name: str, ask: Callable[[float], Awaitable[T]]) -> None:
        """Have it read ahead of need, unless it is being read: nobody waits, and nobody hears what ``ask`` raises."""
        self._under_way(name, ask, math.inf)

    def _under_way(self, name: str, ask: Callable[[float], Awaitable[T]], young_s: float) -> _Read[T]:
        loop = asyncio.get_running_loop()
        now = self._clock.monotonic()
        found = self._reads.get(name)
        late = found is None or now - found.began > young_s
        if found is None or late or found.task.done() or found.task.get_loop() is not loop:
            found = _Read(now, loop.create_task(_asked(ask, now)))
            self._reads[name] = found
            found.task.add_done_callback(partial(self._over, name, found))
        return found

    def forget(self) -> None:
        """Whoever asks from now on gets a read that begins from now on."""
        self._reads.clear()

    def _over(self, name: str, read: _Read[T], done: asyncio.Task[T]) -> None:
        if self._reads.get(name) is read:
            del self._reads[name]
        if not done.cancelled():
            done.exception()  # looked at, also when everybody who asked has gone


async def _asked[T](ask: Callable[[float], Awaitable[T]], began: float) -> T:
    return await ask(began)
