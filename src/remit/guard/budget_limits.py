"""How the budgets stand: what is left, when it comes back, and where the present pace leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.accounts.budget_events import read_events
from remit.accounts.budget_periods import DAY_US, HOUR_US, Period, end_of, start_of
from remit.accounts.budget_tables import BUDGET
from remit.accounts.budgets import BudgetScope, Limit, limit_of
from remit.accounts.tables import WORKSPACE
from remit.guard.budget_rollup import Burned, burned_since
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import ReadTx, Row

#: Over how long the pace is measured: a day's budget by the last hours, the others by the last days.
WINDOWS_US = {Period.DAY: 7 * HOUR_US, Period.MONTH: 7 * DAY_US, Period.TOTAL: 7 * DAY_US}
_FARTHEST_US = 3_650 * DAY_US  # a limit that is reached in more than ten years is not reached

_RANK = {scope.value: rank for rank, scope in enumerate(BudgetScope)}
_PERIODS = {period.value: rank for rank, period in enumerate(Period)}

_OVER = select(BUDGET).where(
    BUDGET.c.workspace == bindparam("of"), BUDGET.c.spent + BUDGET.c.reserved > BUDGET.c.limit_micros
)
_ALL = select(BUDGET).where(BUDGET.c.workspace == bindparam("of"))
_BORN = select(WORKSPACE.c.created_us).where(WORKSPACE.c.workspace == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the pace of the last hours or days leads, if it stays.

    Attributes:
        window_us: Over how long the pace was measured, in microseconds.
        burned: What was spent in that time.
        projected: What will be spent when the period ends, reservations included; ``None`` for the total.
        reached_us: When the limit will be reached; ``None``: not before the period ends, or not within ten years.
    """

    window_us: int
    burned: Money
    projected: Money | None
    reached_us: int | None

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "window_hours": self.window_us // HOUR_US,
            "burned_usd": str(self.burned.usd),
            "projected_usd": None if self.projected is None else str(self.projected.usd),
            "reached_at": None if self.reached_us is None else iso(self.reached_us),
        }


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A limit and its counters in the present period. ``told``: the thresholds that were told in it, in percent."""

    limit: Limit
    amount: Money
    spent: Money
    reserved: Money
    starts_us: int
    ends_us: int | None
    told: tuple[int, ...]
    forecast: Forecast

    @property
    def left(self) -> Money:
        """What may still be reserved."""
        return Money(max((self.amount - self.spent - self.reserved).micros, 0))

    def as_json(self) -> dict[str, Json]:
        """For ``remit budget --json``."""
        return {
            "scope": self.limit.scope.value,
            "name": self.limit.name,
            "period": self.limit.period.value,
            "limit_usd": str(self.amount.usd),
            "spent_usd": str(self.spent.usd),
            "reserved_usd": str(self.reserved.usd),
            "left_usd": str(self.left.usd),
            "starts_at": iso(self.starts_us) if self.starts_us else None,
            "ends_at": None if self.ends_us is None else iso(self.ends_us),
            "told_percent": list(self.told),
            "forecast": self.forecast.as_json(),
        }


def told(row: Row, reserved: int) -> str:
    """How a limit stands, as the first half of a sentence: what is left of what, what is spent, what is reserved."""
    limit = str(limit_of(row))
    left = Money(max(row["limit_micros"] - row["spent"] - reserved, 0))
    return (
        f"{limit[0].upper()}{limit[1:]} has {left} left of {Money(row['limit_micros'])} "
        f"({Money(row['spent'])} spent, {Money(reserved)} reserved)"
    )


def in_figures(row: Row, reserved: int, *, now_us: int) -> dict[str, str | float | None]:
    """What ``told`` and ``way_out`` say, for programs (``BudgetExceeded.told``)."""
    limit, left = limit_of(row), max(row["limit_micros"] - row["spent"] - reserved, 0)
    ends = end_of(limit.period, row["starts_us"])
    return {
        "limit": str(limit),
        "limit_usd": str(Money(row["limit_micros"]).usd),
        "spent_usd": str(Money(row["spent"]).usd),
        "reserved_usd": str(Money(reserved).usd),
        "left_usd": str(Money(left).usd),
        "retry_after": None if ends is None else max(ends - now_us, 0) / 1_000_000,
        "lift": limit.command,
    }


def way_out(row: Row) -> str:
    """When a limit comes back and what lifts it, as further sentences."""
    ends = end_of(Period(row["period"]), row["starts_us"])
    again = "" if ends is None else f" It begins anew at {iso(ends)}."
    return f"{again} To raise it: {limit_of(row).command}."


def read_overspent(tx: ReadTx, workspace: str, *, now_us: int) -> Mapping[tuple[BudgetScope, str], str]:
    """The scopes that are spent beyond a limit in the present period, each with a sentence that says how it stands."""
    found: dict[tuple[BudgetScope, str], str] = {}
    for row in tx.rows(_OVER, {"of": workspace}):
        if row["starts_us"] >= start_of(Period(row["period"]), now_us):
            how = f"{told(row, row['reserved'])}: it is spent beyond its limit.{way_out(row)}"
            found.setdefault((BudgetScope(row["scope"]), row["name"]), how)
    return found


def read_budgets(tx: ReadTx, workspace: str, *, now_us: int) -> list[BudgetView]:
    """Every limit of a workspace with its counters now and its forecast, in one snapshot; the workspace's first."""
    born = tx.row(_BORN, {"of": workspace})
    age_us = now_us - born["created_us"] if born is not None else now_us
    spans = {period: whole_span(window, now_us, age_us) for period, window in WINDOWS_US.items()}
    burned = {span: burned_since(tx, workspace, since_us=now_us - span) for span in set(spans.values())}
    told_in: dict[tuple[str, str, str, int], list[int]] = {}
    for event in read_events(tx, workspace):
        key = (event["scope"], event["name"], event["period"], event["starts_us"])
        told_in.setdefault(key, []).append(event["percent"])
    rows = sorted(
        tx.rows(_ALL, {"of": workspace}), key=lambda row: (_RANK[row["scope"]], row["name"], _PERIODS[row["period"]])
    )
    return [_view(row, now_us, spans, burned, told_in) for row in rows]


def whole_span(window_us: int, now_us: int, age_us: int) -> int:
    """The window, from a full hour on, but no longer than the workspace exists; at least an hour."""
    whole = window_us + now_us % HOUR_US
    return min(whole, max(age_us, HOUR_US))


def _view(
    row: Row,
    now_us: int,
    spans: Mapping[Period, int],
    burned: Mapping[int, Burned],
    told_in: Mapping[tuple[str, str, str, int], list[int]],
) -> BudgetView:
    limit = limit_of(row)
    starts = max(start_of(limit.period, now_us), row["starts_us"])
    counted = row["starts_us"] == starts  # else its period is over, and nobody has spent anything in the next yet
    spent, reserved = (Money(row["spent"]), Money(row["reserved"])) if counted else (ZERO, ZERO)
    amount, ends = Money(row["limit_micros"]), end_of(limit.period, starts)
    span = spans[limit.period]
    key = (row["scope"], row["name"], row["period"], starts)
    forecast = _forecast(
        amount.micros, (spent + reserved).micros, burned[span].of(limit), span_us=span, now_us=now_us, ends_us=ends
    )
    return BudgetView(limit, amount, spent, reserved, starts, ends, tuple(told_in.get(key, ())), forecast)


def _forecast(limit: int, used: int, burned: int, *, span_us: int, now_us: int, ends_us: int | None) -> Forecast:
    """Straight on: what was burned in the span, per microsecond, for the time that is left. Rounded up."""
    projected = None if ends_us is None else Money(used - (-burned * max(ends_us - now_us, 0) // span_us))
    reached: int | None = None
    if used >= limit:
        reached = now_us
    elif burned:
        at = now_us - (-(limit - used) * span_us // burned)
        if at - now_us <= _FARTHEST_US and (ends_us is None or at < ends_us):
            reached = at
    return Forecast(span_us, Money(burned), projected, reached)
