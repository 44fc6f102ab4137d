"""Circuits as rows: what all processes of an installation share.

A circuit that is open or half-open stands in ``breaker``; each trial of a half-open one is a row of ``breaker_trial``,
leased to one action. Every change of one circuit first takes its row's lock, then asks the state machine
(``guard/breaker.py``), then writes what came out, with an audit entry when the phase changed. So however many processes
ask at once, no more trials run than the machine allows, and nothing closes without its successes.

Times are wall-clock seconds: hosts that share a store need clocks that agree within a second or two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.audit.entry import Entry, Result
from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, ask, report
from remit.guard.tables import BREAKER, BREAKER_TRIAL, IS_UNWELL
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Unavailable
from remit.kernel.ports import ReadTx, Row, Tx

SYSTEM = Principal(ActorKind.SYSTEM, "remit")
#: A circuit opened by a person stays so until a person resets it.
FOREVER_US = 253_402_300_799_000_000  # the end of year 9999
#: So many circuits that aren't closed are known to a process, those first that changed last.
MOST = 4096

_KEY = (
    BREAKER.c.workspace == bindparam("of"),
    BREAKER.c.kind == bindparam("in_kind"),
    BREAKER.c.operation == bindparam("on"),
)
_TRIAL_KEY = (
    BREAKER_TRIAL.c.workspace == bindparam("of"),
    BREAKER_TRIAL.c.kind == bindparam("in_kind"),
    BREAKER_TRIAL.c.operation == bindparam("on"),
)
# On Postgres an update holds the row until the transaction ends; on SQLite there is one writer anyway.
_LOCK = update(BREAKER).where(*_KEY).values(issued=BREAKER.c.issued)
_READ = select(BREAKER).where(*_KEY)
_READ_TRIALS = (
    select(BREAKER_TRIAL.c.number, BREAKER_TRIAL.c.until_us, BREAKER_TRIAL.c.action)
    .where(*_TRIAL_KEY)
    .order_by(BREAKER_TRIAL.c.number)
)
_CREATE = upsert(BREAKER).on_conflict_do_nothing()
_MOVE = (
    update(BREAKER)
    .where(*_KEY)
    .values(
        phase=bindparam("now_in"),
        trips=bindparam("tripped"),
        cooldown_ms=bindparam("wait"),
        changed_us=bindparam("at"),
        until_us=bindparam("over"),
        successes=bindparam("went_well"),
        generation=bindparam("era"),
        issued=bindparam("given"),
        trips_ever=bindparam("ever"),
        tripped_us=bindparam("last"),
        why=bindparam("because"),
        moved_by=bindparam("who"),
    )
)
_LEASE = insert(BREAKER_TRIAL)
_RETURN = delete(BREAKER_TRIAL).where(*_TRIAL_KEY, BREAKER_TRIAL.c.number == bindparam("which"))
_UNWELL = (
    select(BREAKER).where(BREAKER.c.workspace == bindparam("of"), IS_UNWELL).order_by(BREAKER.c.changed_us.desc())
).limit(MOST)
_TRIALS = select(BREAKER_TRIAL).where(BREAKER_TRIAL.c.workspace == bindparam("of")).order_by(BREAKER_TRIAL.c.number)
_ALL = select(BREAKER).where(BREAKER.c.workspace == bindparam("of")).order_by(BREAKER.c.kind, BREAKER.c.operation)


class Key(NamedTuple):
    """Which circuit. A tuple: each call looks it up half a dozen times."""

    workspace: str
    kind: str
    operation: str


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit that entered another phase. ``cooldown_ms`` is how long it stays open; 0 for the other phases."""

    key: Key
    before: Phase
    after: Phase
    cooldown_ms: int
    at_us: int
    why: str = ""


class NoTrialError(Unavailable):
    """The circuit is open, or its trials are taken."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A circuit's row as it stood, in wall-clock seconds; ``holders`` maps trials to the actions that run them."""

    circuit: Circuit
    row: Row
    holders: Mapping[int, str]


def locked(tx: Tx, key: Key) -> Stored | None:
    """The circuit's row with its trials, held until this transaction ends; ``None`` for one that never opened."""
    at = _at(key)
    if tx.execute(_LOCK, at) == 0:
        return None
    row = tx.row(_READ, at)
    return None if row is None else _stored(row, tx.rows(_READ_TRIALS, at))


def take(key: Key, action: str, *, now_us: int, numbers: Numbers) -> Callable[[Tx], None]:
    """The operation that leases a trial to ``action``, as part of its intent's transaction.

    A circuit that is closed meanwhile lets it through without a lease.

    Raises (when run):
        NoTrialError: It is open, or its trials are taken; ``retry_after`` tells when to come back.
    """

    def op(tx: Tx) -> None:
        stored = locked(tx, key)
        if stored is None or stored.circuit.phase is Phase.CLOSED:
            return
        now = now_us / 1_000_000
        after, ticket = ask(stored.circuit, now, numbers=numbers)
        if ticket is None:
            wait = max(after.until - now, 1.0)
            raise NoTrialError("The circuit is open.", code="guard.breaker_open", retry_after=wait)
        _save(tx, key, stored, after, at_us=now_us)
        lease_us = round(after.leases[-1][1] * 1_000_000)
        named = {"workspace": key.workspace, "kind": key.kind, "operation": key.operation}
        tx.execute(_LEASE, {**named, "number": ticket.number, "action": action, "until_us": lease_us})

    return op


def give(
    key: Key, action: str, result: Report, *, now_us: int, numbers: Numbers, rand: Callable[[], float]
) -> Callable[[Tx], tuple[Circuit | None, Change | None]]:
    """The operation that returns ``action``'s trial with how it went; the circuit then, and its change if any.

    A trial whose lease ran out, or whose circuit was moved meanwhile, says nothing any more.
    """
    jitter = rand()  # drawn once, however often the operation is run

    def op(tx: Tx) -> tuple[Circuit | None, Change | None]:
        stored = locked(tx, key)
        if stored is None:
            return None, None
        number = next((number for number, who in stored.holders.items() if who == action), None)
        if number is None:
            return stored.circuit, None
        ticket = Ticket(stored.circuit.generation, number)
        now = now_us / 1_000_000
        after = report(stored.circuit, ticket, result, now=now, numbers=numbers, rand=lambda: jitter)
        return after, _save(tx, key, stored, after, at_us=now_us)

    return op


def trip(key: Key, circuit: Circuit, *, at_us: int) -> Callable[[Tx], tuple[Circuit | None, Change | None]]:
    """The operation that writes down what one process found: ``circuit`` (wall-clock times) is open now.

    When another process moved the circuit since this one last looked, what the row says stands.
    """

    def op(tx: Tx) -> tuple[Circuit | None, Change | None]:
        tx.execute(_CREATE, _blank(key))
        stored = locked(tx, key)
        assert stored is not None  # noqa: S101 - created above
        if stored.circuit.phase is not Phase.CLOSED:
            return stored.circuit, None
        after = replace(circuit, generation=stored.circuit.generation + 1, issued=stored.circuit.issued)
        return after, _save(tx, key, stored, after, at_us=at_us)

    return op


def move(tx: Tx, key: Key, *, opened: bool, by: Principal, reason: str, now_us: int) -> Change | None:
    """A person's order: open until reset, or closed from now on. ``None`` when it stood so already."""
    tx.execute(_CREATE, _blank(key))
    stored = locked(tx, key)
    assert stored is not None  # noqa: S101 - created above
    before = stored.circuit
    after = Circuit(
        phase=Phase.OPEN if opened else Phase.CLOSED,
        trips=before.trips if opened else 0,
        until=FOREVER_US / 1_000_000 if opened else 0.0,
        generation=before.generation + 1,
        issued=before.issued,
        why=reason,
    )
    same = before.phase is after.phase and (not opened or stored.row["until_us"] == FOREVER_US)
    return None if same else _save(tx, key, stored, after, at_us=now_us, by=by)


def read_unwell(tx: ReadTx, workspace: str) -> dict[Key, Circuit]:
    """The circuits of a workspace that aren't closed, in wall-clock seconds."""
    rows = tx.rows(_UNWELL, {"of": workspace})
    if not rows:
        return {}
    trials: dict[Key, list[Row]] = {}
    for trial in tx.rows(_TRIALS, {"of": workspace}):
        trials.setdefault(Key(workspace, trial["kind"], trial["operation"]), []).append(trial)
    keys = [Key(workspace, row["kind"], row["operation"]) for row in rows]
    return {key: _stored(row, trials.get(key, [])).circuit for key, row in zip(keys, rows, strict=True)}


def read_all(tx: ReadTx, workspace: str) -> list[tuple[Key, Stored]]:
    """Every circuit of a workspace that ever moved."""
    found: list[tuple[Key, Stored]] = []
    for row in tx.rows(_ALL, {"of": workspace}):
        key = Key(workspace, row["kind"], row["operation"])
        found.append((key, _stored(row, tx.rows(_READ_TRIALS, _at(key)))))
    return found


def _at(key: Key) -> dict[str, object]:
    return {"of": key.workspace, "in_kind": key.kind, "on": key.operation}


def _blank(key: Key) -> dict[str, object]:
    return {
        "workspace": key.workspace,
        "kind": key.kind,
        "operation": key.operation,
        "phase": Phase.CLOSED.value,
        "trips": 0,
        "cooldown_ms": 0,
        "changed_us": 0,
    }


def _stored(row: Row, trials: list[Row]) -> Stored:
    circuit = Circuit(
        phase=Phase(row["phase"]),
        successes=row["successes"],
        trips=row["trips"],
        until=row["until_us"] / 1_000_000,
        leases=tuple((trial["number"], trial["until_us"] / 1_000_000) for trial in trials),
        generation=row["generation"],
        issued=row["issued"],
        why=row["why"],
    )
    return Stored(circuit, row, {trial["number"]: trial["action"] for trial in trials})


def _save(
    tx: Tx, key: Key, stored: Stored, after: Circuit, *, at_us: int, by: Principal | None = None
) -> Change | None:
    """Write what the machine made of a circuit; trials that are gone free their place."""
    before = stored.circuit
    changed = before.phase is not after.phase or by is not None
    tripped = after.phase is Phase.OPEN and changed
    over = min(round(after.until * 1_000_000), FOREVER_US) if after.phase is not Phase.CLOSED else 0
    cooldown_ms = max(over - at_us, 0) // 1000 if tripped else 0
    row = stored.row
    tx.execute(
        _MOVE,
        {
            **_at(key),
            "now_in": after.phase.value,
            "tripped": after.trips,
            "wait": cooldown_ms if changed else row["cooldown_ms"],
            "at": at_us if changed else row["changed_us"],
            "over": over,
            "went_well": after.successes,
            "era": after.generation,
            "given": after.issued,
            "ever": row["trips_ever"] + tripped,
            "last": at_us if tripped else row["tripped_us"],
            "because": after.why or row["why"],
            "who": str(by or "") if changed else row["moved_by"],
        },
    )
    left = {number for number, _ in after.leases}
    for number in stored.holders:
        if number not in left:
            tx.execute(_RETURN, {**_at(key), "which": number})
    if not changed:
        return None
    change = Change(key, before.phase, after.phase, cooldown_ms, at_us, after.why)
    _tell(tx, change, by or SYSTEM, forced=by is not None)
    return change


def _tell(tx: Tx, change: Change, by: Principal, *, forced: bool) -> None:
    entry = Entry(
        actor=by,
        action="guard.breaker",
        domain=change.key.kind,
        result=Result.SUCCESS,
        workspace=change.key.workspace,
        reason=change.after.value,
    )
    told: dict[str, object] = {
        "operation": change.key.operation,
        "before": change.before.value,
        "cooldown_ms": change.cooldown_ms,
        "why": change.why,
        "forced": forced,
    }
    tx.append(entry, told)
