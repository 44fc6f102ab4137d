"""Orders about registered agents: change what one may touch, hand it over, retire it. Each change is a revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from sqlalchemy import bindparam, update

from remit.accounts.agents import (
    Agent,
    AgentStatus,
    administer,
    check_owner,
    check_places,
    find_agent,
    row_of,
    told_of,
)
from remit.accounts.budgets import BudgetScope, add_limit
from remit.accounts.reasons import Mask, given
from remit.accounts.tables import AGENT
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.money import Money
from remit.kernel.ports import Journal, Tx

_CHANGE = (
    update(AGENT)
    .where(
        AGENT.c.workspace == bindparam("of"),
        AGENT.c.name == bindparam("called"),
        AGENT.c.revision == bindparam("was"),
    )
    .values(
        **{
            name: bindparam(f"new_{name}")
            for name in ("kind", "owner", "team", "effects", "tools", "status", "models", "domains", "revision")
        }
    )
)


@dataclass(frozen=True, slots=True)
class AgentChange:
    """What is to be different; ``None`` leaves it as it is."""

    kind: str | None = None
    team: str | None = None
    effects: frozenset[str] | None = None
    tools: frozenset[str] | None = None
    models: frozenset[str] | None = None
    domains: frozenset[str] | None = None
    owner: str | None = None
    spend_limit: Money | None = None


async def update_agent(journal: Journal, name: str, *, workspace: str, by: Principal, change: AgentChange) -> Agent:
    """Change what an agent is or may touch; in force at the next check (250 ms). The log has both revisions.

    Raises:
        Refused: ``by`` may not administer agents of its team, the old or the new.
        InvalidInput: Nothing to change, or something that no agent can have.
        NotFound: There is no such agent or team.
        Conflict: It is retired, or somebody else changed it meanwhile.
    """
    wanted = {
        one.name: value
        for one in fields(change)
        if one.name != "spend_limit" and (value := getattr(change, one.name)) is not None
    }
    if not wanted and change.spend_limit is None:
        message = "Nothing was given that should change."
        raise InvalidInput(message, code="accounts.agent", hint="remit agents update --help")

    def renew(old: Agent) -> Agent:
        return replace(old, **wanted, revision=old.revision + 1)

    return await _revise(
        journal, name, "accounts.agent.updated", renew, workspace=workspace, by=by, limit=change.spend_limit
    )


async def transfer_agent(journal: Journal, name: str, *, workspace: str, owner: str, by: Principal) -> Agent:
    """Make somebody else answer for an agent; audited. Raises as ``update_agent`` does."""

    def renew(old: Agent) -> Agent:
        return replace(old, owner=owner, revision=old.revision + 1)

    return await _revise(journal, name, "accounts.agent.transferred", renew, workspace=workspace, by=by)


async def retire_agent(
    journal: Journal, name: str, *, workspace: str, reason: str, by: Principal, mask: Mask | None = None
) -> Agent:
    """End an agent for good: nothing of it starts any more, and its name stays taken. Audited.

    What of it runs may finish; ``kill`` it first where that is too long. Raises as ``update_agent`` does, and:

    Raises:
        InvalidInput: No reason.
    """
    why = given(reason, mask=mask)

    def renew(old: Agent) -> Agent:
        return replace(old, status=AgentStatus.RETIRED, revision=old.revision + 1)

    return await _revise(journal, name, "accounts.agent.retired", renew, workspace=workspace, by=by, reason=why)


async def _revise(
    journal: Journal,
    name: str,
    action: str,
    renew: Callable[[Agent], Agent],
    *,
    workspace: str,
    by: Principal,
    limit: Money | None = None,
    reason: str = "",
) -> Agent:
    entry = Entry(
        actor=by,
        action=action,
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=name[:64],
    )

    def op(tx: Tx) -> Agent:
        old = _asked(tx, name, workspace=workspace, by=by)
        if old.status is AgentStatus.RETIRED:
            message = f"The agent {name!r} is retired: it stays as it was."
            raise Conflict(message, code="accounts.retired", hint="remit agents register NAME")
        new = renew(old)
        if new.team != old.team:
            administer(tx, by, workspace=workspace, team=new.team)
        if (new.team, new.owner) != (old.team, old.owner):
            check_places(tx, new)
        if new.owner != old.owner:
            check_owner(tx, by, new.owner, workspace=workspace)
        values = {f"new_{key}": value for key, value in row_of(new).items() if key not in {"workspace", "name"}}
        if tx.execute(_CHANGE, {"of": workspace, "called": name, "was": old.revision, **values}) != 1:
            message = f"Somebody else changed the agent {name!r} meanwhile."
            raise Conflict(message, code="accounts.agent_changed", hint=f"remit agents show {name}")
        payload: dict[str, Json] = {"before": told_of(old), "after": told_of(new)}
        if limit is not None:
            before = add_limit(tx, workspace=workspace, scope=BudgetScope.AGENT, name=name, limit=limit)
            payload |= {"spend_limit_micros": limit.micros, "spend_limit_before_micros": before}
        tx.append(entry, payload | ({"reason": reason} if reason else {}))
        return new

    return await journal.commit("accounts.agent", op)


def _asked(tx: Tx, name: str, *, workspace: str, by: Principal) -> Agent:
    """The agent, for somebody who may administer it; who may not learns nothing of what there is."""
    try:
        agent = find_agent(tx, workspace=workspace, name=name)
    except NotFound:
        administer(tx, by, workspace=workspace, team="")
        raise
    administer(tx, by, workspace=workspace, team=agent.team)
    return agent
