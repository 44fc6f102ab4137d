"""Reversible masks for what a model reads: ``<EMAIL_2_k3f9qa>`` goes out, the address comes back to its owner.

A token names a value by kind and number (``EMAIL_2``: the mission's second address) and its spelling by a tag, the
first 30 bits of HMAC-SHA256 over kind, number and spelling under the mission's nonce (RFC 2104, RFC 4648 base32). The
same value has the same number however it is written, the same spelling the same token; and nobody who doesn't know the
nonce can write a token that comes back as something, except one that they were shown. Secrets never enter: they are
masked one way before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from remit.redact.personal.find import find
from remit.redact.personal.kinds import Kind, Personal, strongest
from remit.redact.personal.phones import REGIONS

NONCE_SIZE = 16
TAG_LENGTH = 6
MOST_DIGITS = 6

#: What stands in a token for each kind; every national number is an ``ID``.
LABELS: Mapping[str, str] = {
    **{kind.value: kind.value.upper() for kind in Kind},
    "person": "PERSON",  # these three only outside finders find
    "location": "LOCATION",
    "nrp": "GROUP",
}
NATIONAL = "ID"

_LABEL = "|".join(sorted({*LABELS.values(), NATIONAL}, key=len, reverse=True))
_OPEN = r"(?:\\{0,2}<|&(?:lt|LT|#60|#x3[cC]);|\\u003[cC])"
_CLOSE = r"(?:\\{0,2}>|&(?:gt|GT|#62|#x3[eE]);|\\u003[eE])"
_JOIN = r"\\{0,2}_"
#: A token as models write it: any case, brackets kept, escaped (Markdown, HTML, JSON) or lost, underscores escaped.
_TOKEN = re.compile(
    rf"(?:{_OPEN}|(?<![A-Za-z0-9_]))(?P<label>(?i:{_LABEL})){_JOIN}(?P<number>[1-9][0-9]{{0,{MOST_DIGITS - 1}}})"
    rf"{_JOIN}(?P<tag>[A-Za-z2-7]{{{TAG_LENGTH}}})(?![A-Za-z0-9_])(?:{_CLOSE})?"
)
_LONGEST = 6 + 8 + 3 + MOST_DIGITS + 3 + TAG_LENGTH + 6  # characters of a token with everything escaped
_BEFORE = 1  # characters that decide whether a token may begin

type Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """One spelling of one value, and the token that stands for it."""

    label: str
    number: int
    tag: str
    value: str

    @property
    def key(self) -> Key:
        """What the token says."""
        return self.label, self.number, self.tag

    @property
    def token(self) -> str:
        """``<EMAIL_2_k3f9qa>``."""
        return f"<{self.label}_{self.number}_{self.tag}>"


class Vault:
    """What a mission's tokens stand for. Pure: whoever holds it keeps it, see ``guard.personal_vault``.

    Not safe for threads. ``restore(mask(x)) == x`` for every text ``x`` without tokens of this vault.

    Args:
        nonce: 16 random bytes of the mission.
        kept: What was masked before.
    """

    def __init__(self, nonce: bytes, kept: Iterable[Kept] = ()) -> None:
        self.nonce = nonce
        self._by_key: dict[Key, Kept] = {}
        self._by_value: dict[tuple[str, str], Kept] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        for each in kept:
            self._add(each)

    def __len__(self) -> int:
        return len(self._by_key)

    def mask(
        self, text: str, *, regions: tuple[str, ...] = REGIONS, also: Sequence[Personal] = ()
    ) -> tuple[str, list[Kept]]:
        """``text`` with personal data as tokens, and what those stand for, each once; the same object without any.

        Tokens of this vault in ``text`` stay as they are. ``also`` is what was found in it elsewhere.
        """
        found = find(text, regions=regions)
        found = [each for each in strongest([*found, *also]) if not self._inside_token(text, each)]
        if not found:
            return text, []
        used: dict[Key, Kept] = {}
        parts: list[str] = []
        done = 0
        for each in found:
            kept = self.keep(each.kind, text[each.start : each.end])
            used[kept.key] = kept
            parts += (text[done : each.start], kept.token)
            done = each.end
        return "".join((*parts, text[done:])), list(used.values())

    def mask_tree(
        self,
        value: object,
        *,
        regions: tuple[str, ...] = REGIONS,
        also: Mapping[str, Sequence[Personal]] = MappingProxyType({}),
    ) -> tuple[object, list[Kept]]:
        """Nested JSON with every text in it masked, keys excepted; numbers stay numbers. ``also``: by text."""
        used: dict[Key, Kept] = {}

        def mask(text: str) -> str:
            masked, kept = self.mask(text, regions=regions, also=also.get(text, ()))
            used.update((each.key, each) for each in kept)
            return masked

        return mapped(value, mask), list(used.values())

    def keep(self, kind: str, value: str) -> Kept:
        """The token of ``value``, made if it has none."""
        label = LABELS.get(kind, NATIONAL)
        known = self._by_value.get((label, value))
        if known is not None:
            return known
        same = (label, identity(kind, value))
        number = self._numbers.get(same) or self._last.get(label, 0) + 1
        return self._add(Kept(label, number, self._tag(label, number, value), value))

    def add(self, kept: Kept) -> None:
        """Know what another process masked; what is known already stays."""
        if kept.key not in self._by_key:
            self._add(kept)

    def without(self, keys: Container[Key]) -> list[Kept]:
        """What is kept under any other key than these."""
        return [each for key, each in self._by_key.items() if key not in keys]

    def restore(self, text: str) -> str:
        """``text`` with this vault's tokens as what they stand for; any other token stays as it is."""
        return _TOKEN.sub(self._restored, text) if "_" in text else text

    def restore_tree(self, value: object) -> object:
        """Nested JSON with every text in it restored, keys excepted."""
        return mapped(value, self.restore)

    def restorer(self) -> Restorer:
        """Restores a text that comes in pieces."""
        return Restorer(self._restored)

    def _restored(self, match: re.Match[str]) -> str:
        kept = self._by_key.get((match["label"].upper(), int(match["number"]), match["tag"].lower()))
        return match[0] if kept is None else kept.value

    def _add(self, kept: Kept) -> Kept:
        self._by_key[kept.key] = kept
        self._by_value.setdefault((kept.label, kept.value), kept)
        self._numbers.setdefault((kept.label, identity(kept.label.lower(), kept.value)), kept.number)
        self._last[kept.label] = max(self._last.get(kept.label, 0), kept.number)
        return kept

    def _tag(self, label: str, number: int, value: str) -> str:
        said = f"{label}\n{number}\n{value}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self.nonce, said, hashlib.sha256).digest()
        return base64.b32encode(digest)[:TAG_LENGTH].decode().lower()

    def _inside_token(self, text: str, found: Personal) -> bool:
        """Whether what looks like personal data is part of one of this vault's tokens."""
        start = max(0, found.start - _LONGEST)
        return any(
            match.start() < found.end and found.start < match.end() and self._restored(match) != match[0]
            for match in _TOKEN.finditer(text, start, min(len(text), found.end + _LONGEST))
        )


class Restorer:
    """Restores a stream: what it gives, put together, is what ``restore`` gives for the whole, wherever it was cut.

    At most 38 characters are held back, and only while they may be the beginning of a token.
    """

    def __init__(self, restored: Callable[[re.Match[str]], str]) -> None:
        self._restored = restored
        self._seen = ""  # the last character that was given out, as it came: it decides where a token may begin
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is certain by now."""
        self._held += piece
        tail = _TAIL.search(self._held)
        start = len(self._held) if tail is None else tail.start()
        return self._give(max(start, len(self._held) - _LONGEST))

    def close(self) -> str:
        """The rest."""
        return self._give(len(self._held))

    def _give(self, until: int) -> str:
        """Everything up to ``until``, and past it to the end of a token that began before."""
        text = self._seen + self._held
        skip = len(self._seen)
        until += skip
        parts: list[str] = []
        done = skip
        for match in _TOKEN.finditer(text, skip):
            if match.start() >= until:
                break
            parts += (text[done : match.start()], self._restored(match))
            done = match.end()
        until = max(until, done)
        parts.append(text[done:until])
        self._held = text[until:]
        self._seen = text[until - _BEFORE : until] if until else ""
        return "".join(parts)


#: The characters that tokens are made of, at the end of what has come so far.
_TAIL = re.compile(r"[A-Za-z0-9_<>&#;\\]+\Z")


def identity(kind: str, value: str) -> str:
    """What is the same for every spelling of a value: case, joints and international domains don't count."""
    if kind != Kind.EMAIL:
        return "".join(each for each in value.upper() if each.isalnum() or each == ":")
    local, sign, domain = value.replace("%40", "@").rpartition("@")
    return f"{local}{sign}{_ascii(domain)}"


def _ascii(domain: str) -> str:
    """A domain as DNS knows it (IDNA 2008); as it stands, in lower case, where it has no such form."""
    if domain.isascii():
        return domain.lower()
    import idna  # noqa: PLC0415 - only for an international domain

    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.lower()


def mapped(value: object, change: Callable[[str], str]) -> object:
    """Nested JSON with ``change`` done to every text in it but keys."""
    match value:
        case str():
            return change(value)
        case dict():
            return {key: mapped(each, change) for key, each in cast("dict[str, object]", value).items()}
        case list() | tuple():
            return [mapped(each, change) for each in cast("list[object]", value)]
        case _:
            return value
