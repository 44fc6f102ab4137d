"""The engine without Hyperscan: a pass over the text for keywords, then each rule whose keyword it found.

The pass is an Aho-Corasick automaton, the rules run on RE2, which is linear whatever the text. Where one of these
libraries is missing, a substring search and Python's ``re`` do the same, slower. Rules are compiled when first needed:
the first short text costs a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from remit.redact.confirm import Pattern, Ready, Subject
from remit.redact.pattern import parse, written
from remit.redact.rules import Rule

type Found = tuple[int, int, int]  # (index of the rule, start, end)


class KeywordEngine:
    """Finds what ``rules`` describe. Any thread may call it at any time.

    Args:
        rules: What to look for.
        libraries: Whether to use RE2 and Aho-Corasick where they are installed, or only what comes with Python.
    """

    def __init__(self, rules: Sequence[Rule], *, libraries: bool = True) -> None:
        self.rules = tuple(rules)
        owners: dict[bytes, list[int]] = {}
        for index, rule in enumerate(self.rules):
            for key in rule.keywords:
                owners.setdefault(key.encode(), []).append(index)
        self._owners = tuple(tuple(each) for each in owners.values())
        self._always = tuple(index for index, rule in enumerate(self.rules) if not rule.keywords)
        self._compiler, self._compile = compiler() if libraries else _plain_compiler()
        self._finder, self._find = finder(tuple(owners)) if libraries else _plain_finder(tuple(owners))
        self._ready: list[Ready | None] = [None] * len(self.rules)

    @property
    def name(self) -> str:
        """What does the work."""
        return f"{self._compiler}+{self._finder}"

    def ready(self, index: int) -> Ready:
        """A rule, compiled when it is first asked for."""
        made = self._ready[index]
        if made is None:
            rule = self.rules[index]
            made = self._ready[index] = Ready(rule, self._compile(rule.pattern))
        return made

    def find(self, raw: bytes) -> list[Found]:
        """Every span of every rule, ordered by rule and start; in bytes."""
        subject = Subject(raw)
        hit = set(self._always)
        for number in self._find(subject.lowered):
            hit.update(self._owners[number])
        return [(index, *place) for index in sorted(hit) for place in self.ready(index).everywhere(subject)]


@cache
def compiler() -> tuple[str, Callable[[str], Pattern]]:
    """The name of what compiles patterns here, and it: RE2, else ``re``."""
    try:
        from remit.redact.linear import compiled  # noqa: PLC0415 - it loads RE2
    except ImportError:
        return _plain_compiler()
    return "re2", compiled


def _plain_compiler() -> tuple[str, Callable[[str], Pattern]]:
    return "re", lambda pattern: re.compile(written(parse(pattern), end=r"\Z").encode())


@cache
def finder(keywords: tuple[bytes, ...]) -> tuple[str, Callable[[bytes], Iterable[int]]]:
    """The name of what looks for keywords here, and it: from a text in lower case to the numbers of those in it."""
    try:
        from ahocorasick_rs import BytesAhoCorasick  # noqa: PLC0415 - it has no wheel on some platforms
    except ImportError:
        return _plain_finder(keywords)
    automaton = BytesAhoCorasick(keywords)
    return "aho-corasick", lambda text: {each[0] for each in automaton.find_matches_as_indexes(text, overlapping=True)}


def _plain_finder(keywords: tuple[bytes, ...]) -> tuple[str, Callable[[bytes], Iterable[int]]]:
    return "search", lambda text: (number for number, key in enumerate(keywords) if key in text)
