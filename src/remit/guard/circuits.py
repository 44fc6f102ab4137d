"""The circuits of this process, one for each (workspace, kind, operation) whose effects leave the host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import bindparam, insert, select, update

from remit.audit.entry import Entry, Result
from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, ask, report
from remit.guard.tables import BREAKER
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Fetch
from remit.kernel.ports import ReadTx, Tx

#: Kinds whose effects leave the host; files and commands stay in the step's directory.
OUTSIDE = frozenset({"fetch", "model", "tool", "deploy", "order", "publish", "notify"})
MOST = 4096
SYSTEM = Principal(ActorKind.SYSTEM, "remit")

_KEY = (
    BREAKER.c.workspace == bindparam("of"),
    BREAKER.c.kind == bindparam("in_kind"),
    BREAKER.c.operation == bindparam("on"),
)
_UPDATE = (
    update(BREAKER)
    .where(*_KEY)
    .values(
        phase=bindparam("now_in"), trips=bindparam("tripped"), cooldown_ms=bindparam("wait"), changed_us=bindparam("at")
    )
)
_INSERT = insert(BREAKER)
_ALL = select(BREAKER).where(BREAKER.c.workspace == bindparam("of")).order_by(BREAKER.c.kind, BREAKER.c.operation)


@dataclass(frozen=True, slots=True)
class Key:
    """Which circuit."""

    workspace: str
    kind: str
    operation: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave for one call; ``ticket`` is ``None`` while the circuit never had a failure."""

    key: Key
    ticket: Ticket | None
    since: float


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit that entered another phase."""

    key: Key
    before: Phase
    circuit: Circuit
    cooldown_ms: int
    at_us: int


def key_of(action: Action) -> Key | None:
    """The circuit of an action; ``None`` for what stays on this host. A fetch's operation is its origin."""
    if action.kind not in OUTSIDE:
        return None
    operation = action.target
    if isinstance(action.effect, Fetch):
        parts = urlsplit(operation)
        operation = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return Key(action.workspace, action.kind, operation[:200])


class Circuits:
    """Any thread may call. ``changed`` hears of every change of phase, outside the lock."""

    def __init__(
        self, clock: Clock, rand: Callable[[], float], *, numbers: Numbers, changed: Callable[[Change], None]
    ) -> None:
        self._clock = clock
        self._rand = rand
        self._numbers = numbers
        self._changed = changed
        self._circuits: dict[Key, Circuit] = {}
        self._lock = threading.Lock()

    def take(self, key: Key) -> Lease | None:
        """Leave for one call, to be given back; ``None`` when the circuit is open or its trials are taken."""
        now = self._clock.monotonic()
        if key not in self._circuits:
            return Lease(key, None, now)
        with self._lock:
            before = self._circuits.get(key, Circuit())
            after, ticket = ask(before, now, numbers=self._numbers)
            self._circuits[key] = after
        self._tell(key, before, after, now)
        return None if ticket is None else Lease(key, ticket, now)

    def give(self, lease: Lease, result: Report) -> None:
        """How the call went. A success that took longer than a slow call counts as a failure."""
        now = self._clock.monotonic()
        if result is Report.SUCCESS and now - lease.since > self._numbers.slow_call_s:
            result = Report.FAILURE
        if lease.ticket is None and result is not Report.FAILURE and lease.key not in self._circuits:
            return
        with self._lock:
            before = self._circuits.get(lease.key, Circuit())
            ticket = lease.ticket or Ticket(0, 0)
            after = report(before, ticket, result, now=now, numbers=self._numbers, rand=self._rand)
            self._circuits[lease.key] = after
            if len(self._circuits) > MOST:
                self._forget_one()
        self._tell(lease.key, before, after, now)

    def wait(self, key: Key) -> float:
        """Seconds until an open circuit may be tried; a second when its trials are taken."""
        circuit = self._circuits.get(key, Circuit())
        return max(circuit.until - self._clock.monotonic(), 1.0)

    def phase(self, key: Key) -> Phase:
        """Where a circuit stands."""
        return self._circuits.get(key, Circuit()).phase

    def restore(self, rows: Iterable[tuple[Key, Circuit]]) -> None:
        """Take over circuits that another process left open; those known here stay as they are."""
        with self._lock:
            for key, circuit in rows:
                self._circuits.setdefault(key, circuit)

    def _forget_one(self) -> None:
        """Bound the memory: the circuit longest known that is closed starts anew when it is next used."""
        for key, circuit in self._circuits.items():
            if circuit.phase is Phase.CLOSED:
                del self._circuits[key]
                return

    def _tell(self, key: Key, before: Circuit, after: Circuit, now: float) -> None:
        if before.phase is not after.phase:
            cooldown = max(after.until - now, 0.0) if after.phase is Phase.OPEN else 0.0
            at = micros_of(self._clock.now())
            self._changed(Change(key, before.phase, after, round(cooldown * 1000), at))


def record(change: Change) -> Callable[[Tx], None]:
    """The operation that writes a change of phase, row and audit entry."""
    key, circuit = change.key, change.circuit
    at = {"of": key.workspace, "in_kind": key.kind, "on": key.operation}
    values = {
        "now_in": circuit.phase.value,
        "tripped": circuit.trips,
        "wait": change.cooldown_ms,
        "at": change.at_us,
    }
    entry = Entry(
        actor=SYSTEM,
        action="guard.breaker",
        domain=key.kind,
        result=Result.SUCCESS,
        workspace=key.workspace,
        reason=circuit.phase.value,
    )

    def op(tx: Tx) -> None:
        if tx.execute(_UPDATE, {**at, **values}) == 0:
            tx.execute(
                _INSERT,
                {
                    "workspace": key.workspace,
                    "kind": key.kind,
                    "operation": key.operation,
                    "phase": circuit.phase.value,
                    "trips": circuit.trips,
                    "cooldown_ms": change.cooldown_ms,
                    "changed_us": change.at_us,
                },
            )
        tx.append(
            entry,
            {"operation": key.operation, "before": change.before.value, "cooldown_ms": change.cooldown_ms},
        )

    return op


def read_circuits(tx: ReadTx, workspace: str, *, clock: Clock) -> list[tuple[Key, Circuit]]:
    """The circuits of a workspace as their rows say: an open or half-open one may be tried once its time is over."""
    now, now_us = clock.monotonic(), micros_of(clock.now())
    found: list[tuple[Key, Circuit]] = []
    for row in tx.rows(_ALL, {"of": workspace}):
        if Phase(row["phase"]) is Phase.CLOSED:
            continue
        until = now + (row["changed_us"] + row["cooldown_ms"] * 1000 - now_us) / 1_000_000
        key = Key(workspace, row["kind"], row["operation"])
        found.append((key, Circuit(phase=Phase.OPEN, trips=row["trips"], until=until, generation=1)))
    return found
