"""Third check: secrets. What is executed is refused, what is read goes on masked; no payload is changed in silence.

An address counts as executed: a masked URL would fetch something nobody asked for.

Where a workspace's gateway policy says ``redaction=off``, prompts of models go as they are, but for one that carries a
value that is registered here (a secret of Remit's own, such as a provider's key): it is masked as ever.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from remit.guard import canary
from remit.guard.personal import hide, hide_cards
from remit.guard.scene import Scene, Standing, allowed, denied
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Command, Effect, Model, Notify, Tool, WriteFiles
from remit.redact.blocks import mask_joints
from remit.redact.personal.cards import may_hold
from remit.redact.redactor import Redactor

NAME = "scan"
ALLOWED = allowed(NAME)


def redacts(action: Action, standing: Standing) -> bool:
    """Whether what is read is masked: always, but for models where the workspace's gateway policy switched it off."""
    return standing.gateway.policy.redaction or not isinstance(action.effect, Model)


def served(action: Action) -> bool:
    """Whether it calls a tool that a server offers, or that is no function of this process."""
    return isinstance(action.effect, Tool) and (action.effect.outside or "/" in action.effect.name)


def hides_cards(action: Action, standing: Standing) -> bool:
    """Whether payment cards are masked in what comes back: from models, and from servers of tools to whoever asks them.

    The results of an agent's own functions stay as they are in this process; on their way to a model their cards go.
    """
    return standing.gateway.policy.redaction and (isinstance(action.effect, Model) or served(action))


def check(action: Action, scene: Scene) -> Check:
    """Secrets first, one way; then, where the policy says so, personal data as tokens; then cards (``personal``)."""
    verdict = _secrets(action, scene)
    if verdict.verdict is Verdict.DENY:
        return verdict
    if isinstance(action.effect, Model):
        verdict = _parted(action, scene, verdict)
    if scene.vault is not None:
        verdict = hide(scene, verdict)
    if isinstance(action.effect, Model) and may_hold(action.payload) and redacts(action, scene.standing):
        return hide_cards(scene, verdict)
    return verdict


def _secrets(action: Action, scene: Scene) -> Check:
    """Scan everything that leaves: the canonical payload, and the bytes that it only names by hash."""
    if canary.leaks(action, scene.redactor):
        detail = f"The {action.kind} carries the mission's canary: its system prompt is being carried out."
        return denied(NAME, "canary", detail)
    if not redacts(action, scene.standing) and not scene.redactor.registered.find(action.payload.decode()):
        detail = f"redaction: off, by the gateway's policy, revision {scene.standing.gateway.policy.revision}."
        return Check(NAME, Verdict.ALLOW, "off", detail)
    kinds = secrets_in(action, scene.redactor)
    if not kinds:
        scene.clean = True
        return ALLOWED
    told = ", ".join(kinds)
    effect = masked(action.effect, scene.redactor)
    if effect is None:
        detail = f"The {action.kind} carries a secret ({told}); what is executed is never changed, so it is refused."
        return denied(NAME, "secret", detail)
    scene.performed = replace(action, effect=effect)
    if secrets_in(scene.performed, scene.redactor):
        return denied(NAME, "secret", f"The {action.kind} carries a secret ({told}) where it can't be masked.")
    return Check(NAME, Verdict.ALLOW, "masked", f"Secrets were masked before the {action.kind} left: {told}.")


def _parted(action: Action, scene: Scene, said: Check) -> Check:
    """What is parted over texts of a prompt that belong together is masked too, where what is in one text is."""
    effect = cast("Model", scene.performed.effect)
    on = redacts(action, scene.standing)
    request = mask_joints(effect.request, scene.redactor, cards=on, registered=not on)
    if request is None:
        return said
    scene.clean = False
    effect = replace(effect, request=cast("dict[str, Json]", request), body=b"")
    scene.performed = replace(scene.performed, effect=effect)
    told = f"{said.detail} " if said.detail else ""
    detail = f"{told}A secret that was parted over several texts was masked before the {action.kind} left."
    return Check(NAME, Verdict.ALLOW, "masked", detail)


def secrets_in(action: Action, redactor: Redactor) -> list[str]:
    """The kinds of secrets that the action carries, each once."""
    found = redactor.scan(action.payload)
    effect = action.effect
    if isinstance(effect, WriteFiles):
        for data in effect.files.values():
            found += redactor.scan(data)
    elif isinstance(effect, Command) and effect.stdin:
        found += redactor.scan(effect.stdin)
    return list(dict.fromkeys(span.kind for span in found)) if found else []


def masked(effect: Effect, redactor: Redactor) -> Effect | None:
    """The effect with its readable text masked; ``None`` for one that is executed."""
    match effect:
        case Model():
            request = cast("dict[str, Json]", redactor.mask_tree(dict(effect.request), names=False))
            headers = tuple((name, redactor.mask(value)) for name, value in effect.headers)
            return replace(effect, request=request, body=b"", headers=headers)
        case Notify():
            return replace(effect, subject=redactor.mask(effect.subject), body=redactor.mask(effect.body))
        case _:
            return None


def closed(action: Action, scene: Scene) -> Check:
    """``check``; what can't be scanned is refused, whatever went wrong."""
    try:
        return check(action, scene)
    except Exception as error:  # noqa: BLE001 - no answer is no leave
        detail = f"The {action.kind} could not be scanned for secrets ({type(error).__name__}), so it is refused."
        return denied(NAME, "unscanned", detail)
