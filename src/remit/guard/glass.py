"""Break-glass at the guard: a refusal that two persons lifted for somebody, for minutes.

A check that would refuse asks ``lifted``; a grant that is used is used up to its end in the intent's transaction, so
that one which was closed meanwhile lets nothing start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from remit.accounts.break_glass import Grant, Lifts, use
from remit.accounts.kills import KillScope
from remit.guard.scene import Scene, Standing
from remit.kernel.action import Action, ActorKind
from remit.kernel.decision import Check, Verdict
from remit.kernel.ports import Tx

NAME = "break_glass"


class GlassOverError(Exception):
    """A grant ended between the check and the intent."""


def grant_for(action: Action, standing: Standing, lifts: Lifts, what: str) -> Grant | None:
    """The grant in force that lifts ``what`` for this action, if there is one."""
    for grant in standing.grants:
        lift = grant.lift
        if lift.lifts is lifts and lift.what == what and _covers(action, standing, lift.scope, lift.name):
            return grant
    return None


def lifted(check: str, action: Action, scene: Scene, *, lifts: Lifts, what: str) -> Check | None:
    """The verdict of ``check`` when a grant lifts what it would refuse; the use is audited with the intent."""
    grant = grant_for(action, scene.standing, lifts, what)
    return None if grant is None else spent(check, scene, [grant])


def spent(check: str, scene: Scene, grants: Iterable[Grant]) -> Check:
    """The verdict of ``check`` where ``grants`` lifted its refusals."""
    used = list(grants)
    scene.grants += used
    told = "; ".join(f"{grant.lift} ({grant.id}, confirmed by {grant.confirmed_by})" for grant in used)
    return Check(check, Verdict.ALLOW, NAME, f"lifted by break-glass: {told}")


def using(action: Action, grants: Iterable[Grant], now_us: int) -> Callable[[Tx], None]:
    """The operation that uses the grants, for the transaction of the intent.

    Raises (when run):
        GlassOverError: One is over.
    """
    wanted = {grant.id: grant for grant in grants}

    def op(tx: Tx) -> None:
        for grant in wanted.values():
            if not use(tx, grant, action=action.id, who=action.principal, now_us=now_us):
                message = f"The break-glass {grant.id} for {grant.lift} ended before this could start."
                raise GlassOverError(message)

    return op


def _covers(action: Action, standing: Standing, scope: KillScope, name: str) -> bool:
    if scope is KillScope.MISSION:
        return action.mission == name
    agents = [who.id for who in (action.principal, action.on_behalf_of) if who.kind is ActorKind.AGENT]
    if scope is KillScope.AGENT:
        return name in agents
    known = [standing.agents.get(agent) for agent in agents]
    return scope is KillScope.TEAM and any(agent is not None and agent.team == name for agent in known)
