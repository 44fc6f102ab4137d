"""Signs that a text speaks to a model instead of to its reader. Heuristics: they inform, they prove nothing.

Five looks, each pure and bounded: phrases and roles (``injection_phrases``), invisible and hidden text
(``injection_hidden``), encodings (``injection_encoded``, what they say is looked at again, two deep), links that carry
data out (``injection_links``), and what is left when look-alike letters are read as what they look like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from remit.redact.injection_encoded import decoded
from remit.redact.injection_hidden import folded, hidden, invisible, look_alikes, smuggled
from remit.redact.injection_links import links
from remit.redact.injection_phrases import Hit, phrases, roles
from remit.redact.injection_signs import SUSPICIOUS, Sign, Signal, score, told

__all__ = ["MOST_CHARACTERS", "SUSPICIOUS", "Sign", "Signal", "score", "signals", "suspicious", "told"]

#: Characters that are looked at; a longer text counts as suspicious for what wasn't.
MOST_CHARACTERS = 1 << 20
DEEPEST = 2

_MOST_SIGNALS = 40
_BLOCK, _COMMON = 64 * 1024, 4 * 1024
_UNREAD = 0.6
_WORTH = 0.3  # what is inside an encoding or a comment counts from here on
_INSIDE = 0.85  # an instruction that somebody took the trouble to hide


def signals(text: str) -> tuple[Signal, ...]:
    """Every sign in ``text``, strongest first, at most 40.

    Time grows with the length, up to 1 MiB of characters. Blocks of 64 KiB (with 4 KiB in common) are looked at one by
    one, so that other threads get their turn; what is hidden across more than the common part of two can be missed.
    """
    found: list[Signal] = []
    if len(text) > MOST_CHARACTERS:
        found.append(Signal(Sign.UNREAD, "too long to be looked at whole", _UNREAD, MOST_CHARACTERS, len(text)))
    for start in range(0, max(1, min(len(text), MOST_CHARACTERS)), _BLOCK - _COMMON):
        block = text[start : min(start + _BLOCK, MOST_CHARACTERS)]
        found += [replace(each, start=each.start + start, end=each.end + start) for each in _looked(block, DEEPEST)]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (-each.score, each.start))[:_MOST_SIGNALS])


def suspicious(text: str) -> bool:
    """Whether the signs in ``text`` together reach ``SUSPICIOUS``."""
    return score(signals(text)) >= SUSPICIOUS


def _looked(text: str, depth: int) -> Iterator[Signal]:
    plain = list(_said(text))
    yield from plain
    yield from _signals(Sign.INVISIBLE, invisible(text))
    yield from _signals(Sign.LOOK_ALIKE, look_alikes(text))
    yield from _signals(Sign.LINK, links(text))
    looks = folded(text)
    if looks is not None:
        known = {each.what for each in plain}
        for each in _said(looks):
            if each.what not in known and each.score >= _WORTH:
                what = f"{each.what}, once look-alike and invisible characters are undone"
                yield Signal(Sign.LOOK_ALIKE, what, _hid(each.score), 0, len(text))
    if depth:
        for name, part, start, end in decoded(text):
            yield from _within(Sign.ENCODED, name, part, (start, end), depth - 1)
        for part, start, end in smuggled(text):
            yield from _within(Sign.ENCODED, "invisible characters", part, (start, end), depth - 1)
        for part, start, end in hidden(text):
            yield from _within(Sign.HIDDEN, "hidden markup", part, (start, end), depth - 1)


def _within(sign: Sign, name: str, part: str, place: tuple[int, int], depth: int) -> Iterator[Signal]:
    """What a hidden part says; ordinary text in base64 or in a comment says nothing."""
    found = list(_looked(part, depth))
    if not found and (squeezed := _squeezed(part)):
        found = [Signal(Sign.INSTRUCTION, squeezed, _WORTH, 0, len(part))]
    weight = score(found)
    if weight >= _WORTH:
        strongest = max(found, key=lambda each: each.score)
        yield Signal(sign, f"{strongest.what}, in {name}", _hid(weight), *place)


def _said(text: str) -> Iterator[Signal]:
    yield from _signals(Sign.INSTRUCTION, phrases(text))
    yield from _signals(Sign.ROLE, roles(text))


def _signals(sign: Sign, hits: Iterable[Hit]) -> Iterator[Signal]:
    for what, weight, start, end in hits:
        yield Signal(sign, what, weight, start, end)


def _hid(weight: float) -> float:
    return max(weight, _INSIDE) if weight >= _WORTH else weight


_VERBS = ("ignore", "disregard", "forget", "override", "reveal")
_NOUNS = ("instruction", "prompt", "directive", "guideline")


def _squeezed(part: str) -> str:
    """An instruction whose words ran together: what was spaced out letter by letter."""
    lowered = part.lower()
    if " " in lowered.strip() or not any(verb in lowered for verb in _VERBS):
        return ""
    return "ignore what was said (English)" if any(noun in lowered for noun in _NOUNS) else ""
