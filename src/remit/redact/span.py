"""Spans and masks: where a secret lies in a text, and what stands there afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

REGISTERED = "registered"

#: The shape of every mask. Rules can't match inside one, and no value that occurs in one can be registered.
MASK = re.compile(r"\[REDACTED:[a-z][a-z0-9-]*:[0-9a-f]{4}\]")


@dataclass(frozen=True, slots=True)
class Span:
    """A secret at ``[start, end)``: characters of a text, or bytes of a byte string.

    ``tier``: 1 for what is certain (registered values, tokens of a known form), 2 for what is likely.
    """

    kind: str
    start: int
    end: int
    tier: int = 1


def mask_token(kind: str, suffix: str) -> str:
    """``[REDACTED:github-token:3f9a]``: the suffix is a keyed hash, so that equal values stay recognisable as equal."""
    return f"[REDACTED:{kind}:{suffix}]"


def union(spans: Iterable[Span]) -> list[Span]:
    """Spans in order without overlap.

    Overlapping spans, and touching ones of one kind, become one; it takes the kind of a registered value among them,
    else of the longest.
    """
    merged: list[tuple[Span, Span]] = []  # (the union so far, the span that names it)
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if merged:
            whole, namer = merged[-1]
            if span.start < whole.end or (span.start == whole.end and span.kind == namer.kind):
                namer = max(namer, span, key=_weight)
                merged[-1] = (Span(namer.kind, whole.start, max(whole.end, span.end)), namer)
                continue
        merged.append((span, span))
    return [whole for whole, _ in merged]


def _weight(span: Span) -> tuple[bool, int]:
    return span.kind == REGISTERED, span.end - span.start
