"""A process's share of the rates that all processes of an install have together.

On Postgres there may be several. Each takes what it needs from the store, one at a time at first, more while somebody
goes on asking, and uses it up within a second: who asks now and then costs one write each time, who asks a hundred
times a second one for many. One write is under way at a time, for all who wait. While the store can't be written
nobody is let past: what would be counted nowhere could be any number.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from remit.bootstrap import Store
from remit.guard.rate_shared import LIFE_S, Asking, Given, share, sweep
from remit.kernel.ports import Tx
from remit.serve.edge.windows import MOST_KEYS, Limits, Standing

#: At most so many are taken at once, and at most this part of what is left.
MOST, PART = 64, 8
SWEEP_S = 600.0


@dataclass(slots=True)
class _Share:
    """What this process has of one key."""

    given: Given | None = None
    number: int = 0
    until_s: float = float("-inf")
    want: int = 1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shares:
    """What this process may let pass. For one event loop.

    Args:
        store: Where all processes count.
        workspace: Whose.
        monotonic: Seconds that never go back.
    """

    def __init__(self, store: Store, workspace: str, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._workspace = workspace
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Share] = OrderedDict()
        self._waiting: dict[str, tuple[Asking, asyncio.Future[Given]]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._swept_s = monotonic()

    async def take(self, key: str, limits: Limits) -> Standing:
        """Count a request, unless it does not fit.

        Raises:
            RemitError: The store can't be written.
        """
        mine = self._known.setdefault(key, _Share())
        self._known.move_to_end(key)
        if len(self._known) > MOST_KEYS and not next(iter(self._known.values())).lock.locked():
            self._known.popitem(last=False)
        async with mine.lock:
            now = self._monotonic()
            used_up = mine.number < 1 and mine.given is not None and mine.given.number > 0
            if used_up or now >= mine.until_s:  # a refusal holds for a moment: who floods costs no writes
                await self._more(key, mine, limits, now)
            given = mine.given
            assert given is not None  # noqa: S101 - asked for above
            if not mine.number:
                return Standing(limits, given.minute, given.hour, given.wait_s, given.window)
            mine.number -= 1
            return Standing(limits, given.minute + mine.number, given.hour + mine.number)

    def take_back(self, key: str) -> None:
        """The request that was counted last is none of those that count."""
        if (mine := self._known.get(key)) is not None and mine.given is not None:
            mine.number = min(mine.number + 1, mine.given.number)

    async def _more(self, key: str, mine: _Share, limits: Limits, now: float) -> None:
        """Give back what was not used, and take anew: twice as many as the last time if they did not last."""
        last = mine.given
        spent = last is not None and last.number > 0 and not mine.number and now < mine.until_s
        room = min(last.minute, last.hour) // PART if last is not None else 0
        mine.want = max(min(mine.want * 2, MOST, room), 1) if spent else 1
        asking = Asking(
            sha256(key.encode()).hexdigest()[:32],
            limits.minute,
            limits.hour,
            want=mine.want,
            unused=mine.number,
            taken=0 if last is None else last.at_us,
        )
        mine.number = 0
        mine.given = await self._ask(asking)
        mine.number = mine.given.number
        life = LIFE_S if mine.number else min(mine.given.wait_s, LIFE_S)
        mine.until_s = now + life  # from before it was asked for

    async def _ask(self, asking: Asking) -> Given:
        answer: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting[asking.key] = (asking, answer)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        return await answer

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                try:
                    askings = [asking for asking, _ in batch.values()]
                    order = partial(share, workspace=self._workspace, askings=askings)
                    given = await self._store.commit("edge.rates", order)
                except BaseException as error:
                    for _, answer in batch.values():
                        if not answer.done():
                            answer.set_exception(error)
                            answer.exception()  # whoever waited may have gone
                    if not isinstance(error, Exception):
                        raise
                    continue
                for key, (_, answer) in batch.items():
                    if not answer.done():
                        answer.set_result(given[key])
            if self._monotonic() - self._swept_s >= SWEEP_S:
                self._swept_s = self._monotonic()
                self._store.submit("edge.rates", self._sweep)
        finally:
            self._writing = None

    def _sweep(self, tx: Tx) -> int:
        return sweep(tx, self._workspace)
