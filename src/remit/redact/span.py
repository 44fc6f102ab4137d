"""Spans and masks: where a secret lies in a text, and what stands there afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

REGISTERED = "registered"

#: The shape of every mask. Rules can't match inside one, and no value that occurs in one can be registered.
MASK = re.compile(r"\[REDACTED:[a-z][a-z0-9-]*:[0-9a-f]{4}\]")


@dataclass(frozen=True, slots=True)
class Span:
    """A secret at ``[start, end)``: characters of a text, or bytes of a byte string.

    ``tier``: 1 for what is certain (registered values, tokens of a known form), 2 for what is likely. ``known``: it is
    a registered value, whatever its kind.
    """

    kind: str
    start: int
    end: int
    tier: int = 1
    known: bool = field(default=False, compare=False, repr=False)


def mask_token(kind: str, suffix: str) -> str:
    """``[REDACTED:github-token:3f9a]``: the suffix is a keyed hash, so that equal values stay recognisable as equal."""
    return f"[REDACTED:{kind}:{suffix}]"


def union(spans: Iterable[Span]) -> list[Span]:
    """Spans in order without overlap.

    Overlapping spans, and touching ones of one kind, become one; it takes the kind of a registered value among them,
    else of the longest, else of the first given. It is as certain as the most certain of them.
    """
    merged: list[tuple[Span, Span]] = []  # (the union so far, the span that names it)
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if merged:
            whole, namer = merged[-1]
            if span.start < whole.end or (span.start == whole.end and span.kind == namer.kind):
                namer = stronger(namer, span)
                tier = min(whole.tier, span.tier)
                end = max(whole.end, span.end)
                merged[-1] = (Span(namer.kind, whole.start, end, tier, namer.known), namer)
                continue
        merged.append((span, span))
    return [whole for whole, _ in merged]


def stronger(one: Span, other: Span) -> Span:
    """Which of two spans names what they cover together: a registered value, else the longest, else the first."""
    return max(one, other, key=lambda span: (span.known, span.end - span.start))
