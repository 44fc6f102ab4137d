"""Finding personal data in a text: one pass for candidates, then each is judged by what it could be."""

from __future__ import annotations

from collections.abc import Iterator

from remit.redact.personal.addresses import addresses, emails
from remit.redact.personal.clusters import Cluster, Run, clusters, runs
from remit.redact.personal.context import near
from remit.redact.personal.kinds import STRENGTH, Kind, Personal, strongest
from remit.redact.personal.national import numbers, spaced, tokens
from remit.redact.personal.payment import LONGEST_CARD, SHORTEST_CARD, card, ibans
from remit.redact.personal.phones import REGIONS, phone

_SSN_WORDS = ("ssn", "social security", "social", "soc sec", "ss#", "ssns", "tax id", "taxpayer", "tin")
_SSN_DIGITS = 9
_NINO_DIGITS = 6


def find(text: str, *, regions: tuple[str, ...] = REGIONS) -> list[Personal]:
    """Every piece of personal data in ``text``, in order and without overlap; offsets are characters.

    Args:
        text: Any text. The time is linear in its length.
        regions: Countries (ISO 3166-1) whose national phone numbers are known by themselves; international ones with
            ``+`` always are.
    """
    found = list(emails(text)) if "@" in text or "%40" in text or "\uff20" in text else []
    found += addresses(text)
    found += ibans(text)
    found += tokens(text)
    for cluster in clusters(text):
        found += _in_cluster(cluster, regions)
    return strongest(found) if len(found) > 1 else found


def _in_cluster(cluster: Cluster, regions: tuple[str, ...]) -> Iterator[Personal]:
    for run in runs(cluster, least=_NINO_DIGITS, most=LONGEST_CARD):
        count = len(run.digits)
        if count == _NINO_DIGITS:
            yield from spaced(run)
            continue
        found = card(run) if count >= SHORTEST_CARD else _ssn(run) if count == _SSN_DIGITS else None
        if found is not None:
            yield found
        yield from numbers(run)
    yield from phone(cluster, regions)


def _ssn(run: Run) -> Personal | None:
    """A US social security number (SSA, POMS RM 10201.030): no area 000, 666 or 9xx, no group 00, no serial 0000.

    One separator throughout; without any, a word for it must stand near.
    """
    number = run.digits
    if number[:3] in {"000", "666"} or number[0] == "9" or number[3:5] == "00" or number[5:] == "0000" or not run.alone:
        return None
    joint = run.joint
    text = run.cluster.text
    if joint == "":
        if len(set(number)) == 1 or not near(text, run.start, run.end, _SSN_WORDS):
            return None
    elif joint not in {"-", " ", ".", "\u2013", "\u2011"} or tuple(map(len, run.groups)) != (3, 2, 4):
        return None
    return Personal(Kind.SSN, run.start, run.end, STRENGTH[Kind.SSN])
