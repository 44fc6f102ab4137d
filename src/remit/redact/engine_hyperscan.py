"""The engine with Hyperscan: one database over all rules tells where matches end, small windows confirm them exactly.

A rule of limited width stands in the database whole, and every end it reports is confirmed within a window of that
width. An unlimited one stands there twice: its head (see ``rules.Shape``), which tells where to look, and the whole of
it as a gate that fires at most once and without which nobody looks. Confirmation runs the same patterns as
``engine_keywords``, over the same bytes, and finds the same spans:

- Each match that starts at or after ``position`` ends at a reported end, at most ``most`` bytes after its start. So at
  the first end that such a match can have, the leftmost match of all starts inside the window before it.
- A window reaches ``most + 1`` bytes beyond the end, so that what a pattern sees to the right of a match is the text.

Hyperscan is given wider patterns than the rules have (``pattern.loosened``): Vectorscan 5.4.12 misses matches of some
bounded repeats in front of a literal (``["']-[a-z]{0,30}pwd["'],`` after 21 other bytes), and none of unlimited ones.

On a text with more ends than is worth confirming (a hostile repeat) the scan stops, and the keyword engine does the
whole text, in time that is linear in its length.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from remit.redact.confirm import Ready, Rejected, Subject
from remit.redact.engine_keywords import Found, KeywordEngine
from remit.redact.pattern import loosened, parse, written
from remit.redact.rules import Place, Rule, Shape, shape

if TYPE_CHECKING:
    from hyperscan import Scratch

_ENDS = 2_000  # reported ends that are worth confirming in any text, and
_BYTES_PER_END = 16  # one more for so many bytes


class HyperscanEngine:
    """Finds what ``rules`` describe. Any thread may call it at any time, also from inside another call.

    Args:
        keywords: What scans the texts that aren't worth confirming; its rules are this one's.

    Raises:
        ImportError: Hyperscan is not installed here.
        hyperscan.HyperscanError: It can't compile a rule.
    """

    name = "hyperscan"

    def __init__(self, keywords: KeywordEngine) -> None:
        import hyperscan  # noqa: PLC0415 - 7 MB, and not on every platform

        self.rules = keywords.rules
        self._keywords = keywords
        self._shapes = [shape(rule) for rule in self.rules]
        ids, expressions, flags = _expressions(self.rules, self._shapes, single=hyperscan.HS_FLAG_SINGLEMATCH)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(expressions=expressions, ids=ids, elements=len(ids), flags=flags)
        self._stopped = hyperscan.ScanTerminated
        self._local = threading.local()
        self._lock = threading.Lock()
        # Kept here, since the binding keeps no reference to it; and it hands on the context as it was given.
        self._reported = cast("Callable[[int, int, int, int, object], bool]", _reported)

    def find(self, raw: bytes) -> list[Found]:
        """Every span of every rule, ordered by rule and start; in bytes."""
        hits = _Hits(_ENDS + len(raw) // _BYTES_PER_END)
        free = self._scratches()
        scratch = free.pop() if free else self._scratch()
        try:
            self._database.scan(raw, self._reported, context=hits, scratch=scratch)
        except self._stopped:
            return self._keywords.find(raw)
        finally:
            free.append(scratch)
        return self._confirmed(Subject(raw), hits.places) if hits.places else []

    def silent(self, raw: bytes) -> bool:
        """Whether no rule can match anywhere in ``raw``, whatever its judge says: quicker than ``find``."""
        free = self._scratches()
        scratch = free.pop() if free else self._scratch()
        try:
            self._database.scan(raw, _stop, scratch=scratch)
        except self._stopped:
            return False
        finally:
            free.append(scratch)
        return True

    def _scratches(self) -> list[Scratch]:
        """This thread's scratch spaces that are not in use: a callback may lead to another scan in the same thread."""
        try:
            return cast("list[Scratch]", self._local.free)
        except AttributeError:
            free: list[Scratch] = []
            self._local.free = free
            return free

    def _scratch(self) -> Scratch:
        with self._lock:
            return self._database.scratch.clone()

    def _confirmed(self, subject: Subject, places: list[tuple[int, int]]) -> list[Found]:
        ends: dict[int, list[int]] = {}
        for number, end in places:
            ends.setdefault(number, []).append(end)
        found: list[Found] = []
        for number in sorted(ends):
            index, gate = divmod(number, 2)
            if gate:
                continue
            ready, bounds = self._keywords.ready(index), self._shapes[index]
            if bounds.most is not None:
                if ready.hopeless(subject.raw, ends[number]):
                    continue
                found += [(index, *place) for place in _limited(ready, bounds, subject, sorted(ends[number]))]
            elif number + 1 in ends:
                found += [(index, *place) for place in _unlimited(ready, bounds, subject, sorted(ends[number]))]
        return found


class _Hits:
    """What one scan reported: (2 * rule, or 2 * rule + 1 for its gate; end), no more than ``most``."""

    __slots__ = ("most", "places")

    def __init__(self, most: int) -> None:
        self.places: list[tuple[int, int]] = []
        self.most = most


def _reported(number: int, _start: int, end: int, _flags: int, hits: _Hits) -> bool:
    """Called for each end; true stops the scan."""
    hits.places.append((number, end))
    return len(hits.places) > hits.most


def _stop(_number: int, _start: int, _end: int, _flags: int, _context: object) -> bool:
    """Called for the first end; true stops the scan."""
    return True


def _expressions(
    rules: Sequence[Rule], shapes: Sequence[Shape], *, single: int
) -> tuple[list[int], list[bytes], list[int]]:
    ids: list[int] = []
    expressions: list[bytes] = []
    flags: list[int] = []
    for index, (rule, bounds) in enumerate(zip(rules, shapes, strict=True)):
        whole = written(loosened(parse(rule.pattern)), end=r"\z")
        for number, text, flag in (
            ((2 * index, whole, 0),)
            if bounds.most is not None
            else ((2 * index, bounds.head, 0), (2 * index + 1, whole, single))
        ):
            ids.append(number)
            expressions.append(text.encode())
            flags.append(flag)
    return ids, expressions, flags


def _limited(ready: Ready, bounds: Shape, subject: Subject, ends: Iterable[int]) -> Iterator[Place]:
    raw, most, position, rejected = subject.raw, bounds.most or 0, 0, Rejected()
    for end in ends:
        while end - position >= bounds.least:
            match = ready.search(raw, max(end - most, position), end + most + 1)
            if match is None or match.span()[0] >= end:
                position = end  # nothing begins before it: this was the end of something that began before `position`
                break
            place, position = ready.judged(subject, match, rejected)
            if place is not None:
                yield place


def _unlimited(ready: Ready, bounds: Shape, subject: Subject, ends: Iterable[int]) -> Iterator[Place]:
    position, rejected = 0, Rejected()
    for end in ends:
        while end > position:
            match = ready.search(subject.raw, max(end - bounds.head_most, position))
            if match is None:
                return  # linear: each search ends where the next match does, and the last one ends all of them
            place, position = ready.judged(subject, match, rejected)
            if place is not None:
                yield place
