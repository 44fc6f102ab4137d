"""Answers that are kept for a few seconds, in this process: what ``@cached`` fills and administrators look at."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

MOST_BYTES = 16 << 20

type Key = tuple[str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer."""

    body: bytes
    media_type: str
    made_s: float
    until_s: float


@dataclass(slots=True)
class Responses:
    """What an application keeps.

    Attributes:
        hits: How often an endpoint's answer was there, by its path.
        misses: How often it was not.
    """

    most_bytes: int = MOST_BYTES
    bytes: int = 0
    hits: Counter[str] = field(default_factory=Counter[str])
    misses: Counter[str] = field(default_factory=Counter[str])
    _kept: OrderedDict[Key, Kept] = field(default_factory=OrderedDict[Key, Kept])

    def find(self, key: Key, now_s: float) -> Kept | None:
        """The answer, while it holds."""
        kept = self._kept.get(key)
        if kept is not None and kept.until_s > now_s:
            self._kept.move_to_end(key)
            self.hits[key[0]] += 1
            return kept
        if kept is not None:
            self._drop(key)
        self.misses[key[0]] += 1
        return None

    def keep(self, key: Key, kept: Kept) -> None:
        """Keep an answer, unless it is larger than all that is kept may be."""
        if key in self._kept:
            self._drop(key)
        if len(kept.body) > self.most_bytes:
            return
        self._kept[key] = kept
        self.bytes += len(kept.body)
        while self.bytes > self.most_bytes:
            self._drop(next(iter(self._kept)))

    def clear(self, endpoint: str = "") -> int:
        """Forget the answers of an endpoint, or all; how many."""
        gone = [key for key in self._kept if not endpoint or key[0] == endpoint]
        for key in gone:
            self._drop(key)
        return len(gone)

    def entries(self) -> Counter[str]:
        """How many answers are kept, by endpoint."""
        return Counter(key[0] for key in self._kept)

    def _drop(self, key: Key) -> None:
        self.bytes -= len(self._kept.pop(key).body)
