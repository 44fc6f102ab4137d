"""What instructions to a model look like, in the languages that people write them in, and what pretends to be a turn.

Each pattern is asked only of texts that hold one of its stems, so that ordinary text costs little. Gaps are bounded:
nothing here goes back over more than a sentence. Scores are odds that such words are meant for a model: chosen by hand,
not learned.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TypedDict

#: What a match adds: the name of the pattern, its score, and where.
type Hit = tuple[str, float, int, int]

_OVERRIDE = 0.8
_NEAR = 80  # characters to both sides of a verb, cut at the sentence's ends
_END = re.compile(r"[.!?\u3002\uff01\uff1f\u0964\u061f]")


@dataclass(frozen=True, slots=True)
class Language:
    """Words for "ignore the previous instructions": a verb, a qualifier and a noun in one sentence, in any order.

    ``verbs`` are stems in lower case; qualifier and noun are patterns.
    """

    name: str
    verbs: tuple[str, ...]
    which: str
    what: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that is asked of texts which hold one of its stems."""

    name: str
    score: float
    stems: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class Words:
    """What ``data/injection.toml`` lists."""

    languages: tuple[Language, ...]
    said: tuple[Pattern, ...]  # asked of the text in one line
    roles: tuple[Pattern, ...]  # asked of the text as it stands
    look_alikes: Mapping[str, str]  # a letter of another script, and the Latin one that it looks like


class _Row(TypedDict):
    name: str
    score: float
    stems: list[str]
    pattern: str


@lru_cache(maxsize=1)
def words() -> Words:
    """The words and patterns, read once."""
    told = tomllib.loads((files("remit.redact") / "data" / "injection.toml").read_text(encoding="utf-8"))
    pairs: Iterable[tuple[str, str]] = told["look_alikes"].values()
    return Words(
        tuple(Language(each["name"], tuple(each["verbs"]), each["which"], each["what"]) for each in told["languages"]),
        tuple(_pattern(each) for each in told["said"]),
        tuple(_pattern(each) for each in told["roles"]),
        {alien: latin for aliens, latins in pairs for alien, latin in zip(aliens, latins, strict=True)},
    )


def _pattern(told: _Row) -> Pattern:
    return Pattern(told["name"], told["score"], tuple(told["stems"]), told["pattern"])


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def phrases(text: str) -> Iterator[Hit]:
    """Where ``text`` speaks to a model. Line ends count as blanks."""
    line = text.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    lowered = _same_length_lower(line)
    for language in words().languages:
        found = [verb for verb in language.verbs if verb in lowered]
        if found and (hit := _override(language, found, lowered)) is not None:
            yield hit
    yield from _asked(words().said, line, lowered)


def roles(text: str) -> Iterator[Hit]:
    """Where ``text`` pretends to be a turn of a conversation, or the end of what it is quoted in."""
    lowered = _same_length_lower(text)
    yield from _asked(words().roles, text, lowered)


def _asked(patterns: Iterable[Pattern], text: str, lowered: str) -> Iterator[Hit]:
    for each in patterns:
        if any(stem in lowered for stem in each.stems):
            match = _compiled(each.pattern).search(text)
            if match is not None:
                yield each.name, each.score, match.start(), match.end()


def _override(language: Language, verbs: list[str], lowered: str) -> Hit | None:
    for verb in verbs:
        at = lowered.find(verb)
        while at >= 0:
            start, end = _sentence(lowered, at, at + len(verb))
            near = lowered[start:end]
            if _compiled(language.what).search(near) and _compiled(language.which).search(near):
                return f"ignore what was said ({language.name})", _OVERRIDE, at, at + len(verb)
            at = lowered.find(verb, at + len(verb))
    return None


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of the sentence around a verb that counts as near it."""
    first = max(0, start - _NEAR)
    last = min(len(text), end + _NEAR)
    for match in _END.finditer(text, first, start):
        first = match.end()
    closing = _END.search(text, end, last)
    return first, closing.start() if closing else last


def _same_length_lower(text: str) -> str:
    """Lower case without a change of length (``İ`` lowers to two characters)."""
    lowered = text.lower()
    return (
        lowered
        if len(lowered) == len(text)
        else "".join(low if len(low := each.lower()) == 1 else each for each in text)
    )
