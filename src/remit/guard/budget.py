"""Money: reserved with the intent, settled with the outcome, in their transactions; never over, however many ask.

A scope without a row has no limit. An action that costs nothing reserves nothing: for it there is the check below.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select, update

from remit.accounts.budgets import BudgetScope
from remit.accounts.tables import BUDGET
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action, ActorKind
from remit.kernel.decision import Check
from remit.kernel.errors import BudgetExceeded
from remit.kernel.money import Money
from remit.kernel.ports import Tx

NAME = "budget"
ALLOWED = allowed(NAME)

type Scopes = tuple[tuple[BudgetScope, str], ...]

_AT = (
    BUDGET.c.workspace == bindparam("of"),
    BUDGET.c.scope == bindparam("in_scope"),
    BUDGET.c.name == bindparam("called"),
)
_RESERVE = (
    update(BUDGET)
    .where(*_AT, BUDGET.c.spent + BUDGET.c.reserved + bindparam("asked") <= BUDGET.c.limit_micros)
    .values(reserved=BUDGET.c.reserved + bindparam("asked"))
)
_SETTLE = (
    update(BUDGET)
    .where(*_AT)
    .values(reserved=BUDGET.c.reserved - bindparam("held"), spent=BUDGET.c.spent + bindparam("cost"))
)
_SELECT = select(BUDGET).where(*_AT)


def scopes(*, mission: str, agents: Iterable[str]) -> Scopes:
    """Whose budgets an action draws on, in the order in which rows are locked (the same everywhere: no deadlock)."""
    named = tuple((BudgetScope.AGENT, agent) for agent in sorted(set(agents)))
    return ((BudgetScope.WORKSPACE, ""), *named, *(((BudgetScope.MISSION, mission),) if mission else ()))


def scopes_of(action: Action) -> Scopes:
    """Whose budgets ``action`` draws on."""
    parties = (action.principal, action.on_behalf_of)
    return scopes(mission=action.mission, agents=(who.id for who in parties if who.kind is ActorKind.AGENT))


def check(action: Action, scene: Scene) -> Check:
    """Nothing more, not even what is free, in a scope that is spent beyond its limit."""
    over = scene.standing.over
    if over:
        for scope, name in scopes_of(action):
            if (scope, name) in over:
                return denied(NAME, "exceeded", f"The budget of {_label(scope, name)} is spent beyond its limit.")
    return ALLOWED


def reserve(tx: Tx, action: Action) -> None:
    """Reserve the estimate in every scope, all or (because the operation then fails as a whole) none.

    Raises:
        BudgetExceeded: It doesn't fit; the message says how much is left.
    """
    asked = action.estimate.micros
    if not asked:
        return
    for scope, name in scopes_of(action):
        at = {"of": action.workspace, "in_scope": scope.value, "called": name}
        if tx.execute(_RESERVE, {**at, "asked": asked}):
            continue
        row = tx.row(_SELECT, at)
        if row is not None:
            left = Money(max(row["limit_micros"] - row["spent"] - row["reserved"], 0))
            message = (
                f"The budget of {_label(scope, name)} has {left} left of {Money(row['limit_micros'])}, "
                f"and this {action.kind} may cost {action.estimate}."
            )
            raise BudgetExceeded(message, code="guard.budget")


def settle(tx: Tx, action: Action, *, cost: Money) -> None:
    """Replace what was reserved by what it cost."""
    settle_scopes(tx, action.workspace, scopes_of(action), held=action.estimate.micros, cost=cost.micros)


def settle_scopes(tx: Tx, workspace: str, of: Scopes, *, held: int, cost: int) -> None:
    """Replace ``held`` micros reserved in each scope by ``cost`` micros spent; nothing to do when both are zero."""
    if held or cost:
        for scope, name in of:
            tx.execute(
                _SETTLE,
                {"of": workspace, "in_scope": scope.value, "called": name, "held": held, "cost": cost},
            )


def _label(scope: BudgetScope, name: str) -> str:
    return "the workspace" if scope is BudgetScope.WORKSPACE else f"{scope.value} {name}"
