"""Rules on every text of a document, wherever it stands: no control characters, no template braces, nothing huge."""

import math
import re
from collections.abc import Iterator
from typing import cast

from remit.packs.build.problem import DocumentPath, Problem

MAX_TEXT = 4_000
"""Longest single text in characters; most places allow less."""

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters, the bidirectional overrides that make code read otherwise than it runs (CVE-2021-42574), and
lone surrogates. Tab, line feed and carriage return are judged by place."""

_BRACES = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
_BREAKS = re.compile(r"[\t\n\r\x85\u2028\u2029]")
_PROSE = frozenset({"description", "message"})
SECRET_PREFIX = "secret://"  # noqa: S105 - the form of a reference, not a secret
_INTEGER_LIMIT = 2**63


def unprintable(text: str) -> re.Match[str] | None:
    """The first character that no document may hold."""
    return _UNPRINTABLE.search(text)


def text_problems(value: object, path: DocumentPath = ()) -> Iterator[Problem]:
    """Everything wrong with the texts and numbers of a document, keys included."""
    if isinstance(value, str):
        yield from _string_problems(value, path)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            place = (*path, key)
            for problem in _string_problems(key, place):
                yield Problem(problem.code, place, f"key: {problem.what}", problem.hint, at_key=True)
            yield from text_problems(item, place)
    elif isinstance(value, list):
        for position, item in enumerate(cast("list[object]", value)):
            yield from text_problems(item, (*path, position))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem("build.not_finite", path, "the number is too large", "Give a finite number.")
    elif isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        yield Problem("build.number_range", path, f"{value} does not fit into 64 bits", "Give a smaller number.")


def _string_problems(text: str, path: DocumentPath) -> Iterator[Problem]:
    if len(text) > MAX_TEXT:
        what = f"the text has {len(text):,} characters, more than {MAX_TEXT:,}"
        yield Problem("build.too_long", path, what, "Shorten it.")
        return
    if SECRET_PREFIX in text and not _may_refer(text, path):
        what = "a secret is referred to where its value would become part of code"
        hint = "Refer to secrets only in `integrations[].config`, as the whole value: `secret://NAME`."
        yield Problem("build.secret_place", path, what, hint)
    if "{" in text or "}" in text or "%" in text:
        yield from _brace_problems(text, path)
    if text.isprintable():
        return
    found = unprintable(text)
    prose = bool(path) and path[-1] in _PROSE
    if found is None and not prose:
        found = _BREAKS.search(text)
    if found is not None:
        what = f"the text holds the control character U+{ord(found.group()):04X}"
        hint = "Remove it." if prose else "Remove it; only `description` and `message` may have several lines."
        yield Problem("build.control_character", path, what, hint)


def _may_refer(text: str, path: DocumentPath) -> bool:
    return path[:1] == ("integrations",) and "config" in path and text.startswith(SECRET_PREFIX)


def _brace_problems(text: str, path: DocumentPath) -> Iterator[Problem]:
    found = _BRACES.search(text)
    if found is not None:
        what = f"the text holds template braces `{found.group()}`, and it would become part of code"
        yield Problem("build.template_braces", path, what, "Write the value itself; nothing is substituted.")
