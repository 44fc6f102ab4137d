"""Thresholds of budgets: told once for each scope and period, when 80 % and 100 % of the limit are spent."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.budget_periods import Period
from remit.accounts.budget_tables import BUDGET_EVENT
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.ports import ReadTx, Row, Tx

#: Percent of the limit → the audit log's name for having reached it.
THRESHOLDS = {80: "budget.warned", 100: "budget.reached"}

_TELL = insert(BUDGET_EVENT).on_conflict_do_nothing()
_OF = (
    select(BUDGET_EVENT)
    .where(BUDGET_EVENT.c.workspace == bindparam("of"))
    .order_by(BUDGET_EVENT.c.at_us, BUDGET_EVENT.c.percent)
)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a counter stands now, and what was spent before this change."""

    workspace: str
    scope: str
    name: str
    period: Period
    starts_us: int
    limit: int
    spent: int
    before: int


def tell(tx: Tx, now: Reached, *, by: Principal, at_us: int) -> None:
    """Record each threshold that was crossed, unless it was told in this period: a row and an audit entry.

    Only what is spent counts. What is reserved may come back, and a warning that was given too early would be the
    only one.
    """
    for percent, action in THRESHOLDS.items():
        mark = now.limit * percent
        if not now.before * 100 < mark <= now.spent * 100:
            continue
        row = {
            "workspace": now.workspace,
            "scope": now.scope,
            "name": now.name,
            "period": now.period.value,
            "starts_us": now.starts_us,
            "percent": percent,
            "limit_micros": now.limit,
            "spent": now.spent,
            "at_us": at_us,
            "told_us": None,
        }
        if tx.execute(_TELL, row):
            entry = Entry(
                actor=by,
                action=action,
                domain="budget",
                result=Result.SUCCESS,
                workspace=now.workspace,
                subject=f"{now.scope} {now.name}".strip(),
                mission=now.name if now.scope == "mission" else "",
                reason=now.period.value,
            )
            tx.append(entry, {key: row[key] for key in ("percent", "limit_micros", "spent", "starts_us")})


def read_events(tx: ReadTx, workspace: str) -> list[Row]:
    """Every threshold that was told, oldest first."""
    return tx.rows(_OF, {"of": workspace})
