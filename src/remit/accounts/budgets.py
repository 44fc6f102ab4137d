"""Budgets as people set them: limits for a workspace, an agent, a virtual key or a mission.

``guard.budget`` reserves and settles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson
from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.accounts.access import Permission, Resource, require
from remit.accounts.budget_events import Reached, tell
from remit.accounts.budget_periods import Period, end_of, start_of
from remit.accounts.budget_tables import BUDGET, BUDGET_PAST, SPENT, USAGE
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx

#: A limit in one of its periods: scope, name, period, when the period began.
type Hold = tuple[str, str, str, int]

_FOR_EVER = 1 << 62
_CLOCK = SystemClock()

_AT = (
    BUDGET.c.workspace == bindparam("of"),
    BUDGET.c.scope == bindparam("in_scope"),
    BUDGET.c.name == bindparam("called"),
    BUDGET.c.period == bindparam("each"),
)
_LOCK = select(BUDGET).where(*_AT).with_for_update()
_LIMIT = update(BUDGET).where(*_AT).values(limit_micros=bindparam("most"))
_BEGIN = (
    update(BUDGET)
    .where(*_AT)
    .values(starts_us=bindparam("starts"), spent=bindparam("cost"), reserved=bindparam("held"), carried=0)
)
_INSERT = insert(BUDGET)
_REMOVE = delete(BUDGET).where(*_AT)
_KEEP = upsert(BUDGET_PAST).on_conflict_do_nothing()

_IN_PERIOD = (
    USAGE.c.workspace == bindparam("of"),
    USAGE.c.opened_us >= bindparam("since"),
    USAGE.c.opened_us < bindparam("until"),
)
_AGENT = or_(USAGE.c.principal == bindparam("who"), USAGE.c.on_behalf_of == bindparam("who"))
_MISSION = USAGE.c.mission == bindparam("which")
_KEYED = USAGE.c.key == bindparam("which")
_SETTLED = select(func.sum(SPENT).label("spent")).where(*_IN_PERIOD, USAGE.c.settled_us.is_not(None))
_OPEN = select(USAGE.c.action, USAGE.c.estimate_micros, USAGE.c.holds).where(
    *_IN_PERIOD, USAGE.c.settled_us.is_(None), USAGE.c.rolled == 0, USAGE.c.estimate_micros > 0
)
_HOLD = (
    update(USAGE)
    .where(USAGE.c.action == bindparam("which"), USAGE.c.settled_us.is_(None))
    .values(holds=bindparam("held_in"))
)


class BudgetScope(StrEnum):
    """Whose money it is; checked in this order."""

    WORKSPACE = "workspace"
    AGENT = "agent"
    KEY = "key"
    MISSION = "mission"


_SPENT = {
    BudgetScope.WORKSPACE: (_SETTLED, _OPEN),
    BudgetScope.AGENT: (_SETTLED.where(_AGENT), _OPEN.where(_AGENT)),
    BudgetScope.KEY: (_SETTLED.where(_KEYED), _OPEN.where(_KEYED)),
    BudgetScope.MISSION: (_SETTLED.where(_MISSION), _OPEN.where(_MISSION)),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Which limit: whose money, and how long it holds. ``name`` is empty for the workspace itself.

    Raises:
        InvalidInput: A scope that needs a name has none, or the workspace has one.
    """

    scope: BudgetScope
    name: str = ""
    period: Period = Period.TOTAL

    def __post_init__(self) -> None:
        if (self.scope is BudgetScope.WORKSPACE) == bool(self.name):
            message = f"a budget of scope {self.scope.value!r} " + (
                "takes no name" if self.scope is BudgetScope.WORKSPACE else "needs a name"
            )
            raise InvalidInput(message, code="accounts.budget", hint="remit budget set --help")

    def __str__(self) -> str:
        """``the daily budget of agent coder``."""
        whom = "the workspace" if self.scope is BudgetScope.WORKSPACE else f"{self.scope.value} {self.name}"
        return f"the {'' if self.period is Period.TOTAL else self.period.adjective + ' '}budget of {whom}"

    @property
    def command(self) -> str:
        """What a person types to lift it, but for the amount."""
        if self.scope is BudgetScope.KEY:
            return f"remit keys budget {self.name} USD --period {self.period.value}"
        return f"remit budget set {self.scope.value} {self.name}".strip() + f" USD --period {self.period.value}"

    def at(self, workspace: str) -> dict[str, str]:
        """The key of its row."""
        return {"of": workspace, "in_scope": self.scope.value, "called": self.name, "each": self.period.value}


def limit_of(row: Row) -> Limit:
    """The limit that a row of ``BUDGET`` or ``BUDGET_PAST`` stands for."""
    return Limit(BudgetScope(row["scope"]), row["name"], Period(row["period"]))


def add_limit(
    tx: Tx,
    *,
    workspace: str,
    scope: BudgetScope,
    name: str,
    limit: Money,
    period: Period = Period.TOTAL,
    by: Principal | None = None,
    now_us: int | None = None,
) -> int | None:
    """Set a limit inside another operation. Returns the old limit in micros, if there was one.

    A new limit counts what was spent and reserved in its period before it was set. The caller's own audit entry names
    the limit; thresholds that a lower limit passes are told here.
    """
    wanted = Limit(scope, name, period)
    at_us = micros_of(_CLOCK.now()) if now_us is None else now_us
    who = by or Principal(ActorKind.SYSTEM, "budget")
    row = tx.row(_LOCK, wanted.at(workspace))
    if row is None:
        starts, spent = start_of(period, at_us), _count(tx, wanted, workspace, at_us)
        reserved = _hold(tx, wanted, workspace, starts)
        tx.execute(
            _INSERT,
            {
                **_key(wanted, workspace),
                "starts_us": starts,
                "limit_micros": limit.micros,
                "spent": spent,
                "reserved": reserved,
                "carried": 0,
            },
        )
        before = None
    else:
        starts, spent, before = row["starts_us"], row["spent"], int(row["limit_micros"])
        if starts < start_of(period, at_us):
            # That period is over and keeps the limit that held in it; in the one that begins nothing is counted yet,
            # for whatever counts in it would have begun it.
            starts, spent = start_of(period, at_us), 0
            begin_period(tx, row, starts, spent=0, reserved=0)
        tx.execute(_LIMIT, {**wanted.at(workspace), "most": limit.micros})
    # As if all of it had been spent at this moment: a threshold that was told before has its row.
    now = Reached(workspace, scope.value, name, period, starts, limit.micros, spent, before=-1 if limit.micros else 0)
    tell(tx, now, by=who, at_us=at_us)
    return before


async def set_limit(
    journal: Journal,
    scope: BudgetScope,
    *,
    workspace: str,
    name: str,
    limit: Money,
    by: Principal,
    period: Period = Period.TOTAL,
    clock: Clock = _CLOCK,
) -> int | None:
    """Set or change what a scope may spend, and audit it. ``name`` is empty for the workspace itself.

    Returns the old limit in micros, if there was one.

    Raises:
        InvalidInput: A name where none belongs, or none where one does.
        Refused: ``by`` is an agent, or a person who may not administer budgets.
    """
    wanted = Limit(scope, name, period)
    entry = _ordered("accounts.budget.set", wanted, workspace, by)

    def op(tx: Tx) -> int | None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.BUDGET)
        before = add_limit(
            tx,
            workspace=workspace,
            scope=scope,
            name=name,
            limit=limit,
            period=period,
            by=by,
            now_us=micros_of(clock.now()),
        )
        tx.append(entry, {"period": period.value, "limit_micros": limit.micros, "before_micros": before})
        return before

    return await journal.commit("guard.budget", op)


async def remove_limit(journal: Journal, wanted: Limit, *, workspace: str, by: Principal) -> int:
    """Take a limit away, and audit it; from then on the scope may spend without it. Returns what it was, in micros.

    What was spent stays in the ledger: a limit that is set again counts it.

    Raises:
        NotFound: There is no such limit.
        Refused: ``by`` is an agent, or a person who may not administer budgets.
    """
    entry = _ordered("accounts.budget.removed", wanted, workspace, by)

    def op(tx: Tx) -> int:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.BUDGET)
        row = tx.row(_LOCK, wanted.at(workspace))
        if row is None:
            message = f"There is no limit to remove: {wanted} was never set."
            raise NotFound(message, code="accounts.no_budget", hint="remit budget")
        tx.execute(_REMOVE, wanted.at(workspace))
        tx.append(entry, {"period": wanted.period.value, "before_micros": row["limit_micros"]})
        return int(row["limit_micros"])

    return await journal.commit("guard.budget", op)


def begin_period(tx: Tx, row: Row, starts_us: int, *, spent: int, reserved: int) -> None:
    """Keep the counters of a limit's period, as ``row`` has them, and begin the one that starts at ``starts_us``.

    To be called by whoever has the row locked. The new period begins with what it has ``spent`` and ``reserved``.
    """
    names = ("workspace", "scope", "name", "period", "starts_us", "limit_micros", "spent", "reserved")
    tx.execute(_KEEP, {name: row[name] for name in names})
    tx.execute(_BEGIN, {**limit_of(row).at(row["workspace"]), "starts": starts_us, "cost": spent, "held": reserved})


def held_in(text: str) -> list[Hold]:
    """The limits that an open attempt's estimate is reserved in."""
    return [(scope, name, period, starts) for scope, name, period, starts in orjson.loads(text)]


def holds_text(holds: Sequence[Hold]) -> str:
    """As stored."""
    return orjson.dumps(holds).decode()


def _window(wanted: Limit, workspace: str, starts: int) -> dict[str, object]:
    until = end_of(wanted.period, starts)
    values: dict[str, object] = {"of": workspace, "since": starts, "until": _FOR_EVER if until is None else until}
    match wanted.scope:
        case BudgetScope.AGENT:
            values["who"] = f"{ActorKind.AGENT.value}:{wanted.name}"
        case BudgetScope.MISSION | BudgetScope.KEY:
            values["which"] = wanted.name
        case BudgetScope.WORKSPACE:
            pass
    return values


def _count(tx: ReadTx, wanted: Limit, workspace: str, at_us: int) -> int:
    """What was spent in the period that ``at_us`` lies in."""
    settled, _open = _SPENT[wanted.scope]
    row = tx.row(settled, _window(wanted, workspace, start_of(wanted.period, at_us)))
    return int(row["spent"] or 0) if row is not None else 0


def _hold(tx: Tx, wanted: Limit, workspace: str, starts: int) -> int:
    """Let the new limit hold what attempts of its period have reserved elsewhere; how much that is."""
    _settled, left_open = _SPENT[wanted.scope]
    total = 0
    for row in tx.rows(left_open, _window(wanted, workspace, starts)):
        holds = held_in(row["holds"])
        mine = (wanted.scope.value, wanted.name, wanted.period.value, starts)
        if mine not in holds:
            holds.append(mine)
        if tx.execute(_HOLD, {"which": row["action"], "held_in": holds_text(holds)}):
            total += int(row["estimate_micros"])
    return total


def _key(wanted: Limit, workspace: str) -> dict[str, str]:
    return {
        "workspace": workspace,
        "scope": wanted.scope.value,
        "name": wanted.name,
        "period": wanted.period.value,
    }


def _ordered(action: str, wanted: Limit, workspace: str, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action=action,
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=f"{wanted.scope.value} {wanted.name}".strip(),
        mission=wanted.name if wanted.scope is BudgetScope.MISSION else "",
    )
