"""What was used and what it cost: by group with totals, shares and a forecast, and call by call.

Everything is read from the hourly sums and from what is not in them yet (``guard.budget_rollup``), or a bounded part
of the ledger at a time, so that no answer reads all of it. What nobody knows the price of is counted, never as free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import orjson
from sqlalchemy import Select, and_, bindparam, or_, select

from remit.accounts.budget_periods import HOUR_US, Period, end_of, start_of
from remit.accounts.budget_tables import HAS_KEY, USAGE
from remit.accounts.tables import WORKSPACE
from remit.guard.budget_limits import WINDOWS_US, whole_span
from remit.guard.budget_rollup import EVERYTHING, By, Used, Where, conditions, usage_by
from remit.kernel.canonical import Json
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx, Row

__all__ = ["EVERYTHING", "By", "Call", "Outlook", "Page", "Report", "Used", "Where", "calls", "usage"]

PAGE = 100
LONGEST_PAGE = 1000
#: Rows that one page looks at: who asks for what is rare gets a shorter page and where to go on.
LOOKED_AT = 5000

_BORN = select(WORKSPACE.c.created_us).where(WORKSPACE.c.workspace == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the pace of the last hours (a day) or days (a month) leads, if it stays.

    Attributes:
        spent: Since the day or month (UTC) began.
        projected: When it ends.
        ends_us: When that is.
        window_us: Over how long the pace was measured, in microseconds.
    """

    spent: Money
    projected: Money
    ends_us: int
    window_us: int

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "spent_usd": str(self.spent.usd),
            "projected_usd": str(self.projected.usd),
            "ends_at": iso(self.ends_us),
            "window_hours": self.window_us // HOUR_US,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Groups, their total, and the outlook for what fits the same filter."""

    by: By
    groups: Sequence[Used]
    total: Used
    day: Outlook
    month: Outlook

    def share(self, used: Used) -> Decimal | None:
        """A group's part of the whole known cost, 0 to 1 with four digits; ``None`` when nothing cost anything."""
        if not self.total.cost:
            return None
        part = Decimal(used.cost.micros) / Decimal(self.total.cost.micros)
        return part.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)

    def as_json(self) -> dict[str, Json]:
        """For ``remit usage --json`` and the API."""

        def told(used: Used) -> dict[str, Json]:
            share = self.share(used)
            return {**used.as_json(), "share": None if share is None else float(share)}

        return {
            "by": self.by.value,
            "usage": [told(used) for used in self.groups],
            "total": self.total.as_json(),
            "forecast": {"day": self.day.as_json(), "month": self.month.as_json()},
        }


def usage(
    tx: ReadTx,
    workspace: str,
    *,
    by: By,
    now_us: int,
    since_us: int = 0,
    until_us: int | None = None,
    where: Where = EVERYTHING,
) -> Report:
    """What was used, by group, in one snapshot.

    Reads the hourly sums of the hours asked for (by the primary key's first columns) and what is not in them yet.

    Args:
        tx: A snapshot.
        workspace: Whose: no other workspace's rows are read.
        by: What is a group.
        now_us: Now, for the forecast.
        since_us: From the full hour on in which this lies.
        until_us: To the end of the hour in which this lies; ``None``: now.
        where: Only what fits; the forecast too.
    """
    groups = usage_by(tx, workspace, by=by, since_us=since_us, until_us=until_us, where=where)
    total = Used("total")
    for each in groups:
        total.add({"attempts": each.attempts, "unpriced": each.unpriced, **each.sums})
    day, month = outlooks(tx, workspace, now_us=now_us, where=where)
    return Report(by, groups, total, day, month)


def outlooks(tx: ReadTx, workspace: str, *, now_us: int, where: Where) -> tuple[Outlook, Outlook]:
    """Where today and this month lead, by the costs of the hours since the month began (or the window)."""
    born = tx.row(_BORN, {"of": workspace})
    age_us = now_us - born["created_us"] if born is not None else now_us
    spans = {period: whole_span(WINDOWS_US[period], now_us, age_us) for period in (Period.DAY, Period.MONTH)}
    since_us = min(start_of(Period.MONTH, now_us), *(now_us - span for span in spans.values()))
    hours = usage_by(tx, workspace, by=By.HOUR, since_us=since_us, where=where)
    costs = [(micros_of(datetime.fromisoformat(hour.key)), hour.cost.micros) for hour in hours]

    def outlook(period: Period) -> Outlook:
        starts, ends, span = start_of(period, now_us), end_of(period, start_of(period, now_us)) or now_us, spans[period]
        spent = sum(cost for at, cost in costs if at >= starts)
        begun = now_us - span
        burned = sum(cost for at, cost in costs if at >= begun - begun % HOUR_US)
        # Straight on, rounded up, as budgets' forecasts are.
        return Outlook(Money(spent), Money(spent - (-burned * max(ends - now_us, 0) // span)), ends, span)

    return outlook(Period.DAY), outlook(Period.MONTH)


# ------------------------------------------------------------------------------------------------------------ each call


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. ``cost`` is ``None`` while nobody knows it: it is open, or has no known price.

    ``tokens_cache_write`` is ``None`` for calls from before anybody counted them. ``correction`` is what true-ups added
    to the cost, and is in it; ``None``: there was none. ``terms``: what moved the price beside tokens
    (``kernel.usage.Usage.terms``), decoded.
    """

    action: str
    opened_us: int
    settled_us: int | None
    mission: str
    principal: str
    on_behalf_of: str
    key: str
    kind: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost: Money | None
    reserved: Money
    estimated: bool
    kept: bool
    saved: Money
    tokens_cache_write: int | None = None
    correction: Money | None = None
    terms: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def as_json(self) -> dict[str, Json]:
        """For ``remit usage --calls --json`` and the API. Times are ISO, ``seconds`` how long it took."""
        took = None if self.settled_us is None else (self.settled_us - self.opened_us) / 1_000_000
        named = ("mission", "principal", "on_behalf_of", "key", "kind", "provider", "model")
        counted = ("tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write", "estimated", "kept")
        return {
            "action": self.action,
            "at": iso(self.opened_us),
            "seconds": took,
            **{name: getattr(self, name) for name in (*named, *counted)},
            "cost_usd": None if self.cost is None else str(self.cost.usd),
            "reserved_usd": str(self.reserved.usd),
            "saved_usd": str(self.saved.usd),
            "corrected_usd": None if self.correction is None else str(self.correction.usd),
            "terms": dict(self.terms),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, newest first. ``after`` is where the next page begins; empty: there is no more."""

    calls: Sequence[Call]
    after: str


def calls(
    tx: ReadTx,
    workspace: str,
    *,
    where: Where = EVERYTHING,
    since_us: int = 0,
    until_us: int | None = None,
    after: str = "",
    limit: int = PAGE,
) -> Page:
    """One page of the ledger, newest first, by an index whatever the filter.

    A page looks at ``LOOKED_AT`` rows at most: where what fits is rare it is shorter than ``limit``, or empty, and
    ``after`` still says where to go on.

    Args:
        tx: A snapshot.
        workspace: Whose.
        where: Only what fits.
        since_us: Opened then or later.
        until_us: Opened before; ``None``: now.
        after: Where the page before ended.
        limit: Calls on a page, 1 to 1000.

    Raises:
        InvalidInput: ``limit`` or ``after`` is none.
    """
    if not 1 <= limit <= LONGEST_PAGE:
        message = f"A page has 1 to {LONGEST_PAGE} calls, not {limit}."
        raise InvalidInput(message, code="usage.page")
    until, last = _cursor(after) if after else (until_us if until_us is not None else 1 << 62, "")
    given = frozenset(where.given())
    indexed = (given & {"key"}) or (given & {"mission"})
    most = LOOKED_AT if given - indexed else limit + 1
    values = {"of": workspace, "since": since_us, "until": until, "last": last, "most": most, **where.values()}
    rows = tx.rows(_page(indexed), values)
    mine = [row for row in rows if _fits(row, where)]
    shown = mine[:limit]
    end = shown[-1] if len(mine) > limit else rows[-1] if len(rows) == LOOKED_AT else None
    return Page([_call(row) for row in shown], "" if end is None else f"{end['opened_us']}.{end['action']}")


_SHOWN = (
    *("action", "opened_us", "settled_us", "mission", "principal", "on_behalf_of", "key", "kind", "provider", "model"),
    *("tokens_in", "tokens_out", "tokens_cached", "cost_micros", "estimate_micros", "priced", "estimated", "kept"),
    *("saved_micros", "tokens_cache_write", "correction_micros", "corrected_us", "terms"),
)


@lru_cache(maxsize=8)
def _page(indexed: frozenset[str]) -> Select[*tuple[object, ...]]:
    """The newest rows. Of a filter only what an index begins with is asked of the store; the rest is looked at here."""
    before = or_(
        USAGE.c.opened_us < bindparam("until"),
        and_(USAGE.c.opened_us == bindparam("until"), USAGE.c.action < bindparam("last")),
    )
    within = [USAGE.c.workspace == bindparam("of"), *conditions(USAGE, indexed)]
    within += [USAGE.c.opened_us >= bindparam("since"), USAGE.c.opened_us <= bindparam("until"), before]
    if "key" in indexed:
        within.append(HAS_KEY)  # said, so that the partial index will do
    return (
        select(*(USAGE.c[name] for name in _SHOWN))
        .where(*within)
        .order_by(USAGE.c.opened_us.desc(), USAGE.c.action.desc())
        .limit(bindparam("most"))
    )


def _cursor(after: str) -> tuple[int, str]:
    at, _, action = after.partition(".")
    if not (at.isdecimal() and action):
        message = f"{after[:80]!r} is no place in the ledger: give what the page before said."
        raise InvalidInput(message, code="usage.page")
    return int(at), action


def _fits(row: Row, where: Where) -> bool:
    names = {"agent": "principal", "user": "on_behalf_of"}
    wanted = {name.removeprefix("only_"): text for name, text in where.values().items()}
    return all(row[names.get(name, name)] == text for name, text in wanted.items())


def _call(row: Row) -> Call:
    corrected = row["corrected_us"] is not None
    known = row["settled_us"] is not None and (row["priced"] or row["cost_micros"] or row["kept"] or corrected)
    return Call(
        action=row["action"],
        opened_us=row["opened_us"],
        settled_us=row["settled_us"],
        mission=row["mission"],
        principal=row["principal"],
        on_behalf_of=row["on_behalf_of"],
        key=row["key"],
        kind=row["kind"],
        provider=row["provider"],
        model=row["model"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        tokens_cached=row["tokens_cached"],
        cost=Money(row["cost_micros"] + row["correction_micros"]) if known else None,
        reserved=Money(row["estimate_micros"] if row["settled_us"] is None else 0),
        estimated=bool(row["estimated"]),
        kept=bool(row["kept"]),
        saved=Money(row["saved_micros"]),
        tokens_cache_write=row["tokens_cache_write"],
        correction=Money(row["correction_micros"]) if corrected else None,
        terms=orjson.loads(row["terms"]) if row["terms"] else {},
    )
