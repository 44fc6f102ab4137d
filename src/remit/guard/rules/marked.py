"""YAML as a tree of texts, lists and mappings that know their places: no tags, no anchors, no aliases, within bounds.

Streamed, so that a bomb is refused before it unfolds. Scalars stay texts: ``on`` is a key, not YAML 1.1's true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

MOST_BYTES = 256 << 10
MOST_NODES = 20_000
MOST_DEPTH = 10

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Malformed(Exception):
    """The text is no such document: what, where (1-based), and how to mend it."""

    def __init__(self, what: str, fix: str, *, line: int, column: int) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. ``plain``: without quotes, so that it may stand for a number or a truth value."""

    text: str
    line: int
    column: int
    plain: bool
    style: str
    start: int  # offsets in the source
    end: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: list[Node]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping; its keys are texts, each once."""

    items: dict[str, Node]
    keys: dict[str, Scalar]
    line: int
    column: int


type Node = Scalar | Listing | Mapped


@dataclass(slots=True)
class _Reader:
    stack: list[tuple[Listing | Mapped, list[Scalar]]] = field(
        default_factory=list[tuple[Listing | Mapped, list[Scalar]]]
    )
    nodes: int = 0
    root: Node | None = None


def read_marked(text: str) -> Node:
    """The one document of ``text``.

    Raises:
        Malformed: Too large, too deep, not YAML, not one document, a key twice, or a tag, anchor or alias.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise Malformed(f"the file is larger than {MOST_BYTES >> 10} KiB", "split it", line=1, column=1)
    reader = _Reader()
    try:
        for event in cast("Iterator[yaml.Event]", yaml.parse(text, Loader=_LOADER)):  # pyright: ignore[reportUnknownMemberType]
            _take(reader, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"this is no YAML: {error.problem or error.context or 'unreadable'}"
        braces = any(shown.count("{") > 1 for shown in text.splitlines()[line - 1 : line])
        fix = (
            "put a text with {holes} in quotes" if braces else "check indentation, quotes and colons around this place"
        )
        raise Malformed(what, fix, line=line, column=column) from None
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        what = f"this is no YAML: {str(error).splitlines()[0][:120]}"
        raise Malformed(what, "save the file as UTF-8 text", line=1, column=1) from None
    if reader.root is None:
        raise Malformed("the file is empty", "start from: remit policy show --written", line=1, column=1)
    return reader.root


def _take(reader: _Reader, event: yaml.Event) -> None:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    refused = _refused(reader, event)
    if refused:
        raise Malformed(*refused, line=line, column=column)
    if isinstance(event, yaml.ScalarEvent):
        plain = bool(event.implicit[0]) and not event.style
        start, end = event.start_mark.index, event.end_mark.index
        _add(reader, Scalar(event.value, line, column, plain, event.style or "", start, end))
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        made = Mapped({}, {}, line, column) if isinstance(event, yaml.MappingStartEvent) else Listing([], line, column)
        reader.stack.append((made, []))
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        _add(reader, reader.stack.pop()[0])


def _refused(reader: _Reader, event: yaml.Event) -> tuple[str, str] | None:
    """What is not read, and what to do instead."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "anchors and aliases (& and *) are not read", "write the value out"
    if getattr(event, "tag", None) not in {None, "!"}:
        return "tags (!) are not read", "remove the tag"
    if isinstance(event, yaml.DocumentStartEvent) and reader.root is not None:
        return "the file holds more than one document", "remove what follows the ---"
    opens = isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent)
    if opens and len(reader.stack) >= MOST_DEPTH:
        return f"it is nested deeper than {MOST_DEPTH} levels", "flatten it"
    reader.nodes += opens or isinstance(event, yaml.ScalarEvent)
    if reader.nodes > MOST_NODES:
        return f"the file holds more than {MOST_NODES} values", "split it"
    return None


def _add(reader: _Reader, node: Node) -> None:
    if not reader.stack:
        reader.root = node
        return
    around, key = reader.stack[-1]
    if isinstance(around, Listing):
        around.items.append(node)
    elif not key:
        if not isinstance(node, Scalar):
            raise Malformed(
                "a key must be a word", "put the braces or brackets in quotes", line=node.line, column=node.column
            )
        if node.text in around.items:
            what = f"the key {node.text[:60]!r} stands here twice"
            raise Malformed(what, "remove one of them", line=node.line, column=node.column)
        key.append(node)
    else:
        name = key.pop()
        around.items[name.text] = node
        around.keys[name.text] = name


def place_in(source: str, scalar: Scalar, offset: int) -> tuple[int, int]:
    """Line and column (1-based) of the character ``offset`` of a scalar's text in the file it was read from.

    Folding and indentation change white space only, so the characters that are none are counted. Where escapes make
    text and source differ, the place is the scalar's own.
    """
    raw = source[scalar.start : scalar.end]
    if (scalar.style == '"' and "\\" in raw) or (scalar.style == "'" and "''" in raw[1:-1]):
        return scalar.line, scalar.column
    at = 1 if scalar.style in {"'", '"'} else 0
    if scalar.style in {"|", ">"}:
        at = raw.find("\n") + 1
    left = sum(not letter.isspace() for letter in scalar.text[:offset])
    while at < len(raw) and (left or raw[at].isspace()):
        left -= not raw[at].isspace()
        at += 1
    before = source[: scalar.start + at]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
