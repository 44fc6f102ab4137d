"""Workspaces: made together with an owner and a team, and what plan they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

import orjson
from sqlalchemy import bindparam, insert, select, update

from remit.accounts.access import Permission, Resource, lock, reading, require
from remit.accounts.plans import PLANS, PlanName, WorkspacePlan, plan_of
from remit.accounts.roles import Role
from remit.accounts.tables import EVERYWHERE, USER, WORKSPACE
from remit.accounts.teams import Team, add_team
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput
from remit.kernel.ports import Journal, ReadTx, Tx

LONGEST_ID = 100

_ADD = insert(WORKSPACE)
_ADD_OWNER = insert(USER)
_KNOWN = select(WORKSPACE.c.workspace).where(WORKSPACE.c.workspace == bindparam("of"))
_PLAN = (
    update(WORKSPACE)
    .where(WORKSPACE.c.workspace == bindparam("of"))
    .values(plan=bindparam("to"), plan_numbers=bindparam("numbers"))
)

#: Numbers that a workspace may have of its own; ``None`` (no limit) only where a plan may have none.
NUMBERS = tuple(one.name for one in fields(WorkspacePlan) if one.name != "name")
UNLIMITED = frozenset({"model_tokens_per_day", "render_minutes_per_day", "members", "agents"})


async def create_workspace(
    journal: Journal, workspace: str, *, home: str, team: Team, name: str, by: Principal, clock: Clock
) -> None:
    """Make a workspace with its owner (whoever orders it) and the team that owns it, all or nothing; audited in both.

    Args:
        journal: The store.
        workspace: Its id.
        home: The workspace in whose name ``by`` asks; they administer it.
        team: The team that owns the new one, with ``workspace`` as its workspace.
        name: What people call it.
        by: Who asks.
        clock: Wall time.

    Raises:
        Refused: ``by`` does not administer ``home``.
        InvalidInput: An id that no workspace can have.
        Conflict: There is one.
    """
    if not 0 < len(workspace) <= LONGEST_ID or not workspace.isprintable() or workspace == EVERYWHERE:
        message = f"A workspace's id has 1 to {LONGEST_ID} printable characters and isn't '*'."
        raise InvalidInput(message, code="accounts.workspace")
    if team.workspace != workspace:
        message = f"The team is one of {team.workspace!r}, not of {workspace!r}."
        raise InvalidInput(message, code="accounts.workspace")

    def op(tx: Tx) -> None:
        require(tx, by, workspace=home, permission=Permission.ADMIN)
        if tx.row(_KNOWN, {"of": workspace}) is not None:
            message = f"There is a workspace {workspace!r} already."
            raise Conflict(message, code="accounts.taken", hint="remit workspaces create OTHER --team TEAM")
        at = micros_of(clock.now())
        plan = PlanName.FREE.value
        row = {"workspace": workspace, "name": name or workspace, "created_us": at, "plan": plan, "team": team.slug}
        tx.execute(_ADD, row)
        tx.execute(
            _ADD_OWNER,
            {"workspace": workspace, "id": by.id, "name": by.id, "role": Role.OWNER.value, "created_us": at},
        )
        add_team(tx, team, owner=by.id, by=by, clock=clock)
        for place in (workspace, home):
            tx.append(_entry("accounts.workspace.created", place, workspace, by), {"team": team.slug, "owner": by.id})

    await journal.commit("accounts.workspace", op)


async def show_plan(journal: Journal, *, workspace: str, by: Principal) -> dict[str, Json]:
    """The plan in force, every number, and which numbers are the workspace's own.

    Raises:
        Refused: ``by`` may not read the workspace.
    """

    def op(tx: ReadTx) -> dict[str, Json]:
        require(tx, by, workspace=workspace, permission=Permission.READ)
        plan = plan_of(tx, workspace)
        numbers: dict[str, Json] = {name: getattr(plan, name) for name in NUMBERS}
        own = [name for name in NUMBERS if getattr(plan, name) != getattr(PLANS[plan.name], name)]
        return {"plan": plan.name.value, "numbers": numbers, "own": own, "plans": [name.value for name in PLANS]}

    return await reading(journal, op)


async def set_plan(
    journal: Journal,
    plan: PlanName,
    *,
    workspace: str,
    by: Principal,
    numbers: Mapping[str, int | None] | None = None,
) -> None:
    """Put a workspace on a plan, with numbers of its own where they are to differ from the plan's; audited.

    Raises:
        Refused: ``by`` is no owner: a plan is what the workspace costs.
        InvalidInput: A number that no plan has, or one that it can't be.
    """
    own = _checked(numbers or {})

    def op(tx: Tx) -> None:
        lock(tx, workspace)
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.PLAN)
        before = asdict(plan_of(tx, workspace))
        tx.execute(_PLAN, {"of": workspace, "to": plan.value, "numbers": orjson.dumps(own).decode()})
        told: dict[str, Json] = {"plan": plan.value, "numbers": dict(own), "before": before}
        tx.append(_entry("accounts.plan.set", workspace, plan.value, by), told)

    await journal.commit("accounts.workspace", op)


def _checked(numbers: Mapping[str, int | None]) -> dict[str, int | None]:
    problems: list[str] = []
    for name, number in numbers.items():
        if name not in NUMBERS:
            problems.append(f"{name!r} is no number of a plan: {', '.join(NUMBERS)}")
        elif number is None and name not in UNLIMITED:
            problems.append(f"{name} can't be without a limit")
        elif number is not None and not 1 <= number < 1 << 53:
            problems.append(f"{name} must be at least 1")
    if problems:
        message = f"The plan can't be set: {'; '.join(problems)}."
        raise InvalidInput(message, code="accounts.plan", hint="remit plan show", problems=tuple(problems))
    return dict(numbers)


def _entry(action: str, workspace: str, subject: str, by: Principal) -> Entry:
    return Entry(
        actor=by, action=action, domain="accounts", result=Result.SUCCESS, workspace=workspace, subject=subject
    )
