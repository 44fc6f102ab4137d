"""Text of unknown origin made harmless to show: nothing in it can move the cursor, turn the reading order or hide.

What an agent wrote stands in approvals, notices and lists. A terminal obeys escape sequences, and people are deceived
by characters that reverse the order of others or are not seen at all (Trojan Source, CVE-2021-42574); both are shown
as their code instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

#: Control, format (bidirectional, zero-width, tags), surrogates, private use, unassigned, line and paragraph ends.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Not of those classes, and yet nothing is seen of them: fillers, a blank Braille cell, variation selectors.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f") | frozenset(map(chr, range(0xFE00, 0xFE10)))
_MARKS = frozenset({"Mn", "Me"})
_BYTE = 0x100
_SUSPECT = re.compile(r"[^\n\t -~]")
MOST_MARKS = 2  # combining marks in a row: more only cover what stands beside them


def plain(text: str, *, limit: int = 400) -> str:
    """``text`` on one line, at most ``limit`` characters and a note of how many were left out."""
    cut = len(text) - limit
    shown = text if text.isascii() and text.isprintable() else _told(text[:limit])
    return shown[:limit] if cut <= 0 and len(shown) <= limit else f"{shown[:limit]}… ({len(text)} characters)"


def plain_lines(text: str, *, lines: int = 400, width: int = 400) -> list[str]:
    """``text`` line by line (ended by a newline alone), at most ``lines`` of them, each as ``plain``."""
    found = text.removesuffix("\n").split("\n")
    shown = [plain(line.replace("\t", "    "), limit=width) for line in found[:lines]]
    return shown if len(found) <= lines else [*shown, f"… {len(found) - lines} more lines"]


def harmless(text: str) -> str:
    """``text`` as it stands, lines and tabs included, with whatever would hide, reverse or control told as its code."""
    return spelled(text, _code, keep="\n\t\u00a0\u202f") if _SUSPECT.search(text) else text


def spelled(text: str, code: Callable[[str], str], *, keep: str = "") -> str:
    """``text`` with every character that hides, reverses or controls others as its ``code``; those in ``keep`` stay."""
    parts: list[str] = []
    marks = 0
    for char in text:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in _MARKS else 0
        hidden = kind in _HIDDEN or char in _BLANK or marks > MOST_MARKS or (kind == "Zs" and char != " ")
        parts.append(code(char) if hidden and char not in keep else char)
    return "".join(parts)


def _told(text: str) -> str:
    return spelled(text, _code)


def _code(char: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if named is not None:
        return named
    number = ord(char)
    return f"\\x{number:02x}" if number < _BYTE else f"\\u{{{number:x}}}"
