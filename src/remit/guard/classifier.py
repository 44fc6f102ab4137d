"""The port for outside classifiers: somebody else's model, asked about what came in. None is required.

What Remit's own signs say stands in any case: a classifier can only add to it. One that can't be asked counts as asking
for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """What a classifier makes of a text."""

    ALLOW = "allow"
    MASK = "mask"  # the spans that it names are withheld from the mission
    ASK = "ask"  # a person decides about what the mission does next
    DENY = "deny"  # the whole text is withheld


@dataclass(frozen=True, slots=True)
class Piece:
    """One text to be judged, secrets masked. ``path`` is where it stood in the answer: ``text`` or ``value``."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a classifier is told beside the texts."""

    workspace: str
    mission: str
    action: str
    source: str  # fetched | tool | model
    place: str
    score: float  # what Remit's own signs come to


@dataclass(frozen=True, slots=True)
class Opinion:
    """A classifier's answer. ``pieces`` are the numbers of the texts that it means; none: all of them."""

    verdict: Verdict
    score: float = 0.0
    why: str = ""
    pieces: tuple[int, ...] = ()


class Classifier(Protocol):
    """Somebody who judges texts from outside."""

    async def check(self, spans: Sequence[Piece], context: Context) -> Opinion:
        """Judge ``spans``.

        Raises:
            RemitError: It can't be asked; the text is then treated as if it had said ``ask``.
        """
        ...


class Neutral:
    """The classifier of an install that has none: it allows everything, and asks nobody."""

    async def check(self, spans: Sequence[Piece], context: Context) -> Opinion:
        """Allow."""
        del spans, context
        return Opinion(Verdict.ALLOW)
