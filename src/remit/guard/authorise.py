"""Second check: may they? An agent has what it was registered with, and never more than whoever it acts for."""

from __future__ import annotations

from remit.accounts.agents import ANY_TOOL
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check
from remit.kernel.effects import Tool

NAME = "authorise"
ALLOWED = allowed(NAME)


def check(action: Action, scene: Scene) -> Check:
    """The local owner may ask for every effect; it takes the guard's path like everyone's."""
    if action.kind not in scene.kinds:
        return denied(NAME, "no_adapter", f"Nothing in this installation performs effects of kind {action.kind!r}.")
    return (
        _beyond(action.principal, action, scene)
        or (None if action.on_behalf_of == action.principal else _beyond(action.on_behalf_of, action, scene))
        or ALLOWED
    )


def _beyond(who: Principal, action: Action, scene: Scene) -> Check | None:
    """What ``who`` may not do here. Identity was checked: a user is the owner, Remit has its originator's rights."""
    if who.kind is not ActorKind.AGENT:
        return None
    agent = scene.standing.agents.get(who.id)
    if agent is None or action.kind not in agent.effects:
        return denied(NAME, "effect", f"The agent {who.id!r} may not ask for effects of kind {action.kind!r}.")
    effect = action.effect
    if isinstance(effect, Tool) and effect.name not in agent.tools and ANY_TOOL not in agent.tools:
        return denied(NAME, "tool", f"The agent {who.id!r} may not call the tool {effect.name[:60]!r}.")
    return None
