"""Money: reserved with the intent, settled with the outcome, in their transactions; never over, however many ask.

A scope without a limit has no row. A reservation belongs to the period in which the clock of its process says it was
made, and is settled there, however late. What costs nothing reserves nothing: for it there is the check below.

Overshoot: an actual cost above its estimate is recorded in full. From then on the scope refuses everything, what is
free included, until its next period begins or its limit is raised.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Update, bindparam, update

from remit.accounts.budget_events import Reached, tell
from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budget_tables import BUDGET, BUDGET_PAST
from remit.accounts.budgets import BudgetScope, Hold, begin_period, held_in
from remit.guard.budget_counters import COUNTED, DUE, Counters, rank, whose
from remit.guard.budget_limits import in_figures, told, way_out
from remit.guard.budget_usage import (
    Opened,
    Payer,
    add_settled,
    open_usage,
    payer_of,
    settle_opened,
    settle_usage,
)
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Model, Notify
from remit.kernel.errors import BudgetExceeded
from remit.kernel.money import Money
from remit.kernel.ports import Row, Tx
from remit.kernel.usage import NOTHING, UnknownPrice, Usage

NAME = "budget"
ALLOWED = allowed(NAME)
_EVERYBODYS = frozenset({"", "auto", "default", "standard", "standard_only"})
_UNPRICED = Check(NAME, Verdict.ALLOW, "unknown_price", "Nobody knows what it costs; it is counted as unknown.")

type Scopes = tuple[tuple[BudgetScope, str], ...]


def _moving(statement: Update) -> Update:
    table = statement.table
    return statement.values(
        reserved=table.c["reserved"] + bindparam("more"), spent=table.c["spent"] + bindparam("cost")
    ).returning(*(table.c[name] for name in COUNTED))


#: Move every counter of the scopes at once; what belongs elsewhere is put there afterwards, under the same locks.
_MOVE = _moving(
    update(BUDGET).where(
        BUDGET.c.workspace == DUE.c.of_workspace,
        BUDGET.c.scope == DUE.c.of_scope,
        BUDGET.c.name == DUE.c.of_name,
        BUDGET.c.period == DUE.c.of_period,
    )
)
_MOVE_ONE, _MOVE_PAST = (
    _moving(
        update(table).where(
            table.c.workspace == bindparam("of"),
            table.c.scope == bindparam("in_scope"),
            table.c.name == bindparam("called"),
            table.c.period == bindparam("each"),
            table.c.starts_us == bindparam("starts"),
        )
    )
    for table in (BUDGET, BUDGET_PAST)
)


def scopes_of(action: Action) -> Scopes:
    """Whose budgets ``action`` draws on."""
    parties = {who.id for who in (action.principal, action.on_behalf_of) if who.kind is ActorKind.AGENT}
    named = tuple((BudgetScope.AGENT, agent) for agent in sorted(parties))
    return (
        (BudgetScope.WORKSPACE, ""),
        *named,
        *(((BudgetScope.KEY, action.key),) if action.key else ()),
        *(((BudgetScope.MISSION, action.mission),) if action.mission else ()),
    )


def check(action: Action, scene: Scene) -> Check:
    """Nothing more, not even what is free, in a scope that is spent beyond its limit; no unknown price if refused."""
    over = scene.standing.over
    if over and not _told_by_remit(action):
        for scope in scopes_of(action):
            if scope in over:
                return denied(NAME, "exceeded", over[scope])
    if not action.priced and not action.estimate:
        if scene.unknown_price is UnknownPrice.WARN:
            return _UNPRICED
        return denied(NAME, "unknown_price", _unpriced(action, scene))
    return ALLOWED


def _unpriced(action: Action, scene: Scene) -> str:
    if not isinstance(action.effect, Model):
        return f"Nobody can say what this {action.kind} may cost, and unknown prices are refused."
    model = scene.redactor.mask(action.target)[:80]
    if wish := scene.redactor.mask(_wish(action.effect)):
        return (
            f"Nobody can say what the model {model!r} may cost as {wish!r}, and unknown prices are refused. Leave that "
            f"wish out, or say what a million tokens cost: remit models price {model} --input USD --output USD, and "
            f"the same with --service {wish}."
        )
    return (
        f"Nobody can say what the model {model!r} may cost, and unknown prices are refused. To say it, for a million "
        f"tokens: remit models price {model} --input USD --output USD (0 is a price)."
    )


def _wish(effect: Model) -> str:
    """The service tier that a request asks for in so many words (``models.services``)."""
    for name in ("speed", "service_tier"):
        told = effect.request.get(name)
        if isinstance(told, str) and told not in _EVERYBODYS:
            return told[:40]
    return ""


def _told_by_remit(action: Action) -> bool:
    """Remit's own notices are free, and the one that says that the money is spent must not wait for money."""
    return action.principal.kind is ActorKind.SYSTEM and isinstance(action.effect, Notify) and not action.estimate


def reserve(tx: Tx, action: Action, *, now_us: int, beyond: bool = False) -> Opened:
    """Reserve the estimate in every scope, all or (because the operation then fails as a whole) none.

    ``beyond``: count it though it doesn't fit (where refusals are only observed).

    Raises:
        BudgetExceeded: It doesn't fit; the message says how much is left, and when and how it fits again.
    """
    payer = payer_of(action)
    asked = action.estimate.micros
    holds: list[Hold] = []
    for row in _moved(tx, payer, more=asked, cost=0, at_us=now_us) if asked else ():
        now = _placed(tx, row, now_us, more=asked, cost=0)
        if now is None:
            continue
        if now["spent"] + now["reserved"] > now["limit_micros"] and not beyond:
            exceeded = BudgetExceeded(_exceeded(now, action), code="guard.budget")
            exceeded.told = in_figures(now, now["reserved"] - asked, now_us=now_us)
            raise exceeded
        holds.append(_hold(now))
    open_usage(tx, payer, estimate=asked, priced=action.priced, holds=holds, opened_us=now_us)
    return Opened(asked, tuple(holds), now_us)


def settle(
    tx: Tx,
    payer: Payer,
    *,
    cost: Money,
    usage: Usage = NOTHING,
    by: Principal,
    opened_us: int,
    now_us: int,
    opened: Opened | None = None,
) -> None:
    """Replace what was reserved by what it cost, once; a second settlement of the same attempt changes nothing.

    Args:
        tx: The transaction that closes the action.
        payer: Whose attempt it was.
        cost: What it really cost.
        usage: What that was for.
        by: Who acted, for the audit entries of thresholds.
        opened_us: When the attempt began: its period is charged.
        now_us: Now.
        opened: What ``reserve`` answered, where it is known: then the row need not be read.
    """
    if opened is not None and settle_opened(tx, payer, opened, cost=cost.micros, usage=usage, now_us=now_us):
        held, holds, opened_us = opened.estimate, set(opened.holds), opened.opened_us
    elif (row := settle_usage(tx, payer, cost=cost.micros, usage=usage, now_us=now_us)) is None:
        if not cost and usage is NOTHING:
            return
        add_settled(tx, payer, cost=cost.micros, usage=usage, opened_us=opened_us, now_us=now_us)
        held, holds = 0, set[Hold]()
    else:
        held, holds, opened_us = int(row["estimate_micros"]), set(held_in(row["holds"])), row["opened_us"]
    if not held and not cost:
        return
    for each in _moved(tx, payer, more=-held, cost=cost.micros, at_us=opened_us):
        now = _placed(tx, each, opened_us, more=-held, cost=cost.micros)
        if now is None:
            continue
        mine = _hold(now)
        if mine in holds:
            holds.remove(mine)
        elif held:  # the limit came while the attempt ran, and never held its estimate
            _give_back(tx, now, held)
        _tell(tx, now, cost.micros, by=by, at_us=now_us)
    for scope, name, period, starts in sorted(holds):  # in past periods of limits that were removed
        at = {"of": payer.workspace, "in_scope": scope, "called": name, "each": period, "starts": starts}
        tx.rows(_MOVE_PAST, {**at, "more": -held, "cost": cost.micros})


def correct(tx: Tx, payer: Payer, *, more: int, by: Principal, opened_us: int, now_us: int) -> None:
    """Book what settled attempts cost more than was charged (less: below zero), in the periods in which they began.

    Thresholds that are reached by it are told. What was refused or let through meanwhile stays as it was.
    """
    seen: set[tuple[str, str, str]] = set()
    for each in _moved(tx, payer, more=0, cost=more, at_us=opened_us):
        seen.add((each["scope"], each["name"], each["period"]))
        now = _placed(tx, each, opened_us, more=0, cost=more)
        if now is not None:
            _tell(tx, now, more, by=by, at_us=now_us)
    named = ((BudgetScope.AGENT, agent) for agent in payer.agents)
    scopes = (
        *((BudgetScope.WORKSPACE, ""), *named),
        *(((BudgetScope.KEY, payer.key),) if payer.key else ()),
        *(((BudgetScope.MISSION, payer.mission),) if payer.mission else ()),
    )
    for scope, name in scopes:  # past periods of limits that were removed
        for period in (Period.DAY, Period.MONTH):
            if (scope.value, name, period.value) not in seen:
                at = {"of": payer.workspace, "in_scope": scope.value, "called": name, "each": period.value}
                tx.rows(_MOVE_PAST, {**at, "starts": start_of(period, opened_us), "more": 0, "cost": more})


def _moved(tx: Tx, payer: Payer, *, more: int, cost: int, at_us: int) -> Iterable[Row]:
    kept = tx.kept(Counters)
    rows = None if kept is None else kept.move(tx, payer, more=more, cost=cost, at_us=at_us)
    if rows is not None:
        return rows
    return sorted(tx.rows(_MOVE, {**whose(payer), "more": more, "cost": cost}), key=rank)


def _placed(tx: Tx, row: Row, at_us: int, *, more: int, cost: int) -> Row | None:
    """The counters of the period that ``at_us`` lies in, with the movement that ``row`` has just had.

    ``None``: the limit did not hold in that period.
    """
    starts = start_of(Period(row["period"]), at_us)
    if row["starts_us"] == starts:
        return row
    before = {**row, "reserved": row["reserved"] - more, "spent": row["spent"] - cost}
    if row["starts_us"] < starts:
        begin_period(tx, before, starts, spent=cost, reserved=more)
        return {**row, "starts_us": starts, "spent": cost, "reserved": more}
    tx.rows(_MOVE_ONE, {**_at(row), "more": -more, "cost": -cost})
    return tx.row(_MOVE_PAST, {**_at(row), "starts": starts, "more": more, "cost": cost})


def _give_back(tx: Tx, row: Row, held: int) -> None:
    values = {**_at(row), "more": held, "cost": 0}
    if not tx.rows(_MOVE_ONE, values):
        tx.rows(_MOVE_PAST, values)


def _tell(tx: Tx, row: Row, cost: int, *, by: Principal, at_us: int) -> None:
    now = Reached(
        workspace=row["workspace"],
        scope=row["scope"],
        name=row["name"],
        period=Period(row["period"]),
        starts_us=row["starts_us"],
        limit=row["limit_micros"],
        spent=row["spent"],
        before=row["spent"] - cost,
    )
    tell(tx, now, by=by, at_us=at_us)


def _at(row: Row) -> dict[str, object]:
    return {
        "of": row["workspace"],
        "in_scope": row["scope"],
        "called": row["name"],
        "each": row["period"],
        "starts": row["starts_us"],
    }


def _hold(row: Row) -> Hold:
    return (row["scope"], row["name"], row["period"], row["starts_us"])


def _exceeded(row: Row, action: Action) -> str:
    """``row`` counts the refused estimate already."""
    reserved = row["reserved"] - action.estimate.micros
    return f"{told(row, reserved)}, and this {action.kind} may cost {action.estimate}.{way_out(row)}"
