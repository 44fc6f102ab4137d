"""Buckets in SQLite and Postgres: one statement for both, inside the caller's transaction, on the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, bindparam, case, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement

from remit.guard.gcra import Demand, Level, Short, admit, level_of, longest, short_of
from remit.guard.rate_tables import RATE
from remit.kernel.ports import ReadTx, Tx


class DatabaseNow(ColumnElement[int]):
    """The database's clock in whole microseconds, the same wherever it stands in one statement."""

    inherit_cache = True
    type = BigInteger()


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(element: DatabaseNow, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    del element, compiler
    return "(CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)"


@compiles(DatabaseNow, "postgresql")
def _postgres_now(element: DatabaseNow, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    del element, compiler
    return "((extract(epoch from statement_timestamp()) * 1000000)::bigint)"


#: The time: the caller's when it gives one (tests, which move their clock by hand), else the database's.
NOW = func.coalesce(bindparam("now", type_=BigInteger), DatabaseNow())
_AT = (RATE.c.workspace == bindparam("of"), RATE.c.key == bindparam("bucket"))
_HELD = case((RATE.c.tat_us > NOW, RATE.c.tat_us), else_=NOW)
_INC = bindparam("inc", type_=BigInteger)
_NEW = insert(RATE).values(
    workspace=bindparam("of"), key=bindparam("bucket"), mission=bindparam("dies_with"), tat_us=NOW + _INC
)
#: The first branch is unchecked, so a cost above the burst is refused before. No row: the bucket has too little.
_TAKE = _NEW.on_conflict_do_update(
    index_elements=[RATE.c.workspace, RATE.c.key],
    set_={"tat_us": _HELD + _INC},
    where=bindparam("cap", type_=BigInteger) >= _HELD + _INC - NOW,
).returning(RATE.c.tat_us)
_OWE = _NEW.on_conflict_do_update(index_elements=[RATE.c.workspace, RATE.c.key], set_={"tat_us": _HELD + _INC})
_GIVE = update(RATE).where(*_AT).values(tat_us=RATE.c.tat_us - bindparam("dec", type_=BigInteger))
_PEEK = select(RATE.c.tat_us, NOW.label("at")).where(*_AT)
_HOLD = _PEEK.with_for_update()
_MOVE = update(RATE).where(*_AT).values(tat_us=bindparam("tat", type_=BigInteger))
_TIME = select(NOW.label("at"), literal(0, BigInteger).label("tat_us"))
_SWEEP = delete(RATE).where(RATE.c.workspace == bindparam("of"), RATE.c.tat_us < NOW)
_DROP = delete(RATE).where(RATE.c.workspace == bindparam("of"), RATE.c.mission == bindparam("dies_with"))


@dataclass(slots=True)
class _Bucket:
    """A row, locked, and the database's time when it was read."""

    tat_us: int
    at_us: int
    moved: bool = False


class _Buckets:
    """Buckets that several operations of one transaction take from (``kernel.ports.Kept``).

    All of them take at the moment at which the first of them read the bucket.
    """

    tables: ClassVar = frozenset({RATE.name})
    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _Bucket] = {}

    def bucket(self, tx: Tx, workspace: str, key: str) -> _Bucket | None:
        """A bucket; ``None``: it was never used, so there is no row to lock."""
        found = self._rows.get((workspace, key))
        if found is None:
            for row in tx.stored(_HOLD, {"of": workspace, "bucket": key, "now": None}):
                found = self._rows[workspace, key] = _Bucket(int(row["tat_us"]), int(row["at"]))
        return found

    def take(self, tx: Tx, workspace: str, demands: Sequence[Demand]) -> bool:
        """Take all demands; false: nothing is taken, because one has no row, or does not fit."""
        moved: dict[str, tuple[_Bucket, int]] = {}
        for each in demands:
            bucket = self.bucket(tx, workspace, each.key)
            if bucket is None or each.cost > each.burst:
                return False
            before = moved[each.key][1] if each.key in moved else bucket.tat_us
            after, wait_us = admit(
                before, bucket.at_us, cost_us=each.cost * each.unit_us, cap_us=each.burst * each.unit_us
            )
            if wait_us:
                return False
            moved[each.key] = bucket, after
        for bucket, after in moved.values():
            bucket.tat_us, bucket.moved = after, True
        return True

    def add(self, tx: Tx, workspace: str, demand: Demand, units: int) -> bool:
        """Correct what was taken; false: there is no row."""
        bucket = self.bucket(tx, workspace, demand.key)
        if bucket is None:
            return False
        before = max(bucket.tat_us, bucket.at_us) if units > 0 else bucket.tat_us
        bucket.tat_us, bucket.moved = before + units * demand.unit_us, True
        return True

    def write(self, tx: Tx) -> None:
        """Write back what moved."""
        rows = [
            {"of": workspace, "bucket": key, "tat": bucket.tat_us}
            for (workspace, key), bucket in self._rows.items()
            if bucket.moved
        ]
        if rows:
            tx.execute(_MOVE, rows)


class SqlRates:
    """``gcra.Rates`` in one transaction of the store: what it takes is taken when that commits, exact across processes.

    Args:
        tx: The transaction; a ``ReadTx`` will do for ``peek``.
        workspace: Whose buckets.
        now_us: A clock in place of the database's.
    """

    __slots__ = ("_now_us", "_tx", "_workspace")

    def __init__(self, tx: Tx, workspace: str, *, now_us: int | None = None) -> None:
        self._tx = tx
        self._workspace = workspace
        self._now_us = now_us

    def take(self, demands: Sequence[Demand]) -> Short | None:
        """Take all demands, or none. Buckets are locked in the order of their keys: no deadlock among takers."""
        ordered = sorted(demands, key=_key)
        kept = self._tx.kept(_Buckets) if self._now_us is None else None
        if kept is not None and kept.take(self._tx, self._workspace, ordered):
            return None
        found: list[Short] = []
        taken: list[Demand] = []
        for each in ordered:
            fits = each.cost <= each.burst
            if fits and self._tx.row(_TAKE, self._values(each) | {"cap": each.burst * each.unit_us}) is not None:
                taken.append(each)
                continue
            short = short_of(*tat_of(self._tx, self._workspace, each, now_us=self._now_us), each)
            if short is not None:
                found.append(short)
            else:  # it refilled between the two statements
                found.append(Short(each, self.peek(each), 1))
        if not found:
            return None
        for each in taken:
            self.add(each, -each.cost)
        return longest(found)

    def peek(self, demand: Demand) -> Level:
        """Where the demand's bucket stands."""
        return level_of(*tat_of(self._tx, self._workspace, demand, now_us=self._now_us), demand)

    def add(self, demand: Demand, units: int) -> None:
        """Correct what was taken."""
        kept = self._tx.kept(_Buckets) if self._now_us is None and units else None
        if kept is not None and kept.add(self._tx, self._workspace, demand, units):
            return
        if units > 0:
            self._tx.execute(_OWE, self._values(demand) | {"inc": units * demand.unit_us})
        elif units < 0:
            at = {"of": self._workspace, "bucket": demand.key}
            self._tx.execute(_GIVE, at | {"dec": -units * demand.unit_us})

    def sweep(self) -> int:
        """Forget buckets that are full again."""
        return self._tx.execute(_SWEEP, {"of": self._workspace, "now": self._now_us})

    def drop(self, mission: str) -> int:
        """Forget the buckets of a mission that was cleaned up; how many."""
        return self._tx.execute(_DROP, {"of": self._workspace, "dies_with": mission})

    def _values(self, demand: Demand) -> dict[str, object]:
        return {
            "of": self._workspace,
            "bucket": demand.key,
            "dies_with": demand.mission,
            "inc": demand.cost * demand.unit_us,
            "now": self._now_us,
        }


def _key(demand: Demand) -> str:
    return demand.key


def tat_of(tx: ReadTx, workspace: str, demand: Demand, *, now_us: int | None = None) -> tuple[int, int]:
    """A bucket's TAT (0: never used) and the time, both in microseconds."""
    row = tx.row(_PEEK, {"of": workspace, "bucket": demand.key, "now": now_us})
    row = row or tx.row(_TIME, {"now": now_us})
    assert row is not None  # noqa: S101 - the second always has one
    return int(row["tat_us"]), int(row["at"])
