"""Is the service behind it there? An open circuit refuses at once, with the time to come back."""

from __future__ import annotations

from remit.guard.circuits import key_of
from remit.guard.scene import Scene, allowed, denied
from remit.guard.trials import Key
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict

NAME = "breaker"
ALLOWED = allowed(NAME)


def check(action: Action, scene: Scene) -> Check:
    """Take leave for one call, which the attempt gives back with how it went."""
    key = key_of(action)
    if key is None:
        return ALLOWED
    if scene.answer is not None:
        return Check(NAME, Verdict.ALLOW, "kept", "An answer that was kept is given again: nothing is called.")
    scene.lease = scene.circuits.take(key, action.id)
    return refused(key, scene) if scene.lease is None else ALLOWED


def refused(key: Key, scene: Scene) -> Check:
    """The verdict on a circuit that is open, or whose trials are all running: what, why, when again."""
    wait = scene.circuits.wait(key)
    name = scene.redactor.mask(key.operation)
    why = scene.redactor.mask(scene.circuits.why(key)) or "it failed too often"
    again = "until a person resets it" if wait > 10 * 365 * 86_400 else f"for another {wait:.0f} s"
    return denied(NAME, "open", f"{name}: its circuit is open {again} ({why}).")
