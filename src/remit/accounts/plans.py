"""Plans: what a workspace may use, as data. Every number is a default that an operator may override.

Numbers the ledger names (retention, tokens, rendering) are its own; the others grow in steps that a reader can guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

import orjson
from sqlalchemy import bindparam, select

from remit.accounts.tables import WORKSPACE
from remit.kernel.ports import ReadTx


class PlanName(StrEnum):
    """The plans, smallest first."""

    FREE = "free"
    PRO = "pro"
    STUDIO = "studio"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class WorkspacePlan:
    """What a workspace may use. ``None`` means without a limit.

    Attributes:
        name: Which plan.
        retention_days: How long payloads of the audit log are kept (AUD-2).
        model_tokens_per_day: Tokens of model calls, for each agent and day (LIM-2).
        render_minutes_per_day: Minutes of rendering a day (LIM-2).
        rate_factor: What the rates of LIM-1 are multiplied by.
        parallel_missions: Missions of the workspace that run at once.
        queued_missions: Missions that may wait; one more is refused.
        members: People in the workspace's teams.
        agents: Registered agents.
    """

    name: PlanName
    retention_days: int
    model_tokens_per_day: int | None
    render_minutes_per_day: int | None
    rate_factor: int
    parallel_missions: int
    queued_missions: int
    members: int | None
    agents: int | None


PLANS: Mapping[PlanName, WorkspacePlan] = MappingProxyType(
    {
        plan.name: plan
        for plan in (
            WorkspacePlan(PlanName.FREE, 30, 100_000, 60, 1, 2, 10, 5, 10),
            WorkspacePlan(PlanName.PRO, 365, 1_000_000, 240, 3, 4, 50, 25, 50),
            WorkspacePlan(PlanName.STUDIO, 3 * 365, 5_000_000, 1440, 10, 16, 200, 100, 250),
            WorkspacePlan(PlanName.ENTERPRISE, 7 * 365, None, None, 30, 64, 2000, None, None),
        )
    }
)

_PLAN = select(WORKSPACE.c.plan, WORKSPACE.c.plan_numbers).where(WORKSPACE.c.workspace == bindparam("of"))


def plan_of(tx: ReadTx, workspace: str) -> WorkspacePlan:
    """The plan in force, with the workspace's own numbers; an unknown workspace has the smallest plan."""
    row = tx.row(_PLAN, {"of": workspace})
    if row is None:
        return PLANS[PlanName.FREE]
    plan = PLANS[PlanName(row["plan"])]
    return replace(plan, **orjson.loads(row["plan_numbers"])) if row["plan_numbers"] != "{}" else plan


def lifting(plan: WorkspacePlan, limit: str, needed: int) -> PlanName | None:
    """The smallest larger plan whose ``limit`` (an attribute's name) is at least ``needed``; ``None``: no plan is."""
    names = list(PlanName)
    for name in names[names.index(plan.name) + 1 :]:
        most = getattr(PLANS[name], limit)
        if most is None or most >= needed:
            return name
    return None
