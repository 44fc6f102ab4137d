"""Canaries: a word for each mission that stands in its system prompts and nowhere else. Whatever carries it out leaks.

The word is made from the install's key and the mission's id, so that every process knows it and none has to keep it. It
is looked for in every form in which registered values are (hexadecimal, base64 at all alignments, percent escapes ...),
and with blanks and invisible characters taken out, for a model can spell.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache

from remit.kernel.action import Action
from remit.kernel.canonical import canonical
from remit.kernel.effects import Command, Model, WriteFiles
from remit.redact.redactor import Redactor
from remit.redact.registered import forms

_MARK = "cn"
_SYSTEM = frozenset(("system", "developer"))
_BETWEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff._*|/\\\"',-]+")
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
    if any(form in text for form in _forms(redactor, mission)):
        return True
    squeezed = _BETWEEN.sub("", text[:_MOST_SQUEEZED])
    return len(squeezed) != len(text) and canary(redactor, mission) in squeezed.lower()


def leaks(action: Action, redactor: Redactor) -> bool:
    """Whether an action carries its mission's word out; in a model's own system prompt it is at home."""
    if not action.mission:
        return False
    return any(stands_in(text, redactor, action.mission) for text in _carried(action))


def _carried(action: Action) -> list[str]:
    effect = action.effect
    if isinstance(effect, Model):
        request = dict(effect.request)
        request.pop("system", None)
        request.pop("instructions", None)
        messages = request.get("messages")
        if isinstance(messages, list):
            request["messages"] = [
                each for each in messages if not (isinstance(each, dict) and each.get("role") in _SYSTEM)
            ]
        return [canonical(request).decode("utf-8", "replace")]
    texts = [action.payload.decode("utf-8", "replace")]
    if isinstance(effect, WriteFiles):
        texts += [data.decode("latin-1") for data in effect.files.values()]
    elif isinstance(effect, Command) and effect.stdin:
        texts.append(effect.stdin.decode("latin-1"))
    return texts
