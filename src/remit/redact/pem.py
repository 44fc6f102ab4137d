r"""Private keys in PEM armour (RFC 7468), whole or cut off: a BEGIN line opens one, its END line closes it.

A state machine rather than a pattern, because a key that is never closed masks everything to the end of the text. Line
ends may be escaped (``\n`` as two characters, however often), as in a key on one line of JSON. A BEGIN line with
neither key material nor, soon, an END line after it is a mention, not a key; ``FAR`` characters decide that at most, so
that a stream never has to hold more.
"""

from __future__ import annotations

import re
from enum import StrEnum

_NAME = r"(?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
OPEN = re.compile(rf"-----BEGIN {_NAME}", re.ASCII)
CLOSE = re.compile(rf"-----END {_NAME}", re.ASCII)

#: What opens a key that isn't told: text behind it is read as the rest of one.
OPENED = "-----BEGIN " + "PRIVATE KEY-----\n" + "A" * 16 + "\n"

#: No END line is longer.
CLOSE_SIZE = 128

#: How many characters after a BEGIN line are read to tell a key from a mention.
FAR = 512

_BETWEEN = re.compile(r"(?:\\{1,8}[nrt]?|[^A-Za-z0-9<\\]){0,80}+", re.ASCII)
_MATERIAL = re.compile(r"[A-Za-z0-9+/]{16}|Proc-Type|DEK-Info|Version|Comment", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9+/]*+", re.ASCII)
_HEADERS = ("Proc-Type", "DEK-Info", "Version", "Comment")
_BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.]*+", re.ASCII)
_LINE_STARTS = "-----END "


class Told(StrEnum):
    """What the text after a BEGIN line says."""

    KEY = "key"
    MENTION = "mention"
    UNDECIDED = "undecided"


def told(text: str, end: int) -> Told:
    """Whether a key follows the BEGIN line that ends at ``end``; ``UNDECIDED`` when the text ends too early to say.

    A text that goes on can turn an ``UNDECIDED`` into anything, and nothing else into something else.
    """
    stop = min(len(text), end + FAR)
    cut = stop == len(text) and stop < end + FAR
    between = _BETWEEN.match(text, end, stop)
    at = end if between is None else between.end()
    if _MATERIAL.match(text, at, stop):
        return Told.KEY
    rest = text[at:stop]
    run = _RUN.match(rest)
    if cut and (run is None or run.end() == len(rest) or any(each.startswith(rest) for each in _HEADERS)):
        return Told.UNDECIDED
    return _closed(text, end, stop, cut=cut)


def _closed(text: str, end: int, stop: int, *, cut: bool) -> Told:
    """A short body whose END line stands within reach is a key as well."""
    body = _BODY.match(text, end, stop)
    at = end if body is None else body.end()
    if at == stop:
        return Told.UNDECIDED if cut else Told.MENTION
    if CLOSE.match(text, at):
        return Told.KEY if at > end else Told.MENTION
    rest = text[at : at + CLOSE_SIZE]
    if at + len(rest) == len(text) and cut and _opens_end(rest):
        return Told.UNDECIDED
    return Told.MENTION


_PARTIAL = re.compile(r"-----END [A-Z0-9 ]*+-{0,5}", re.ASCII)


def _opens_end(rest: str) -> bool:
    """Whether ``rest`` may grow into an END line."""
    return _LINE_STARTS.startswith(rest) or _PARTIAL.fullmatch(rest) is not None


def key(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The key whose BEGIN line lies at ``[start, end)``: to its END line, unclosed to the end of the text.

    ``None`` for a mention. What is still undecided at the end of a text is one.
    """
    if told(text, end) is not Told.KEY:
        return None
    closed = CLOSE.search(text, end)
    return start, len(text) if closed is None else closed.end()


def undecided(text: str, start: int) -> int:
    """Where, from ``start`` on, the first BEGIN line lies of which more text has to tell; ``len(text)`` if none."""
    for opened in OPEN.finditer(text, start):
        if told(text, opened.end()) is Told.UNDECIDED:
            return opened.start()
    return len(text)
