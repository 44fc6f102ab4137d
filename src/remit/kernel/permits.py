"""Which action, if any, may touch the outside world right now, and how its adapter says that an answer has begun.

The guard opens a permit round each attempt. Nothing in the product reads it: the audit hook of the test suite does, and
fails any write, process or connection made outside one. A context variable does not enter another thread by itself,
so an adapter that works in one takes its context along (`contextvars.copy_context().run`, or `asyncio.to_thread`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

CURRENT: ContextVar[str | None] = ContextVar("remit_permit", default=None)
_ANSWERED: ContextVar[Callable[[], None] | None] = ContextVar("remit_answered", default=None)


@contextmanager
def opened(action_id: str, *, answered: Callable[[], None] | None = None) -> Generator[None]:
    """Mark everything in this context, until the block ends, as done for the action `action_id`.

    Args:
        action_id: The action.
        answered: Called when the adapter has the first byte of an answer.
    """
    token = CURRENT.set(action_id)
    heard = _ANSWERED.set(answered)
    try:
        yield
    finally:
        _ANSWERED.reset(heard)
        CURRENT.reset(token)


def first_byte() -> None:
    """To be called by an adapter, in any thread, when the first byte of an answer is there: it is not late any more."""
    answered = _ANSWERED.get()
    if answered is not None:
        answered()
