"""Limits of spending as people order them: for the workspace, or for an agent, key or mission that there is."""

from __future__ import annotations

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.agents import find_agent
from remit.accounts.budgets import BudgetScope, Limit, set_limit
from remit.accounts.key_orders import find_key
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx
from remit.missions.rows import read_mission


async def limit_spending(
    journal: Journal, wanted: Limit, amount: Money, *, workspace: str, by: Principal, clock: Clock
) -> int | None:
    """Set what a scope may spend, if there is somebody or something of that name; the old limit in micros, if any.

    Raises:
        NotFound: There is no such agent, key or mission: its limit would never hold anything back.
        Refused: ``by`` is an agent, or a person who may not administer budgets.
    """

    def check(tx: ReadTx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.BUDGET)
        _check_known(tx, workspace, wanted)

    await reading(journal, check)
    return await set_limit(
        journal,
        wanted.scope,
        workspace=workspace,
        name=wanted.name,
        limit=amount,
        by=by,
        period=wanted.period,
        clock=clock,
    )


def _check_known(tx: ReadTx, workspace: str, wanted: Limit) -> None:
    match wanted.scope:
        case BudgetScope.WORKSPACE:
            pass
        case BudgetScope.AGENT:
            find_agent(tx, workspace=workspace, name=wanted.name)
        case BudgetScope.KEY:
            find_key(tx, wanted.name, workspace=workspace)
        case BudgetScope.MISSION:
            read_mission(tx, workspace, wanted.name)
