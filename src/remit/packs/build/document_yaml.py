"""YAML text to plain values with marks: the core schema of YAML 1.2, without tags, within bounds, streamed.

Built on libyaml's event stream (PyYAML's own parser where libyaml is absent). Events are consumed one by one, so a
bomb is refused before it unfolds. YAML 1.1's surprises are gone: `no`, `on`, `12:30` and `1_000` are text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

from remit.packs.build.document_marks import MAX_DEPTH, MAX_NODES, Malformed, Mark, malformed

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z|0[ox][0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_CONSTANTS: dict[str, bool | None] = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
    "": None,
}
_MAX_DIGITS = 30


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read."""

    mark: Mark
    value: dict[str, object] | list[object]
    anchor: str | None
    nodes_before: int
    key: tuple[str, int, int] | None = None


@dataclass(slots=True)
class _Reader:
    """The state of one reading."""

    stack: list[_Open] = field(default_factory=list[_Open])
    anchors: dict[str, tuple[object, Mark, int]] = field(default_factory=dict[str, tuple[object, Mark, int]])
    nodes: int = 0
    root: tuple[object, Mark] | None = None


def read_yaml(text: str) -> tuple[object, Mark]:
    """The one document of a text.

    Raises:
        Malformed: Not YAML, not one document, or beyond a bound; with the place.
    """
    reader = _Reader()
    try:
        events = cast("Iterator[yaml.Event]", yaml.parse(text, Loader=_LOADER))  # pyright: ignore[reportUnknownMemberType]
        for event in events:
            _take(reader, event)
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise malformed("build.syntax", f"the text is not YAML: {error}", _SYNTAX_HINT, at=(1, 1)) from None
    if reader.root is None:
        raise malformed("build.empty", "the document is empty", "Start from one of examples/intakes.", at=(1, 1))
    return reader.root


_SYNTAX_HINT = "Check indentation, quotes and colons around this place."


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Malformed:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    hint = _SYNTAX_HINT
    if "\t" in here[: column + 1]:
        hint = "Indent with spaces; YAML allows no tabs there."
    elif "{{" in here or "{%" in here:
        hint = "Template braces are not understood; write the value itself, in quotes."
    what = " ".join(part for part in (error.problem, error.context) if part) or "the text is not YAML"
    code = "build.unknown_alias" if "undefined alias" in what else "build.syntax"
    return malformed(code, f"the text is not YAML: {what}", hint, at=(line, column))


def _place(event: yaml.Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _take(reader: _Reader, event: yaml.Event) -> None:
    if isinstance(event, yaml.ScalarEvent):
        at = _place(event)
        _refuse_tag(event.tag, at)
        key_next = bool(reader.stack) and isinstance(reader.stack[-1].value, dict) and reader.stack[-1].key is None
        plain = event.implicit[0] and not event.style
        value = _plain(event.value, at, is_key=key_next) if plain else event.value
        _count(reader, 1, at)
        _remember(reader, event.anchor, value, Mark(*at), 1)
        _add(reader, value, Mark(*at))
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        _open(reader, event)
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        closed = reader.stack.pop()
        _remember(reader, closed.anchor, closed.value, closed.mark, reader.nodes - closed.nodes_before)
        _add(reader, closed.value, closed.mark)
    elif isinstance(event, yaml.AliasEvent):
        at = _place(event)
        if event.anchor not in reader.anchors:
            what = f"alias `*{event.anchor}` stands inside what it names, or before it"
            raise malformed("build.unknown_alias", what, "Write the value out.", at=at)
        value, mark, size = reader.anchors[event.anchor]
        _count(reader, size, at)
        _add(reader, value, Mark(*at, mark.items))
    elif isinstance(event, yaml.DocumentStartEvent) and reader.root is not None:
        what = "the file holds more than one document"
        raise malformed("build.syntax", what, "Remove what follows the `---`.", at=_place(event))


def _open(reader: _Reader, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
    at = _place(event)
    _refuse_tag(event.tag, at)
    if len(reader.stack) >= MAX_DEPTH:
        what = f"the document is nested deeper than {MAX_DEPTH} levels"
        raise malformed("build.too_deep", what, "Flatten it; an intake needs 13 levels at most.", at=at)
    value: dict[str, object] | list[object] = {} if isinstance(event, yaml.MappingStartEvent) else []
    marks: dict[str, tuple[int, int, Mark]] | list[Mark] = {} if isinstance(value, dict) else []
    _count(reader, 1, at)
    reader.stack.append(_Open(Mark(*at, marks), value, event.anchor, reader.nodes - 1))


def _refuse_tag(tag: str | None, at: tuple[int, int]) -> None:
    if tag is not None and tag != "!":
        what = f"tag `{tag[:60]}` is not allowed: a document holds only text, numbers, true, false, lists and mappings"
        raise malformed("build.yaml_tag", what, "Remove the tag.", at=at)


def _count(reader: _Reader, size: int, at: tuple[int, int]) -> None:
    reader.nodes += size
    if reader.nodes > MAX_NODES:
        what = f"the document unfolds to more than {MAX_NODES:,} values"
        raise malformed("build.too_large", what, "Split the application, and don't nest aliases.", at=at)


def _remember(reader: _Reader, anchor: str | None, value: object, mark: Mark, size: int) -> None:
    if anchor is not None:
        reader.anchors[anchor] = (value, mark, size)


def _add(reader: _Reader, value: object, mark: Mark) -> None:
    """Put a finished value where it belongs: the root, the next item, the next key or that key's value."""
    if not reader.stack:
        reader.root = (value, mark)
        return
    top = reader.stack[-1]
    if isinstance(top.value, list):
        top.value.append(value)
        if isinstance(top.mark.items, list):
            top.mark.items.append(mark)
    elif top.key is None:
        top.key = (_key(top, value, mark), mark.line, mark.column)
    else:
        key, line, column = top.key
        top.key = None
        top.value[key] = value
        if isinstance(top.mark.items, dict):
            top.mark.items[key] = (line, column, mark)


def _key(top: _Open, value: object, mark: Mark) -> str:
    at = (mark.line, mark.column)
    if not isinstance(value, str):
        shown = "a list or mapping" if isinstance(value, dict | list) else f"`{value}`"
        what = f"{shown} can't be a key: keys are text"
        raise malformed("build.key_type", what, "Put the key in quotes if it is meant as text.", at=at)
    if value == "<<":
        what = "merge keys (`<<`) are not understood"
        raise malformed("build.merge_key", what, "Write the keys out where they are needed.", at=at)
    if isinstance(top.value, dict) and value in top.value:
        what = f"key `{value[:80]}` stands twice in the same mapping"
        raise malformed("build.duplicate_key", what, "Remove one of the two.", at=at)
    return value


def _plain(text: str, at: tuple[int, int], *, is_key: bool) -> str | int | float | bool | None:
    """A plain scalar by YAML 1.2's core schema, which has no `yes`, no sexagesimals and no dates."""
    if is_key and text:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not (text[0].isdigit() or text[0] in "+-."):
        return text
    if _INTEGER.match(text):
        if len(text) > _MAX_DIGITS:
            what = f"number `{text[:20]}...` has {len(text)} digits"
            raise malformed("build.number_range", what, "Put it in quotes if it is meant as text.", at=at)
        return int(text)
    if _LEADING_ZERO.match(text):
        what = f"`{text}` means different numbers to different readers of YAML"
        raise malformed("build.ambiguous_number", what, "Put it in quotes for text, or write it as decimal.", at=at)
    if _NOT_FINITE.match(text) or (_FLOAT.match(text) and not math.isfinite(float(text))):
        raise malformed("build.not_finite", f"`{text}` is no finite number", "Leave it out, or give a number.", at=at)
    return float(text) if _FLOAT.match(text) else text
