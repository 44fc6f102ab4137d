"""What was used by whom, and what of it is out of the ordinary. Written with the intent or the refusal, never alone.

Three things are told as anomalies, each at most once an hour for one secret and one principal:

- ``first_use``: an agent uses a secret that it never used before;
- ``denied``: somebody tries to use a secret that they may not;
- ``unusual_count``: uses in one clock hour (UTC) reach the bound. With *n* earlier hours in the last 14 days in which
  the same principal used the same secret (as many as 336), mean *m* and standard deviation *s* of their counts:
  ``max(20, ceil(m + 3 * max(s, sqrt(m))))`` when *n* is 5 or more (three deviations, of a Poisson process at least);
  100 when there is less history than that. A count is unusual once it is above the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from remit.audit.entry import Entry, Result
from remit.guard.secrets_tables import SECRET, SECRET_ANOMALY, SECRET_USE
from remit.kernel.action import Action, ActorKind
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.ports import ReadTx, Row, Tx

HOUR_US = 3_600_000_000
HISTORY_US = 14 * 24 * HOUR_US
ENOUGH_HOURS = 5
LEAST_BOUND = 20
BOUND_WITHOUT_HISTORY = 100
DEVIATIONS = 3.0

_ADD = insert(SECRET_USE)
_COUNT = _ADD.on_conflict_do_update(
    index_elements=["workspace", "secret", "principal", "mission", "hour_us"],
    set_={
        "uses": SECRET_USE.c.uses + _ADD.excluded.uses,
        "denied": SECRET_USE.c.denied + _ADD.excluded.denied,
        "last_us": _ADD.excluded.last_us,
    },
)
_OF = (
    SECRET_USE.c.workspace == bindparam("of"),
    SECRET_USE.c.secret == bindparam("called"),
    SECRET_USE.c.principal == bindparam("who"),
)
_BEFORE = select(SECRET_USE.c.uses).where(*_OF, SECRET_USE.c.uses > 0).limit(1)
_HOURS = (
    select(SECRET_USE.c.hour_us, func.sum(SECRET_USE.c.uses).label("uses"))
    .where(*_OF, SECRET_USE.c.hour_us >= bindparam("since"), SECRET_USE.c.uses > 0)
    .group_by(SECRET_USE.c.hour_us)
)
_RAISE = (
    insert(SECRET_ANOMALY)
    .on_conflict_do_nothing(index_elements=["workspace", "secret", "principal", "what", "hour_us"])
    .returning(SECRET_ANOMALY.c.secret)
)
_SEEN = insert(SECRET).on_conflict_do_nothing(index_elements=["workspace", "name"])
_STATISTICS = (
    select(
        SECRET_USE.c.secret,
        SECRET_USE.c.principal,
        SECRET_USE.c.mission,
        func.sum(SECRET_USE.c.uses).label("uses"),
        func.sum(SECRET_USE.c.denied).label("denied"),
        func.min(SECRET_USE.c.first_us).label("first_us"),
        func.max(SECRET_USE.c.last_us).label("last_us"),
    )
    .where(SECRET_USE.c.workspace == bindparam("of"), SECRET_USE.c.last_us >= bindparam("since"))
    .group_by(SECRET_USE.c.secret, SECRET_USE.c.principal, SECRET_USE.c.mission)
    .order_by(SECRET_USE.c.secret, SECRET_USE.c.principal, SECRET_USE.c.mission)
)
_ANOMALIES = (
    select(SECRET_ANOMALY)
    .where(SECRET_ANOMALY.c.workspace == bindparam("of"))
    .order_by(SECRET_ANOMALY.c.at_us.desc(), SECRET_ANOMALY.c.secret, SECRET_ANOMALY.c.what)
    .limit(1000)
)


class Anomaly(StrEnum):
    """What is out of the ordinary."""

    FIRST_USE = "first_use"
    DENIED = "denied"
    UNUSUAL_COUNT = "unusual_count"


@dataclass(frozen=True, slots=True)
class Used:
    """A secret that an action uses, and where it was found."""

    name: str
    version: str = ""
    backend: str = ""


@dataclass(frozen=True, slots=True)
class SecretStatistics:
    """How often a secret was used, by whom and in which mission (empty: none)."""

    secret: str
    principal: str
    mission: str
    uses: int
    denied: int
    first_us: int
    last_us: int

    def as_json(self) -> dict[str, Json]:
        """For programs; times are ISO 8601."""
        who: dict[str, Json] = {"secret": self.secret, "principal": self.principal, "mission": self.mission}
        times: dict[str, Json] = {"first": iso(self.first_us), "last": iso(self.last_us)}
        return {**who, "uses": self.uses, "denied": self.denied, **times}


def using(action: Action, used: Sequence[Used], *, now_us: int) -> Callable[[Tx], None]:
    """The operation that counts a use of each secret, with what is unusual about it, and says so in the log."""

    def op(tx: Tx) -> None:
        for one in used:
            tx.execute(_SEEN, _row_of(action.workspace, one, now_us))
            fresh = action.principal.kind is ActorKind.AGENT and tx.row(_BEFORE, _of(action, one.name)) is None
            _count(tx, action, one.name, now_us=now_us, uses=1)
            details: dict[str, Json] = {"kind": action.kind, "version": one.version, "backend": one.backend}
            tx.append(entry("secret.used", one.name, action), {**details, "action": action.id})
            if fresh:
                _raise(tx, action, one.name, Anomaly.FIRST_USE, now_us=now_us)
            seen, bound = _this_hour(tx, action, one.name, now_us=now_us)
            if seen > bound:
                _raise(tx, action, one.name, Anomaly.UNUSUAL_COUNT, now_us=now_us, seen=seen, usual=bound)

    return op


def trying(action: Action, names: Iterable[str], *, reason: str, now_us: int) -> Callable[[Tx], None]:
    """The operation that counts a denied try of each secret and tells people of it."""
    tried = tuple(dict.fromkeys(names))

    def op(tx: Tx) -> None:
        for name in tried:
            _count(tx, action, name, now_us=now_us, denied=1)
            tx.append(entry("secret.denied", name, action, Result.BLOCKED, reason), {"action": action.id})
            _raise(tx, action, name, Anomaly.DENIED, now_us=now_us)

    return op


def bound_of(counts: Sequence[int]) -> int:
    """The count of an hour above which it is unusual, by the counts of earlier hours; the rule stands above."""
    if len(counts) < ENOUGH_HOURS:
        return BOUND_WITHOUT_HISTORY
    mean = sum(counts) / len(counts)
    deviation = math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts))
    return max(LEAST_BOUND, math.ceil(mean + DEVIATIONS * max(deviation, math.sqrt(mean))))


def read_statistics(tx: ReadTx, workspace: str, *, since_us: int = 0) -> list[SecretStatistics]:
    """Who used what how often, those whose last use is at ``since_us`` or later; a row a secret, principal, mission."""
    return [
        SecretStatistics(
            row["secret"],
            row["principal"],
            row["mission"],
            int(row["uses"]),
            int(row["denied"]),
            row["first_us"],
            row["last_us"],
        )
        for row in tx.rows(_STATISTICS, {"of": workspace, "since": since_us})
    ]


def read_anomalies(tx: ReadTx, workspace: str) -> list[Row]:
    """The last thousand anomalies, newest first."""
    return tx.rows(_ANOMALIES, {"of": workspace})


def entry(what: str, name: str, action: Action, result: Result = Result.SUCCESS, reason: str = "") -> Entry:
    """An audit entry about a secret that an action uses or wants."""
    return Entry(
        actor=action.principal,
        on_behalf_of=action.on_behalf_of,
        action=what,
        domain="secrets",
        result=result,
        workspace=action.workspace,
        reason=reason,
        subject=name,
        mission=action.mission,
        step=action.step,
    )


def _of(action: Action, name: str) -> dict[str, str]:
    return {"of": action.workspace, "called": name, "who": str(action.principal)}


def _row_of(workspace: str, one: Used, now_us: int) -> dict[str, object]:
    told = {"backend": one.backend, "version": one.version, "revision": 0, "status": "active"}
    return {"workspace": workspace, "name": one.name, **told, "set_by": "", "set_us": now_us}


def _count(tx: Tx, action: Action, name: str, *, now_us: int, uses: int = 0, denied: int = 0) -> None:
    tx.execute(
        _COUNT,
        {
            "workspace": action.workspace,
            "secret": name,
            "principal": str(action.principal),
            "mission": action.mission,
            "hour_us": now_us // HOUR_US * HOUR_US,
            "uses": uses,
            "denied": denied,
            "first_us": now_us,
            "last_us": now_us,
        },
    )


def _this_hour(tx: ReadTx, action: Action, name: str, *, now_us: int) -> tuple[int, int]:
    """The uses of this hour, and the bound that the hours before it give."""
    hour = now_us // HOUR_US * HOUR_US
    rows = tx.rows(_HOURS, {**_of(action, name), "since": hour - HISTORY_US})
    counts = {int(row["hour_us"]): int(row["uses"]) for row in rows}
    seen = counts.pop(hour, 0)
    return seen, bound_of(list(counts.values()))


def _raise(tx: Tx, action: Action, name: str, what: Anomaly, *, now_us: int, seen: int = 0, usual: int = 0) -> None:
    row = {
        "workspace": action.workspace,
        "secret": name,
        "principal": str(action.principal),
        "what": what.value,
        "hour_us": now_us // HOUR_US * HOUR_US,
        "mission": action.mission,
        "seen": seen,
        "usual": usual,
        "at_us": now_us,
        "told_us": None,
    }
    if tx.row(_RAISE, row) is not None:
        details: dict[str, Json] = {"seen": seen, "usual": usual, "action": action.id}
        tx.append(entry("secret.anomaly", name, action, Result.FAILURE, what.value), details)
