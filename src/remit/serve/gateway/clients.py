"""Those who ask: the key that they bring, how often an address brought a bad one, and whether they are still there."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from remit.kernel.errors import RateLimited, Unauthenticated
from remit.serve.gateway.asgi import Receive

BEARER = b"bearer "
WINDOW_S = 60.0
MOST_BAD = 30  # bad keys a window from one address; a good one is never held up by them
MOST_ADDRESSES = 4096
LOOK_AFTER_S = 0.05  # calls that are over by then are not watched


def key_in(headers: Mapping[bytes, bytes]) -> str:
    """The key of a request, from either of the headers that clients send it in; empty when there is none."""
    bearer = headers.get(b"authorization", b"")
    if bearer[:7].lower() == BEARER:
        return bearer[7:].strip().decode("latin-1")
    return headers.get(b"x-api-key", b"").strip().decode("latin-1")


@dataclass(slots=True)
class _Bad:
    since: float
    count: int = 0


class Strangers:
    """How many bad keys came from which address lately. Memory is bounded: the address heard of longest ago is dropped.

    Args:
        monotonic: The time.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._bad: OrderedDict[str, _Bad] = OrderedDict()

    def refusal(self, address: str) -> tuple[Unauthenticated | RateLimited, bool]:
        """What a bad key from this address is told, and whether it is worth an entry (the first of a window).

        The answer is the same for a key that never was, was revoked, or is over.
        """
        now = self._monotonic()
        bad = self._bad.get(address)
        if bad is None or now - bad.since >= WINDOW_S:
            self._bad[address] = bad = _Bad(now)
        self._bad.move_to_end(address)
        while len(self._bad) > MOST_ADDRESSES:
            self._bad.popitem(last=False)
        bad.count += 1
        if bad.count <= MOST_BAD:
            told = "There is no such key, or it does not count any more."
            return Unauthenticated(told, code="gateway.key", hint="remit keys list"), bad.count == 1
        left = bad.since + WINDOW_S - now
        told = f"{MOST_BAD} bad keys came from this address within a minute; the next is looked at after that."
        return RateLimited(told, code="gateway.bad_keys", hint="remit keys list", retry_after=left), False


class Presence:
    """Ends a call when its client goes away, or takes nothing any more.

    Calls that are over in a moment are not watched: that costs a task.

    Args:
        receive: ASGI's.
        writing: Since when (the loop's seconds) the client has not taken what was written last; 0: it has.
        slow_s: After so long it counts as gone.

    Attributes:
        gone: Whether the client went away, and the call was cancelled for that.
    """

    __slots__ = ("_call", "_loop", "_receive", "_slow_s", "_task", "_timer", "_writing", "gone")

    def __init__(self, receive: Receive, *, writing: Callable[[], float] = lambda: 0.0, slow_s: float = 60.0) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._writing = writing
        self._slow_s = slow_s
        self._receive = receive
        self._call = asyncio.current_task(loop)
        self._task: asyncio.Task[None] | None = None
        self._timer = loop.call_later(LOOK_AFTER_S, self._watch)
        self.gone = False

    def over(self) -> None:
        """The call is over: from now on the end of the connection means nothing."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _watch(self) -> None:
        self._task = self._loop.create_task(self._look())
        self._timer = self._loop.call_later(self._slow_s / 2, self._reads)

    def _reads(self) -> None:
        since = self._writing()
        if since and self._loop.time() - since >= self._slow_s:
            self._leave()
        else:
            self._timer = self._loop.call_later(self._slow_s / 2, self._reads)

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self.gone = True
        if self._call is not None:
            self._call.cancel()
