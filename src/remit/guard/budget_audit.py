"""Does the ledger add up? Counters against attempts, attempts against actions, actions against the audit log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import bindparam, select

from remit.accounts.budget_periods import Period, end_of
from remit.accounts.budget_tables import BUDGET, BUDGET_PAST, USAGE, USAGE_HOUR
from remit.accounts.budgets import BudgetScope, held_in, limit_of
from remit.audit.query import Filter, find
from remit.audit.report import LogReader
from remit.guard.budget_usage import payer_of_usage
from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.ports import ReadTx, Row

_LIMITS, _PAST, _USAGE, _HOURS = (
    select(table).where(table.c.workspace == bindparam("of")) for table in (BUDGET, BUDGET_PAST, USAGE, USAGE_HOUR)
)
_ACTIONS = select(ACTION.c.id, ACTION.c.state, ACTION.c.cost_micros, ACTION.c.estimate_micros).where(
    ACTION.c.workspace == bindparam("of"), ACTION.c.state != State.REFUSED.value
)
_PAGE = 10_000
_FOR_EVER = 1 << 62


def check_ledger(tx: ReadTx, log: LogReader, workspace: str) -> list[str]:
    """What does not add up, one sentence each; empty when all does. Reads everything: for checks, not for each call.

    - A limit's ``spent`` is what was carried over plus the cost of every settled attempt of its scope and period,
      as it was corrected since;
      its ``reserved`` is the estimate of every open attempt that says it holds it.
    - An action is closed exactly when its attempt is settled, with the same cost.
    - Every closed action has exactly one outcome in the log, with the same cost.
    - What was rolled up is what the hourly sums hold.
    """
    of = {"of": workspace}
    usage = tx.rows(_USAGE, of)
    return [
        *_limits(tx.rows(_LIMITS, of), usage),
        *_limits(tx.rows(_PAST, of), usage),
        *_actions(tx.rows(_ACTIONS, of), usage),
        *_log(log, workspace, tx.rows(_ACTIONS, of)),
        *_hours(tx.rows(_HOURS, of), usage),
    ]


def _limits(limits: Iterable[Row], usage: list[Row]) -> Iterator[str]:
    for row in limits:
        limit = limit_of(row)
        until = end_of(Period(row["period"]), row["starts_us"]) or _FOR_EVER
        within = [
            each
            for each in usage
            if row["starts_us"] <= each["opened_us"] < until and _counts(limit.scope, limit.name, each)
        ]
        spent = row.get("carried", 0) + sum(_spent(each) for each in within if each["settled_us"] is not None)
        mine = (row["scope"], row["name"], row["period"], row["starts_us"])
        held = sum(
            each["estimate_micros"] for each in usage if each["settled_us"] is None and mine in held_in(each["holds"])
        )
        if (row["spent"], row["reserved"]) != (spent, held):
            yield (
                f"{limit} from {row['starts_us']}: {row['spent']} spent and {row['reserved']} reserved, "
                f"but its attempts have {spent} and {held}"
            )


def _spent(usage: Row) -> int:
    """What an attempt cost, with what was corrected since."""
    return int(usage["cost_micros"] + usage["correction_micros"])


def _counts(scope: BudgetScope, name: str, usage: Row) -> bool:
    match scope:
        case BudgetScope.WORKSPACE:
            return True
        case BudgetScope.MISSION:
            return bool(usage["mission"] == name)
        case BudgetScope.KEY:
            return bool(usage["key"] == name)
        case BudgetScope.AGENT:
            return name in payer_of_usage(usage).agents


def _actions(actions: Iterable[Row], usage: list[Row]) -> Iterator[str]:
    by_action = {row["action"]: row for row in usage}
    for row in actions:
        attempt = by_action.pop(row["id"], None)
        if attempt is None:
            if row["cost_micros"] or row["estimate_micros"]:
                yield f"action {row['id']} may cost, or did, and has no attempt in the ledger"
            continue
        closed = row["state"] != State.OPEN.value
        if closed != (attempt["settled_us"] is not None):
            yield f"action {row['id']} is {row['state']}, its attempt is {'open' if closed else 'settled'}"
        elif closed and attempt["cost_micros"] != row["cost_micros"]:
            yield f"action {row['id']} cost {row['cost_micros']}, its attempt {attempt['cost_micros']}"
    for action in by_action:
        yield f"the attempt {action} has no action"


def _log(log: LogReader, workspace: str, actions: Iterable[Row]) -> Iterator[str]:
    costs: dict[str, list[int]] = defaultdict(list)
    after = -1
    while True:
        page = find(log, Filter(workspace, action="guard.outcome", after=after, limit=_PAGE))
        for entry in page:
            if entry.payload is not None:
                costs[entry.header["subject"]].append(entry.payload["cost_micros"])
            after = entry.seq
        if len(page) < _PAGE:
            break
    for row in actions:
        closed = row["state"] != State.OPEN.value
        wanted = [row["cost_micros"]] if closed else []
        if costs[row["id"]] != wanted:
            yield f"action {row['id']} is {row['state']} at {row['cost_micros']}, the log says {costs[row['id']]}"


def _hours(hours: Iterable[Row], usage: Iterable[Row]) -> Iterator[str]:
    rolled = [row for row in usage if row["rolled"]]
    have, want = list(hours), (len(rolled), sum(_spent(row) for row in rolled))
    found = (sum(row["attempts"] for row in have), sum(row["cost_micros"] for row in have))
    if found != want:
        yield f"the hourly sums have {found[0]} attempts of {found[1]}, but {want[0]} of {want[1]} were rolled up"
