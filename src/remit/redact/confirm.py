"""The last word on what a rule's pattern matched: which part is the secret, and whether it is one.

Both engines ask here, with the same patterns, so that both find the same spans.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Protocol

from remit.redact.pattern import parse, written
from remit.redact.rules import REACH, Allow, Place, Rule, glance, judge


class Match(Protocol):
    """What a match of ``re`` and one of RE2 have in common."""

    def span(self, group: int = 0, /) -> Place:
        """Start and end of a group; (-1, -1) when it took no part."""
        ...


class Pattern(Protocol):
    """What a compiled pattern of ``re`` and one of RE2 have in common."""

    @property
    def groups(self) -> int:
        """How many capturing groups it has."""
        ...

    def search(self, text: bytes, pos: int = 0, endpos: int = ..., /) -> Match | None:
        """The leftmost match from ``pos``."""
        ...


class Subject:
    """A byte string that is being scanned, with its readings made when first needed."""

    __slots__ = ("_lowered", "_text", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._text: str | None = None
        self._lowered: bytes | None = None

    @property
    def text(self) -> str:
        """One character for each byte."""
        if self._text is None:
            self._text = self.raw.decode("latin-1")
        return self._text

    @property
    def lowered(self) -> bytes:
        """The bytes with ASCII letters in lower case: offsets stay."""
        if self._lowered is None:
            self._lowered = self.raw.lower()
        return self._lowered


#: So many values in one unbroken run of bytes may be judged to be no secrets; the rest of such a run is taken for one.
#: `token=token=token=…` would else cost a judgement of all that follows, again and again.
NESTED = 8
_BREAK = re.compile(rb"[\s\"'`<>&;,]")


class Rejected:
    """How many matches of one rule were judged and turned down in the run of bytes that was last looked at."""

    __slots__ = ("count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0

    def of(self, raw: bytes, start: int) -> int:
        """How many in the run in which ``start`` lies."""
        if self.count and _BREAK.search(raw, self.last, start):
            self.count = 0
        return self.count

    def another(self, start: int) -> None:
        """One more, whose match begins at ``start``: a break inside it ends the run too."""
        self.count += 1
        self.last = start


class Ready:
    """A rule with its pattern compiled. Any thread may use it."""

    __slots__ = ("_allow", "_entropy", "_glance", "_group", "_groups", "_judge", "_keywords", "search")

    def __init__(self, rule: Rule, pattern: Pattern) -> None:
        self.search: Callable[..., Match | None] = pattern.search
        self._groups = range(rule.group, rule.group + 1) if rule.group else range(1, pattern.groups + 1)
        self._keywords = tuple(key.encode() for key in rule.keywords)
        self._entropy = rule.entropy
        self._allow = rule.allow
        self._judge = judge(rule.judge) if rule.judge else None
        self._glance = glance(rule)

    def hopeless(self, raw: bytes, ends: Sequence[int]) -> bool:
        """Whether the judge certainly turns down every match that ends at one of ``ends``, where all of them end.

        Quicker than to look for them. False says nothing. A run of more than ``NESTED`` that are turned down would
        still be taken for a secret: so each must have a break inside it, or there must be fewer.
        """
        glance = self._glance
        if glance is None:
            return False
        few = len(ends) <= NESTED
        return all(not glance.likely(raw, end) and (few or glance.broken(raw, end)) for end in ends)

    def judged(self, subject: Subject, match: Match, rejected: Rejected) -> tuple[Place | None, int]:
        """The span of the secret in a match, or ``None`` when it is none; and where the search goes on.

        It goes on where the secret ends, not the match: a terminator may be the beginning of the next one.
        """
        whole = match.span()
        start, end = whole
        for number in self._groups:
            place = match.span(number)
            if place[1] > place[0]:
                start, end = place
                break
        onward = end if end > whole[0] else whole[0] + 1
        if not self._wanted(subject, whole, (start, end)):
            return None, onward
        if self._judge is None:
            return (start, end), onward
        if rejected.of(subject.raw, whole[0]) >= NESTED:
            over = _BREAK.search(subject.raw, whole[1])
            stop = len(subject.raw) if over is None else over.start()
            return (start, stop), stop
        place = self._judge(subject.text, start, end)
        if place is None:
            rejected.another(whole[0])
            return None, onward
        return place, max(place[1], onward)

    def _wanted(self, subject: Subject, whole: Place, secret: Place) -> bool:
        """Whether keyword, entropy and allowlists let a match pass."""
        if not self._near(subject.lowered, whole):
            return False
        if self._entropy and entropy(subject.raw[secret[0] : secret[1]]) <= self._entropy:
            return False
        return not any(_excused(each, subject, whole, secret) for each in self._allow)

    def everywhere(self, subject: Subject) -> Iterator[Place]:
        """The spans of the rule: the leftmost match from where the last one's secret ended, again and again."""
        raw = subject.raw
        position, size, rejected = 0, len(raw), Rejected()
        while position < size:
            match = self.search(raw, position)
            if match is None:
                return
            place, position = self.judged(subject, match, rejected)
            if place is not None:
                yield place

    def _near(self, lowered: bytes, whole: Place) -> bool:
        if not self._keywords:
            return True
        start, end = whole
        for key in self._keywords:
            if lowered.find(key, start, end) >= 0:
                return True
        start = start - REACH if start > REACH else 0
        return any(lowered.find(key, start, end) >= 0 for key in self._keywords)


def entropy(secret: bytes) -> float:
    """Shannon's entropy in bits for each byte (C. E. Shannon 1948, section 6)."""
    size = len(secret)
    counts = [secret.count(each) for each in set(secret)]
    return math.log2(size) - sum(count * math.log2(count) for count in counts) / size if size else 0.0


def _excused(allow: Allow, subject: Subject, whole: Place, secret: Place) -> bool:
    start, end = {"secret": secret, "match": whole}.get(allow.target) or _line(subject.raw, whole)
    told = subject.raw[start:end]
    if any(_compiled(each).search(told) for each in allow.patterns):
        if not (allow.every and allow.words):
            return True
    elif allow.every and allow.patterns:
        return False
    return bool(allow.words) and _has_word(allow.words, subject.lowered[secret[0] : secret[1]])


def _line(raw: bytes, whole: Place) -> Place:
    """The lines that a match stands on, as far as ``REACH``."""
    low, high = max(whole[0] - REACH, 0), min(whole[1] + REACH, len(raw))
    start = raw.rfind(b"\n", low, whole[0]) + 1
    end = raw.find(b"\n", whole[1], high)
    return max(start, low), high if end < 0 else end


@cache
def _encoded(words: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in words)


def _has_word(words: tuple[str, ...], told: bytes) -> bool:
    return any(word in told for word in _encoded(words))


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(written(parse(pattern), end=r"\Z").encode())
