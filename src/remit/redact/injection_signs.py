"""Signs of injection as data: what was found, how much it weighs, how a person is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.finding import Finding, Severity

#: A text with this score or more is suspicious; the shipped rules ask a person from here on.
SUSPICIOUS = 0.6


class Sign(StrEnum):
    """What kind of sign it is."""

    INSTRUCTION = "instruction"  # it gives a model orders
    ROLE = "role"  # it pretends to be a turn, or the end of what it is quoted in
    INVISIBLE = "invisible"  # characters that nobody sees
    LOOK_ALIKE = "look-alike"  # letters of another script
    ENCODED = "encoded"  # an instruction in base64, hexadecimal ...
    HIDDEN = "hidden"  # an instruction in a comment or an invisible element
    LINK = "link"  # an address with room for data
    CANARY = "canary"  # a word that only a leaked prompt holds
    CLASSIFIER = "classifier"  # somebody else's model says so
    UNREAD = "unread"  # too long to be looked at whole


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign at ``[start, end)`` (characters). ``score`` is between 0 and 1; ``what`` names it, never quotes it."""

    sign: Sign
    what: str
    score: float
    start: int
    end: int

    def as_finding(self, source: str) -> Finding:
        """As critics tell findings; ``source`` says where the text came from."""
        weight = Severity.WARNING if self.score < SUSPICIOUS else Severity.ERROR
        message = (
            f"Text from outside has {self.sign.value} signs of an injection: {self.what} (score {self.score:.2f})."
        )
        return Finding(f"injection.{self.sign.value}", weight, message, f"{source}, character {self.start}")


def score(found: Iterable[Signal]) -> float:
    """What the signs come to together: one minus the odds that all mislead, each ``what`` counted once."""
    best: dict[str, float] = {}
    for each in found:
        best[each.what] = max(best.get(each.what, 0.0), each.score)
    innocent = 1.0
    for each in best.values():
        innocent *= 1.0 - each
    return round(1.0 - innocent, 4)


def told(found: Sequence[Signal], *, most: int = 3) -> str:
    """The strongest signs in a few words, for a decision."""
    return "; ".join(dict.fromkeys(f"{each.sign.value}: {each.what}" for each in found[:most]))
