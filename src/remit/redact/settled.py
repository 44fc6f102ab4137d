"""How far judges read behind a match: whether text that follows can still change what one said.

A stream holds a match back until its judge's word is settled. A judge that isn't listed here is taken to read ``FAR``
characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

FAR = 512

_LONGEST = 8192  # as the longest value that judges of named values read
_COOKIES = 4096
_SIGNED = 900
_NEAR = 300
_JWK = 2000
_AFTER = 9  # what is read behind a value to tell a literal from an expression

_GAP = re.compile(r"[\s\"'`<>]")
_LINE = re.compile(r"[\r\n]")
_KEYED_END = re.compile(r"[;\"'`<>&]")
_CRUMBS_END = re.compile(r"[\r\n\"'`\\]")
_NO_TOKEN = re.compile(r"[^A-Za-z0-9+/=_.~$,-]")
_SIGNED_BY = re.compile(r"(?i)[?&;](?:se|sv|sp|expires|x-amz-[a-z]+|x-goog-[a-z]+|key-pair-id|sr|awsaccesskeyid|skn)=")
_LINES = re.compile(r"(?:[A-Za-z0-9+/=]{1,80}(?:\r?\n|\\r\\n|\\n|$)){1,400}", re.ASCII)
_MAC = 96
_FILLS = re.compile(r"[A-Za-z0-9+/=_~.-]*[\"'\\,+ \t]{0,8}(?:\r?\n|\Z)")

type Settled = Callable[[str, int, int], bool]


def _at_once(_text: str, _start: int, _end: int) -> bool:
    """The match alone counts, or what stands before it."""
    return True


def _behind(pattern: re.Pattern[str], *, after: int = 1, most: int = _LONGEST) -> Settled:
    """The judge reads up to the first match of ``pattern`` and ``after`` characters further, ``most`` in all."""

    def settled(text: str, _start: int, end: int) -> bool:
        found = pattern.search(text, end)
        return (found is not None and len(text) >= found.start() + after) or len(text) >= end + most + after

    return settled


def _keyed(text: str, start: int, end: int) -> bool:
    """The rest of a connection string is looked for up to the line's end; the value ends where the next key begins."""
    if _LINE.search(text, end):
        return True
    return len(text) > start + _NEAR and (_KEYED_END.search(text, end) is not None or len(text) > end + 2 * _NEAR)


def _signature(text: str, start: int, end: int) -> bool:
    return len(text) >= end + _SIGNED or _SIGNED_BY.search(text, max(0, start - _SIGNED)) is not None


def _jwk(text: str, start: int, end: int) -> bool:
    return len(text) >= end + _JWK or '"kty"' in text[max(0, start - _JWK) :]


def _putty(text: str, _start: int, end: int) -> bool:
    lines = _LINES.match(text, end)
    return len(text) - (end if lines is None else lines.end()) > _MAC


def _entropic(text: str, _start: int, end: int) -> bool:
    """A token that fills its line is compared with the next one."""
    if _FILLS.match(text, end) is None:
        return True
    first = text.find("\n", end)
    return len(text) >= end + FAR or (first >= 0 and text.find("\n", first + 1) >= 0)


_ALL: Mapping[str, Settled] = MappingProxyType(
    {
        **dict.fromkeys(
            ("", "random_key", "bearer", "credentials", "userinfo", "userinfo_any", "private_key"), _at_once
        ),
        **dict.fromkeys(
            ("drawn", "real", "not_example", "wif", "user_option", "stated", "spoken", "chosen", "near"), _at_once
        ),
        **dict.fromkeys(("authorization", "option"), _behind(_GAP)),
        **dict.fromkeys(("prefixed", "crypt"), _behind(_NO_TOKEN)),
        "blob": _behind(_NO_TOKEN, most=1 << 20),
        "certain": _behind(_GAP, after=_AFTER),
        "assignment": _behind(_LINE, after=_AFTER),
        "keyed_string": _keyed,
        "cookies": _behind(_CRUMBS_END, most=_COOKIES),
        "signature": _signature,
        "jwk": _jwk,
        "putty_key": _putty,
        "entropic": _entropic,
    }
)


def looks_ahead(judge: str) -> bool:
    """Whether the judge reads anything behind the match."""
    return _ALL.get(judge) is not _at_once


def settled(judge: str, text: str, start: int, end: int) -> bool:
    """Whether nothing behind ``text`` can change what the judge says of the match at ``[start, end)``."""
    asked = _ALL.get(judge)
    return len(text) >= end + FAR if asked is None else asked(text, start, end)
