"""The engine without Hyperscan: a pass over the text for keywords, then each rule whose keyword it found.

The pass is an Aho-Corasick automaton, the rules run on RE2, which is linear whatever the text. Where one of these
libraries is missing, a substring search and Python's ``re`` do the same, slower. Rules are compiled when first needed:
the first short text costs a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Protocol

from remit.redact.pattern import parse, written
from remit.redact.rules import Match, Place, Rule, Subject, judged

type Found = tuple[int, int, int]  # (index of the rule, start, end)


class Pattern(Protocol):
    """What a compiled pattern of ``re`` and one of RE2 have in common."""

    @property
    def groups(self) -> int:
        """How many capturing groups it has."""
        ...

    def search(self, text: bytes, pos: int = 0, endpos: int = ..., /) -> Match | None:
        """The leftmost match from ``pos``."""
        ...


@cache
def compiler() -> tuple[str, Callable[[str], Pattern]]:
    """The name of what compiles patterns here, and it: RE2, else ``re``."""
    try:
        import re2
    except ImportError:
        import re

        return "re", lambda pattern: re.compile(written(parse(pattern), end=r"\Z").encode())
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False

    def compiled(pattern: str) -> Pattern:
        return re2.compile(written(parse(pattern), end=r"\z").encode(), options)

    return "re2", compiled


@cache
def compiled(pattern: str) -> tuple[Pattern, int]:
    """A pattern, ready to search, and how many groups it has. Any thread may use it."""
    made = compiler()[1](pattern)
    return made, made.groups


@cache
def finder(keywords: tuple[bytes, ...]) -> tuple[str, Callable[[bytes], Iterable[int]]]:
    """The name of what looks for keywords here, and it: from a text in lower case to the numbers of those in it."""
    try:
        from ahocorasick_rs import BytesAhoCorasick
    except ImportError:
        return "search", lambda text: (number for number, key in enumerate(keywords) if key in text)
    automaton = BytesAhoCorasick(keywords)
    return "aho-corasick", lambda text: {each[0] for each in automaton.find_matches_as_indexes(text, overlapping=True)}


class KeywordEngine:
    """Finds what ``rules`` describe. Any thread may call it at any time."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        owners: dict[bytes, list[int]] = {}
        for index, rule in enumerate(self.rules):
            for key in rule.keywords:
                owners.setdefault(key.encode(), []).append(index)
        self._owners = tuple(tuple(each) for each in owners.values())
        self._always = tuple(index for index, rule in enumerate(self.rules) if not rule.keywords)
        self._name, self._find = finder(tuple(owners))

    @property
    def name(self) -> str:
        """What does the work."""
        return f"{compiler()[0]}+{self._name}"

    def find(self, subject: Subject) -> list[Found]:
        """Every span of every rule, ordered by rule and start."""
        hit = set(self._always)
        for number in self._find(subject.lowered):
            hit.update(self._owners[number])
        return [(index, *place) for index in sorted(hit) for place in walk(self.rules[index], subject)]


def walk(rule: Rule, subject: Subject) -> Iterable[Place]:
    """The spans of one rule: the leftmost match from where the last one's secret ended, again and again."""
    pattern, groups = compiled(rule.pattern)
    position, size = 0, len(subject.raw)
    while position < size and (match := pattern.search(subject.raw, position)) is not None:
        place, position = judged(rule, subject, match, groups)
        if place is not None:
            yield place
