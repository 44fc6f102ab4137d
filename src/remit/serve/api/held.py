"""Orders that may take longer than a request: they are waited for a while, and go on when nobody waits any more.

An order that has begun is never cut off because a client went away or a time limit passed: half a deployment is worse
than a late answer. Whoever is told that it goes on finds out by looking.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from remit.kernel.errors import RemitError

_log = logging.getLogger(__name__)

WAIT_S = 20.0
_going: set[asyncio.Task[Any]] = set()


async def held[T](work: Coroutine[Any, Any, T], *, what: str, seconds: float = WAIT_S) -> T | None:
    """What the work gives; ``None`` when it is not done yet and goes on by itself.

    Raises:
        RemitError: What the work raised in this time; later, it is logged.
    """
    task = asyncio.create_task(work, name=what)
    _going.add(task)
    task.add_done_callback(_going.discard)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if done:
        return task.result()
    task.add_done_callback(_late)
    return None


async def settled() -> None:
    """Wait until every order that goes on has ended: before the store is closed."""
    await asyncio.gather(*_going, return_exceptions=True)


def _late(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, RemitError):
        _log.warning("%s ended after its request (%s): %s", task.get_name(), error.code, error.message)
    elif error is not None:
        _log.error("%s ended after its request", task.get_name(), exc_info=error)
