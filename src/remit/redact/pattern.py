r"""Patterns of rules: RE2 syntax read once, and written back so that three engines understand exactly the same.

Python's ``re``, RE2 and Hyperscan differ in small things: ``$`` before a final newline, the vertical tab in ``\s``,
what ``(?i)`` in the middle of a pattern reaches, case folding of letters outside ASCII. So case folding, ``.``, ``\w``,
``\s`` and negated classes are resolved here, into sets of bytes. A pattern is matched against bytes (UTF-8).

Not understood, and refused: look-around, back references, possessive and atomic groups, ``\p``, ``\C``, ``\Q``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from remit.kernel.errors import InvalidInput

type Set = frozenset[int]  # of bytes

_ALL = frozenset(range(256))
_DIGIT = frozenset(range(0x30, 0x3A))
_UPPER = frozenset(range(0x41, 0x5B))
_LOWER = frozenset(range(0x61, 0x7B))
_WORD = _DIGIT | _UPPER | _LOWER | {0x5F}
_SPACE = frozenset(b"\t\n\f\r ")
_PERL = {"d": _DIGIT, "D": _ALL - _DIGIT, "w": _WORD, "W": _ALL - _WORD, "s": _SPACE, "S": _ALL - _SPACE}
_POSIX = {
    "alnum": _DIGIT | _UPPER | _LOWER,
    "alpha": _UPPER | _LOWER,
    "ascii": frozenset(range(128)),
    "blank": frozenset(b"\t "),
    "cntrl": frozenset((*range(0x20), 0x7F)),
    "digit": _DIGIT,
    "graph": frozenset(range(0x21, 0x7F)),
    "lower": _LOWER,
    "print": frozenset(range(0x20, 0x7F)),
    "punct": frozenset(range(0x21, 0x7F)) - _DIGIT - _UPPER - _LOWER,
    "space": _SPACE | {0x0B},
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": _DIGIT | frozenset(b"abcdefABCDEF"),
}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_BITS = 5  # upper and lower case differ by 1 << 5
_LARGEST_REPEAT = 1_000  # as RE2's own limit


@dataclass(frozen=True, slots=True)
class Byte:
    """One byte out of a set."""

    of: Set


@dataclass(frozen=True, slots=True)
class Edge:
    r"""A place, not a byte: ``\b``, ``\B``, ``^`` and ``$`` of a line, ``\A`` and ``\z`` of the text."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first of these that matches."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A capturing group."""

    inside: Node


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least and at most so often (``most=None``: unlimited), longest first unless ``lazy``."""

    what: Node
    least: int
    most: int | None
    lazy: bool = False


type Node = Byte | Edge | Sequence | Choice | Group | Repeat

_EMPTY = Sequence(())


def parse(pattern: str) -> Node:
    """The tree of a pattern in RE2 syntax.

    Raises:
        InvalidInput: It isn't one, or uses what the engines don't share (``redact.pattern``).
    """
    parser = _Parser(pattern)
    node = parser.choice(frozenset())
    if parser.at < len(pattern):
        parser.fail("an unexpected )")
    return node


class _Parser:
    """Recursive descent over the text of one pattern; flags are resolved while reading."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.flags: frozenset[str] = frozenset()

    def fail(self, why: str) -> None:
        message = f"the pattern {self.text[:80]!r} has {why} at character {self.at}"
        raise InvalidInput(message, code="redact.pattern", hint="write it in RE2 syntax without look-around")

    def peek(self, size: int = 1) -> str:
        return self.text[self.at : self.at + size]

    def take(self, size: int = 1) -> str:
        taken = self.peek(size)
        if len(taken) < size:
            self.fail("an early end")
        self.at += size
        return taken

    def choice(self, flags: frozenset[str]) -> Node:
        before, self.flags = self.flags, self.flags | flags
        branches = [self.sequence()]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence())
        self.flags = before
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            atom = self.atom()
            parts += [self.repeated(atom)] if atom is not None else []
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, atom: Node) -> Node:
        while (bounds := self.bounds()) is not None:
            lazy = self.peek() == "?"
            self.at += lazy
            if self.peek() == "+":
                self.fail("a possessive repeat")
            atom = Repeat(atom, *bounds, lazy)
        return atom

    def bounds(self) -> tuple[int, int | None] | None:
        sign = self.peek()
        if sign in ("*", "+", "?") and sign:
            self.take()
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if sign != "{":
            return None
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if end < 0 or not low.isdecimal() or (high and not high.isdecimal()):
            return None  # a brace that stands for itself
        self.at = end + 1
        least, most = int(low), (int(high) if high else None) if comma else int(low)
        if max(least, most or 0) > _LARGEST_REPEAT or (most is not None and most < least):
            self.fail("a repeat above 1000 or upside down")
        return least, most

    def atom(self) -> Node | None:
        sign = self.take()
        match sign:
            case "(":
                return self.group()
            case "[":
                return Byte(self.bracket())
            case "." | "^" | "$":
                return self.bare(sign)
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                self.fail("nothing to repeat")
            case _:
                pass
        return self.literal(sign)

    def bare(self, sign: str) -> Node:
        if sign == ".":
            return Byte(_ALL if "s" in self.flags else _ALL - {0x0A})
        lines = "m" in self.flags
        return Edge(sign if lines else "A" if sign == "^" else "z")

    def literal(self, sign: str) -> Node:
        data = sign.encode("utf-8")
        return Byte(self.folded({data[0]})) if len(data) == 1 else Sequence(tuple(Byte(frozenset({b})) for b in data))

    def folded(self, of: set[int]) -> Set:
        if "i" in self.flags:
            of = of | {each ^ (1 << _BITS) for each in of if each in _UPPER or each in _LOWER}
        return frozenset(of)

    def group(self) -> Node | None:
        if self.peek() != "?":
            return self.closed(Group, frozenset())
        self.take()
        if self.peek() in ("P", "<") and self.peek(2) not in ("<=", "<!"):
            self.at = self.text.find(">", self.at) + 1
            if not self.at:
                self.fail("an unclosed name")
            return self.closed(Group, frozenset())
        on, off, adding = set[str](), set[str](), True
        while (sign := self.take()) not in (":", ")"):
            if sign == "-":
                adding = False
            elif sign in "ims":
                (on if adding else off).add(sign)
            else:
                self.fail("a group that the engines don't share")
        flags = (self.flags | on) - off
        if sign == ")":
            self.flags = flags  # to the end of the group around it
            return None
        before, self.flags = self.flags, flags
        node = self.closed(None, frozenset())
        self.flags = before
        return node

    def closed(self, wrap: Callable[[Node], Node] | None, flags: frozenset[str]) -> Node:
        inside = self.choice(flags)
        if self.peek() != ")":
            self.fail("an unclosed group")
        self.take()
        return wrap(inside) if wrap is not None else inside

    def escape(self) -> Node:
        sign = self.take()
        if sign in _PERL:
            return Byte(_PERL[sign])
        if sign in ("b", "B", "A", "z"):
            return Edge(sign)
        return Byte(self.folded({self.code(sign)}))

    def code(self, sign: str) -> int:
        if sign == "x":
            if self.peek() == "{":
                end = self.text.find("}", self.at)
                digits, self.at = self.text[self.at + 1 : end], end + 1
            else:
                digits = self.take(2)
            if not digits or len(digits) > 2 or not set(digits.lower()) <= set("0123456789abcdef"):  # noqa: PLR2004
                self.fail("a code that is no byte")
            return int(digits, 16)
        if sign in _CONTROL:
            return _CONTROL[sign]
        if not sign.isascii() or sign.isalnum():
            self.fail("an escape that the engines don't share")
        return ord(sign)

    def bracket(self) -> Set:
        negated = self.peek() == "^"
        self.at += negated
        found: set[int] = set()
        first = True
        while first or self.peek() != "]":
            first = False
            found |= self.member()
        self.take()
        return _ALL - self.folded(found) if negated else self.folded(found)

    def member(self) -> Set:
        if self.peek(2) == "[:":
            name, end = self.text[self.at + 2 :].partition(":]")[:2]
            inverse = name.startswith("^")
            if not end or name.removeprefix("^") not in _POSIX:
                self.fail("an unknown class")
            self.at += len(name) + 4
            found = _POSIX[name.removeprefix("^")]
            return _ALL - found if inverse else found
        if self.peek() == "\\" and self.peek(2)[1:] in _PERL:
            return _PERL[self.take(2)[1]]
        low = self.single()
        if self.peek() != "-" or self.peek(2) == "-]":
            return frozenset({low})
        self.take()
        high = self.single()
        if high < low:
            self.fail("a range upside down")
        return frozenset(range(low, high + 1))

    def single(self) -> int:
        sign = self.take()
        if sign == "\\":
            return self.code(self.take())
        if not sign.isascii():
            self.fail("a character outside ASCII in a class")
        return ord(sign)


def width(node: Node) -> tuple[int, int | None]:
    """The fewest and the most bytes that a match has; ``None``: unlimited."""
    match node:
        case Byte():
            return 1, 1
        case Edge():
            return 0, 0
        case Group():
            return width(node.inside)
        case Sequence():
            sizes = [width(each) for each in node.parts]
            return sum(low for low, _ in sizes), _total([high for _, high in sizes])
        case Choice():
            sizes = [width(each) for each in node.branches]
            highs = [high for _, high in sizes]
            return min(low for low, _ in sizes), None if None in highs else max(high or 0 for high in highs)
        case Repeat():
            low, high = width(node.what)
            most = 0 if high == 0 else None if high is None or node.most is None else high * node.most
            return low * node.least, most


def _total(sizes: list[int | None]) -> int | None:
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total


def head(node: Node) -> Node:
    """``node`` cut before its first unlimited repeat, whose least count is kept: every match begins with one of it."""
    return _cut(node)[0]


def _cut(node: Node) -> tuple[Node, bool]:
    """The head of ``node``, and whether it is all of it."""
    match node:
        case Byte() | Edge():
            return node, True
        case Group():
            return _cut(node.inside)
        case Sequence():
            return _cut_sequence(node)
        case Choice():
            cuts = [_cut(each) for each in node.branches]
            return Choice(tuple(part for part, _ in cuts)), all(whole for _, whole in cuts)
        case Repeat():
            return _cut_repeat(node)


def _cut_sequence(node: Sequence) -> tuple[Node, bool]:
    parts: list[Node] = []
    for each in node.parts:
        part, whole = _cut(each)
        parts.append(part)
        if not whole:
            return Sequence(tuple(parts)), False
    return Sequence(tuple(parts)), True


def _cut_repeat(node: Repeat) -> tuple[Node, bool]:
    inner, whole = _cut(node.what)
    if whole and node.most is not None:
        return replace(node, what=inner), True
    if node.least == 0:
        return _EMPTY, False
    return (Repeat(inner, node.least, node.least) if whole else inner), False


def written(node: Node, *, end: str) -> str:
    """``node`` as a pattern of ASCII characters; ``end`` is how the engine calls the end of the text."""
    match node:
        case Byte():
            return _set(node.of)
        case Edge():
            return {"^": "(?m:^)", "$": "(?m:$)", "A": "^", "z": end}.get(node.name, f"\\{node.name}")
        case Group():
            return f"({written(node.inside, end=end)})"
        case Sequence():
            return "".join(
                f"(?:{written(each, end=end)})" if isinstance(each, Choice) else written(each, end=end)
                for each in node.parts
            )
        case Choice():
            return "|".join(written(each, end=end) for each in node.branches)
        case Repeat():
            what = written(node.what, end=end)
            what = what if isinstance(node.what, Byte | Group) else f"(?:{what})"
            most = "" if node.most is None else node.most
            count = f"{{{node.least}}}" if node.most == node.least else f"{{{node.least},{most}}}"
            short = {"{0,}": "*", "{1,}": "+", "{0,1}": "?", "{1}": ""}.get(count, count)
            return what + short + ("?" if node.lazy and short else "")


def _set(of: Set) -> str:
    if len(of) == 1:
        (only,) = of
        return _code(only)
    if of == _ALL:
        return r"[\x00-\xff]"
    inverse = len(of) > len(_ALL) // 2
    left = sorted(_ALL - of if inverse else of)
    ranges: list[list[int]] = []
    for each in left:
        if ranges and ranges[-1][1] == each - 1:
            ranges[-1][1] = each
        else:
            ranges.append([each, each])
    told = "".join(_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges)
    return f"[{'^' if inverse else ''}{told}]"


def _code(byte: int) -> str:
    sign = chr(byte)
    return sign if sign.isascii() and (sign.isalnum() or sign in "_ ,;'\"=<>@%!") else f"\\x{byte:02x}"
