"""The text of a CEL expression: its tokens, what is refused before it is compiled, and the parts that ``&&`` joins."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass

MOST_ELEMENTS = 100
MOST_MACROS = 4
MOST_PATTERNS = 8
LONGEST_PATTERN = 200
MOST_REPEATS = 1000

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>//)
      | (?P<string>[bB]?[rR]?(?:\"\"\"|'''|"|'))
      | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][-+]?\d+)?[uU]?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.ASCII,
)
_MACROS = frozenset({"all", "exists", "exists_one"})
_REFUSED = {
    "has": "a variable without a value refuses by itself: leave has() out",
    "map": "ask with all() or exists()",
    "filter": "ask with all() or exists()",
    "dyn": "compare values of one type",
    "type": "the types of variables are fixed: docs/rules.md lists them",
    "bytes": "compare texts",
    "timestamp": "use hour and weekday",
    "duration": "use hour and weekday",
}
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an expression, as an offset in characters."""

    offset: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression, where (offset, 1-based line and column), and how to mend it."""

    what: str
    fix: str
    offset: int
    line: int
    column: int
    caret: str


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, text or sign."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether it names something; dots belong to it."""
        return self.kind == "name"

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.kind == "number"

    @property
    def last(self) -> str:
        """The part after the last dot."""
        return self.text.rpartition(".")[2]


def problem_at(text: str, place: Place, what: str, fix: str) -> Problem:
    """A problem with its line and a caret under the place."""
    before = text[: place.offset]
    line, column = before.count("\n") + 1, place.offset - (before.rfind("\n") + 1) + 1
    shown = text.split("\n")[line - 1]
    start = max(0, column - 70)
    caret = f"{shown[start : start + 110]}\n{' ' * (column - 1 - start)}^"
    return Problem(what, fix, place.offset, line, column, caret)


def tokens_of(text: str) -> tuple[Token, ...] | Problem:
    """Every token but spaces, or the first place that is none."""
    for offset, letter in enumerate(text):
        if letter not in "\n\t" and unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            what = f"it holds the invisible character U+{ord(letter):04X}"
            return problem_at(text, Place(offset), what, "remove it")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = f"{text[at]!r} has no meaning outside a text"
            return problem_at(text, Place(at), what, "use plain letters, digits and operators; put texts in quotes")
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            return problem_at(text, Place(at), "it holds a comment", "write comments in YAML, after a #")
        if kind == "string":
            end = _end_of_text(text, match)
            if end < 0:
                return problem_at(text, Place(at), "the text has no end", "close the quotes")
        if kind != "space":
            found.append(Token(kind, text[at:end], at, end))
        at = end
    return tuple(found)


def _end_of_text(text: str, match: re.Match[str]) -> int:
    opening = match[0]
    quotes = opening.lstrip("bBrR")
    raw = "r" in opening.lower().replace(quotes, "")
    at = match.end()
    while at < len(text):
        if text[at] == "\\" and not raw:
            at += 2
        elif text.startswith(quotes, at):
            return at + len(quotes)
        elif text[at] == "\n" and len(quotes) == 1:
            return -1
        else:
            at += 1
    return -1


def unsafe(text: str, tokens: tuple[Token, ...]) -> Problem | None:
    """What is refused although CEL allows it: what could run long, and what would not mean what it seems to."""
    return next(_unsafe(text, tokens), None)


def _unsafe(text: str, tokens: tuple[Token, ...]) -> Iterator[Problem]:
    within: list[bool] = []  # for each open bracket, whether it belongs to a comprehension
    elements = macros = patterns = 0
    for number, token in enumerate(tokens):
        after = tokens[number + 1].text if number + 1 < len(tokens) else ""
        at = Place(token.start)
        called = token.is_name and after == "("
        found = _misleading(token, called=called, after_name=number > 0 and tokens[number - 1].is_name)
        if found:
            yield problem_at(text, at, *found)
        if called and token.last in _MACROS:
            macros += 1
            if any(within) or macros > MOST_MACROS:
                yield problem_at(text, at, f"{token.last}() is nested or used too often", "split it into several rules")
        if called and token.last == "matches":
            patterns += 1
            yield from _pattern(text, tokens, number, many=patterns > MOST_PATTERNS or any(within))
        if token.text in {"(", "["}:
            before = tokens[number - 1] if number else None
            within.append(token.text == "(" and before is not None and before.is_name and before.last in _MACROS)
        elif token.text in {")", "]"} and within:
            within.pop()
        elements += token.text == ","
        if elements > MOST_ELEMENTS:
            yield problem_at(text, at, f"its lists have more than {MOST_ELEMENTS} elements", "use a list of the file")


def _misleading(token: Token, *, called: bool, after_name: bool) -> tuple[str, str] | None:
    """What a single token is refused for, and what to write instead."""
    if token.text == "{":
        return "it builds a map or a message", "compare the variables themselves"
    if token.is_number and not _finite(token.text):
        return "the number is too large", "write a smaller number"
    if token.kind == "string" and token.text[0] in "bB":
        return "it holds bytes", "write a text"
    if called and token.last in _REFUSED:
        return f"{token.last}() is not allowed in a rule", _REFUSED[token.last]
    if token.text == "." and after_name:
        return "a name is interrupted", "write names without spaces: order.leverage"
    return None


def _pattern(text: str, tokens: tuple[Token, ...], number: int, *, many: bool) -> Iterator[Problem]:
    token = tokens[number]
    inner = tokens[number + 2 : number + 4]
    at = Place(token.start)
    if len(inner) < 2 or inner[0].kind != "string" or inner[1].text != ")":  # noqa: PLR2004 - a text and a bracket
        yield problem_at(text, at, "matches() takes a pattern that is written out", "write matches('^a+$')")
        return
    pattern = inner[0].text
    repeats = 1
    for low, high in _COUNT.findall(pattern):
        repeats *= max(1, int(low[:6]), int(high[:6] or 1))
    if many or len(pattern) > LONGEST_PATTERN or repeats > MOST_REPEATS:
        yield problem_at(text, Place(inner[0].start), "the pattern could take too long", "shorten it, repeat less")


def _finite(number: str) -> bool:
    try:
        return number.lower().startswith("0x") or float(number.rstrip("uU")) < float("inf")
    except ValueError:
        return False


def names_in(tokens: tuple[Token, ...], known: Container[str]) -> frozenset[str]:
    """The known names that tokens mention; of ``command.line.contains`` that is ``command.line``."""
    found: set[str] = set()
    for token in tokens:
        name = token.text if token.is_name else ""
        while name and name not in known:
            name = name.rpartition(".")[0]
        if name:
            found.add(name)
    return frozenset(found)


def conjuncts(text: str) -> list[str]:
    """The parts that ``&&`` joins at the top level; the whole text when something weaker stands there."""
    tokens = tokens_of(text)
    if isinstance(tokens, Problem):
        return [text]
    parts: list[str] = []
    depth = start = 0
    for token in tokens:
        if token.text in {"(", "["}:
            depth += 1
        elif token.text in {")", "]"}:
            depth -= 1
        elif depth == 0 and token.text in {"||", "?"}:
            return _unwrapped(text, tokens)
        elif depth == 0 and token.text == "&&":
            parts.append(text[start : token.start].strip())
            start = token.end
    parts.append(text[start:].strip())
    return parts if len(parts) > 1 else _unwrapped(text, tokens)


def _unwrapped(text: str, tokens: tuple[Token, ...]) -> list[str]:
    """The parts within brackets that stand round the whole text."""
    if len(tokens) < 3 or tokens[0].text != "(" or tokens[-1].text != ")":  # noqa: PLR2004 - brackets and a word
        return [text.strip()]
    depth = 0
    for token in tokens[:-1]:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return [text.strip()]
    inner = conjuncts(text[tokens[0].end : tokens[-1].start])
    return inner if len(inner) > 1 else [text.strip()]
