"""A circuit breaker for one process: the guard's machine (``guard/breaker.py``) with a lock round it."""

from __future__ import annotations

import inspect
import random
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Self, cast

from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, ask, report
from remit.guard.retry import status_of, transient
from remit.kernel.clock import Clock, SystemClock
from remit.kernel.errors import InvalidInput, RateLimited, Unavailable

SERVER_ERRORS = 500
_ENTERED: ContextVar[tuple[Call, ...]] = ContextVar("remit_breaker_calls", default=())
_CLOCK = SystemClock()


class CircuitOpen(Unavailable):
    """The circuit is open, or its trials are taken; ``retry_after`` says when it may be tried."""


def blames(error: BaseException) -> bool:
    """Whether an error speaks against the service: no answer in time, no connection, a status of 500 or more.

    "Too many requests", whatever else the caller did wrong (any other 4xx), and errors of unknown kind do not.
    """
    if isinstance(error, RateLimited):
        return False
    status = status_of(error)
    if status is not None:
        return status >= SERVER_ERRORS
    return transient(error)


class Call:
    """One call that was let through."""

    __slots__ = ("_answered", "_breaker", "_since", "_ticket")

    def __init__(self, breaker: Breaker, ticket: Ticket, since: float) -> None:
        self._breaker = breaker
        self._ticket = ticket
        self._since = since
        self._answered: float | None = None

    def first_byte(self) -> None:
        """An answer has begun: from now on the call is not late any more, however long the rest takes."""
        if self._answered is None:
            self._answered = self._breaker.clock.monotonic()

    def ended(self, error: BaseException | None) -> None:
        """How it went."""
        self._breaker.report(
            self._ticket, error, took=(self._answered or self._breaker.clock.monotonic()) - self._since
        )

    def of(self, breaker: Breaker) -> bool:
        """Whether this breaker let it through."""
        return self._breaker is breaker


class Breaker:
    """Refuses calls of a service that fails, at once, and lets a few trials find out when it is back.

    As a context (``with breaker:``, ``async with breaker:``) and as a decorator of sync and async functions; any thread
    or task may use one breaker at once. While half-open it lets ``numbers.trials`` leased trials run, never more.

    Args:
        name: Of the service, for messages.
        numbers: Bounds; those of the guard when left out.
        counts: Which errors speak against the service (``blames`` when left out).
        told: Called with (name, phase before, phase after), outside the lock.
        clock: The time.
        rand: Numbers in [0, 1), for jitter.
    """

    def __init__(
        self,
        name: str,
        *,
        numbers: Numbers | None = None,
        counts: Callable[[BaseException], bool] = blames,
        told: Callable[[str, Phase, Phase], None] = lambda _name, _before, _after: None,
        clock: Clock = _CLOCK,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.numbers = numbers or Numbers()
        self.clock = clock
        self._counts = counts
        self._told = told
        self._rand = rand
        self._circuit = Circuit()
        self._lock = threading.Lock()

    @property
    def circuit(self) -> Circuit:
        """Where it stands, with its counts; times are the clock's monotonic seconds."""
        return self._circuit

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._circuit.phase

    def begin(self) -> Call:
        """Leave for one call, whose end must be told (``Call.ended``). The context and the decorator do both.

        Raises:
            CircuitOpen: Not now.
        """
        now = self.clock.monotonic()
        with self._lock:
            before = self._circuit
            self._circuit, ticket = ask(before, now, numbers=self.numbers)
            after = self._circuit
        self._tell(before.phase, after.phase)
        if ticket is None:
            wait = max(after.until - now, 1.0) if after.phase is Phase.OPEN else 1.0
            message = f"{self.name}: its circuit is open ({after.why or 'its trials are taken'})."
            raise CircuitOpen(message, code="breaker.open", retry_after=wait)
        return Call(self, ticket, now)

    def report(self, ticket: Ticket, error: BaseException | None, *, took: float) -> None:
        """How a call went. One that took longer than ``numbers.slow_call_s`` failed, whatever it answered."""
        if error is None:
            result = Report.FAILURE if took > self.numbers.slow_call_s else Report.SUCCESS
        else:
            result = Report.FAILURE if self._counts(error) else Report.NEUTRAL
        now = self.clock.monotonic()
        with self._lock:
            before = self._circuit
            self._circuit = report(before, ticket, result, now=now, numbers=self.numbers, rand=self._rand)
            after = self._circuit
        self._tell(before.phase, after.phase)

    def reset(self, *, reason: str) -> None:
        """Close it by a person's order."""
        self._force(Circuit(), reason)

    def force_open(self, *, reason: str) -> None:
        """Hold it open until it is reset, by a person's order."""
        self._force(Circuit(phase=Phase.OPEN, until=float("inf"), why=reason), reason)

    def __enter__(self) -> Call:
        call = self.begin()
        _ENTERED.set((*_ENTERED.get(), call))
        return call

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered = _ENTERED.get()
        mine = next(call for call in reversed(entered) if call.of(self))
        _ENTERED.set(tuple(call for call in entered if call is not mine))
        mine.ended(error)

    async def __aenter__(self) -> Call:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__[**P, R](self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, sync or async: each call asks first and tells how it went."""
        if inspect.iscoroutinefunction(function):
            later = cast("Callable[P, Awaitable[object]]", function)

            @wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> object:
                with self:
                    return await later(*args, **kwargs)

            return cast("Callable[P, R]", guarded)

        @wraps(function)
        def guarded_now(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return guarded_now

    def _force(self, circuit: Circuit, reason: str) -> Self:
        if not reason.strip():
            message = f"The circuit of {self.name} is moved with a reason."
            raise InvalidInput(message, code="breaker.reason", hint="give reason=...")
        with self._lock:
            before = self._circuit
            self._circuit = Circuit(
                phase=circuit.phase,
                until=circuit.until,
                why=circuit.why,
                generation=before.generation + 1,
                issued=before.issued,
            )
        self._tell(before.phase, circuit.phase)
        return self

    def _tell(self, before: Phase, after: Phase) -> None:
        if before is not after:
            self._told(self.name, before, after)
