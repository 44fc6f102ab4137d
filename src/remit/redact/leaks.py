"""Secrets in files, as a person reads about them: where, of what kind, how certain; never the value."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from remit.kernel.errors import InvalidInput
from remit.redact.span import Span

VERSION = 1
_ROUNDS = 2000  # PBKDF2: about a millisecond for each finding, so that a guess costs as much
_PROBE = 8192  # bytes: a NUL among them means that a file is no text (git judges so too)

_MARKED = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Scanner(Protocol):
    """What a scan of files needs of a redactor."""

    def scan(self, data: str | bytes, *, tier: int = 1) -> list[Span]:
        """Every secret up to this tier, in order."""
        ...

    def mask(self, text: str) -> str:
        """``text`` without secrets."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path from the repository's top (else from here), and its bytes or why they weren't read."""

    path: str
    data: bytes = b""
    skipped: str = ""
    failed: bool = False  # it should have been read


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret in a file. Lines and columns count from 1, columns in characters; line 0 is the file's name."""

    path: str
    kind: str
    tier: int
    line: int
    column: int
    end_line: int
    end_column: int
    fingerprint: str

    def as_json(self) -> dict[str, object]:
        """As ``remit scan --json`` tells it."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "kind": self.kind,
            "tier": self.tier,
        }


def readable(data: bytes) -> bytes | None:
    """A file's text as UTF-8; ``None`` when it is no text. Bytes that are no UTF-8 stay as they are."""
    for mark, encoding in _MARKED:
        if data.startswith(mark):
            try:
                return data.decode(encoding).encode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                break
    return None if b"\0" in data[:_PROBE] else data


def leaks(
    scanner: Scanner, path: str, text: bytes, *, tier: int, fingerprint: Callable[[str, str, bytes], str]
) -> Iterator[Leak]:
    """The secrets in a file's name and text.

    Args:
        scanner: Finds them.
        path: As it is shown; masked where it holds a secret itself.
        text: What ``readable`` gave.
        tier: 1 for what is certain, 2 for what is likely too.
        fingerprint: Of path, kind and value; see ``Baseline``.
    """
    shown = scanner.mask(path)
    for span in scanner.scan(path, tier=tier) if shown != path else ():
        yield Leak(shown, span.kind, span.tier, 0, 0, 0, 0, fingerprint(shown, span.kind, path.encode()))
    line, start = 1, 0  # of the last span's line
    for span in scanner.scan(text, tier=tier):
        line += text.count(b"\n", start, span.start)
        start = text.rfind(b"\n", 0, span.start) + 1
        value = text[span.start : span.end]
        last = text.rfind(b"\n", 0, span.end) + 1
        yield Leak(
            path=shown,
            kind=span.kind,
            tier=span.tier,
            line=line,
            column=_characters(text[start : span.start]) + 1,
            end_line=line + value.count(b"\n"),
            end_column=_characters(text[last : span.end]) + 1,
            fingerprint=fingerprint(shown, span.kind, value),
        )


def _characters(text: bytes) -> int:
    return len(text.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Baseline:
    """Findings that somebody looked at and accepted.

    A fingerprint is PBKDF2-HMAC-SHA256 (2,000 rounds, RFC 8018) of path, kind and value under the file's random key: it
    tells nothing about a random secret. A password that can be guessed can be guessed from it, at a millisecond a try.
    """

    key: bytes
    known: frozenset[str]

    def fingerprint(self, path: str, kind: str, value: bytes) -> str:
        """16 bytes in hexadecimal, the same for the same finding under the same key."""
        told = b"\0".join((path.encode("utf-8", "surrogatepass"), kind.encode(), value))
        return hashlib.pbkdf2_hmac("sha256", told, self.key, _ROUNDS, dklen=16).hex()


def read_baseline(text: str, place: str) -> Baseline:
    """The baseline that ``write_baseline`` made.

    Raises:
        InvalidInput: It is none (``scan.baseline``).
    """
    try:
        told = cast("Mapping[str, object]", json.loads(text))
        findings = cast("Sequence[Mapping[str, str]]", told["findings"])
        if told["version"] != VERSION:
            message = f"{place} is a baseline of version {told['version']}; this Remit reads version {VERSION}."
            raise InvalidInput(message, code="scan.baseline", hint=f"remit scan . --write-baseline {place}")
        return Baseline(bytes.fromhex(cast("str", told["key"])), frozenset(each["fingerprint"] for each in findings))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{place} is no baseline of a scan."
        raise InvalidInput(message, code="scan.baseline", hint=f"remit scan . --write-baseline {place}") from error


def write_baseline(baseline: Baseline, found: Sequence[Leak]) -> str:
    """The text of a baseline that accepts ``found``; it holds no value."""
    listed = {(leak.path, leak.line, leak.kind, leak.fingerprint) for leak in found}
    body = {
        "version": VERSION,
        "about": "Findings of `remit scan` that somebody accepted; no value stands here. Keep it under review.",
        "key": baseline.key.hex(),
        "findings": [
            {"path": path, "line": line, "kind": kind, "fingerprint": fingerprint}
            for path, line, kind, fingerprint in sorted(listed)
        ],
    }
    return json.dumps(body, indent=2) + "\n"
