"""JSON text to plain values; where they stand is worked out only when somebody asks."""

import json
import re
from bisect import bisect_right
from typing import cast

from remit.packs.build.document_marks import MAX_DEPTH, MAX_NODES, Malformed, Mark, malformed

_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_MAX_DIGITS = 30


class _Suspicious(ValueError):
    """Something that only the scan with places can report."""


def read_json(text: str) -> object:
    """The document of a text.

    Raises:
        Malformed: Not JSON, a key twice, a number that is none, or beyond a bound; with the place.
    """
    try:
        found: object = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
        _check_size(found)
    except json.JSONDecodeError as error:
        raise _syntax(error, text) from None
    except (_Suspicious, RecursionError):
        mark_json(text)
        what = "the document can't be read"
        raise malformed("build.syntax", what, "Check it with another JSON reader.", at=(1, 1)) from None
    return found


def _check_size(document: object) -> None:
    """Level by level, so that depth costs no stack."""
    level, nodes = [document], 0
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(cast("dict[str, object]", value).values())
            elif isinstance(value, list):
                below.extend(cast("list[object]", value))
        nodes += len(level)
        level = below
        if not level or nodes > MAX_NODES:
            break
    if level or nodes > MAX_NODES:
        raise _Suspicious


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Suspicious
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _Suspicious
    return int(text)


def _constant(text: str) -> float:
    raise _Suspicious(text)


def _syntax(error: json.JSONDecodeError, text: str) -> Malformed:
    if not text.strip():
        return malformed("build.empty", "the document is empty", "Start from one of examples/intakes.", at=(1, 1))
    hint = "Check quotes, commas and brackets around this place."
    if text[: error.pos].rstrip().endswith(",") or text[error.pos : error.pos + 1] == ",":
        hint = "JSON allows no comma before a closing bracket, and no comments."
    return malformed("build.syntax", f"the text is not JSON: {error.msg}", hint, at=(error.lineno, error.colno))


def mark_json(text: str) -> Mark:
    """The marks of a text whose brackets match.

    Raises:
        Malformed: A key twice, a number that is none or too long, nesting or size beyond the bound.
    """
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    stack: list[Mark] = []
    keys: list[tuple[str, int, int] | None] = []
    root: Mark | None = None
    nodes = 0
    for match in _LEXEME.finditer(text):
        lexeme = match.group()
        line = bisect_right(starts, match.start())
        at = (line, match.start() - starts[line - 1] + 1)
        if lexeme in ":,":
            continue
        if lexeme in "}]":
            stack.pop()
            keys.pop()
            continue
        if stack and isinstance(stack[-1].items, dict) and keys[-1] is None:
            keys[-1] = (_fresh_key(lexeme, stack[-1], at), *at)
            continue
        nodes += 1
        mark = _value_mark(lexeme, at, depth=len(stack), nodes=nodes)
        if stack:
            _attach(stack[-1], keys, mark)
        root = root or mark
        if lexeme in "{[":
            stack.append(mark)
            keys.append(None)
    return root or Mark(1, 1)


def _value_mark(lexeme: str, at: tuple[int, int], *, depth: int, nodes: int) -> Mark:
    if nodes > MAX_NODES:
        what = f"the document holds more than {MAX_NODES:,} values"
        raise malformed("build.too_large", what, "Split the application.", at=at)
    if lexeme in "{[":
        if depth >= MAX_DEPTH:
            what = f"the document is nested deeper than {MAX_DEPTH} levels"
            raise malformed("build.too_deep", what, "Flatten it; an intake needs 13 levels at most.", at=at)
        return Mark(*at, {} if lexeme == "{" else [])
    if lexeme in {"NaN", "Infinity", "-Infinity"}:
        raise malformed("build.not_finite", f"`{lexeme}` is no finite number", "Leave it out, or give a number.", at=at)
    if len(lexeme) > _MAX_DIGITS and lexeme.lstrip("-").isdigit():
        what = f"number `{lexeme[:20]}...` has {len(lexeme)} digits"
        raise malformed("build.number_range", what, "Put it in quotes if it is meant as text.", at=at)
    return Mark(*at)


def _fresh_key(lexeme: str, parent: Mark, at: tuple[int, int]) -> str:
    key: str = json.loads(lexeme)
    if isinstance(parent.items, dict) and key in parent.items:
        what = f"key `{key[:80]}` stands twice in the same object"
        raise malformed("build.duplicate_key", what, "Remove one of the two.", at=at)
    return key


def _attach(parent: Mark, keys: list[tuple[str, int, int] | None], mark: Mark) -> None:
    if isinstance(parent.items, list):
        parent.items.append(mark)
        return
    key = keys[-1]
    if isinstance(parent.items, dict) and key is not None:
        parent.items[key[0]] = (key[1], key[2], mark)
        keys[-1] = None
