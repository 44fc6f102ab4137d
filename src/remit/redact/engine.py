"""Which engine runs: the same spans by contract, at different prices."""

from __future__ import annotations

from functools import cache

from remit.redact.engine_keywords import Found, KeywordEngine
from remit.redact.pack import chosen
from remit.redact.rules import Subject


class Engine:
    """The engine for one choice of rules."""

    def __init__(self, tier: int, *, personal: bool) -> None:
        self.rules = chosen(tier, personal)
        self._keywords = KeywordEngine(self.rules)

    @property
    def name(self) -> str:
        """What does the work now."""
        return self._keywords.name

    def find(self, subject: Subject) -> list[Found]:
        """Every span of every rule, ordered by rule and start."""
        return self._keywords.find(subject)


@cache
def engine(tier: int, personal: bool) -> Engine:  # noqa: FBT001 - called by position, for the cache's sake
    """The one engine of this process for these rules."""
    return Engine(tier, personal=personal)
