"""What a start page says of the guard, in a few statements: what it refused last, how the workspace's money stands.

Each read finds a bounded number of rows by an index, however many actions there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.accounts.budget_periods import Period, end_of, start_of
from remit.accounts.budget_tables import BUDGET
from remit.accounts.budgets import BudgetScope
from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.guard.budget_rollup import By, usage_by
from remit.guard.tables import ACTION
from remit.guard.trials import FOREVER_US, read_unwell
from remit.kernel.ports import ReadTx

_ASKED = "approval.needed"  # the reason of a refusal that is none: a person is asked
_LOOKED_BACK = 60
_DAY_US = 86_400_000_000

_REFUSED = (
    select(ENTRY.c.header)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == "guard.refused")
    .order_by(ENTRY.c.seq.desc())
    .limit(_LOOKED_BACK)
)
_ACTIONS = select(ACTION.c.id, ACTION.c.kind, ACTION.c.target).where(
    ACTION.c.workspace == bindparam("of"), ACTION.c.id.in_(bindparam("these", expanding=True))
)
_MONEY = select(BUDGET).where(BUDGET.c.workspace == bindparam("of"), BUDGET.c.scope == BudgetScope.WORKSPACE.value)
_RANK = {Period.DAY: 0, Period.MONTH: 1, Period.TOTAL: 2}


@dataclass(frozen=True, slots=True)
class RefusedAction:
    """An action that the guard refused. ``reason`` is the check and its reason, ``rate.agent``."""

    id: str
    at_us: int
    principal: str
    on_behalf_of: str
    kind: str
    target: str
    reason: str
    mission: str
    step: str


@dataclass(frozen=True, slots=True)
class Money:
    """A budget of the workspace in its present period, in micros. ``ends_us``: when it begins anew; 0: never."""

    period: str
    limit_micros: int
    spent_micros: int
    reserved_micros: int
    ends_us: int


@dataclass(frozen=True, slots=True)
class SpentToday:
    """What was spent since midnight (UTC): in all, and how much of it by the end of each hour that has begun."""

    micros: int
    by_hour: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unwell:
    """A circuit that isn't closed. ``until_us``: when it may be tried; 0: a person holds it open until it is reset."""

    kind: str
    operation: str
    phase: str
    why: str
    until_us: int
    successes: int


def last_refusals(tx: ReadTx, workspace: str, *, most: int = 5) -> tuple[RefusedAction, ...]:
    """What was refused last, newest first, in two statements; what waits for a person is no refusal."""
    headers = [read_header(row["header"]) for row in tx.rows(_REFUSED, {"of": workspace})]
    told = [each for each in headers if each["reason"] != _ASKED][:most]
    ids = [each["subject"] for each in told]
    actions = {row["id"]: row for row in tx.rows(_ACTIONS, {"of": workspace, "these": ids})} if ids else {}
    return tuple(
        RefusedAction(
            id=each["subject"],
            at_us=each["ts_us"],
            principal=each["actor"],
            on_behalf_of=each["on_behalf_of"],
            kind=actions[each["subject"]]["kind"] if each["subject"] in actions else "",
            target=actions[each["subject"]]["target"] if each["subject"] in actions else "",
            reason=each["reason"],
            mission=each["mission"],
            step=each["step"],
        )
        for each in told
    )


def money_of(tx: ReadTx, workspace: str, *, now_us: int) -> tuple[Money, ...]:
    """The workspace's own budgets, the shortest period first. A period that is over counts as unspent."""
    found: list[tuple[int, Money]] = []
    for row in tx.rows(_MONEY, {"of": workspace}):
        period = Period(row["period"])
        starts = start_of(period, now_us)
        current = row["starts_us"] >= starts
        spent, reserved = (row["spent"], row["reserved"]) if current else (0, 0)
        stands = Money(period.value, row["limit_micros"], spent, reserved, end_of(period, starts) or 0)
        found.append((_RANK[period], stands))
    return tuple(stands for _, stands in sorted(found, key=lambda each: each[0]))


def spent_today(tx: ReadTx, workspace: str, *, now_us: int) -> SpentToday:
    """What was spent since midnight, from the hourly sums and what has not been taken into them: two statements."""
    midnight = now_us - now_us % _DAY_US
    hours = {int(used.key[11:13]): used.cost.micros for used in usage_by(tx, workspace, by=By.HOUR, since_us=midnight)}
    total, sums = 0, list[int]()
    for hour in range((now_us - midnight) // (_DAY_US // 24) + 1):
        total += hours.get(hour, 0)
        sums.append(total)
    return SpentToday(total, tuple(sums))


def unwell(tx: ReadTx, workspace: str) -> tuple[Unwell, ...]:
    """The circuits that aren't closed, the one that moved last first."""
    found = read_unwell(tx, workspace).items()
    return tuple(
        Unwell(key.kind, key.operation, one.phase.value, one.why, _until(one.until), one.successes)
        for key, one in found
    )


def _until(seconds: float) -> int:
    micros = round(seconds * 1_000_000)
    return 0 if micros >= FOREVER_US else micros
