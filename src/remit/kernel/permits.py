"""Which action, if any, may touch the outside world right now.

The guard opens a permit round each attempt. Nothing in the product reads it: the audit hook of the test suite does, and
fails any write, process or connection made outside one. A context variable does not enter another thread by itself,
so an adapter that works in one takes its context along (`contextvars.copy_context().run`, or `asyncio.to_thread`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

CURRENT: ContextVar[str | None] = ContextVar("remit_permit", default=None)


@contextmanager
def opened(action_id: str) -> Generator[None]:
    """Mark everything in this context, until the block ends, as done for the action `action_id`."""
    token = CURRENT.set(action_id)
    try:
        yield
    finally:
        CURRENT.reset(token)
