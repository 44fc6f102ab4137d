"""Where a text ends inside something that may still become personal data.

Whether a number is somebody's is also told by words up to 40 characters behind it, so that numbers are held back longer
than anything else; text without digits only by the word that may become an e-mail address.
"""

from __future__ import annotations

import re

from remit.redact.personal.addresses import IPV4, IPV6, LONGEST_LOCAL
from remit.redact.personal.clusters import NUMBER
from remit.redact.personal.context import REACH
from remit.redact.personal.national import TOKEN
from remit.redact.personal.payment import IBAN, SHORTEST_CARD

_AHEAD = REACH + 8  # words behind a number, and what may still belong to it (an extension)
_LINE = 82  # what an address reads behind it to tell a repository's remote
_WIDEST = 320  # an e-mail address (RFC 5321: 64 + 1 + 253), and more than any number
_WORD = re.compile(r"\S+\Z")
_QUOTED = re.compile(r"\"(?:[^\"\\\r\n]|\\[^\r\n]){0,62}\"?\Z")
_ADDRESS = re.compile(r"(?:@|%40|\uff20)[^\s\"'<>(),;]{0,260}")
_LEFT = re.compile(r"(?:[+(\uff0b][ (]{0,2})?[^\s\"'<>,;=]{0,64}\Z")
_CHAIN = re.compile(r"[0-9](?:[ .\-/()\u00a0\u2010-\u2013]{0,3}[0-9])*[ .\-/()\u00a0\u2010-\u2013]{0,3}\Z")
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]{2}[0-9]{2}(?:[ \-\u00a0]?[A-Za-z0-9]){0,45}[ \-\u00a0]?\Z")
_INSURANCE = re.compile(r"[A-Za-z]{2} ?(?:[0-9]{2} ?){1,3}[A-Da-d]?")
_PLUS = re.compile(r"[+(\uff0b][ (]{0,2}\Z")
_DIGIT = re.compile(r"[0-9]")
_NO_CARD = SHORTEST_CARD - 1  # so many digits are none yet
_NUMBERS = (NUMBER, IPV4, IPV6, IBAN, TOKEN, _INSURANCE)


def undecided_personal(text: str, floor: int) -> int:
    """The first character, from ``floor`` on, of what may still become personal data; ``len(text)`` if none.

    Exact but for digit groups that run on for more than a thousand characters, whose cutting into numbers depends on
    where they begin.
    """
    size = len(text)
    front = max(floor, size - 2 * _WIDEST)
    places = [_word(text, front), _quoted(text, front), _addresses(text, front)]
    for pattern in (_CHAIN, _ACCOUNT, _PLUS):
        found = pattern.search(text, max(front, size - _WIDEST))
        if found is not None:
            places.append(_left(text, found.start(), front))
    # Some patterns ask for what stands before them: they are tried from a little before on.
    for pattern in _NUMBERS:
        for found in pattern.finditer(text, max(0, front - REACH)):
            if found.end() > size - _AHEAD:
                places.append(_left(text, found.start(), front))
                break
    return max(floor, min(places))


def undecided_cards(text: str, floor: int) -> int:
    """As ``undecided_personal``, for payment cards: digits that go on, and numbers long enough to be one."""
    size = len(text)
    front = max(floor, size - _WIDEST)
    if _DIGIT.search(text, front) is None:
        return size
    first = size
    found = _CHAIN.search(text, front)
    if found is not None:
        first = found.start()
    for found in NUMBER.finditer(text, max(0, front - REACH)):
        if found.end() > size - _AHEAD and len(_DIGIT.findall(found[0])) > _NO_CARD:
            first = min(first, found.start())
            break
    return max(floor, first)


def _word(text: str, front: int) -> int:
    """The word that the text ends in, as far as it can be the beginning of an address."""
    found = _WORD.search(text, front)
    if found is None:
        return len(text)
    sign = _ADDRESS.search(text, found.start())
    return max(found.start(), (len(text) if sign is None else sign.start()) - LONGEST_LOCAL - 1)


def _quoted(text: str, front: int) -> int:
    """A quoted local part (RFC 5321) whose sign may still come."""
    if '"' not in text[max(front, len(text) - LONGEST_LOCAL - 1) :]:
        return len(text)
    found = _QUOTED.search(text, max(front, len(text) - LONGEST_LOCAL - 1))
    return len(text) if found is None else found.start()


def _addresses(text: str, front: int) -> int:
    for found in _ADDRESS.finditer(text, front):
        if found.end() > len(text) - _LINE:
            return max(front, found.start() - LONGEST_LOCAL - 1)
    return len(text)


def _left(text: str, start: int, front: int) -> int:
    """With what may stand directly before: letters, a sign, a bracket."""
    found = _LEFT.search(text, max(front, start - LONGEST_LOCAL - 4), start)
    return start if found is None else found.start()
