"""Rates of actions: what an action takes of which limits, in its intent's transaction, and what its outcome puts right.

The check here works out what is asked; ``take`` takes it in the intent's transaction, all limits of an action or none,
so that nothing is taken when a later step of that transaction refuses. ``settle`` runs in the outcome's:

    ended as                        requests                  tokens              minutes
    never started (unused)          given back                given back          given back
    an outcome                      one for each try          the answer's own    the answer's own, or the time it took
    an error: certainly no answer   one for each try          given back          the time it took
    cut off, or nobody knows        one for each try          the estimate stays  the estimate stays
    its process died (abandoned)    stays                     the estimate stays  the estimate stays
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.guard.gcra import Demand, Short
from remit.guard.rate_limits import Charge, Limits, Measure, charges_of, used
from remit.guard.rate_store import SqlRates
from remit.guard.rate_tables import RATE_TAKEN, RATE_WAITER
from remit.guard.scene import Scene, allowed
from remit.kernel.action import Action
from remit.kernel.decision import Check
from remit.kernel.errors import RateLimited
from remit.kernel.ports import Tx

NAME = "rate"
ALLOWED = allowed(NAME)
#: How long after its moment a waiter that did not come back still has its place, in microseconds.
GRACE_US = 60_000_000

_TAKEN = insert(RATE_TAKEN)
_OVER = delete(RATE_TAKEN).where(RATE_TAKEN.c.workspace == bindparam("of"), RATE_TAKEN.c.action == bindparam("by"))
_SETTLED = _OVER.returning(
    RATE_TAKEN.c.key, RATE_TAKEN.c.measure, RATE_TAKEN.c.unit_us, RATE_TAKEN.c.cost, RATE_TAKEN.c.taken_us
)
_SINCE = select(RATE_WAITER.c.since_us).where(
    RATE_WAITER.c.workspace == bindparam("of"),
    RATE_WAITER.c.key == bindparam("bucket"),
    RATE_WAITER.c.waiter == bindparam("who"),
)
_AHEAD = select(func.count().label("ahead")).where(
    RATE_WAITER.c.workspace == bindparam("of"),
    RATE_WAITER.c.key == bindparam("bucket"),
    RATE_WAITER.c.waiter != bindparam("who"),
    RATE_WAITER.c.until_us >= bindparam("alive"),
    RATE_WAITER.c.since_us <= bindparam("before"),
)
_JOIN = upsert(RATE_WAITER)
_LINE_UP = _JOIN.on_conflict_do_update(
    index_elements=[RATE_WAITER.c.workspace, RATE_WAITER.c.key, RATE_WAITER.c.waiter],
    set_={"until_us": _JOIN.excluded.until_us},
)
_LEAVE = delete(RATE_WAITER).where(RATE_WAITER.c.workspace == bindparam("of"), RATE_WAITER.c.waiter == bindparam("who"))
_GONE = delete(RATE_WAITER).where(RATE_WAITER.c.workspace == bindparam("of"), RATE_WAITER.c.until_us < bindparam("at"))


@dataclass(frozen=True, slots=True)
class Used:
    """How an action ended, as far as its rates care.

    Attributes:
        tries: Attempts that were begun; 0: it never started.
        value: The outcome's value, if there was one.
        certain: Whether it is known that nothing more was used (an answer, or an error that says there is none).
        now_us: When it ended.
        tokens: What the adapter said that it used; 0: it did not say.
    """

    tries: int
    value: Mapping[str, object] | None
    certain: bool
    now_us: int
    tokens: int = 0


def check(action: Action, scene: Scene) -> Check:
    """Work out what the action takes; ``take`` takes it, or refuses, in the intent's transaction."""
    limits = scene.standing.limits
    if limits is not None:
        scene.charges = charges_of(action, limits, scene.standing.agents)
    return ALLOWED


def take(
    tx: Tx, action: Action, charges: tuple[Charge, ...], *, limits: Limits, now_us: int, beyond: bool = False
) -> None:
    """Take what ``charges`` ask, all or none; all though it doesn't fit with ``beyond`` (refusals are only observed).

    Raises:
        RateLimited: One doesn't fit: it names the limit, what is left, when to come back, who waits before, and the
            plan that would lift it.
    """
    rates = SqlRates(tx, action.workspace)
    if beyond:
        for charge in sorted(charges, key=lambda each: each.demand.key):
            rates.add(charge.demand, charge.demand.cost)
    elif (short := rates.take([charge.demand for charge in charges])) is not None:
        (charge,) = (each for each in charges if each.demand == short.demand)
        raise _refused(tx, action, charge, short=short, limits=limits, now_us=now_us)
    for charge in charges:
        tx.put(
            _TAKEN,
            {
                "workspace": action.workspace,
                "action": action.id,
                "key": charge.demand.key,
                "measure": charge.limit.measure.value,
                "unit_us": charge.demand.unit_us,
                "cost": charge.demand.cost,
                "taken_us": now_us,
            },
        )
    tx.put(_LEAVE, {"of": action.workspace, "who": waiter_of(action)})


def settle(tx: Tx, action: Action, ended: Used, *, taken: tuple[Charge, ...] | None = None, taken_us: int = 0) -> None:
    """Put what was taken right by what was used; see the table above. Harmless when nothing was taken.

    ``taken`` and ``taken_us``: what ``take`` took and when, where it is known; then the rows need not be read.
    """
    rates = SqlRates(tx, action.workspace)
    at = {"of": action.workspace, "by": action.id}
    if taken is not None and tx.later(_OVER, at):
        for charge in taken:
            demand = charge.demand
            real = _real(charge.limit.measure, ended, cost=demand.cost, taken_us=taken_us)
            if real != demand.cost:
                rates.add(Demand(demand.key, demand.unit_us, 0), real - demand.cost)
        return
    for row in tx.rows(_SETTLED, at):
        cost = int(row["cost"])
        real = _real(Measure(row["measure"]), ended, cost=cost, taken_us=int(row["taken_us"]))
        if real != cost:
            rates.add(Demand(row["key"], int(row["unit_us"]), 0), real - cost)


def keep(tx: Tx, workspace: str, action: str) -> None:
    """Nobody knows what an abandoned action used: what it took stays taken."""
    tx.rows(_SETTLED, {"of": workspace, "by": action})


def line_up(tx: Tx, action: Action, refused: RateLimited, *, now_us: int) -> None:
    """Write down, with the refusal, who waits before which bucket and until when; what long didn't come back goes."""
    if refused.retry_after is None or not refused.bucket:
        return
    tx.execute(_GONE, {"of": action.workspace, "at": now_us - GRACE_US})
    row = {
        "workspace": action.workspace,
        "key": refused.bucket,
        "waiter": waiter_of(action),
        "since_us": now_us,
        "until_us": now_us + round(refused.retry_after * 1_000_000),
    }
    tx.execute(_LINE_UP, row)


def waiter_of(action: Action) -> str:
    """By what a caller that comes back is known: its effect, across attempts."""
    return action.effect_key or action.id


def _real(measure: Measure, ended: Used, *, cost: int, taken_us: int) -> int:
    if ended.tries == 0:
        return 0
    if measure is Measure.REQUESTS:
        return max(ended.tries, cost)
    told = None if ended.value is None else used(ended.value, measure)
    if measure is Measure.TOKENS:
        told = ended.tokens or told
    if told is not None:
        return told
    if not ended.certain:
        return cost
    if measure is Measure.MINUTES:
        return -(-max(ended.now_us - taken_us, 0) // 1_000_000)
    return cost if ended.value is not None else 0


def _refused(tx: Tx, action: Action, charge: Charge, *, short: Short, limits: Limits, now_us: int) -> RateLimited:
    limit, demand = charge.limit, charge.demand
    ahead = _ahead(tx, action, demand.key, now_us=now_us) if short.wait_us is not None else 0
    wait_us = None if short.wait_us is None else short.wait_us + ahead * demand.cost * demand.unit_us
    if not limit.period_s:
        wait_us = None  # "in all": nothing comes back within anybody's patience
    plan = limits.lifts(limit, needed=-(-demand.cost // limit.measure.units))
    left = short.level.remaining // limit.measure.units
    retry_after = None if wait_us is None else wait_us / 1_000_000
    refused = RateLimited(
        _sentence(charge, left, retry_after, ahead=ahead, plan=plan),
        code="guard.rate",
        decision_id=action.id,
        limit=f"{limit} for {charge.whose}",
        remaining=left,
        retry_after=retry_after,
        position=None if retry_after is None else ahead + 1,
        wait=retry_after,
        plan=plan,
    )
    refused.bucket = demand.key
    return refused


def _ahead(tx: Tx, action: Action, bucket: str, *, now_us: int) -> int:
    """How many others were refused before, and still wait for the same bucket."""
    at = {"of": action.workspace, "bucket": bucket, "who": waiter_of(action)}
    known = tx.row(_SINCE, at)
    before = now_us if known is None else int(known["since_us"])
    row = tx.row(_AHEAD, at | {"alive": now_us - GRACE_US, "before": before})
    return 0 if row is None else int(row["ahead"])


def _sentence(charge: Charge, left: int, retry_after: float | None, *, ahead: int, plan: str | None) -> str:
    limit = charge.limit
    asked = -(-charge.demand.cost // limit.measure.units)
    wants = "" if limit.measure is Measure.REQUESTS else f", and this {limit.kind} may use {asked:,}"
    parts = [f"The limit of {limit} for {charge.whose} has {left:,} left{wants}."]
    if retry_after is not None:
        line = f"; {ahead} wait before it, so it is number {ahead + 1} in line" if ahead else "; it is next in line"
        parts.append(f"Come back in {spell(retry_after)}{line}.")
    elif charge.demand.cost > charge.demand.burst:
        parts.append("It never fits: ask for less, or raise the limit (remit limits).")
    else:
        parts.append("Nothing of it comes back.")
    if plan is not None:
        parts.append(f"The plan {plan} would lift it.")
    return " ".join(parts)


def spell(seconds: float) -> str:
    """A time for people: ``0.4 s``, ``45 s``, ``12 min``, ``5 h 20 min``."""
    if seconds < 10:  # noqa: PLR2004 - a digit after the point is worth it below
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    minutes = -int(-seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - two hours
