"""Which action, if any, may touch the outside world right now, and how its adapter says that an answer has begun.

The guard opens a permit round each attempt. Nothing in the product reads it: the audit hook of the test suite does, and
fails any write, process or connection made outside one. A context variable does not enter another thread by itself,
so an adapter that works in one takes its context along (`contextvars.copy_context().run`, or `asyncio.to_thread`).
"""

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType

CURRENT: ContextVar[str | None] = ContextVar("remit_permit", default=None)
_ANSWERED: ContextVar[Callable[[], None] | None] = ContextVar("remit_answered", default=None)


class opened:  # noqa: N801 - used as a function; a class, because a generator costs each attempt twice the time
    """Mark everything in this context, until the block ends, as done for the action `action_id`.

    Args:
        action_id: The action.
        answered: Called when the adapter has the first byte of an answer.
    """

    __slots__ = ("_action_id", "_answered", "_heard", "_token")

    def __init__(self, action_id: str, *, answered: Callable[[], None] | None = None) -> None:
        self._action_id = action_id
        self._answered = answered

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._action_id)
        self._heard = _ANSWERED.set(self._answered)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ANSWERED.reset(self._heard)
        CURRENT.reset(self._token)


def first_byte() -> None:
    """To be called by an adapter, in any thread, when the first byte of an answer is there: it is not late any more."""
    answered = _ANSWERED.get()
    if answered is not None:
        answered()
