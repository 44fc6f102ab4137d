"""Telling people that a threshold of a budget was reached, on each of their channels once, through the guard."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from remit.accounts.budget_periods import Period, end_of
from remit.accounts.budget_tables import BUDGET_EVENT
from remit.accounts.budgets import limit_of
from remit.guard.news import Guard, News, tell
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.ports import Row

_UNTOLD = (
    select(BUDGET_EVENT)
    .where(
        BUDGET_EVENT.c.workspace == bindparam("of"),
        BUDGET_EVENT.c.told_us.is_(None),
        BUDGET_EVENT.c.at_us > bindparam("since"),
    )
    .order_by(BUDGET_EVENT.c.at_us, BUDGET_EVENT.c.percent)
)
_TOLD = (
    update(BUDGET_EVENT)
    .where(
        BUDGET_EVENT.c.workspace == bindparam("of"),
        BUDGET_EVENT.c.scope == bindparam("in_scope"),
        BUDGET_EVENT.c.name == bindparam("called"),
        BUDGET_EVENT.c.period == bindparam("each"),
        BUDGET_EVENT.c.starts_us == bindparam("starts"),
        BUDGET_EVENT.c.percent == bindparam("share"),
    )
    .values(told_us=bindparam("at"))
)


def notice(event: Row) -> tuple[str, str]:
    """Subject and text of a message about a threshold."""
    limit = limit_of(event)
    ends = end_of(Period(event["period"]), event["starts_us"])
    lines = (
        f"{Money(event['spent'])} of {Money(event['limit_micros'])} were spent at {iso(event['at_us'])[:19]}Z.",
        *(() if ends is None else (f"It begins anew at {iso(ends)}.",)),
        "",
        "Look:     remit budget",
        f"Raise it: {limit.command}",
    )
    return f"{event['percent']} % of {limit} is spent", "\n".join(lines)


_NEWS = News(
    source="budget",
    write="guard.budget",
    untold=_UNTOLD,
    told=_TOLD,
    keys={"in_scope": "scope", "called": "name", "each": "period", "starts": "starts_us", "share": "percent"},
    notice=notice,
)


async def tell_of_budgets(guard: Guard, workspace: str, channels: Sequence[str]) -> int:
    """Tell thresholds, see ``news.tell``; how many everybody knows of now."""
    return await tell(guard, workspace, channels, _NEWS)
