"""First check: who acts and for whom, and whether any of it was stopped."""

from __future__ import annotations

from collections.abc import Mapping

from remit.accounts.agents import AgentStatus
from remit.accounts.break_glass import Grant, Lifts
from remit.accounts.kills import KillScope
from remit.guard import key_check
from remit.guard.glass import grant_for, spent
from remit.guard.scene import Scene, Standing, allowed, denied
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check

NAME = "identify"
ALLOWED = allowed(NAME)


def check(action: Action, scene: Scene) -> Check:
    """Both parties are known and active, and nothing that they belong to was killed or paused."""
    standing = scene.standing
    if standing.owner is None:
        return denied(NAME, "no_owner", f"The workspace {action.workspace!r} was not set up: remit init.")
    killed, lifting = _looked_up(action, standing, standing.kills)
    if killed:
        return denied(NAME, "killed", f"The {killed[0]} was stopped: {killed[1]}")
    paused, more = _looked_up(action, standing, standing.pauses)
    if paused:
        return denied(NAME, "paused", f"The {paused[0]} is paused: {paused[1]}")
    return (
        _unknown(action.principal, standing)
        or (None if action.on_behalf_of == action.principal else _unknown(action.on_behalf_of, standing))
        or _originless(action)
        or (key_check.refused(action, scene) if action.key else None)
        or (spent(NAME, scene, lifting + more) if lifting or more else ALLOWED)
    )


def stopped(action: Action, standing: Standing) -> str:
    """Why the action is stopped by a kill switch; empty when it isn't. Asked again while an attempt runs."""
    killed, _ = _looked_up(action, standing, standing.kills)
    return f"The {killed[0]} was stopped: {killed[1]}" if killed else ""


def _looked_up(
    action: Action, standing: Standing, stops: Mapping[tuple[KillScope, str], str]
) -> tuple[tuple[str, str] | None, list[Grant]]:
    """The first stop that holds for the action (what, why), and the grants that lift others of them."""
    lifting: list[Grant] = []
    if not stops:
        return None, lifting
    scopes = [(KillScope.INSTALL, "")]
    if action.mission:
        scopes.append((KillScope.MISSION, action.mission))
    for who in (action.principal, action.on_behalf_of):
        if who.kind is ActorKind.AGENT:
            agent = standing.agents.get(who.id)
            scopes += [(KillScope.AGENT, who.id), (KillScope.TEAM, agent.team if agent else "")]
    for scope, name in dict.fromkeys(scopes):
        reason = stops.get((scope, name))
        if reason is None:
            continue
        what = f"{scope.value} {name}".strip()
        grant = grant_for(action, standing, Lifts.STOP, what)
        if grant is None:
            return (what, reason), lifting
        lifting.append(grant)
    return None, lifting


def _unknown(who: Principal, standing: Standing) -> Check | None:
    match who.kind:
        case ActorKind.USER:
            if who.id not in standing.people:
                return denied(NAME, "unknown_user", f"There is no user {who.id[:60]!r} in this workspace.")
        case ActorKind.AGENT:
            agent = standing.agents.get(who.id)
            if agent is None:
                return denied(NAME, "unknown_agent", f"There is no agent {who.id[:60]!r} in this workspace.")
            if agent.status is not AgentStatus.ACTIVE:
                return denied(NAME, "inactive", f"The agent {who.id!r} is {agent.status.value}.")
        case ActorKind.SYSTEM:
            return None
    return None


def _originless(action: Action) -> Check | None:
    """Remit itself acts for somebody, never on its own account."""
    if action.on_behalf_of.kind is ActorKind.SYSTEM:
        return denied(NAME, "no_originator", "The action names no user or agent on whose behalf it is asked.")
    return None
