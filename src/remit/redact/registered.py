"""Registered values: every form in which a known secret turns up, and finding them quickly.

A registry is immutable; registering makes a new one, so that scans in other threads never see half a change.
"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote, quote_plus

from remit.kernel.errors import InvalidInput
from remit.redact.pack import kinds
from remit.redact.span import mask_token

SHORTEST = 8
_FEW = 128  # up to here one substring search for each form is quicker than the index
_GRAM = 5
_STRIDE = SHORTEST - _GRAM + 1  # every form has a gram at a multiple of the stride, wherever it starts

#: Words of eight letters and more that stand in ordinary text: masking them would mask the text.
COMMON = frozenset(
    [
        *("password", "passw0rd", "password1", "changeme", "username", "undefined", "localhost", "12345678"),
        *("administrator", "anonymous", "disabled", "enabled!", "required", "optional", "internal", "external"),
        *("function", "continue", "database", "postgres", "postgresql", "redacted", "00000000", "11111111"),
        *("development", "production", "example.com", "127.0.0.1", "123456789", "1234567890", "qwertyuiop"),
    ]
)


@cache
def _masks() -> str:
    """The text that masks are made of."""
    return "".join(mask_token(kind, "0000") for kind in kinds()).lower()


def check(value: str) -> None:
    """Refuse what can't be masked without harm.

    Raises:
        InvalidInput: Shorter than 8 characters, a common word, or text that occurs in masks themselves. The message
            doesn't hold the value.
    """
    if len(value.strip()) < SHORTEST:
        message = f"a registered secret needs at least {SHORTEST} characters: a shorter one would mask ordinary text"
        raise InvalidInput(message, code="redact.short", hint="rotate the secret to a longer one")
    if value.lower() in COMMON or value.lower() in _masks() or len(set(value)) == 1:
        message = "this value is a common word or a repeated character: masking it would mask ordinary text"
        raise InvalidInput(message, code="redact.common", hint="choose a random secret: openssl rand -hex 24")


def _aligned(data: bytes) -> Iterator[str]:
    """Base64 of ``data`` at its three possible alignments inside a longer encoded text.

    Trimmed to the characters that depend on ``data`` alone: with k bytes in front, 0/2/3 leading characters for
    k = 0/1/2, and 0/3/2 trailing ones (``=`` counted) for (length + k) mod 3 = 0/1/2.
    """
    for front in range(3):
        text = base64.b64encode(b"\0" * front + data).decode()
        trimmed = text[(0, 2, 3)[front] : len(text) - (0, 3, 2)[(len(data) + front) % 3]]
        yield trimmed
        yield trimmed.translate(str.maketrans("+/", "-_"))


def forms(value: str) -> tuple[str, ...]:
    """Every form of ``value`` that is looked for, longest first, none shorter than 8 characters."""
    found: dict[str, None] = {value: None}
    for text in dict.fromkeys((value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value))):
        data = text.encode("utf-8", "surrogatepass")
        once = json.dumps(text)[1:-1]
        plain = json.dumps(text, ensure_ascii=False)[1:-1]
        percent = quote(text, safe="", errors="surrogatepass")
        form = quote_plus(text, errors="surrogatepass")
        wide = text.encode("utf-16-le", "surrogatepass")
        found |= dict.fromkeys(
            (
                text,
                data.hex(),
                data.hex().upper(),
                *_aligned(data),
                percent,
                _lower_escapes(percent),
                form,
                _lower_escapes(form),
                once,
                plain,
                once.replace("/", "\\/"),
                json.dumps(once)[1:-1],
                json.dumps(plain, ensure_ascii=False)[1:-1],
                repr(text)[1:-1],
                repr(data)[2:-1],
                html.escape(text),
                text.replace("'", "'\\''"),
                wide.decode("latin-1"),
                *_aligned(wide),
            )
        )
    found |= dict.fromkeys(  # how UTF-8 looks when bytes are scanned
        each.encode("utf-8", "surrogatepass").decode("latin-1") for each in tuple(found) if not each.isascii()
    )
    return tuple(sorted((each for each in found if len(each) >= SHORTEST), key=len, reverse=True))


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join((head, *(part[:2].lower() + part[2:] for part in rest)))


@dataclass(frozen=True, slots=True)
class Registry:
    """The registered values. ``literals`` maps each form to the value it stands for."""

    values: frozenset[str] = frozenset()
    literals: Mapping[str, str] = field(default_factory=dict[str, str])
    grams: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and value of each occurrence of each form."""
        for literal in self._candidates(text):
            start = text.find(literal)
            while start >= 0:
                yield start, start + len(literal), self.literals[literal]
                start = text.find(literal, start + 1)

    def _candidates(self, text: str) -> Iterable[str]:
        if not self.grams:
            return [literal for literal in self.literals if literal in text]
        here = {text[at : at + _GRAM] for at in range(0, len(text), _STRIDE)}
        if self.grams.keys().isdisjoint(here):
            return ()
        near = {literal for gram in here for literal in self.grams.get(gram, ())}
        return [literal for literal in near if literal in text]


def registry(values: frozenset[str]) -> Registry:
    """A registry of ``values``."""
    literals: dict[str, str] = {}
    for value in sorted(values):
        for form in forms(value):
            if form.lower() not in _masks():
                literals.setdefault(form, value)
    grams: dict[str, list[str]] = {}
    if len(literals) > _FEW:
        for literal in literals:
            for at in range(_STRIDE):
                grams.setdefault(literal[at : at + _GRAM], []).append(literal)
    return Registry(values, literals, {gram: tuple(each) for gram, each in grams.items()})
