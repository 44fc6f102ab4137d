"""Payment cards alone: masked on their way to and from models whatever the policy says about other personal data."""

from __future__ import annotations

import re

from remit.redact.personal.clusters import clusters, runs
from remit.redact.personal.kinds import Kind, Personal, strongest
from remit.redact.personal.payment import LONGEST_CARD, SHORTEST_CARD, card, ibans

_LIKELY = re.compile(r"[0-9](?:[ \-\u00a0]?[0-9]){11}")
_LIKELY_BYTES = re.compile(rb"[0-9](?:(?:[ \-]|\xc2\xa0)?[0-9]){11}")


def cards(text: str, *, front: int = 0) -> list[Personal]:
    """The payment cards in ``text``, in order; those that ``find`` gives. The time is linear in its length.

    Args:
        text: Any text.
        front: Cards that end before this character need not be told.
    """
    if _LIKELY.search(text, front) is None:
        return []
    found = [
        each
        for cluster in clusters(text)
        for run in runs(cluster, least=SHORTEST_CARD, most=LONGEST_CARD)
        if (each := card(run)) is not None
    ]
    return [each for each in strongest([*found, *ibans(text)]) if each.kind == Kind.CARD] if found else found


def may_hold(data: bytes) -> bool:
    """Whether there may be a card in UTF-8: digits enough, joined as in one. A few microseconds a kilobyte."""
    return _LIKELY_BYTES.search(data) is not None
