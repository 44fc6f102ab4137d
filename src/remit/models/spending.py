"""What was spent in a span of days, every way people look at it: kinds of cost, models, teams, agents, keys, missions.

Two passes over the hourly sums (by who and what; by time) and one that finds the dearest missions, each with what has
not been taken into the sums yet: a fixed number of statements, in one snapshot, however much there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, func, select

from remit.accounts.agents import read_agents
from remit.accounts.budget_periods import DAY_US, HOUR_US, Period, start_of
from remit.accounts.budget_tables import IS_UNROLLED, SPENT, USAGE, USAGE_HOUR
from remit.guard.budget_limits import BudgetView, read_budgets
from remit.guard.budget_rollup import SUMS, UNPRICED, Used, amount
from remit.guard.overview import last_refusals
from remit.kernel.action import ActorKind
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx, Row
from remit.models.usage import EVERYTHING, Outlook, outlooks

MOST_MISSIONS = 10
#: How many of the workspace's last refusals are looked through for those of a budget.
MOST_REFUSALS = 60
NO_TEAM = "no team"
_MODEL = "model"  # the kind of effect that a kept answer can stand for


class Span(StrEnum):
    """How far back to look."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"

    def since(self, now_us: int) -> int:
        """When it begins: at a midnight (UTC); a month at its first day."""
        match self:
            case Span.DAY:
                return start_of(Period.DAY, now_us)
            case Span.WEEK:
                return start_of(Period.DAY, now_us) - 6 * DAY_US
            case Span.MONTH:
                return start_of(Period.MONTH, now_us)
            case Span.QUARTER:
                return start_of(Period.DAY, now_us) - 89 * DAY_US

    @property
    def step_us(self) -> int:
        """How long each point of its curve is."""
        return HOUR_US if self is Span.DAY else DAY_US


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of cost. ``amount`` counts ``unit``: tokens, milliseconds, bytes; 0 where nothing is counted."""

    name: str
    cost: Money
    amount: int
    unit: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Actions that a budget refused, of those that were refused last. ``more``: there may be others before them."""

    count: int
    by_agent: Mapping[str, int]
    more: bool


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent in a span.

    Attributes:
        span: How far back.
        since_us: When it began.
        total: Everything in it.
        calls: Calls of models in it, kept answers included.
        parts: By kind of cost, the dearest first.
        models: By ``provider/model``, the dearest first; what asked no model is not among them.
        teams: By the team of the agent that acted; the last groups those without one.
        agents: By who acted.
        users: By on whose behalf.
        keys: By virtual key; what came in by none is not among them.
        missions: The dearest ones, at most ten.
        curve: Micros at the end of each hour (a day) or day since the span began, the one that runs included.
        day: Where today leads.
        month: Where this month leads.
        budgets: Every limit as it stands.
        refused: What budgets refused in the span.
    """

    span: Span
    since_us: int
    total: Used
    calls: int
    parts: Sequence[Part]
    models: Sequence[Used]
    teams: Sequence[Used]
    agents: Sequence[Used]
    users: Sequence[Used]
    keys: Sequence[Used]
    missions: Sequence[Used]
    curve: Sequence[int]
    day: Outlook
    month: Outlook
    budgets: Sequence[BudgetView]
    refused: Refusals


_PARTIES = ("principal", "on_behalf_of", "kind", "provider", "model", "key")
_ROLLED = (USAGE_HOUR.c.workspace == bindparam("of"), USAGE_HOUR.c.hour_us >= bindparam("since"))
_FRESH = (
    USAGE.c.workspace == bindparam("of"),
    IS_UNROLLED,
    USAGE.c.settled_us.is_not(None),
    USAGE.c.opened_us >= bindparam("since"),
)
_ROLLED_SUMS = (
    func.sum(USAGE_HOUR.c.attempts).label("attempts"),
    func.sum(USAGE_HOUR.c.unpriced).label("unpriced"),
    *(func.sum(USAGE_HOUR.c[name]).label(name) for name in SUMS),
)
_FRESH_SUMS = (
    func.count().label("attempts"),
    func.sum(UNPRICED).label("unpriced"),
    *(func.sum(amount(name)).label(name) for name in SUMS),
)
_BY_PARTIES = tuple(
    select(*(table.c[name] for name in _PARTIES), *sums).where(*within).group_by(*(table.c[name] for name in _PARTIES))
    for table, sums, within in ((USAGE_HOUR, _ROLLED_SUMS, _ROLLED), (USAGE, _FRESH_SUMS, _FRESH))
)
_HOUR_STEP = USAGE_HOUR.c.hour_us - USAGE_HOUR.c.hour_us % bindparam("step")
_FRESH_STEP = USAGE.c.opened_us - USAGE.c.opened_us % bindparam("step")
_BY_STEP = (
    select(_HOUR_STEP.label("at"), func.sum(USAGE_HOUR.c.cost_micros).label("cost"))
    .where(*_ROLLED)
    .group_by(USAGE_HOUR.c.hour_us),
    select(_FRESH_STEP.label("at"), func.sum(SPENT).label("cost")).where(*_FRESH).group_by(USAGE.c.opened_us),
)
_COST = func.sum(USAGE_HOUR.c.cost_micros)
_DEAREST = (
    select(USAGE_HOUR.c.mission, *_ROLLED_SUMS)
    .where(*_ROLLED, USAGE_HOUR.c.mission != "")
    .group_by(USAGE_HOUR.c.mission)
    .order_by(_COST.desc(), USAGE_HOUR.c.mission)
    .limit(bindparam("most"))
)
_FRESH_MISSIONS = select(USAGE.c.mission, *_FRESH_SUMS).where(*_FRESH, USAGE.c.mission != "").group_by(USAGE.c.mission)
_THESE_MISSIONS = (
    select(USAGE_HOUR.c.mission, *_ROLLED_SUMS)
    .where(*_ROLLED, USAGE_HOUR.c.mission.in_(bindparam("these", expanding=True)))
    .group_by(USAGE_HOUR.c.mission)
)


def spending(tx: ReadTx, workspace: str, *, span: Span, now_us: int) -> Spending:
    """What was spent in a span, and how the budgets stand.

    Args:
        tx: A snapshot.
        workspace: Whose.
        span: How far back.
        now_us: Now.
    """
    since_us = span.since(now_us)
    at = {"of": workspace, "since": since_us}
    groups = [row for statement in _BY_PARTIES for row in tx.rows(statement, at)]
    teams = {f"{ActorKind.AGENT.value}:{name}": each.team for name, each in read_agents(tx, workspace).items()}
    total = _folded(groups, lambda _: "total")
    day, month = outlooks(tx, workspace, now_us=now_us, where=EVERYTHING)
    whole = total[0] if total else Used("total")
    return Spending(
        span=span,
        since_us=since_us,
        total=whole,
        calls=sum(int(row["attempts"]) for row in groups if row["kind"] == _MODEL),
        parts=_parts(whole),
        models=_folded(groups, lambda row: f"{row['provider']}/{row['model']}" if row["model"] else ""),
        teams=_folded(groups, lambda row: teams.get(row["principal"]) or NO_TEAM),
        agents=_folded(groups, lambda row: row["principal"]),
        users=_folded(groups, lambda row: row["on_behalf_of"]),
        keys=_folded(groups, lambda row: row["key"]),
        missions=_dearest(tx, at),
        curve=_curve(tx, at, span=span, now_us=now_us),
        day=day,
        month=month,
        budgets=read_budgets(tx, workspace, now_us=now_us),
        refused=_refused(tx, workspace, since_us=since_us),
    )


def _folded(rows: Iterable[Row], key_of: Callable[[Row], str]) -> list[Used]:
    """Sums by a key, the dearest first; rows without a key are left out."""
    found: dict[str, Used] = {}
    for row in rows:
        key = key_of(row)
        if key:
            found.setdefault(key, Used(key)).add(row)
    return sorted(found.values(), key=lambda used: (-used.cost.micros, used.key))


def _parts(total: Used) -> list[Part]:
    sums = total.sums
    tokens = sums["tokens_in"] + sums["tokens_out"]
    found = [
        Part("tokens", Money(sums["tokens_micros"]), tokens, "tokens"),
        Part("gpu", Money(sums["gpu_micros"]), sums["gpu_ms"], "ms"),
        Part("storage", Money(sums["storage_micros"]), sums["storage_bytes"], "bytes"),
        Part("network", Money(sums["network_micros"]), sums["network_bytes"], "bytes"),
        Part("other", total.other, 0, ""),
    ]
    shown = [part for part in found if part.cost or part.amount]
    return sorted(shown, key=lambda part: -part.cost.micros)


def _dearest(tx: ReadTx, at: Mapping[str, object]) -> list[Used]:
    """The dearest missions, exactly: one that is not among the dearest of the sums must have cost something since."""
    found: dict[str, Used] = {}
    for row in tx.rows(_DEAREST, {**at, "most": MOST_MISSIONS}):
        found.setdefault(row["mission"], Used(row["mission"])).add(row)
    fresh = tx.rows(_FRESH_MISSIONS, at)
    missing = [row["mission"] for row in fresh if row["mission"] not in found]
    for row in (*fresh, *(tx.rows(_THESE_MISSIONS, {**at, "these": missing}) if missing else ())):
        found.setdefault(row["mission"], Used(row["mission"])).add(row)
    return sorted(found.values(), key=lambda used: (-used.cost.micros, used.key))[:MOST_MISSIONS]


def _curve(tx: ReadTx, at: Mapping[str, object], *, span: Span, now_us: int) -> list[int]:
    step, since_us = span.step_us, span.since(now_us)
    costs: dict[int, int] = {}
    for statement in _BY_STEP:
        for row in tx.rows(statement, {**at, "step": step}):
            costs[int(row["at"])] = costs.get(int(row["at"]), 0) + int(row["cost"])
    total, sums = 0, list[int]()
    for begins in range(since_us, now_us + 1, step):
        total += costs.get(begins, 0)
        sums.append(total)
    return sums


def _refused(tx: ReadTx, workspace: str, *, since_us: int) -> Refusals:
    found = last_refusals(tx, workspace, most=MOST_REFUSALS)
    mine = [each for each in found if each.at_us >= since_us and each.reason.startswith("budget")]
    by_agent: dict[str, int] = {}
    for each in mine:
        by_agent[each.principal] = by_agent.get(each.principal, 0) + 1
    return Refusals(len(mine), by_agent, len(found) == MOST_REFUSALS and found[-1].at_us >= since_us)
