"""What was spent and on what, how the budgets stand and where they lead; setting and removing a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remit.accounts.agents import read_agents
from remit.accounts.budget_periods import DAY_US, Period, end_of
from remit.accounts.budgets import BudgetScope, Limit, remove_limit
from remit.accounts.keys import read_keys
from remit.accounts.roles import Resource
from remit.guard.budget_limits import BudgetView
from remit.guard.budget_rollup import Used
from remit.kernel.errors import InvalidInput
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.missions.limits import limit_spending
from remit.missions.listing import Summary, read_summaries
from remit.models.spending import Part, Span, Spending, spending
from remit.serve.console import words
from remit.serve.console.asking import Ask
from remit.serve.console.page import Form, form, page

WARN, FULL = 80, 100  # percent of a limit
TABS = ((Span.DAY, "Today"), (Span.WEEK, "7 days"), (Span.MONTH, "This month"), (Span.QUARTER, "90 days"))
SAID = {"set": "The budget is set", "removed": "The budget is removed"}
_SHOWN = 12  # agents, people, keys, teams in a table each: the dearest
_NAMED = 100  # missions with a budget of their own whose names are looked up
_LONGEST = 80
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


@dataclass(frozen=True, slots=True)
class Line:
    """Something that cost: how often, how many tokens, how much. ``href`` and ``note`` may be empty."""

    name: str
    calls: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost_micros: int
    unpriced: int
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cost, its share in percent, and how much of it was used, in words."""

    name: str
    amount: str
    share: float
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit as it stands. Micros; percents of the limit. ``ends_us``: 0 is never."""

    whom: str
    scope: str
    name: str
    period: str
    spent_micros: int
    reserved_micros: int
    limit_micros: int
    left_micros: int
    forecast_micros: int
    spent: float
    reserved: float
    forecast: float
    mark: str
    word: str
    fill: str
    ends_us: int
    reached_us: int


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the curve: percent of the span, dollars."""

    across: float
    dollars: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """An hour or a day: when it began, and what was spent in it."""

    at_us: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Spend:
    """The page. Amounts in micros.

    Attributes:
        title: What was spent.
        said: What an order just given has done; empty: none was.
        span: How far back it looks; ``tabs`` are the choices.
        stretches: What was spent in each hour of today, or each day of a longer span.
        curve: Cumulative, of the span; ``ahead`` where today or this month leads.
        saved_micros: What kept answers had cost when they were first given, ``kept`` of ``calls``.
        refused: Actions that a budget refused, and by whom; ``refused_more``: at least as many.
        names: What a budget may be set for, beside the workspace: agents and keys.
    """

    title: str
    said: str
    span: str
    spent_micros: int
    unpriced: int
    day_micros: int
    day_forecast_micros: int
    month_micros: int
    month_forecast_micros: int
    reserved_micros: int
    saved_micros: int
    kept: int
    calls: int
    refused: int
    refused_by: str
    refused_more: bool
    stretches: tuple[Stretch, ...]
    curve: tuple[Point, ...]
    ahead: tuple[Point, ...]
    axis: tuple[tuple[float, str], ...]
    limit_micros: int
    kinds: tuple[Kind, ...]
    budgets: tuple[Budget, ...]
    models: tuple[Line, ...]
    missions: tuple[Line, ...]
    teams: tuple[Line, ...]
    agents: tuple[Line, ...]
    users: tuple[Line, ...]
    keys_: tuple[Line, ...]
    names: tuple[tuple[str, str], ...]
    tabs: tuple[tuple[str, str], ...] = tuple((span.value, word) for span, word in TABS)


@page("/spend", template="spend.html", group="Control", label="Spend")
async def spend(ask: Ask) -> Spend:
    """What was spent, on what, and what may be."""
    word = ask.query.get("span", Span.DAY.value)
    span = Span(word) if word in {each.value for each in Span} else Span.DAY
    alive = ask.runtime.missions.deps.alive

    def op(tx: ReadTx) -> Spend:
        found = spending(tx, ask.workspace, span=span, now_us=ask.now_us)
        ids = [used.key for used in found.missions]
        held = [one.limit.name for one in found.budgets if one.limit.scope is BudgetScope.MISSION]
        ids += sorted({*held} - {*ids})[:_NAMED]
        named = {one.id: one for one in read_summaries(tx, ask.workspace, ids, alive=alive, now_us=ask.now_us) if ids}
        names = [(f"agent:{name}", f"agent {name}") for name in read_agents(tx, ask.workspace)]
        names += [(f"key:{name}", f"key {name}") for name in read_keys(tx, ask.workspace)]
        return _view(found, named, tuple(names), ask=ask)

    return await ask.read(op, resource=Resource.BUDGET)


@form("/spend/budgets", again=spend)
async def set_budget(ask: Ask) -> str:
    """Set what a scope may spend."""
    wanted = _limit(ask)
    try:
        amount = usd(ask.form.get("amount", ""))
    except InvalidInput as error:
        raise InvalidInput(error.message, code="budget.amount", hint="write dollars, as in 50 or 0.50") from error
    await limit_spending(
        ask.runtime.store, wanted, amount, workspace=ask.workspace, by=ask.who, clock=ask.runtime.clock
    )
    return "/spend?done=set"


@form("/spend/budgets/remove", again=spend)
async def remove_budget(ask: Ask) -> str:
    """Take a limit away."""
    wanted = _limit(ask)
    await remove_limit(ask.runtime.store, wanted, workspace=ask.workspace, by=ask.who)
    return "/spend?done=removed"


FORMS: Sequence[Form] = (set_budget, remove_budget)


def _limit(ask: Ask) -> Limit:
    scope, _, name = ask.form.get("whose", "").partition(":")
    if scope == BudgetScope.MISSION and not name:
        name = ask.form.get("mission", "").strip()
    period = ask.form.get("period", "")
    if scope not in {each.value for each in BudgetScope}:
        message = "Say whose budget it is."
        raise InvalidInput(message, code="budget.whose", hint="choose from the list")
    if scope == BudgetScope.MISSION and not name:
        message = "Say which mission: its whole id."
        raise InvalidInput(message, code="budget.mission", hint="copy it from the mission's page")
    if period not in {each.value for each in Period}:
        message = "Say for how long it holds."
        raise InvalidInput(message, code="budget.period", hint="day, month or total")
    return Limit(BudgetScope(scope), name, Period(period))


def _view(found: Spending, named: dict[str, Summary], names: tuple[tuple[str, str], ...], *, ask: Ask) -> Spend:
    total, day, month = found.total, found.day, found.month
    budgets = tuple(_budget(each, named) for each in found.budgets)
    wanted = {Span.DAY: Period.DAY, Span.MONTH: Period.MONTH}.get(found.span)
    mine = [one for one in budgets if one.scope == "workspace" and wanted is not None and one.period == wanted.value]
    word = dict(TABS)[found.span].lower()
    spent = words.money(total.cost)
    curve, ahead = _curve(found, ask.now_us)
    return Spend(
        title=f"{spent} spent {word}" if found.span in {Span.DAY, Span.MONTH} else f"{spent} spent in {word}",
        said=SAID.get(ask.query.get("done", ""), ""),
        span=found.span.value,
        spent_micros=total.cost.micros,
        unpriced=total.unpriced,
        day_micros=day.spent.micros,
        day_forecast_micros=day.projected.micros,
        month_micros=month.spent.micros,
        month_forecast_micros=month.projected.micros,
        reserved_micros=max((one.reserved_micros for one in budgets if one.scope == "workspace"), default=0),
        saved_micros=total.saved.micros,
        kept=total.sums["kept"],
        calls=found.calls,
        refused=found.refused.count,
        refused_by="; ".join(f"{words.who(name)}, {count}" for name, count in found.refused.by_agent.items()),
        refused_more=found.refused.more,
        stretches=_stretches(found),
        curve=curve,
        ahead=ahead,
        axis=_axis(found.span, found.since_us, ask.now_us),
        limit_micros=mine[0].limit_micros if mine else 0,
        kinds=tuple(_kind(part, total.cost) for part in found.parts),
        budgets=budgets,
        models=tuple(_line(used, name=used.key.removeprefix("/")) for used in found.models[:_SHOWN]),
        missions=tuple(_mission(used, named.get(used.key)) for used in found.missions),
        teams=tuple(_line(used) for used in found.teams[:_SHOWN]),
        agents=tuple(_line(used) for used in found.agents[:_SHOWN]),
        users=tuple(_line(used) for used in found.users[:_SHOWN]),
        keys_=tuple(_line(used) for used in found.keys[:_SHOWN]),
        names=names,
    )


def _line(used: Used, *, name: str = "", href: str = "", note: str = "") -> Line:
    sums = used.sums
    return Line(
        name or used.key,
        used.attempts,
        sums["tokens_in"],
        sums["tokens_out"],
        sums["tokens_cached"],
        used.cost.micros,
        used.unpriced,
        href,
        note,
    )


def _mission(used: Used, one: Summary | None) -> Line:
    if one is None:
        return _line(used)
    estimate = one.estimate
    note = ""
    if estimate is not None and estimate.cost_high:
        note = f"{words.money(estimate.cost_low)}–{words.money(estimate.cost_high)[1:]}"  # noqa: RUF001
    return _line(used, name=one.name, href=f"/missions/{one.id}", note=note)


def _kind(part: Part, total: Money) -> Kind:
    match part.unit:
        case "tokens":
            amount = str(words.short(part.amount)).replace(words.SPACE, " ")
        case "ms":
            amount = str(words.duration(part.amount * 1000)).replace(words.SPACE, " ") if part.amount else ""
        case "bytes":
            amount = _bytes(part.amount)
        case _:
            amount = ""
    names = {"tokens": "Tokens", "gpu": "Rendering", "storage": "Storage", "network": "Network", "other": "Other"}
    share = 100 * part.cost.micros / total.micros if total.micros else 0.0
    return Kind(names[part.name], amount, round(share, 1), part.cost.micros)


def _bytes(amount: int) -> str:
    for size, unit in _UNITS:
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{amount} B" if amount else ""


def _budget(view: BudgetView, named: Mapping[str, Summary]) -> Budget:
    most = view.amount.micros

    def part(money: Money) -> float:
        return round(100 * money.micros / most, 1) if most else 100.0

    used = part(view.spent + view.reserved)
    ends, projected = view.ends_us, view.forecast.projected
    if used >= FULL:
        mark, word, fill = "denied", "refuses" if ends is not None else "used up", "bad"
    elif used >= WARN:
        mark, word, fill = "warn", f"over {WARN} %", "wait"
    elif projected is not None and projected > view.amount:
        mark, word, fill = "warn", "leads beyond it", "run"
    else:
        mark, word, fill = "done", "within", "run"
    limit = view.limit
    return Budget(
        whom=_whom(limit, named),
        scope=limit.scope.value,
        name=limit.name,
        period=limit.period.value,
        spent_micros=view.spent.micros,
        reserved_micros=view.reserved.micros,
        limit_micros=most,
        left_micros=view.left.micros,
        forecast_micros=0 if projected is None else projected.micros,
        spent=part(view.spent),
        reserved=part(view.reserved),
        forecast=0.0 if projected is None else part(projected),
        mark=mark,
        word=word,
        fill=fill,
        ends_us=ends or 0,
        reached_us=view.forecast.reached_us or 0,
    )


def _whom(limit: Limit, named: Mapping[str, Summary]) -> str:
    match limit.scope:
        case BudgetScope.WORKSPACE:
            return "The workspace"
        case BudgetScope.MISSION:  # the end of its id too, which tells it apart from others of that name
            one, short = named.get(limit.name), f"mission {limit.name[-8:]}"
            return short if one is None else f"{one.name[:_LONGEST].rstrip('.')} ({short})"
        case _:
            return f"{limit.scope.value} {limit.name}"


def _ends(span: Span, since_us: int, now_us: int) -> int:
    """Where the span's axis ends: with its day or month, or with today."""
    if span is Span.MONTH:
        return end_of(Period.MONTH, since_us) or now_us
    return end_of(Period.DAY, now_us - now_us % DAY_US) or now_us


def _curve(found: Spending, now_us: int) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    since, ends = found.since_us, _ends(found.span, found.since_us, now_us)

    def at(us: int, micros: int) -> Point:
        return Point(round(100 * (us - since) / (ends - since), 2), micros / 1e6)

    step = found.span.step_us
    curve = [at(since, 0)]
    curve += [at(min(since + step * (place + 1), now_us), micros) for place, micros in enumerate(found.curve)]
    outlook = {Span.DAY: found.day, Span.MONTH: found.month}.get(found.span)
    ahead = (curve[-1], at(ends, outlook.projected.micros)) if outlook is not None else ()
    return tuple(curve), ahead


def _stretches(found: Spending) -> tuple[Stretch, ...]:
    step, sums = found.span.step_us, (0, *found.curve)
    return tuple(
        Stretch(found.since_us + step * place, sums[place + 1] - sums[place]) for place in range(len(found.curve))
    )


def _axis(span: Span, since_us: int, now_us: int) -> tuple[tuple[float, str], ...]:
    if span is Span.DAY:
        return ((0, "00:00"), (25, "06:00"), (50, "12:00"), (75, "18:00"), (100, "24:00"))
    since, ends = (datetime.fromtimestamp(us // 1_000_000, UTC) for us in (since_us, _ends(span, since_us, now_us)))
    last = ends - timedelta(days=1)
    return ((0, f"{since.day} {since:%b}"), (100, f"{last.day} {last:%b}"))
