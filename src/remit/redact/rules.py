"""Rules: what one kind of secret looks like, and the last word on what a pattern matched. They are data, see ``pack``.

A rule's pattern runs only where one of its keywords stands, and a match counts only when a keyword stands inside it or
at most ``REACH`` bytes before it: what is found doesn't depend on how a text was cut into pieces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from remit.kernel.errors import InvalidInput
from remit.redact import judges
from remit.redact.pattern import head, parse, width, written

REACH = 256  # bytes before a match in which its keyword, and around it in which the line of an allowlist, is looked for
SMALLEST_HEAD = 6  # bytes: a shorter head stands everywhere, and every place it stands costs

type Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Allow:
    """What excuses a match: patterns found in its ``target`` (``secret``, ``match``, ``line``), words in the secret.

    With ``every`` (the pack's ``condition = "AND"``) both have to be there.
    """

    target: str = "secret"
    patterns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    every: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which one kind of secret is written.

    Attributes:
        id: Unique among all rules.
        kind: What its spans are called; several rules may share one.
        pattern: In RE2 syntax, without look-around; matched against bytes.
        keywords: In lower case; one of them must stand in the match or shortly before it, in any case. None: no
            keyword is asked for.
        tier: 1 for what is certain, 2 for what is likely.
        entropy: The secret must have more bits a character than this (Shannon); 0: any will do.
        group: Which group of the pattern is the secret; 0: the first that isn't empty, else the whole match.
        judge: Function of ``judges`` with the last word: it narrows the span, moves its end, or says no.
        head: For an unlimited pattern: what every match begins with. Empty: derived from the pattern.
        allow: What excuses a match.
        personal: Personal data rather than a secret: looked for only when asked.
    """

    id: str
    kind: str
    pattern: str
    keywords: tuple[str, ...] = ()
    tier: int = 1
    entropy: float = 0.0
    group: int = 0
    judge: str = ""
    head: str = ""
    allow: tuple[Allow, ...] = ()
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a pattern demands, in bytes; ``most`` is ``None`` for an unlimited one, which then has a head.

    ``head`` is in RE2 syntax, every match begins with a match of it, and no match of it is longer than ``head_most``.
    """

    least: int
    most: int | None
    head: str = ""
    head_most: int = 0


def shape(rule: Rule) -> Shape:
    """Widths and head of a rule.

    Raises:
        InvalidInput: The pattern is none (``redact.pattern``), or unlimited without a head of ``SMALLEST_HEAD`` bytes
            (``redact.unlimited``): nothing would bound what it costs.
    """
    return _shape(rule.id, rule.pattern, rule.head)


@cache
def _shape(name: str, pattern: str, given: str) -> Shape:
    tree = parse(pattern)
    least, most = width(tree)
    if least == 0:
        raise InvalidInput(f"the rule {name!r} matches an empty text", code="redact.pattern")
    if most is not None:
        return Shape(least, most)
    start = parse(given) if given else head(tree)
    shortest, longest = width(start)
    if longest is None or shortest < SMALLEST_HEAD:
        message = f"the rule {name!r} is unlimited, and what it begins with is shorter than {SMALLEST_HEAD} bytes"
        hint = "bound its repeats, or give it a head: what every match begins with, without an unlimited repeat"
        raise InvalidInput(message, code="redact.unlimited", hint=hint)
    return Shape(least, most, written(start, end=r"\z"), longest)


class Match(Protocol):
    """What a match of ``re`` and one of RE2 have in common."""

    def span(self, group: int = 0, /) -> Place:
        """Start and end of a group; (-1, -1) when it took no part."""
        ...


class Subject:
    """A byte string that is being scanned, with its readings made when first needed."""

    __slots__ = ("_lowered", "_text", "raw")

    def __init__(self, raw: bytes, text: str | None = None) -> None:
        self.raw = raw
        self._text = text
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


def judged(rule: Rule, subject: Subject, match: Match, groups: int) -> tuple[Place | None, int]:
    """The span of the secret in a match, or ``None`` when it is none; and where the search goes on."""
    whole = match.span()
    start, end = _secret(rule, match, groups)
    onward = max(end, whole[0] + 1)
    if rule.keywords and not _near(rule, subject, whole):
        return None, onward
    if rule.entropy and entropy(subject.raw[start:end]) <= rule.entropy:
        return None, onward
    if any(_excused(each, subject, whole, (start, end)) for each in rule.allow):
        return None, onward
    if not rule.judge:
        return (start, end), onward
    place = judge(rule.judge)(subject.text, start, end)
    return place, onward if place is None else max(onward, place[1])


def _secret(rule: Rule, match: Match, groups: int) -> Place:
    if rule.group:
        place = match.span(rule.group)
        return place if place[1] > place[0] else match.span()
    for number in range(1, groups + 1):
        place = match.span(number)
        if place[1] > place[0]:
            return place
    return match.span()


def _near(rule: Rule, subject: Subject, whole: Place) -> bool:
    around = subject.lowered[max(whole[0] - REACH, 0) : whole[1]]
    return any(key in around for key in _encoded(rule.keywords))


@cache
def _encoded(keywords: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(key.encode() for key in keywords)


def entropy(secret: bytes) -> float:
    """Shannon's entropy in bits for each byte (C. E. Shannon 1948, section 6)."""
    size = len(secret)
    counts = [secret.count(each) for each in set(secret)]
    return math.log2(size) - sum(count * math.log2(count) for count in counts) / size if size else 0.0


def _excused(allow: Allow, subject: Subject, whole: Place, secret: Place) -> bool:
    start, end = {"secret": secret, "match": whole}.get(allow.target) or _line(subject.raw, whole)
    told = subject.raw[start:end]
    by_pattern = any(_compiled(each).search(told) for each in allow.patterns)
    if allow.every:
        return by_pattern and (not allow.words or _has_word(allow.words, subject.lowered[secret[0] : secret[1]]))
    return by_pattern or (bool(allow.words) and _has_word(allow.words, subject.lowered[secret[0] : secret[1]]))


def _line(raw: bytes, whole: Place) -> Place:
    """The lines that a match stands on, as far as ``REACH``."""
    low, high = max(whole[0] - REACH, 0), min(whole[1] + REACH, len(raw))
    start = raw.rfind(b"\n", low, whole[0]) + 1
    end = raw.find(b"\n", whole[1], high)
    return max(start, low), high if end < 0 else end


def _has_word(words: tuple[str, ...], told: bytes) -> bool:
    return any(word in told for word in _encoded(words))


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(written(parse(pattern), end=r"\Z").encode())


@cache
def judge(name: str) -> Callable[[str, int, int], Place | None]:
    """The function of ``judges`` that a rule names.

    Raises:
        InvalidInput: There is none (``redact.judge``).
    """
    found = getattr(judges, name, None)
    if name.startswith("_") or not callable(found):
        raise InvalidInput(f"there is no judge {name!r}", code="redact.judge", hint="define it in redact/judges.py")
    return found
