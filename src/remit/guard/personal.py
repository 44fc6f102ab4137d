"""Personal data in what a model is asked: tokens go out, and what they stand for comes back to the owner's side.

Done where the policy says so (the setting ``personal_data``); payment cards are masked one way without it. What the
store and the audit log keep of the action has the tokens; what the caller gets has the values, except in the arguments
of tools that the model asks for: those leave for somebody else. A tool that may have the values is named by the setting
``personal_tools``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import Held
from remit.guard.scene import Scene
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Model, Tool
from remit.kernel.mission import Outcome
from remit.redact.personal.kinds import Personal
from remit.redact.redactor import Redactor
from remit.redact.vault import Vault, mapped

#: Under these names providers put what a model wants a tool called with.
_CALLS = frozenset({"tool_calls", "function_call", "functioncall", "tool_call", "tool_use"})
_TYPES = frozenset({"tool_use", "function_call", "tool_call", "server_tool_use", "mcp_call", "custom_tool_call"})


def hide(scene: Scene, said: Check) -> Check:
    """Give the adapter tokens (a model) or what they stand for (a tool that may); ``said`` where neither is needed."""
    held = scene.vault
    effect = scene.performed.effect
    if held is None:
        return said
    if isinstance(effect, Tool):
        return _reveal(scene, held, effect, said)
    if not isinstance(effect, Model):
        return said
    with held.lock:
        request, scene.kept = held.vault.mask_tree(
            dict(effect.request), regions=scene.personal.regions, also=scene.found
        )
    if not scene.kept:
        return said
    effect = replace(effect, request=cast("Mapping[str, Json]", request), body=b"")
    scene.performed = replace(scene.performed, effect=effect)
    counted = Counter(each.label for each in scene.kept)
    told = ", ".join(f"{count} {label}" for label, count in sorted(counted.items()))
    before = f"{said.detail} " if said.detail else ""
    return Check(said.name, Verdict.ALLOW, "masked", f"{before}Personal data went to the model as tokens: {told}.")


def hide_cards(scene: Scene, said: Check) -> Check:
    """Mask the payment cards that are still in what a model is asked, one way; ``said`` where there is none.

    With tokens for personal data those are cards that no text holds: numbers, and names of members.
    """
    effect = cast("Model", scene.performed.effect)
    before: dict[str, Json] = dict(effect.request)
    request = scene.redactor.mask_tree(before, names=False, cards=True)
    if request is before:
        return said
    effect = replace(effect, request=cast("Mapping[str, Json]", request), body=b"")
    scene.performed = replace(scene.performed, effect=effect)
    told = f"{said.detail} " if said.detail else ""
    return Check(said.name, Verdict.ALLOW, "masked", f"{told}Payment cards were masked before the model call left.")


async def found_elsewhere(action: Action, redactor: Redactor, terms: PersonalTerms) -> dict[str, Sequence[Personal]]:
    """What the policy's other finder finds in each text of a request, once its secrets are masked."""
    effect, also = action.effect, terms.also
    if also is None or not isinstance(effect, Model):
        return {}
    texts: dict[str, None] = {}

    def note(text: str) -> str:
        texts[text] = None
        return text

    mapped(redactor.mask_tree(dict(effect.request), names=False), note)
    return await asyncio.to_thread(lambda: {text: also(text) for text in texts})


def _reveal(scene: Scene, held: Held, effect: Tool, said: Check) -> Check:
    with held.lock:
        arguments = held.vault.restore_tree(dict(effect.arguments))
    if arguments == effect.arguments:
        return said
    scene.performed = replace(scene.performed, effect=replace(effect, arguments=cast("Mapping[str, Json]", arguments)))
    detail = f"The tool {effect.name} may have personal data: what the tokens stand for went with its arguments."
    return Check(said.name, Verdict.ALLOW, "restored", detail)


def restored(done: Outcome, held: Held) -> Outcome:
    """An answer as the owner's side reads it; what tools are to be called with keeps its tokens."""
    with held.lock:
        vault = held.vault
        value = cast("dict[str, Json]", _owners(done.value, vault))
        return replace(done, value=value, text=vault.restore(done.text))


def _owners(value: object, vault: Vault) -> object:
    match value:
        case dict():
            known = cast("dict[str, object]", value)
            if known.get("type") in _TYPES:
                return known
            return {
                key: each if key.lower() in _CALLS or key.lower() == "toolcalls" else _owners(each, vault)
                for key, each in known.items()
            }
        case list() | tuple():
            return [_owners(each, vault) for each in cast("list[object]", value)]
        case _:
            return mapped(value, vault.restore)
