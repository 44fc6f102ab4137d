"""What was used, added up: by the hour for quick reading, and by agent, mission, model, kind or day for people.

Settled attempts of hours that are over are taken into hourly sums now and then, each exactly once. Whoever reads adds
what has not been taken in yet, in the same snapshot, so no answer depends on when that last happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.budget_periods import DAY_US, HOUR_US
from remit.accounts.budget_tables import IS_UNROLLED, USAGE, USAGE_HOUR
from remit.accounts.budgets import BudgetScope, Limit
from remit.kernel.action import ActorKind
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx

SHARES = ("tokens_micros", "gpu_micros", "storage_micros", "network_micros")
QUANTITIES = ("tokens_in", "tokens_out", "gpu_ms", "storage_bytes", "network_bytes")
SUMS = ("cost_micros", *SHARES, *QUANTITIES)
_PARTIES = ("principal", "on_behalf_of", "mission", "kind", "provider", "model", "key")

_TAKE = (
    update(USAGE)
    .where(
        USAGE.c.workspace == bindparam("of"),
        IS_UNROLLED,
        USAGE.c.settled_us.is_not(None),
        USAGE.c.opened_us < bindparam("until"),
    )
    .values(rolled=1)
    .returning(USAGE.c.opened_us, USAGE.c.priced, *(USAGE.c[name] for name in (*_PARTIES, *SUMS)))
)
_NEW = insert(USAGE_HOUR)
_ADD = _NEW.on_conflict_do_update(
    index_elements=["workspace", "hour_us", *_PARTIES],
    set_={name: USAGE_HOUR.c[name] + _NEW.excluded[name] for name in ("attempts", "unpriced", *SUMS)},
)
_DUE = (
    select(USAGE.c.action)
    .where(
        USAGE.c.workspace == bindparam("of"),
        IS_UNROLLED,
        USAGE.c.settled_us.is_not(None),
        USAGE.c.opened_us < bindparam("until"),
    )
    .limit(1)
)


class By(StrEnum):
    """What usage is grouped by."""

    AGENT = "agent"
    MISSION = "mission"
    MODEL = "model"
    KIND = "kind"
    DAY = "day"


_ROLLED_KEYS = {
    By.AGENT: (USAGE_HOUR.c.principal,),
    By.MISSION: (USAGE_HOUR.c.mission,),
    By.MODEL: (USAGE_HOUR.c.provider, USAGE_HOUR.c.model),
    By.KIND: (USAGE_HOUR.c.kind,),
    By.DAY: (USAGE_HOUR.c.hour_us - USAGE_HOUR.c.hour_us % DAY_US,),
}
_FRESH_KEYS = {
    By.AGENT: (USAGE.c.principal,),
    By.MISSION: (USAGE.c.mission,),
    By.MODEL: (USAGE.c.provider, USAGE.c.model),
    By.KIND: (USAGE.c.kind,),
    By.DAY: (USAGE.c.opened_us - USAGE.c.opened_us % DAY_US,),
}
_SETTLED_FRESH = (
    USAGE.c.workspace == bindparam("of"),
    IS_UNROLLED,
    USAGE.c.settled_us.is_not(None),
    USAGE.c.opened_us >= bindparam("since"),
)
_ROLLED = (USAGE_HOUR.c.workspace == bindparam("of"), USAGE_HOUR.c.hour_us >= bindparam("since"))


def _both(by: By) -> tuple[Select[*tuple[object, ...]], Select[*tuple[object, ...]]]:
    old, new = _ROLLED_KEYS[by], _FRESH_KEYS[by]
    rolled = select(
        *(column.label(f"key_{place}") for place, column in enumerate(old)),
        func.sum(USAGE_HOUR.c.attempts).label("attempts"),
        func.sum(USAGE_HOUR.c.unpriced).label("unpriced"),
        *(func.sum(USAGE_HOUR.c[name]).label(name) for name in SUMS),
    )
    fresh = select(
        *(column.label(f"key_{place}") for place, column in enumerate(new)),
        func.count().label("attempts"),
        func.sum(1 - USAGE.c.priced).label("unpriced"),
        *(func.sum(USAGE.c[name]).label(name) for name in SUMS),
    )
    return rolled.where(*_ROLLED).group_by(*old), fresh.where(*_SETTLED_FRESH).group_by(*new)


_GROUPED = {by: _both(by) for by in By}
_PAYERS = ("principal", "on_behalf_of", "mission", "key")
_BURNED = (
    select(*(USAGE_HOUR.c[name] for name in _PAYERS), func.sum(USAGE_HOUR.c.cost_micros).label("cost_micros"))
    .where(*_ROLLED)
    .group_by(*(USAGE_HOUR.c[name] for name in _PAYERS)),
    select(*(USAGE.c[name] for name in _PAYERS), func.sum(USAGE.c.cost_micros).label("cost_micros"))
    .where(*_SETTLED_FRESH)
    .group_by(*(USAGE.c[name] for name in _PAYERS)),
)


@dataclass(slots=True)
class Used:
    """What a group used. ``unpriced`` counts attempts whose price nobody knew, before or after."""

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

    def as_json(self) -> dict[str, Json]:
        """For ``remit usage --json``."""
        shares = {name.removesuffix("_micros"): str(Money(self.sums[name]).usd) for name in SHARES}
        told: dict[str, Json] = {
            "key": self.key,
            "attempts": self.attempts,
            "unknown_price": self.unpriced,
            "cost_usd": str(self.cost.usd),
            "cost_parts_usd": {**shares, "other": str(self.other.usd)},
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
    """Take settled attempts of hours that are over into the hourly sums, each once; how many. Nothing due: no write."""
    values = {"of": workspace, "until": now_us - now_us % HOUR_US}
    if await journal.read(lambda tx: tx.row(_DUE, values)) is None:
        return 0

    def op(tx: Tx) -> int:
        taken = tx.rows(_TAKE, values)
        sums: dict[tuple[object, ...], dict[str, int]] = {}
        for row in taken:
            key = (row["opened_us"] - row["opened_us"] % HOUR_US, *(row[name] for name in _PARTIES))
            into = sums.setdefault(key, dict.fromkeys(("attempts", "unpriced", *SUMS), 0))
            into["attempts"] += 1
            into["unpriced"] += 1 - row["priced"]
            for name in SUMS:
                into[name] += row[name]
        names = ("hour_us", *_PARTIES)
        tx.execute(
            _ADD,
            [
                {"workspace": workspace, **dict(zip(names, key, strict=True)), **sums[key]}
                for key in sorted(sums, key=str)
            ],
        )
        return len(taken)

    return await journal.commit("guard.budget", op)


def usage_by(tx: ReadTx, workspace: str, *, by: By, since_us: int = 0) -> list[Used]:
    """What was used since (from a full hour on), by group: the dearest first, days in order."""
    values = {"of": workspace, "since": since_us - since_us % HOUR_US}
    found: dict[str, Used] = {}
    for statement in _GROUPED[by]:
        for row in tx.rows(statement, values):
            used = found.setdefault(_key(by, row), Used(_key(by, row)))
            used.attempts += int(row["attempts"])
            used.unpriced += int(row["unpriced"])
            for name in SUMS:
                used.sums[name] += int(row[name])
    if by is By.DAY:
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
    if by is By.DAY:
        return iso(row["key_0"])[:10]
    if by is By.MODEL:
        return "/".join(text for text in (row["key_0"], row["key_1"]) if text) or "none"
    return row["key_0"] or "none"
