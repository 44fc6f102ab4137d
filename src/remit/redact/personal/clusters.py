"""Runs of digit groups, the candidates of everything that is a number.

``(415) 555-0132`` is one cluster of three groups. A number may be any run of neighbouring groups: what stands beside a
card number may be its expiry date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

#: Six digits or more with at most three joining characters between any two.
NUMBER = re.compile(r"[0-9](?:[ .\-/()\u00a0\u2010-\u2013]{0,3}[0-9]){5,59}")
_GROUP = re.compile(r"[0-9]+")
MOST_GROUPS = 24


@dataclass(frozen=True, slots=True)
class Cluster:
    """Digit groups of ``text`` with what joins them: ``joints[i]`` stands before group ``i + 1``.

    ``before`` and ``after`` are the characters around it, empty at the ends of the text.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    groups: tuple[str, ...]
    joints: tuple[str, ...]
    before: str
    after: str

    @property
    def start(self) -> int:
        """Where the first digit stands."""
        return self.spans[0][0]

    @property
    def end(self) -> int:
        """Past the last digit."""
        return self.spans[-1][1]


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring groups of a cluster, ``groups[first:last]``, read as one number."""

    cluster: Cluster
    first: int
    last: int
    digits: str

    @property
    def start(self) -> int:
        """Where it starts in the text."""
        return self.cluster.spans[self.first][0]

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.cluster.spans[self.last - 1][1]

    @property
    def spelled(self) -> str:
        """As it stands in the text."""
        return self.cluster.text[self.start : self.end]

    @property
    def groups(self) -> tuple[str, ...]:
        """Its digit groups."""
        return self.cluster.groups[self.first : self.last]

    @property
    def joints(self) -> tuple[str, ...]:
        """What joins them."""
        return self.cluster.joints[self.first : self.last - 1]

    @property
    def joint(self) -> str | None:
        """The one joining text throughout (empty for a single group); ``None`` when they differ."""
        kinds = set(self.joints)
        return "" if not kinds else kinds.pop() if len(kinds) == 1 else None

    @property
    def left(self) -> str:
        """What stands directly before: a joint, or the last character before the cluster."""
        return self.cluster.joints[self.first - 1] if self.first else self.cluster.before

    @property
    def right(self) -> str:
        """What stands directly after."""
        return self.cluster.joints[self.last - 1] if self.last < len(self.cluster.groups) else self.cluster.after

    @property
    def chained(self) -> bool:
        """Whether a group beside it is joined to it as its own groups are to each other: a part of a longer number."""
        joint = self.joint
        if not joint:
            return False
        return (self.first > 0 and self.left == joint) or (self.last < len(self.cluster.groups) and self.right == joint)

    @property
    def alone(self) -> bool:
        """Whether it is no part of a longer token: a word, a decimal, a dashed or dotted chain of numbers."""
        left, right = self.left, self.right
        if self.first and left.strip(" ()\u00a0") and left.strip(" ()\u00a0") in "-./\u2010\u2011\u2012\u2013":
            return False
        if self.last < len(self.cluster.groups) and right.strip(" ()\u00a0") and right[:1] in "-.\u2010\u2011":
            return False
        return not (_wordy(left[-1:]) or _wordy(right[:1]))


def _wordy(each: str) -> bool:
    return each.isalnum() or each == "_"


def clusters(text: str) -> Iterator[Cluster]:
    """Every cluster of ``text``, in order."""
    for match in NUMBER.finditer(text):
        start, end = match.span()
        after = text[end : end + 1]
        if after.isdigit() or text[max(0, start - 1) : start].isdigit():
            continue  # a longer run than any number
        spans = tuple((start + m.start(), start + m.end()) for m in _GROUP.finditer(match[0]))
        joints = tuple(text[left[1] : right[0]] for left, right in pairwise(spans))
        groups = tuple(text[a:b] for a, b in spans)
        before = text[max(0, start - 1) : start]
        for at in range(0, len(spans), MOST_GROUPS):
            part = slice(at, at + MOST_GROUPS)
            yield Cluster(
                text,
                spans[part],
                groups[part],
                joints[at : at + MOST_GROUPS - 1],
                before if at == 0 else joints[at - 1],
                after if at + MOST_GROUPS >= len(spans) else joints[at + MOST_GROUPS - 1],
            )


def runs(cluster: Cluster, *, least: int, most: int) -> Iterator[Run]:
    """Neighbouring groups with ``least`` to ``most`` digits in all."""
    count = len(cluster.groups)
    for first in range(count):
        digits = ""
        for last in range(first, count):
            digits += cluster.groups[last]
            if len(digits) > most:
                break
            if len(digits) >= least:
                yield Run(cluster, first, last + 1, digits)
