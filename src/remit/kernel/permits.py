"""Which action, if any, may touch the outside world right now, and what its adapter says while it does.

That an answer has begun (``first_byte``), where its bytes go while they come (``delivery``), and what has been used up
should the attempt end without an outcome (``spent``).

The guard opens a permit round each attempt. Nothing in the product reads it: the audit hook of the test suite does, and
fails any write, process or connection made outside one. A context variable does not enter another thread by itself,
so an adapter that works in one takes its context along (`contextvars.copy_context().run`, or `asyncio.to_thread`).
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from remit.kernel.money import Money
from remit.kernel.usage import Usage


@dataclass(frozen=True, slots=True)
class Head:
    """How an answer begins: its HTTP status, and its headers (lower-case names) without those of one connection."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


class Tap(Protocol):
    """Where the bytes of an answer go while they come. Calls follow each other; what they raise ends the attempt."""

    async def begin(self, head: Head) -> None:
        """The answer has begun; called once, and nothing is tried again after it."""
        ...

    async def write(self, data: bytes) -> None:
        """The next bytes."""
        ...


class Restorer(Protocol):
    """Puts back, in a text that comes in pieces, what tokens of personal data stand for."""

    def feed(self, piece: str) -> str:
        """What can be sent now."""
        ...

    def close(self) -> str:
        """The rest."""
        ...


class Delivery:
    """A tap as an adapter sees it: no byte passes before the action's intent is durable.

    Attributes:
        begun: Whether the answer has begun: then neither the guard nor the adapter may try again.
        restorer: Makes a ``Restorer`` for each text of the answer; ``None``: nothing went as a token.
        inspect: Says of a tool call in the answer (name, arguments as JSON) why the client may not make it, "" when it
            may; ``None``: tool calls are not looked at.
        plain: Whether it passes on as it is: the workspace switched redaction off.
    """

    __slots__ = ("_ready", "_tap", "begun", "inspect", "plain", "restorer")

    def __init__(
        self,
        tap: Tap,
        *,
        ready: Callable[[], Awaitable[None]],
        restorer: Callable[[], Restorer] | None = None,
        inspect: Callable[[str, str], str] | None = None,
        plain: bool = False,
    ) -> None:
        self._tap = tap
        self._ready = ready
        self.begun = False
        self.restorer = restorer
        self.inspect = inspect
        self.plain = plain

    async def begin(self, head: Head) -> None:
        """Say how the answer begins, once everything that must be written before it is."""
        await self._ready()
        self.begun = True
        await self._tap.begin(head)

    async def write(self, data: bytes) -> None:
        """Pass on what is fit to be read: masked, and never a byte before ``begin``."""
        await self._tap.write(data)


@dataclass(slots=True)
class Attempt:
    """One attempt as the guard offers it to the adapter. ``spent`` is what it would cost if it ended now."""

    answered: Callable[[], None] | None = None
    delivery: Delivery | None = None
    spent: tuple[Money, Usage] | None = None


CURRENT: ContextVar[str | None] = ContextVar("remit_permit", default=None)
_ATTEMPT: ContextVar[Attempt | None] = ContextVar("remit_attempt", default=None)


class opened:  # noqa: N801 - used as a function; a class, because a generator costs each attempt twice the time
    """Mark everything in this context, until the block ends, as done for the action `action_id`.

    Args:
        action_id: The action.
        attempt: What the adapter may ask and say.
    """

    __slots__ = ("_action_id", "_attempt", "_before", "_token")

    def __init__(self, action_id: str, *, attempt: Attempt | None = None) -> None:
        self._action_id = action_id
        self._attempt = attempt

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._action_id)
        self._before = _ATTEMPT.set(self._attempt)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ATTEMPT.reset(self._before)
        CURRENT.reset(self._token)


def first_byte() -> None:
    """To be called by an adapter, in any thread, when the first byte of an answer is there: it is not late any more."""
    attempt = _ATTEMPT.get()
    if attempt is not None and attempt.answered is not None:
        attempt.answered()


def delivery() -> Delivery | None:
    """Where the bytes of the answer go while they come; ``None``: whoever asked wants the outcome alone."""
    attempt = _ATTEMPT.get()
    return None if attempt is None else attempt.delivery


def spent(cost: Money, usage: Usage) -> None:
    """What has been used up so far: charged when the attempt ends without an outcome, instead of the whole estimate."""
    attempt = _ATTEMPT.get()
    if attempt is not None:
        attempt.spent = cost, usage
