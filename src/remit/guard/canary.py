"""Canaries: a word for each mission that stands in its system prompts and nowhere else. Whatever carries it out leaks.

The word is made from the install's key and the mission's id, so that every process knows it and none has to keep it. It
is looked for in every form in which registered values are (hexadecimal, base64 at all alignments, percent escapes ...),
and with blanks and invisible characters taken out, for a model can spell.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from remit.guard.provenance import asked, leaves
from remit.kernel.action import Action
from remit.kernel.canonical import Json, canonical
from remit.kernel.effects import Command, Model, WriteFiles
from remit.redact.forms import forms
from remit.redact.redactor import Redactor

_MARK = "cn"
_SYSTEM = frozenset(("system", "developer"))
_PROMPTS = frozenset(("system", "instructions"))
_BETWEEN = dict.fromkeys(
    map(ord, " \t\r\n\v\f._*|/\\\"',-\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")
)
_MOST_SQUEEZED = 256 * 1024  # characters that are looked at a second time


@lru_cache(maxsize=64)
def key_of(redactor: Redactor) -> bytes:
    """32 bytes that only this install knows, the same in all its processes: drawn from the key of its masks."""
    return bytes.fromhex("".join(redactor.suffix(f"remit/provenance/{number}") for number in range(16)))


@lru_cache(maxsize=512)
def canary(redactor: Redactor, mission: str) -> str:
    """The mission's word: 26 letters and digits, to be put in a system prompt as they are."""
    return _MARK + hmac.new(key_of(redactor), f"canary/{mission}".encode(), hashlib.sha256).hexdigest()[:24]


@lru_cache(maxsize=512)
def _forms(redactor: Redactor, mission: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*forms(canary(redactor, mission)), canary(redactor, mission).upper())))


def stands_in(text: str, redactor: Redactor, mission: str) -> bool:
    """Whether the mission's word stands in ``text`` in any form."""
    return _plainly(text, redactor, mission) or _spelt(text, redactor, mission)


def leaks(action: Action, redactor: Redactor) -> bool:
    """Whether an action carries its mission's word out; in a model's own system prompt it is at home."""
    mission = action.mission
    if not mission:
        return False
    effect = action.effect
    if isinstance(effect, Model):
        request = _without_system(effect.request)
        sent, words = canonical(request).decode("utf-8", "replace"), "\n".join(leaves(request))
    else:
        sent, words = action.payload.decode("utf-8", "replace"), asked(action)
    if _plainly(sent, redactor, mission) or _spelt(words, redactor, mission):
        return True
    if isinstance(effect, WriteFiles):
        return any(_plainly(data.decode("latin-1"), redactor, mission) for data in effect.files.values())
    return isinstance(effect, Command) and _plainly(effect.stdin.decode("latin-1"), redactor, mission)


def _plainly(text: str, redactor: Redactor, mission: str) -> bool:
    return any(form in text for form in _forms(redactor, mission))


def _spelt(text: str, redactor: Redactor, mission: str) -> bool:
    """Letter by letter, or over lines: escapes of JSON would part it, so this is asked of the words themselves."""
    squeezed = text[:_MOST_SQUEEZED].translate(_BETWEEN)
    return len(squeezed) != len(text) and canary(redactor, mission) in squeezed.lower()


def _without_system(request: Mapping[str, Json]) -> dict[str, Json]:
    left = {name: each for name, each in request.items() if name not in _PROMPTS}
    messages = left.get("messages")
    if isinstance(messages, list | tuple):
        told = cast("Sequence[Json]", messages)
        left["messages"] = [each for each in told if not (isinstance(each, dict) and each.get("role") in _SYSTEM)]
    return left
