"""What was used, added up: by the hour for quick reading, and by whatever people ask for.

Settled attempts are taken into hourly sums now and then, each exactly once: those of hours that are over, and as soon
as there are ``BATCH`` of them those of this hour too. Whoever reads adds what has not been taken in yet, in the same
snapshot, so no answer depends on when that last happened, and none reads more than the hours asked for and what came
since the last round. What is settled late is taken into the hour in which it was opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import lru_cache
from typing import cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.budget_periods import DAY_US, HOUR_US
from remit.accounts.budget_tables import IS_UNROLLED, SPENT, USAGE, USAGE_HOUR
from remit.accounts.budgets import BudgetScope, Limit
from remit.kernel.action import ActorKind
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx

SHARES = ("tokens_micros", "gpu_micros", "storage_micros", "network_micros")
QUANTITIES = (
    *("tokens_in", "tokens_out", "gpu_ms", "storage_bytes", "network_bytes"),
    *("tokens_cached", "tokens_cache_write"),
)
SUMS = ("cost_micros", *SHARES, *QUANTITIES, "estimated", "kept", "saved_micros", "correction_micros")
BATCH = 1000  # attempts that one transaction takes in, so that no other write waits long
_FOR_EVER = 1 << 62
_PARTIES = ("principal", "on_behalf_of", "mission", "kind", "provider", "model", "key")

_NONE, _ONE_MORE = literal_column("0", Integer()), literal_column("1", Integer())
#: Of an attempt: 1 while nobody knows what it cost.
UNPRICED: ColumnElement[int] = case((USAGE.c.corrected_us.is_(None), _ONE_MORE - USAGE.c.priced), else_=_NONE)


def amount(name: str) -> ColumnElement[int]:
    """What an attempt adds to a sum: costs as they were corrected since, and nothing for what nobody counted."""
    column: Column[int] = USAGE.c[name]
    match name:
        case "cost_micros" | "tokens_micros":
            return column + USAGE.c.correction_micros
        case "tokens_cache_write":
            return func.coalesce(column, _NONE)
        case _:
            return column


_SETTLED = (
    USAGE.c.workspace == bindparam("of"),
    IS_UNROLLED,
    USAGE.c.settled_us.is_not(None),
    USAGE.c.opened_us < bindparam("until"),
)
_OLDEST = select(USAGE.c.action).where(*_SETTLED).order_by(USAGE.c.opened_us)
_TAKE = (
    update(USAGE)
    .where(USAGE.c.action.in_(_OLDEST.limit(BATCH).scalar_subquery()), IS_UNROLLED)
    .values(rolled=1)
    .returning(
        USAGE.c.opened_us,
        *(USAGE.c[name] for name in ("priced", "corrected_us", "tokens_cache_write", *_PARTIES)),
        *(amount(name).label(name) for name in SUMS if name != "tokens_cache_write"),
    )
)
_NEW = insert(USAGE_HOUR)
_ADD = _NEW.on_conflict_do_update(
    index_elements=["workspace", "hour_us", *_PARTIES],
    set_={name: USAGE_HOUR.c[name] + _NEW.excluded[name] for name in ("attempts", "unpriced", *SUMS)},
)
_ONE, _BATCHFUL = _OLDEST.limit(1), _OLDEST.limit(1).offset(BATCH - 1)


class By(StrEnum):
    """What usage is grouped by. ``AGENT`` is who acted, an agent or a person; ``USER`` for whom."""

    AGENT = "agent"
    USER = "user"
    KEY = "key"
    MISSION = "mission"
    PROVIDER = "provider"
    MODEL = "model"
    KIND = "kind"
    HOUR = "hour"
    DAY = "day"


#: What is listed in order of time, not of cost.
TIMES = {By.HOUR: 16, By.DAY: 10}  # and how much of an ISO time its key is


@dataclass(frozen=True, slots=True)
class Where:
    """Which usage; empty is any. ``agent`` and ``user`` are names without their kind."""

    agent: str = ""
    user: str = ""
    key: str = ""
    mission: str = ""
    provider: str = ""
    model: str = ""
    kind: str = ""

    def given(self) -> dict[str, str]:
        """What is asked for, by name."""
        return {each.name: text for each in fields(self) if (text := getattr(self, each.name))}

    def values(self) -> dict[str, str]:
        """For the conditions of ``conditions``."""
        prefixes = {"agent": ActorKind.AGENT, "user": ActorKind.USER}
        return {
            f"only_{name}": f"{prefixes[name].value}:{text}" if name in prefixes else text
            for name, text in self.given().items()
        }


EVERYTHING = Where()


def conditions(table: Table, given: frozenset[str]) -> list[ColumnElement[bool]]:
    """That rows are of the parties that ``Where.values`` names."""
    named = {"agent": "principal", "user": "on_behalf_of"}
    return [table.c[named.get(name, name)] == bindparam(f"only_{name}") for name in sorted(given)]


def _keys(by: By, table: Table) -> tuple[ColumnElement[str] | ColumnElement[int], ...]:
    at: Column[int] = table.c["hour_us" if table is USAGE_HOUR else "opened_us"]
    match by:
        case By.AGENT:
            return (table.c["principal"],)
        case By.USER:
            return (table.c["on_behalf_of"],)
        case By.MODEL:
            return (table.c["provider"], table.c["model"])
        case By.HOUR:
            return (at - at % HOUR_US,)
        case By.DAY:
            return (at - at % DAY_US,)
        case _:
            return (table.c[by.value],)


_SETTLED_FRESH = (
    USAGE.c.workspace == bindparam("of"),
    IS_UNROLLED,
    USAGE.c.settled_us.is_not(None),
    USAGE.c.opened_us >= bindparam("since"),
)
_ROLLED = (USAGE_HOUR.c.workspace == bindparam("of"), USAGE_HOUR.c.hour_us >= bindparam("since"))


@lru_cache(maxsize=256)
def statements(by: By, given: frozenset[str] = frozenset()) -> tuple[Select[*tuple[object, ...]], ...]:
    """What adds up the hourly sums, and what has not been taken into them."""
    counts = {
        USAGE_HOUR: (func.sum(USAGE_HOUR.c.attempts), func.sum(USAGE_HOUR.c.unpriced)),
        USAGE: (func.count(), func.sum(UNPRICED)),
    }
    within = {
        USAGE_HOUR: (*_ROLLED, USAGE_HOUR.c.hour_us < bindparam("until")),
        USAGE: (*_SETTLED_FRESH, USAGE.c.opened_us < bindparam("until")),
    }
    found: list[Select[*tuple[object, ...]]] = []
    for table, (attempts, unpriced) in counts.items():
        keys = _keys(by, table)
        columns = (
            *(column.label(f"key_{place}") for place, column in enumerate(keys)),
            attempts.label("attempts"),
            unpriced.label("unpriced"),
            *(func.sum(amount(name) if table is USAGE else table.c[name]).label(name) for name in SUMS),
        )
        found.append(select(*columns).where(*within[table], *conditions(table, given)).group_by(*keys))
    return tuple(found)


_PAYERS = ("principal", "on_behalf_of", "mission", "key")
_BURNED = (
    select(*(USAGE_HOUR.c[name] for name in _PAYERS), func.sum(USAGE_HOUR.c.cost_micros).label("cost_micros"))
    .where(*_ROLLED)
    .group_by(*(USAGE_HOUR.c[name] for name in _PAYERS)),
    select(*(USAGE.c[name] for name in _PAYERS), func.sum(SPENT).label("cost_micros"))
    .where(*_SETTLED_FRESH)
    .group_by(*(USAGE.c[name] for name in _PAYERS)),
)

_SPENT_BY = (
    select(USAGE_HOUR.c.principal, func.sum(USAGE_HOUR.c.cost_micros).label("cost_micros"))
    .where(*_ROLLED, USAGE_HOUR.c.principal.in_(bindparam("whose", expanding=True)))
    .group_by(USAGE_HOUR.c.principal),
    select(USAGE.c.principal, func.sum(SPENT).label("cost_micros"))
    .where(*_SETTLED_FRESH, USAGE.c.principal.in_(bindparam("whose", expanding=True)))
    .group_by(USAGE.c.principal),
)


@dataclass(slots=True)
class Used:
    """What a group used. ``unpriced`` counts attempts whose price nobody knew, before or after: unknown is not zero."""

    key: str
    attempts: int = 0
    unpriced: int = 0
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))

    @property
    def cost(self) -> Money:
        """What it cost in all."""
        return Money(self.sums["cost_micros"])

    @property
    def other(self) -> Money:
        """What no named part accounts for."""
        return Money(self.sums["cost_micros"] - sum(self.sums[name] for name in SHARES))

    @property
    def saved(self) -> Money:
        """What answers that were kept had cost when they were first given."""
        return Money(self.sums["saved_micros"])

    def add(self, row: Row) -> None:
        """Count a row of sums in."""
        self.attempts += int(row["attempts"])
        self.unpriced += int(row["unpriced"])
        for name in SUMS:
            self.sums[name] += int(row[name])

    def as_json(self) -> dict[str, Json]:
        """For ``remit usage --json``."""
        shares = {name.removesuffix("_micros"): str(Money(self.sums[name]).usd) for name in SHARES}
        told: dict[str, Json] = {
            "key": self.key,
            "attempts": self.attempts,
            "unknown_price": self.unpriced,
            "cost_usd": str(self.cost.usd),
            "cost_parts_usd": {**shares, "other": str(self.other.usd)},
            "estimated": self.sums["estimated"],
            "kept_answers": self.sums["kept"],
            "saved_usd": str(self.saved.usd),
            "corrected_usd": str(Money(self.sums["correction_micros"]).usd),
        }
        return told | {name: self.sums[name] for name in QUANTITIES}


@dataclass(frozen=True, slots=True)
class Burned:
    """What was spent in a window of time, by who is charged."""

    by_scope: Mapping[tuple[BudgetScope, str], int]

    def of(self, limit: Limit) -> int:
        """Micros that count against a limit."""
        return self.by_scope.get((limit.scope, limit.name), 0)


async def roll_up(journal: Journal, workspace: str, *, now_us: int) -> int:
    """Take what is due into the hourly sums, each attempt once, a batch at a time; how many. Nothing due: no write."""
    values = {"of": workspace, "until": now_us - now_us % HOUR_US}
    taken = 0
    while True:
        now = await journal.read(lambda tx: _due(tx, values))
        if now is None:
            return taken
        some = await journal.commit("guard.budget", lambda tx, now=now: _take(tx, now))
        if not some:  # another worker was quicker
            return taken
        taken += some


def _due(tx: ReadTx, values: Mapping[str, object]) -> Mapping[str, object] | None:
    """Whose turn it is: hours that are over, or everything once it is a batchful."""
    if tx.row(_ONE, values) is not None:
        return values
    everything = {**values, "until": _FOR_EVER}
    return None if tx.row(_BATCHFUL, everything) is None else everything


def _take(tx: Tx, values: Mapping[str, object]) -> int:
    taken = tx.rows(_TAKE, values)
    sums: dict[tuple[object, ...], dict[str, int]] = {}
    for row in taken:
        key = (row["opened_us"] - row["opened_us"] % HOUR_US, *(row[name] for name in _PARTIES))
        into = sums.setdefault(key, dict.fromkeys(("attempts", "unpriced", *SUMS), 0))
        into["attempts"] += 1
        # Asked here and not in the statement: SQLite takes no column for NULL in what an UPDATE returns.
        into["unpriced"] += 1 - row["priced"] if row["corrected_us"] is None else 0
        for name in SUMS:
            into[name] += row[name] or 0
    names = ("hour_us", *_PARTIES)
    # Rows are locked in one order everywhere.
    rows = [
        {"workspace": values["of"], **dict(zip(names, key, strict=True)), **sums[key]} for key in sorted(sums, key=str)
    ]
    if rows:
        tx.execute(_ADD, rows)
    return len(taken)


def usage_by(
    tx: ReadTx, workspace: str, *, by: By, since_us: int = 0, until_us: int | None = None, where: Where = EVERYTHING
) -> list[Used]:
    """What was used, by group: the dearest first; hours and days in order.

    Args:
        tx: A snapshot.
        workspace: Whose.
        by: What is a group.
        since_us: From the full hour on in which this lies.
        until_us: To the end of the hour before this, or the end of its own when it is no full hour; ``None``: now.
        where: Only what fits.
    """
    until = _FOR_EVER if until_us is None else until_us + -until_us % HOUR_US
    values = {"of": workspace, "since": since_us - since_us % HOUR_US, "until": until, **where.values()}
    found: dict[str, Used] = {}
    for statement in statements(by, frozenset(where.given())):
        for row in tx.rows(statement, values):
            key = _key(by, row)
            found.setdefault(key, Used(key)).add(row)
    if by in TIMES:
        return [found[key] for key in sorted(found)]
    return sorted(found.values(), key=lambda used: (-used.cost.micros, used.key))


def burned_since(tx: ReadTx, workspace: str, *, since_us: int) -> Burned:
    """What each scope spent since (from a full hour on)."""
    values = {"of": workspace, "since": since_us - since_us % HOUR_US}
    found: dict[tuple[BudgetScope, str], int] = {}
    for statement in _BURNED:
        for row in tx.rows(statement, values):
            for scope in _scopes(row):
                found[scope] = found.get(scope, 0) + int(row["cost_micros"])
    return Burned(found)


def spent_by(tx: ReadTx, workspace: str, *, principals: Sequence[str], since_us: int) -> dict[str, int]:
    """What these spent since (from a full hour on), in micros: two statements, and no other sum than that."""
    values = {"of": workspace, "since": since_us - since_us % HOUR_US, "whose": list(principals)}
    found: dict[str, int] = {}
    for statement in _SPENT_BY:
        for row in tx.rows(statement, values) if principals else ():
            found[row["principal"]] = found.get(row["principal"], 0) + int(row["cost_micros"])
    return found


def _scopes(row: Row) -> Iterable[tuple[BudgetScope, str]]:
    yield BudgetScope.WORKSPACE, ""
    if row["mission"]:
        yield BudgetScope.MISSION, cast("str", row["mission"])
    if row["key"]:
        yield BudgetScope.KEY, cast("str", row["key"])
    for who in {row["principal"], row["on_behalf_of"]}:
        kind, _, name = who.partition(":")
        if kind == ActorKind.AGENT.value:
            yield BudgetScope.AGENT, name


def _key(by: By, row: Row) -> str:
    if by in TIMES:
        return iso(row["key_0"])[: TIMES[by]] + ("Z" if by is By.HOUR else "")
    if by is By.MODEL:
        return "/".join(text for text in (row["key_0"], row["key_1"]) if text) or "none"
    return row["key_0"] or "none"
