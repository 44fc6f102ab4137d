"""Budgets as people set them: a limit for a workspace, an agent or a mission. ``guard.budget`` reserves and settles."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.tables import BUDGET
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Denied
from remit.kernel.money import Money
from remit.kernel.ports import Journal, Tx

_AT = (
    BUDGET.c.workspace == bindparam("of"),
    BUDGET.c.scope == bindparam("in_scope"),
    BUDGET.c.name == bindparam("called"),
)
_SELECT = select(BUDGET).where(*_AT)
_LIMIT = update(BUDGET).where(*_AT).values(limit_micros=bindparam("most"))
_INSERT = insert(BUDGET)


class BudgetScope(StrEnum):
    """Whose money it is; checked in this order."""

    WORKSPACE = "workspace"
    AGENT = "agent"
    MISSION = "mission"


def add_limit(tx: Tx, *, workspace: str, scope: BudgetScope, name: str, limit: Money) -> int | None:
    """Set a limit inside another operation; what was spent stays. Returns the old limit in micros, if there was one.

    The caller's own audit entry names the limit.
    """
    at = {"of": workspace, "in_scope": scope.value, "called": name}
    row = tx.row(_SELECT, at)
    if row is not None:
        tx.execute(_LIMIT, {**at, "most": limit.micros})
        return int(row["limit_micros"])
    tx.execute(
        _INSERT,
        {
            "workspace": workspace,
            "scope": scope.value,
            "name": name,
            "limit_micros": limit.micros,
            "spent": 0,
            "reserved": 0,
        },
    )
    return None


async def set_limit(
    journal: Journal, scope: BudgetScope, *, workspace: str, name: str, limit: Money, by: Principal
) -> None:
    """Set or change what a scope may spend, and audit it. ``name`` is empty for the workspace itself.

    Raises:
        Denied: ``by`` is an agent.
    """
    if by.kind is ActorKind.AGENT:
        message = f"{by} is an agent: agents set no budgets."
        raise Denied(message, code="accounts.agent_administers", hint="run the command as a person")
    entry = Entry(
        actor=by,
        action="accounts.budget.set",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=f"{scope.value} {name}".strip(),
        mission=name if scope is BudgetScope.MISSION else "",
    )

    def op(tx: Tx) -> None:
        before = add_limit(tx, workspace=workspace, scope=scope, name=name, limit=limit)
        tx.append(entry, {"limit_micros": limit.micros, "before_micros": before})

    await journal.commit("guard.budget", op)
