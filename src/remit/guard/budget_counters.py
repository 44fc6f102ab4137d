"""The counters of an attempt's scopes: found and locked in one order, and moved in memory where a transaction has many.

Fifty callers of one workspace move the same three rows. Within one transaction they are read once, and written once.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, or_, select, update

from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budget_tables import BUDGET
from remit.accounts.budgets import BudgetScope
from remit.guard.budget_usage import Payer
from remit.kernel.ports import Row, Tx

COUNTED = ("workspace", "scope", "name", "period", "starts_us", "limit_micros", "spent", "reserved")
_RANK = {BudgetScope.WORKSPACE: 0, BudgetScope.AGENT: 1, BudgetScope.KEY: 2, BudgetScope.MISSION: 3}
_ORDER = case(
    *((BUDGET.c.scope == scope.value, rank) for scope, rank in _RANK.items() if rank < len(_RANK) - 1), else_=3
)


def _of(scope: BudgetScope, name: ColumnElement[bool]) -> ColumnElement[bool]:
    """Which counters are this scope's. Each names the whole index: else all of a workspace would be looked through."""
    return and_(BUDGET.c.workspace == bindparam("of"), BUDGET.c.scope == scope.value, name)


_SCOPES = or_(
    _of(BudgetScope.WORKSPACE, BUDGET.c.name == ""),
    _of(BudgetScope.AGENT, BUDGET.c.name.in_([bindparam("agent"), bindparam("other_agent")])),
    _of(BudgetScope.KEY, BUDGET.c.name == bindparam("by_key")),
    _of(BudgetScope.MISSION, BUDGET.c.name == bindparam("in_mission")),
)
#: Rows are locked in one order everywhere, the busiest first: no two transactions wait for each other.
DUE = (
    select(*(BUDGET.c[key].label(f"of_{key}") for key in ("workspace", "scope", "name", "period")))
    .where(_SCOPES)
    .order_by(_ORDER, BUDGET.c.name, BUDGET.c.period)
    .with_for_update()
    .subquery("due")
)
_HELD = (
    select(*(BUDGET.c[name] for name in COUNTED))
    .where(_SCOPES)
    .order_by(_ORDER, BUDGET.c.name, BUDGET.c.period)
    .with_for_update()
)
_WRITTEN = (
    update(BUDGET)
    .where(*(BUDGET.c[name] == bindparam(f"of_{name}") for name in ("workspace", "scope", "name", "period")))
    .values(spent=bindparam("now_spent", type_=BigInteger), reserved=bindparam("now_reserved", type_=BigInteger))
)


def whose(payer: Payer) -> dict[str, object]:
    """Names the scopes of ``payer`` in ``DUE``."""
    agents = (*payer.agents, "", "")
    return {
        "of": payer.workspace,
        "agent": agents[0],
        "other_agent": agents[1],
        "by_key": payer.key,
        "in_mission": payer.mission,
    }


def rank(row: Row) -> tuple[int, str, str]:
    """In which order rows are locked."""
    return (_RANK[BudgetScope(row["scope"])], row["name"], row["period"])


class _Counter:
    """A row, locked. ``now`` is how it stands."""

    __slots__ = ("moved", "now", "period")

    def __init__(self, row: Row) -> None:
        self.now = dict(row)
        self.period = Period(row["period"])
        self.moved = False


class Counters:
    """The counters that several operations of one transaction move (``kernel.ports.Kept``)."""

    tables: ClassVar = frozenset({BUDGET.name})
    __slots__ = ("_by_payer", "_by_row")

    def __init__(self) -> None:
        self._by_row: dict[tuple[str, ...], _Counter] = {}
        self._by_payer: dict[tuple[str, ...], list[_Counter]] = {}

    def move(self, tx: Tx, payer: Payer, *, more: int, cost: int, at_us: int) -> list[Row] | None:
        """Move every counter of ``payer``'s scopes; as they stand then, until the next statement, in order.

        ``None``: nothing is moved, because one counts another period than that of ``at_us``.
        """
        found = self._of(tx, payer)
        if any(each.now["starts_us"] != start_of(each.period, at_us) for each in found):
            return None
        for each in found:
            each.now["reserved"] += more
            each.now["spent"] += cost
            each.moved = True
        return [each.now for each in found]

    def _of(self, tx: Tx, payer: Payer) -> list[_Counter]:
        by = (payer.workspace, payer.principal, payer.on_behalf_of, payer.key, payer.mission)
        found = self._by_payer.get(by)
        if found is None:
            found = self._by_payer[by] = []
            for row in sorted(tx.stored(_HELD, whose(payer)), key=rank):
                at = (row["workspace"], row["scope"], row["name"], row["period"])
                found.append(self._by_row.setdefault(at, _Counter(row)))
        return found

    def write(self, tx: Tx) -> None:
        """Write back what moved."""
        rows = [
            {
                **{f"of_{name}": each.now[name] for name in ("workspace", "scope", "name", "period")},
                "now_spent": each.now["spent"],
                "now_reserved": each.now["reserved"],
            }
            for each in self._by_row.values()
            if each.moved
        ]
        if rows:
            tx.execute(_WRITTEN, rows)
