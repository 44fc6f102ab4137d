"""A call that waits for a person: its client hears a sign of life, and the call goes on when somebody has decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from remit.guard.approval_rows import Status, read_request
from remit.kernel.clock import Clock, micros_of
from remit.kernel.ports import Journal

LOOK_S = 0.5  # between looks at the request


async def decided(
    journal: Journal,
    clock: Clock,
    workspace: str,
    approval: str,
    *,
    seconds: float | None,
    beat: Callable[[], Awaitable[None]] | None = None,
    beat_s: float = 15.0,
) -> bool:
    """Wait until a request was decided or has expired; whether it was. Its row is the truth, and is read again.

    Args:
        journal: Where requests are.
        clock: Wall and monotonic time.
        workspace: Whose request it is.
        approval: The request.
        seconds: How long to wait; ``None``: as long as the request stands.
        beat: Called every ``beat_s`` seconds, so that who waits sees that it lives.
        beat_s: See ``beat``.
    """
    began = beaten = clock.monotonic()
    while True:
        request = await journal.read(lambda tx: read_request(tx, workspace, approval))
        if request.status != Status.PENDING or request.expires_us <= micros_of(clock.now()):
            return True
        now = clock.monotonic()
        if seconds is not None and now - began >= seconds:
            return False
        if beat is not None and now - beaten >= beat_s:
            beaten = now
            await beat()
        await asyncio.sleep(LOOK_S if beat is None else min(LOOK_S, beat_s))
