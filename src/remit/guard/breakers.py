"""What a person sees of the circuits, and may order: reset one, or hold one open. Each order has a reason."""

from __future__ import annotations

from dataclasses import dataclass

from remit.accounts.access import Permission, require
from remit.guard.breaker import Phase
from remit.guard.circuits import OUTSIDE
from remit.guard.trials import FOREVER_US, Change, Key, Stored, locked, read_all
from remit.guard.trials import move as moved
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ports import Journal, Tx

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """Which circuit an order is about."""

    workspace: str
    kind: str
    operation: str

    @property
    def key(self) -> Key:
        """The circuit."""
        return Key(self.workspace, self.kind, self.operation)


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A circuit that moved at least once. ``until_us`` is ``None`` when it isn't open, or open until it is reset."""

    kind: str
    operation: str
    phase: Phase
    why: str
    moved_by: str
    changed_us: int
    until_us: int | None
    trials: int
    successes: int
    trips: int
    trips_ever: int
    tripped_us: int

    def as_json(self) -> dict[str, Json]:
        """For ``remit breakers --json``."""
        return {
            "kind": self.kind,
            "operation": self.operation,
            "phase": self.phase.value,
            "why": self.why,
            "moved_by": self.moved_by,
            "changed": iso(self.changed_us),
            "until": None if self.until_us is None else iso(self.until_us),
            "trials_running": self.trials,
            "successes": self.successes,
            "trips_in_a_row": self.trips,
            "trips": self.trips_ever,
            "last_trip": iso(self.tripped_us) if self.tripped_us else None,
        }


async def list_circuits(journal: Journal, *, workspace: str) -> list[CircuitView]:
    """Every circuit of the workspace that ever opened, those that aren't closed first."""
    found = await journal.read(lambda tx: read_all(tx, workspace))
    views = [_view(key, stored) for key, stored in found]
    return sorted(views, key=lambda view: (view.phase is Phase.CLOSED, view.kind, view.operation))


async def move(
    journal: Journal, order: Order, *, opened: bool, reason: str, by: Principal, clock: Clock
) -> CircuitView:
    """Hold a circuit open until it is reset (``opened``), or close it: every process obeys within 250 ms. Audited.

    Raises:
        InvalidInput: No reason, or a kind whose effects have no circuit.
        Denied: ``by`` has no permission to administer.
        NotFound: A circuit to reset that never opened.
        Conflict: It stands so already.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"A circuit is moved with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="guard.reason", hint="add --reason TEXT")
    if order.kind not in OUTSIDE or not order.operation:
        message = f"There is no circuit for kind {order.kind!r}: it is one of {', '.join(sorted(OUTSIDE))}."
        raise InvalidInput(message, code="guard.no_circuit", hint="remit breakers")

    def op(tx: Tx) -> CircuitView:
        require(tx, by, workspace=order.workspace, permission=Permission.ADMIN)
        if not opened and locked(tx, order.key) is None:
            message = f"The circuit of {order.kind} {order.operation} never opened."
            raise NotFound(message, code="guard.no_circuit", hint="remit breakers")
        change: Change | None = moved(tx, order.key, opened=opened, by=by, reason=reason, now_us=micros_of(clock.now()))
        if change is None:
            message = f"The circuit of {order.kind} {order.operation} is {'open' if opened else 'closed'} already."
            raise Conflict(message, code="guard.circuit_stands", hint="remit breakers")
        stored = locked(tx, order.key)
        assert stored is not None  # noqa: S101 - just written
        return _view(order.key, stored)

    return await journal.commit("guard.breaker", op)


def _view(key: Key, stored: Stored) -> CircuitView:
    row = stored.row
    timed = stored.circuit.phase is Phase.OPEN and row["until_us"] < FOREVER_US
    return CircuitView(
        kind=key.kind,
        operation=key.operation,
        phase=stored.circuit.phase,
        why=row["why"],
        moved_by=row["moved_by"],
        changed_us=row["changed_us"],
        until_us=row["until_us"] if timed else None,
        trials=len(stored.holders),
        successes=row["successes"],
        trips=row["trips"],
        trips_ever=row["trips_ever"],
        tripped_us=row["tripped_us"],
    )
