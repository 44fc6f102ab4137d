"""The circuit breaker: a pure state machine over a clock.

Closed lets everything through and opens after 5 failures in a row. Open refuses for a cool-down that grows with each
trip. Half-open lets at most 2 leased trials run at a time: 2 successes close it, one failure opens it again. A lease
that nobody returns runs out, so a lost trial blocks nothing for ever. (Nygard, "Release It!", 2nd ed., ch. 5; numbers
of RES-1.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Report(StrEnum):
    """How a call went. ``NEUTRAL``: it says nothing about the service (a refusal, a rate limit, never started)."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bounds of a breaker; seconds."""

    failures: int = 5
    successes: int = 2
    trials: int = 2
    cooldown_s: float = 120.0
    longest_cooldown_s: float = 1920.0
    jitter: float = 0.1
    slow_call_s: float = 60.0
    lease_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to call once, in one generation of a circuit; reports from an earlier generation are ignored."""

    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit's state. ``until`` is when an open one may be tried; ``leases`` are the trials now running."""

    phase: Phase = Phase.CLOSED
    failures: int = 0
    successes: int = 0
    trips: int = 0
    until: float = 0.0
    leases: tuple[tuple[int, float], ...] = ()
    generation: int = 0
    issued: int = 0


def ask(circuit: Circuit, now: float, *, numbers: Numbers) -> tuple[Circuit, Ticket | None]:
    """Leave for one call, or ``None``."""
    if circuit.phase is Phase.CLOSED:
        return circuit, Ticket(circuit.generation, 0)
    if circuit.phase is Phase.OPEN:
        if now < circuit.until:
            return circuit, None
        circuit = replace(circuit, phase=Phase.HALF_OPEN, successes=0, leases=(), generation=circuit.generation + 1)
    running = tuple(lease for lease in circuit.leases if lease[1] > now)
    if len(running) >= numbers.trials:
        return replace(circuit, leases=running), None
    number = circuit.issued + 1
    leases = (*running, (number, now + numbers.lease_s))
    return replace(circuit, leases=leases, issued=number), Ticket(circuit.generation, number)


def report(
    circuit: Circuit, ticket: Ticket, result: Report, *, now: float, numbers: Numbers, rand: Callable[[], float]
) -> Circuit:
    """The circuit after a call with ``ticket`` ended. ``rand`` gives numbers in [0, 1)."""
    if ticket.generation != circuit.generation:
        return circuit
    if circuit.phase is Phase.CLOSED:
        return _closed(circuit, result, now=now, numbers=numbers, rand=rand)
    if all(number != ticket.number for number, _ in circuit.leases):
        return circuit  # open (it has no leases), or this one ran out or was returned before
    circuit = replace(circuit, leases=tuple(lease for lease in circuit.leases if lease[0] != ticket.number))
    if result is Report.FAILURE:
        return trip(circuit, now=now, numbers=numbers, rand=rand)
    if result is Report.SUCCESS:
        circuit = replace(circuit, successes=circuit.successes + 1)
    if circuit.successes < numbers.successes:
        return circuit
    return Circuit(generation=circuit.generation + 1, issued=circuit.issued)


def _closed(circuit: Circuit, result: Report, *, now: float, numbers: Numbers, rand: Callable[[], float]) -> Circuit:
    match result:
        case Report.NEUTRAL:
            return circuit
        case Report.SUCCESS:
            return replace(circuit, failures=0) if circuit.failures else circuit
        case Report.FAILURE:
            circuit = replace(circuit, failures=circuit.failures + 1)
            return (
                trip(circuit, now=now, numbers=numbers, rand=rand) if circuit.failures >= numbers.failures else circuit
            )


def trip(circuit: Circuit, *, now: float, numbers: Numbers, rand: Callable[[], float]) -> Circuit:
    """Open the circuit. The cool-down doubles with each trip in a row, up to a cap, and is lengthened by jitter."""
    base = min(numbers.cooldown_s * 2.0 ** min(circuit.trips, 30), numbers.longest_cooldown_s)
    return Circuit(
        phase=Phase.OPEN,
        trips=circuit.trips + 1,
        until=now + base * (1 + numbers.jitter * rand()),
        generation=circuit.generation + 1,
        issued=circuit.issued,
    )
