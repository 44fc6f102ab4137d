"""What belongs into the transaction of the order that comes next, though the order knows nothing of it.

Whoever calls a use case can have a question asked before it ("is this still what I saw?") and a mark written with it
("this order was carried out"), in the use case's own transaction. So the answer cannot change in between, and the mark
stands exactly when the order does. It holds for the first order that this context commits, and for no later one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from remit.kernel.errors import RemitError
from remit.kernel.ports import Tx


@dataclass(slots=True)
class Within:
    """What goes with one order.

    Attributes:
        asked: Asked before the order; the error that it gives ends the order, after the order's own refusals: nobody
            learns by it what they may not see.
        written: Written with the order.
        done: Whether the order was committed.
    """

    asked: Callable[[Tx], RemitError | None] | None = None
    written: Callable[[Tx], None] | None = None
    done: bool = False


_CURRENT: ContextVar[tuple[Within, ...]] = ContextVar("remit_within", default=())


@contextmanager
def within(each: Within) -> Generator[Within]:
    """Have it go with the next order of this context."""
    token = _CURRENT.set((*_CURRENT.get(), each))
    try:
        yield each
    finally:
        _CURRENT.reset(token)


def pending() -> tuple[Within, ...]:
    """What goes with the next order; mostly nothing."""
    held = _CURRENT.get()
    return tuple(each for each in held if not each.done) if held else held


def joined[T, X: Tx](op: Callable[[X], T], held: tuple[Within, ...]) -> Callable[[X], T]:
    """An operation with what goes with it. It may be run again, as any."""

    def whole(tx: X) -> T:
        wrong = next((error for each in held if each.asked is not None and (error := each.asked(tx))), None)
        result = op(tx)
        if wrong is not None:
            raise wrong
        for each in held:
            if each.written is not None:
                each.written(tx)
        return result

    return whole
