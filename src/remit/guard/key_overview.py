"""Virtual keys as people look at them: by name, in pages, with what each may spend and how fast; setting its rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, or_, select

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budget_tables import BUDGET
from remit.accounts.budgets import BudgetScope
from remit.accounts.key_orders import KeyView, TokenView, find_key
from remit.accounts.key_tables import KEY_TOKEN, VIRTUAL_KEY
from remit.accounts.keys import key_of
from remit.guard.rate_limits import Limit, Measure, Per, read_limits, reset_limit, set_limit
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.ports import Journal, ReadTx

PAGE = 50
MINUTE_S = 60

_NEXT = (
    select(VIRTUAL_KEY)
    .where(VIRTUAL_KEY.c.workspace == bindparam("of"), VIRTUAL_KEY.c.id > bindparam("after"))
    .order_by(VIRTUAL_KEY.c.id)
    .limit(bindparam("most"))
)
_NEXT_ACTIVE = _NEXT.where(
    VIRTUAL_KEY.c.revoked_us.is_(None),
    or_(VIRTUAL_KEY.c.expires_us.is_(None), VIRTUAL_KEY.c.expires_us > bindparam("now")),
)
_TOKENS = (
    select(KEY_TOKEN)
    .where(KEY_TOKEN.c.workspace == bindparam("of"), KEY_TOKEN.c.key.in_(bindparam("these", expanding=True)))
    .order_by(KEY_TOKEN.c.created_us)
)
_BUDGETS = select(BUDGET).where(
    BUDGET.c.workspace == bindparam("of"),
    BUDGET.c.scope == BudgetScope.KEY.value,
    BUDGET.c.name.in_(bindparam("these", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """What a key may spend in a period, and has. Micros; ``reserved_micros`` are held by calls in flight."""

    period: Period
    limit_micros: int
    spent_micros: int
    reserved_micros: int


@dataclass(frozen=True, slots=True)
class KeyShown:
    """A key with its tokens' beginnings, its budgets and its own rates."""

    view: KeyView
    budgets: Sequence[KeyBudget]
    limits: Sequence[Limit]


def keys_page(
    tx: ReadTx, workspace: str, *, now_us: int, after: str = "", limit: int = PAGE, ended: bool = False
) -> list[KeyShown]:
    """A page of keys by name: four statements and the limits in force.

    Args:
        tx: A snapshot.
        workspace: Whose.
        now_us: Now.
        after: The last name of the page before.
        limit: How many at most.
        ended: Whether those that are expired or revoked are shown, too.
    """
    values = {"of": workspace, "after": after, "most": limit}
    rows = tx.rows(_NEXT, values) if ended else tx.rows(_NEXT_ACTIVE, {**values, "now": now_us})
    return _shown(tx, workspace, [KeyView(key_of(row), key_of(row).status(now_us), ()) for row in rows], now_us)


def show_key(tx: ReadTx, name: str, *, workspace: str, now_us: int) -> KeyShown:
    """One key.

    Raises:
        NotFound: There is none of that name.
    """
    key = find_key(tx, name, workspace=workspace)
    return _shown(tx, workspace, [KeyView(key, key.status(now_us), ())], now_us)[0]


async def set_rates(
    journal: Journal,
    name: str,
    wanted: Mapping[Measure, int | None],
    *,
    workspace: str,
    by: Principal,
    clock: Clock,
    every_s: int = MINUTE_S,
) -> None:
    """Hold a key to so many requests and tokens in a time, beside every other limit; ``None`` takes its limit away.

    Raises:
        NotFound: There is no such key.
        InvalidInput: An amount can't be a limit.
        Refused: ``by`` is an agent, or may not administer.
    """

    def check(tx: ReadTx) -> frozenset[str]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.POLICY)
        find_key(tx, name, workspace=workspace)
        return frozenset(limit.name for limit in read_limits(tx, workspace).by_name.values() if limit.key == name)

    held = await reading(journal, check)
    made = {
        measure: Limit(limit_name(name, measure), Per.KEY, amount, every_s, measure=measure, key=name)
        for measure, amount in wanted.items()
        if amount is not None
    }
    for limit in made.values():
        await set_limit(journal, limit, workspace=workspace, by=by, clock=clock)
    for measure in wanted:
        called = limit_name(name, measure)
        if measure not in made and called in held:
            await reset_limit(journal, called, workspace=workspace, by=by, clock=clock)


def limit_name(key: str, measure: Measure) -> str:
    """What the limit of a key is called, one for each measure."""
    return f"key.{key}.{measure.value}"


def _shown(tx: ReadTx, workspace: str, views: Sequence[KeyView], now_us: int) -> list[KeyShown]:
    these = [view.key.id for view in views]
    if not these:
        return []
    tokens: dict[str, list[TokenView]] = {}
    for row in tx.rows(_TOKENS, {"of": workspace, "these": these}):
        one = TokenView(row["prefix"], row["created_us"], row["until_us"], row["used_us"])
        tokens.setdefault(row["key"], []).append(one)
    budgets: dict[str, list[KeyBudget]] = {}
    for row in tx.rows(_BUDGETS, {"of": workspace, "these": these}):
        period = Period(row["period"])
        current = row["starts_us"] >= start_of(period, now_us)
        spent, reserved = (row["spent"], row["reserved"]) if current else (0, 0)
        budgets.setdefault(row["name"], []).append(KeyBudget(period, row["limit_micros"], spent, reserved))
    limits: dict[str, list[Limit]] = {}
    for limit in read_limits(tx, workspace).by_name.values():
        limits.setdefault(limit.key, []).append(limit)
    return [
        KeyShown(
            KeyView(view.key, view.status, tuple(tokens.get(view.key.id, ()))),
            sorted(budgets.get(view.key.id, ()), key=lambda each: each.period.value),
            limits.get(view.key.id, ()),
        )
        for view in views
    ]
