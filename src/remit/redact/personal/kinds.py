"""The kinds of personal data, and which of two that claim the same characters wins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds that are no national number; those are named in ``data/national.toml``."""

    EMAIL = "email"
    PHONE = "phone"
    SSN = "ssn"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"


#: The kinds that every policy about personal data covers.
CORE: tuple[Kind, ...] = tuple(Kind)

#: Higher wins where two overlap. A national number lies between, by how much its form says (``national.Row``).
STRENGTH: dict[str, int] = {
    Kind.EMAIL: 100,
    Kind.IBAN: 95,
    Kind.CARD: 90,
    Kind.SSN: 85,
    Kind.IP: 60,
    Kind.PHONE: 40,
}
FORMED = 80  # a national number whose form or context speaks for it


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data at ``[start, end)`` of a text; ``strength`` decides between overlapping ones."""

    kind: str
    start: int
    end: int
    strength: int


def strongest(found: list[Personal]) -> list[Personal]:
    """The spans in order, without overlap: the stronger one wins, then the longer, then the earlier."""
    kept: list[Personal] = []
    for each in sorted(found, key=lambda one: (-one.strength, one.start - one.end, one.start)):
        if all(each.end <= other.start or other.end <= each.start for other in kept):
            kept.append(each)
    return sorted(kept, key=lambda one: one.start)
