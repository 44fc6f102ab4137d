"""Fourth check: is the service behind it there? An open circuit refuses at once, with the time to come back."""

from __future__ import annotations

from remit.guard.circuits import key_of
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action
from remit.kernel.decision import Check

NAME = "breaker"
ALLOWED = allowed(NAME)


def check(action: Action, scene: Scene) -> Check:
    """Take leave for one call, which the attempt gives back with how it went."""
    key = key_of(action)
    if key is None:
        return ALLOWED
    scene.lease = scene.circuits.take(key)
    if scene.lease is not None:
        return ALLOWED
    wait = scene.circuits.wait(key)
    name = scene.redactor.mask(key.operation)
    return denied(NAME, "open", f"{name} failed too often; its circuit is open for another {wait:.0f} s.")
