"""References to secrets: ``secret://NAME``, or ``secret://NAME#VERSION``, where a value would stand.

A reference is a whole text, or comes after one word and a space (``Bearer secret://NAME``, for a header). It stays a
reference in payloads, approvals, rows and the audit log; only an adapter, inside a permit, ever sees the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput

SCHEME = "secret://"
LONGEST_NAME = 128

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_WHOLE = re.compile(r"(?:([A-Za-z][A-Za-z0-9_-]{0,31}) )?secret://(\S*)")
NAME_RULE = "letters, digits and _ . - /, at most 128, no part that begins with . or -"


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A secret's name and version (empty: the newest)."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}{f'#{self.version}' if self.version else ''}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A reference as it stands in a text: the word before it, if any."""

    reference: Reference
    word: str = ""

    def filled(self, value: str) -> str:
        """The text with the value in place of the reference."""
        return f"{self.word} {value}" if self.word else value


def check_name(name: str) -> str:
    """The name.

    Raises:
        InvalidInput: No name of a secret; the message doesn't repeat all of it, for it may be a value by mistake.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        message = f"{name[:20]!r}{'...' if len(name) > 20 else ''} is no name of a secret: {NAME_RULE}."  # noqa: PLR2004
        raise InvalidInput(message, code="secrets.name", hint="remit secrets list")
    return name


def parse(text: str) -> Placed | None:
    """The reference that ``text`` is; ``None`` when it is none.

    Raises:
        InvalidInput: It looks like one (``secret://`` at its start), and its name or version is not fit.
    """
    found = _WHOLE.fullmatch(text)
    if found is None:
        if text.startswith(SCHEME):
            message = f"{text[:40]!r} is no reference to a secret: write {SCHEME}NAME and nothing after it."
            raise InvalidInput(message, code="secrets.reference", hint="remit secrets list")
        return None
    name, mark, version = found[2].partition("#")
    check_name(name)
    if mark and not _VERSION.fullmatch(version):
        message = f"{SCHEME}{name} names a version that can't be: {version[:20]!r}."
        raise InvalidInput(message, code="secrets.reference", hint=f"remit secrets show {name}")
    return Placed(Reference(name, version), found[1] or "")


def references_in(value: Json) -> Iterator[Reference]:
    """Every reference among the texts of a JSON value, in order; keys are no place for one.

    Raises:
        InvalidInput: As ``parse``.
    """
    if isinstance(value, str):
        placed = parse(value)
        if placed is not None:
            yield placed.reference
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from references_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from references_in(each)
