"""Beside the first check: does the virtual key that an action came in by still hold, and does it open this?

The gateway looked at the token; here the key itself is asked again, with the standing that everything else is judged
by, so that nothing depends on who built the action. A key only ever narrows: its agent and its owner are judged as for
any other action.
"""

from __future__ import annotations

from remit.accounts.keys import SCOPE_OF, Key, KeyScope
from remit.accounts.reach import reaches_model
from remit.guard.scene import Scene, denied
from remit.kernel.action import Action
from remit.kernel.clock import iso, micros_of
from remit.kernel.decision import Check
from remit.kernel.effects import Model, Tool

NAME = "key"


def refused(action: Action, scene: Scene) -> Check | None:
    """Why the key does not open this; ``None``: it does. To be asked for actions with a key."""
    key = scene.standing.gateway.keys.get(action.key)
    if key is None:
        return denied(NAME, "unknown", f"There is no key {action.key[:60]!r} in this workspace.")
    if key.revoked_us is not None:
        return denied(NAME, "revoked", f"The key {key.id!r} was revoked at {iso(key.revoked_us)}.")
    if key.expires_us is not None and key.expires_us <= micros_of(scene.at):
        return denied(NAME, "expired", f"The key {key.id!r} held until {iso(key.expires_us)}.")
    if (action.principal, action.on_behalf_of) != (key.principal, key.on_behalf_of):
        told = f"The key {key.id!r} is the agent {key.agent!r}'s, for {key.owner!r}, and nobody else's."
        return denied(NAME, "another", told)
    return _beyond(key, action, scene)


def _beyond(key: Key, action: Action, scene: Scene) -> Check | None:
    """What a key that holds does not open. Whatever isn't a model or a tool no key does."""
    effect = action.effect
    scope: KeyScope | None = None
    if isinstance(effect, Model):
        if not reaches_model(key.models, effect.target):
            model = scene.redactor.mask(effect.target)[:80]
            return denied(NAME, "model", f"The key {key.id!r} may not ask the model {model!r}.")
        scope = SCOPE_OF[effect.wire]
    elif isinstance(effect, Tool):
        scope = KeyScope.TOOLS
    if scope is None or not key.opens(scope):
        what = action.kind if scope is None else scope.value
        return denied(NAME, "scope", f"The key {key.id!r} does not open {what!r}.")
    return None
