"""The circuit breaker: a pure state machine over a clock.

Closed lets everything through and opens after 5 failures in a row, or when half of the last minute's calls (20 at
least) failed. Open refuses for a cool-down that grows with each trip. Half-open lets at most 2 leased trials run at a
time: 2 successes close it, one failure opens it again. A lease that nobody returns runs out, so a lost trial blocks
nothing for ever. (Nygard, "Release It!", 2nd ed., ch. 5; numbers of RES-1.)

The same machine stands behind the guard's circuits, where open and half-open ones are rows that all processes share
(``guard/trials.py``), and behind ``remit.sdk.resilience.Breaker``, where it is one process's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

SLICES = 6  # of the sliding window; the oldest drops out whole

type Slices = tuple[tuple[int, int, int], ...]


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
    """Bounds of a breaker; times in seconds.

    Attributes:
        failures: So many in a row open it.
        successes: So many trials close it.
        trials: So many may run at once while it is half-open.
        cooldown_s: How long it stays open, the first time.
        longest_cooldown_s: Doubling ends here.
        jitter: Lengthens a cool-down by up to this part of it.
        slow_call_s: Without a first byte for so long, a call failed.
        lease_s: A trial that isn't returned for so long frees its place.
        window_s: The error rate is that of so many last seconds.
        window_calls: Below so many calls in the window the rate says nothing.
        error_rate: Opens it, as a part of 1; above 1 only failures in a row do.
    """

    failures: int = 5
    successes: int = 2
    trials: int = 2
    cooldown_s: float = 120.0
    longest_cooldown_s: float = 1920.0
    jitter: float = 0.1
    slow_call_s: float = 60.0
    lease_s: float = 120.0
    window_s: float = 60.0
    window_calls: int = 20
    error_rate: float = 0.5


class Ticket(NamedTuple):
    """Leave to call once, in one generation of a circuit; reports from an earlier generation are ignored."""

    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit's state.

    ``until`` is when an open one may be tried; ``leases`` are the trials now running (number, when it runs out);
    ``slices`` the calls of the window (which slice, calls, failures); ``why`` what opened it last.
    """

    phase: Phase = Phase.CLOSED
    failures: int = 0
    successes: int = 0
    trips: int = 0
    until: float = 0.0
    leases: tuple[tuple[int, float], ...] = ()
    generation: int = 0
    issued: int = 0
    slices: Slices = ()
    why: str = ""


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
        return circuit if result is Report.NEUTRAL else _closed(circuit, result, now=now, numbers=numbers, rand=rand)
    if all(number != ticket.number for number, _ in circuit.leases):
        return circuit  # open (it has no leases), or this one ran out or was returned before
    circuit = replace(circuit, leases=tuple(lease for lease in circuit.leases if lease[0] != ticket.number))
    if result is Report.FAILURE:
        return trip(circuit, "a trial failed", now=now, numbers=numbers, rand=rand)
    if result is Report.SUCCESS:
        circuit = replace(circuit, successes=circuit.successes + 1)
    if circuit.successes < numbers.successes:
        return circuit
    return Circuit(generation=circuit.generation + 1, issued=circuit.issued)


def trip(circuit: Circuit, why: str, *, now: float, numbers: Numbers, rand: Callable[[], float]) -> Circuit:
    """Open the circuit. The cool-down doubles with each trip in a row, up to a cap, and is lengthened by jitter."""
    base = min(numbers.cooldown_s * 2.0 ** min(circuit.trips, 30), numbers.longest_cooldown_s)
    return Circuit(
        phase=Phase.OPEN,
        trips=circuit.trips + 1,
        until=now + base * (1 + numbers.jitter * rand()),
        generation=circuit.generation + 1,
        issued=circuit.issued,
        why=why,
    )


def rate(slices: Slices, now: float, *, numbers: Numbers) -> tuple[int, int]:
    """Calls and failures of the sliding window that ends now."""
    oldest = int(now / (numbers.window_s / SLICES)) - SLICES + 1
    inside = [each for each in slices if each[0] >= oldest]
    return sum(each[1] for each in inside), sum(each[2] for each in inside)


def slice_of(now: float, *, numbers: Numbers) -> int:
    """Which slice of the sliding window a moment lies in."""
    return int(now / (numbers.window_s / SLICES))


def with_successes(circuit: Circuit, index: int, calls: int) -> Circuit:
    """A closed circuit after ``calls`` more successes in slice ``index``, as ``report`` would have counted them."""
    slices = circuit.slices
    if slices and slices[-1][0] == index:
        slices = (*slices[:-1], (index, slices[-1][1] + calls, slices[-1][2]))
    else:
        slices = (*(each for each in slices if each[0] > index - SLICES), (index, calls, 0))
    return replace(circuit, failures=0, slices=slices)


def _closed(circuit: Circuit, result: Report, *, now: float, numbers: Numbers, rand: Callable[[], float]) -> Circuit:
    failed = result is Report.FAILURE
    circuit = Circuit(
        failures=circuit.failures + 1 if failed else 0,
        generation=circuit.generation,
        issued=circuit.issued,
        slices=_counted(circuit.slices, now, failed=failed, numbers=numbers),
    )
    if not failed:
        return circuit
    if circuit.failures >= numbers.failures:
        return trip(circuit, f"{circuit.failures} failures in a row", now=now, numbers=numbers, rand=rand)
    calls, failures = rate(circuit.slices, now, numbers=numbers)
    if calls >= numbers.window_calls and failures >= numbers.error_rate * calls:
        why = f"{failures} of {calls} calls failed in {numbers.window_s:g} s"
        return trip(circuit, why, now=now, numbers=numbers, rand=rand)
    return circuit


def _counted(slices: Slices, now: float, *, failed: bool, numbers: Numbers) -> Slices:
    index = slice_of(now, numbers=numbers)
    if slices and slices[-1][0] == index:
        _, calls, failures = slices[-1]
        return (*slices[:-1], (index, calls + 1, failures + failed))
    return (*(each for each in slices if each[0] > index - SLICES), (index, 1, int(failed)))
