"""Rules: what one kind of secret looks like, and the last word on what a pattern matched. They are data, see ``pack``.

A rule's pattern runs only where one of its keywords stands, and a match counts only when a keyword stands inside it or
at most ``REACH`` bytes before it: what is found doesn't depend on how a text was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

from remit.kernel.errors import InvalidInput
from remit.redact.pattern import Group, Sequence, head, parse, width, written

REACH = 256  # bytes before a match in which its keyword, and around it in which the line of an allowlist, is looked for
SMALLEST_HEAD = 5  # bytes: a shorter head stands everywhere, and every place it stands costs

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


@cache
def judge(name: str) -> Callable[[str, int, int], Place | None]:
    """The function of ``judges`` that a rule names.

    Raises:
        InvalidInput: There is none (``redact.judge``).
    """
    from remit.redact import judges  # noqa: PLC0415 - its patterns are compiled when it is imported

    found = getattr(judges, name, None)
    if name.startswith("_") or not callable(found):
        raise InvalidInput(f"there is no judge {name!r}", code="redact.judge", hint="define it in redact/judges.py")
    return cast("Callable[[str, int, int], Place | None]", found)


_BREAKS = frozenset(b" \t\n\r\f\v\"'`<>&;,")  # as ``confirm`` breaks runs


@dataclass(frozen=True, slots=True)
class Glance:
    """What tells from where a match ends that its judge turns it down.

    The pattern is a group and ``tail`` bytes behind it; the judge is asked about what follows the group.
    """

    tail: int
    may: Callable[[bytes, int], bool]

    def likely(self, raw: bytes, end: int) -> bool:
        """Whether the judge may have a match that ends there for a secret."""
        at = end - self.tail
        return at < 1 or self.may(raw, at)

    def broken(self, raw: bytes, end: int) -> bool:
        """Whether a break stands in such a match, in the last byte of its group."""
        return raw[end - self.tail - 1] in _BREAKS


def glance(rule: Rule) -> Glance | None:
    """The quick look of a rule whose judge has one (``judges.GLANCES``)."""
    return _glance(rule.judge, rule.pattern) if rule.judge and not rule.group else None


@cache
def _glance(name: str, pattern: str) -> Glance | None:
    from remit.redact import judges  # noqa: PLC0415 - as above

    may = judges.GLANCES.get(name)
    tree = parse(pattern) if may is not None else None
    if may is None or not isinstance(tree, Sequence) or not isinstance(tree.parts[0], Group):
        return None
    least, most = width(Sequence(tree.parts[1:]))
    return Glance(least, may) if least == most else None
