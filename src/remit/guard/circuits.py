"""The circuits as one process sees them, one for each (workspace, kind, operation) whose effects leave the host.

Closed ones live here alone: counting a call costs no statement. A trip is decided here, holds here at once, and is
written down; other processes see it with their next standing (``guard/standing.py``, at most 250 ms old). Open and
half-open ones are as the rows say: whoever wants a trial leases it in the intent's own transaction (``trials.take``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, report, slice_of, with_successes
from remit.guard.trials import MOST, Change, Key, give, take, trip
from remit.kernel.action import Action
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Model
from remit.kernel.ports import Tx
from remit.kernel.urls import known_url

#: Kinds whose effects leave the host; files and commands stay in the step's directory.
OUTSIDE = frozenset({"fetch", "model", "tool", "deploy", "order", "publish", "notify"})
FULL_S = 0.25  # after rows said that all trials are taken, nobody asks them again for so long

type Moved = tuple[Circuit | None, Change | None]
type Write = Callable[[Callable[[Tx], Moved]], Future[Moved]]

_log = logging.getLogger(__name__)


class Lease(NamedTuple):
    """Leave for one call, to be given back. Without a ticket it is a trial, whose lease is a row."""

    key: Key
    action: str
    ticket: Ticket | None
    since: float

    @property
    def trial(self) -> bool:
        """Whether the circuit was not closed."""
        return self.ticket is None


@dataclass(slots=True)
class _Known:
    """What this process knows of a circuit, in monotonic seconds; a read begun before ``learnt`` is old news."""

    circuit: Circuit = field(default_factory=Circuit)
    learnt: float = 0.0
    unwritten: bool = False  # tripped here, and the row does not say so yet
    full_until: float = 0.0
    out: set[str] = field(default_factory=set[str])  # actions of this process that want or run a trial
    good: int = 0  # successes of slice ``good_in`` that ``circuit`` does not count yet: most calls add one here alone
    good_in: int = -1


def key_of(action: Action) -> Key | None:
    """The circuit of an action; ``None`` for what stays on this host.

    The operation is the target (tool, deploy target, ``provider/model``); with ``#operation`` where a model call names
    one; the origin of whatever is aimed at a web address: its pages share one service, and no password names it.
    """
    if action.kind not in OUTSIDE:
        return None
    operation = action.target
    if "://" in operation:
        url = known_url(operation)
        parts = urlsplit(operation)
        operation = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url is None else url.origin
    if isinstance(action.effect, Model) and action.effect.operation:
        operation = f"{operation}#{action.effect.operation}"
    return Key(action.workspace, action.kind, operation[:200])


class Circuits:
    """Any thread may call.

    Args:
        clock: Monotonic for what is counted here, wall for what stands in rows.
        rand: Numbers in [0, 1), for jitter.
        numbers: Bounds of every circuit.
        write: Queues an operation on a circuit's row.
        told: Hears of every change of phase that this process made, once it is written; outside the lock.
    """

    def __init__(
        self,
        clock: Clock,
        rand: Callable[[], float],
        *,
        numbers: Numbers,
        write: Write,
        told: Callable[[Change], None] = lambda _change: None,
    ) -> None:
        self.numbers = numbers
        self._clock = clock
        self._rand = rand
        self._write = write
        self._told = told
        self._known: dict[Key, _Known] = {}
        self._unwell: set[Key] = set()
        self._lock = threading.Lock()

    def take(self, key: Key, action: str, *, trial: bool = True) -> Lease | None:
        """Leave for one call; ``None`` when the circuit is open or its trials are taken.

        A trial (never, with ``trial=False``) still has to be leased, ``leasing``, and must be given back in any case.
        """
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return Lease(key, action, Ticket(0, 0), now)
            circuit = known.circuit
            if circuit.phase is Phase.CLOSED:
                return Lease(key, action, Ticket(circuit.generation, 0), now)
            early = now < max(known.full_until, circuit.until if circuit.phase is Phase.OPEN else 0.0)
            if early or not trial or known.unwritten or len(known.out) >= self.numbers.trials:
                return None
            known.out.add(action)
            return Lease(key, action, None, now)

    def leasing(self, lease: Lease) -> Callable[[Tx], None]:
        """The operation that leases a trial; part of the intent's transaction, whose failure undoes it."""
        return take(lease.key, lease.action, now_us=micros_of(self._clock.now()), numbers=self.numbers)

    def give(self, lease: Lease, result: Report, *, answered: float | None = None) -> None:
        """How the call went. ``answered``: when its first byte came (monotonic); a slow one counts as a failure."""
        now = self._clock.monotonic()
        if result is Report.SUCCESS and (answered or now) - lease.since > self.numbers.slow_call_s:
            result = Report.FAILURE
        if lease.ticket is None:
            self._return(lease, result)
            return
        if result is Report.NEUTRAL:
            return
        with self._lock:
            known = self._known.get(lease.key)
            if known is None:
                known = self._known[lease.key] = _Known()
                self._bound()
            circuit = known.circuit
            if circuit.phase is not Phase.CLOSED:
                return
            if result is Report.SUCCESS and not circuit.failures and lease.ticket.generation == circuit.generation:
                index = slice_of(now, numbers=self.numbers)
                if known.good and known.good_in != index:
                    known.circuit = with_successes(circuit, known.good_in, known.good)
                    known.good = 0
                known.good += 1
                known.good_in = index
                return
            if known.good:
                circuit = with_successes(circuit, known.good_in, known.good)
                known.good = 0
            after = report(circuit, lease.ticket, result, now=now, numbers=self.numbers, rand=self._rand)
            known.circuit = after
            if after.phase is Phase.CLOSED:
                return
            known.unwritten = True
            known.learnt = now
            self._unwell.add(lease.key)
        self._write_trip(lease.key, after)

    def turned_away(self, lease: Lease) -> None:
        """The rows had no trial for this lease."""
        with self._lock:
            known = self._known.get(lease.key)
            if known is not None:
                known.out.discard(lease.action)
                known.full_until = self._clock.monotonic() + FULL_S

    def leased(self, lease: Lease) -> None:
        """The trial's intent is committed: this circuit is half-open now."""
        with self._lock:
            known = self._known.get(lease.key)
            if known is None or known.circuit.phase is not Phase.OPEN:
                return
            before, known.circuit = known.circuit, replace(known.circuit, phase=Phase.HALF_OPEN)
        at_us = micros_of(self._clock.now())
        self._told(Change(lease.key, Phase.OPEN, Phase.HALF_OPEN, 0, at_us, before.why))

    def learn(self, workspace: str, rows: Mapping[Key, Circuit], *, read_at: float) -> None:
        """What the rows said of a workspace when they were read; an open circuit that isn't there was closed."""
        if not rows and not self._unwell:
            return
        again: list[tuple[Key, Circuit]] = []
        with self._lock:
            for key in [key for key in self._unwell if key.workspace == workspace]:
                known = self._known[key]
                if known.unwritten and read_at > known.learnt + 1.0 and key not in rows:
                    known.learnt = self._clock.monotonic()  # its write failed
                    again.append((key, known.circuit))
                elif key not in rows and not known.unwritten and read_at > known.learnt:
                    self._set(key, Circuit(generation=known.circuit.generation + 1), learnt=read_at)
            for key, circuit in rows.items():
                known = self._known.get(key)
                if known is None or (read_at > known.learnt and not known.unwritten):
                    self._set(key, circuit, learnt=read_at)
            self._bound()
        for key, circuit in again:
            self._write_trip(key, circuit)

    def wait(self, key: Key) -> float:
        """Seconds until an open circuit may be tried; a second when its trials are taken."""
        known = self._known.get(key)
        return 1.0 if known is None else max(known.circuit.until - self._clock.monotonic(), 1.0)

    def phase(self, key: Key) -> Phase:
        """Where a circuit stands, as far as this process knows."""
        known = self._known.get(key)
        return Phase.CLOSED if known is None else known.circuit.phase

    def why(self, key: Key) -> str:
        """What opened it last."""
        known = self._known.get(key)
        return "" if known is None else known.circuit.why

    def unwell(self) -> dict[Key, Phase]:
        """Every circuit that isn't closed, as far as this process knows; for metrics."""
        with self._lock:
            return {key: self._known[key].circuit.phase for key in self._unwell}

    def _return(self, lease: Lease, result: Report) -> None:
        with self._lock:
            known = self._known.get(lease.key)
            if known is None or lease.action not in known.out:
                return  # turned away
            known.out.discard(lease.action)
        now_us = micros_of(self._clock.now())
        op = give(lease.key, lease.action, result, now_us=now_us, numbers=self.numbers, rand=self._rand)
        self._write(op).add_done_callback(partial(self._written, lease.key))

    def _write_trip(self, key: Key, circuit: Circuit) -> None:
        op = trip(key, self._shifted(circuit, wall=True), at_us=micros_of(self._clock.now()))
        try:
            self._write(op).add_done_callback(partial(self._written, key))
        except Exception as error:  # noqa: BLE001 - it holds here, and is written again with the next standing
            _log.warning("the circuit of %s %s is open, but could not be written: %s", key.kind, key.operation, error)

    def _written(self, key: Key, done: Future[Moved]) -> None:
        """In the writer's thread: what the row says now."""
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            _log.warning("the circuit of %s %s could not be written: %s", key.kind, key.operation, error)
            return
        circuit, change = done.result()
        if circuit is not None:
            with self._lock:
                self._set(key, circuit, learnt=self._clock.monotonic())
        if change is not None:
            self._told(change)

    def _set(self, key: Key, circuit: Circuit, *, learnt: float) -> None:
        known = self._known.setdefault(key, _Known())
        known.circuit = self._shifted(circuit, wall=False)
        known.good = 0
        known.learnt = learnt
        known.unwritten = False
        if circuit.phase is Phase.CLOSED:
            self._unwell.discard(key)
        else:
            self._unwell.add(key)

    def _shifted(self, circuit: Circuit, *, wall: bool) -> Circuit:
        """Between the monotonic clock of this process and the wall clock of the rows."""
        offset = micros_of(self._clock.now()) / 1_000_000 - self._clock.monotonic()
        return replace(circuit, until=circuit.until + (offset if wall else -offset))

    def _bound(self) -> None:
        """Bound the memory: the circuit longest known that is closed starts anew when it is next used."""
        while len(self._known) > MOST:
            closed = (key for key, known in self._known.items() if known.circuit.phase is Phase.CLOSED)
            oldest = next(closed, None)
            if oldest is None:
                return
            del self._known[oldest]
