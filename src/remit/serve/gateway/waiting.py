"""A call that waits for a person: its client hears a sign of life, and the call goes on when somebody has decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from remit.accounts.shared_reads import SharedReads
from remit.guard.approval_rows import Request, Status, read_request
from remit.kernel.clock import Clock, micros_of
from remit.kernel.ports import Journal

LOOK_S = 0.5  # between looks at the request
FRESH_S = 0.25  # what one call has seen, another one need not look at for so long
MOST_SEEN = 4096


class Waiting:
    """Waits for decisions. However many calls wait for one request, its row is read a few times a second, not by each.

    Args:
        journal: Where requests are.
        clock: Wall and monotonic time.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._reads: SharedReads[Request] = SharedReads(clock, young_s=FRESH_S)
        self._seen: dict[str, tuple[float, Request]] = {}

    async def decided(
        self,
        workspace: str,
        approval: str,
        *,
        seconds: float | None,
        beat: Callable[[], Awaitable[None]] | None = None,
        beat_s: float = 15.0,
    ) -> bool:
        """Wait until a request was decided or has expired; whether it was. Its row is the truth, and is read again.

        Args:
            workspace: Whose request it is.
            approval: The request.
            seconds: How long to wait; ``None``: as long as the request stands.
            beat: Called every ``beat_s`` seconds, so that who waits sees that it lives.
            beat_s: See ``beat``.
        """
        clock = self._clock
        began = beaten = clock.monotonic()
        while True:
            request = await self._look(workspace, approval)
            if request.status != Status.PENDING or request.expires_us <= micros_of(clock.now()):
                self._seen.pop(approval, None)
                return True
            now = clock.monotonic()
            if seconds is not None and now - began >= seconds:
                return False
            if beat is not None and now - beaten >= beat_s:
                beaten = now
                await beat()
            await asyncio.sleep(LOOK_S if beat is None else min(LOOK_S, beat_s))

    async def _look(self, workspace: str, approval: str) -> Request:
        seen = self._seen.get(approval)
        if seen is not None and self._clock.monotonic() - seen[0] <= FRESH_S:
            return seen[1]
        return await self._reads.read(approval, partial(self._ask, workspace, approval))

    async def _ask(self, workspace: str, approval: str, began: float) -> Request:
        request = await self._journal.read(lambda tx: read_request(tx, workspace, approval))
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[approval] = began, request
        return request
