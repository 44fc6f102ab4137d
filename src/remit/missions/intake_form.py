"""A pack's input as a form: fields made from its JSON Schema, and what was typed there put back into the document.

What a form does not touch stays as it is: a field whose text is the one that was shown gives back the very value that
it was shown for, and what no field shows (or has a shape that the schema does not expect) is not lost. So a text that
goes through the form unchanged comes out unchanged, and a changed one keeps everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from remit.kernel.canonical import Json

PREFIX = "in"
DEEPEST = 8  # levels of fields in fields; what is deeper is one field that holds JSON
LONG = 500  # characters from which a text gets several lines
_SCALARS = frozenset({"string", "integer", "number", "boolean"})

type Node = Mapping[str, Json]


class _Missing:
    """A value that is not there, which is not the same as null."""


MISSING = _Missing()
type Held = Json | _Missing


@dataclass(frozen=True, slots=True)
class Input:
    """One field of the form.

    Attributes:
        name: Of the field in the form: ``in/metadata/appName``.
        path: As people say it, and as problems name it: ``requirements.features[2].name``.
        kind: ``text``, ``long``, ``integer``, ``number``, ``value``, ``choice``, ``flag``, ``many``, ``lines``,
            ``json``; ``group`` and ``items`` hold ``parts``.
        label: What to call it.
        about: The schema's words.
        value: What stands in it.
        chosen: Of ``many``, what is.
        shown_empty: What holds when it is empty, as text.
        parts: The fields in it; of ``items`` each is a group.
        open: Whether it must be given, or something in it is wrong.
        problem: What is wrong with it.
    """

    name: str
    path: str
    kind: str
    label: str
    required: bool = False
    about: str = ""
    value: str = ""
    choices: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    shown_empty: str = ""
    most: int = 0
    parts: tuple[Input, ...] = ()
    open: bool = False
    problem: str = ""


@dataclass(slots=True)
class Typed:
    """What was typed; what of it can't be read, by the field's path, and the very text, by the field's name."""

    values: Mapping[str, str]
    problems: dict[str, str] = field(default_factory=dict[str, str])
    wrong: dict[str, str] = field(default_factory=dict[str, str])


def inputs(schema: Node, document: Json, *, wrong: Mapping[str, str] | None = None) -> tuple[Input, ...]:
    """The fields for a document (an empty mapping: a new one).

    Args:
        schema: The input's JSON Schema, an object's.
        document: What stands in it.
        wrong: Texts that can't be read, by field name: they stay as typed.
    """
    maker = _Maker(schema, wrong or {})
    return maker.group(schema, document, (), 0)


def taken(schema: Node, document: Json, typed: Typed) -> Json:
    """The document with what was typed; unread texts leave the value as it was and are named in ``typed.problems``."""
    found = _Taker(schema, typed).value(schema, document, (), 0)
    return {} if isinstance(found, _Missing) else found


def at_fields(fields: Sequence[Input], problems: Sequence[str]) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """Each problem at the field that it names most exactly, and those that name none."""
    known = {one.path: one for one in walk(fields)}
    placed: dict[str, str] = {}
    left: list[str] = []
    for problem in problems:
        path = _named(problem, known)
        if path:
            placed.setdefault(path, problem)
        else:
            left.append(problem)
    return (_placed(fields, placed) if placed else tuple(fields)), tuple(left)


def walk(fields: Sequence[Input]) -> Iterator[Input]:
    """Every field, outer ones first."""
    for one in fields:
        yield one
        yield from walk(one.parts)


def _named(problem: str, known: Mapping[str, Input]) -> str:
    """The longest path of a field that a problem speaks of: a word of it, or the beginning of one (``a.b`` in ``a``)."""
    best = ""
    for word in problem.replace("'", " ").replace(",", " ").split():
        path = word.rstrip(":")
        while path:
            if path in known and len(path) > len(best):
                best = path
                break
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return best


def _placed(fields: Sequence[Input], placed: Mapping[str, str]) -> tuple[Input, ...]:
    made: list[Input] = []
    for one in fields:
        parts = _placed(one.parts, placed)
        opened = one.open or any(part.problem for part in walk(parts))
        made.append(replace(one, parts=parts, open=opened, problem=placed.get(one.path, one.problem)))
    return tuple(made)


# ------------------------------------------------------------------------------------------------------ shapes


@dataclass(frozen=True, slots=True)
class _Shape:
    kind: str
    node: Node
    choices: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()


def _resolved(node: Node, whole: Node) -> Node:
    """A node with its reference followed; what stands beside the reference counts."""
    for _ in range(8):
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        known = cast("Mapping[str, Node]", whole.get("$defs", {})).get(reference.rpartition("/")[2], {})
        node = {**known, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _ways(node: Node, whole: Node) -> list[Node]:
    """What a node may be, null left out."""
    given = node.get("anyOf", node.get("oneOf"))
    if not isinstance(given, list):
        return [node]
    ways = [_resolved(cast("Node", each), whole) for each in given]
    return [way for way in ways if way.get("type") != "null"]


def _shape(node: Node, whole: Node, held: Held, depth: int) -> _Shape:
    """How a node is shown, for what stands there: a value of another shape is shown as JSON, and so kept."""
    node = _resolved(node, whole)
    ways = _ways(node, whole)
    types = frozenset(str(way.get("type")) for way in ways)
    one = ways[0] if len(ways) == 1 else node
    about = {key: node[key] for key in ("description", "default", "title") if key in node}
    made = _simple({**one, **about}, whole, ways, types)
    return made if _fits(made, whole, held, depth) else _Shape("json", made.node)


def _simple(one: Node, whole: Node, ways: list[Node], types: frozenset[str]) -> _Shape:  # noqa: PLR0911 - one per kind
    if len(ways) > 1:
        return _Shape("value" if types <= _SCALARS else "json", one, types=types)
    if "const" in one:
        return _Shape("const", one)
    listed = one.get("enum")
    if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
        return _Shape("choice", one, tuple(map(str, listed)))
    match one.get("type"):
        case "string":
            longest = one.get("maxLength")
            return _Shape("long" if isinstance(longest, int) and longest >= LONG else "text", one)
        case "boolean":
            return _Shape("flag", one, ("yes", "no"))
        case "integer" | "number" as kind:
            return _Shape(str(kind), one)
        case "object" if isinstance(one.get("properties"), Mapping):
            return _Shape("group", one)
        case "array" if isinstance(one.get("items"), Mapping):
            return _list(one, _resolved(cast("Node", one["items"]), whole), whole)
        case _:
            return _Shape("json", one)


def _list(one: Node, inner: Node, whole: Node) -> _Shape:
    ways = _ways(inner, whole)
    if len(ways) > 1:
        return _Shape("json", one)
    listed = ways[0].get("enum")
    if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
        return _Shape("many", one, tuple(map(str, listed)))
    if ways[0].get("type") == "string":
        return _Shape("lines", one)
    if ways[0].get("type") == "object" and isinstance(ways[0].get("properties"), Mapping):
        return _Shape("items", one)
    return _Shape("json", one)


def _fits(shape: _Shape, whole: Node, held: Held, depth: int) -> bool:
    del whole
    if shape.kind in {"group", "items"} and depth >= DEEPEST:
        return False
    if held is MISSING or shape.kind in {"json", "const"}:
        return True
    match shape.kind:
        case "group":
            return isinstance(held, Mapping)
        case "items":
            return isinstance(held, list) and all(isinstance(each, Mapping) for each in held)
        case "lines":
            return isinstance(held, list) and all(isinstance(each, str) and _line(each) for each in held)
        case "many":
            return isinstance(held, list) and all(each in shape.choices for each in held)
        case "choice":
            return held in shape.choices
        case "flag":
            return isinstance(held, bool)
        case "integer" | "number":
            return isinstance(held, int | float) and not isinstance(held, bool)
        case "value":
            return isinstance(held, str | int | float)
        case _:
            return isinstance(held, str)


def _line(text: str) -> bool:
    return text == text.strip() and bool(text) and "\n" not in text and "\r" not in text


def _text(kind: str, held: Held) -> str:
    """What stands in a field for a value."""
    if isinstance(held, _Missing):
        return ""
    if kind == "lines":
        return "\n".join(map(str, cast("list[Json]", held)))
    if kind == "flag" or isinstance(held, bool):
        return ("yes" if held else "no") if kind == "flag" else ("true" if held else "false")
    if isinstance(held, str) and kind != "json":
        return held
    return json.dumps(held, ensure_ascii=False, indent=2 if kind == "json" else None)


def _members(node: Node) -> Iterator[tuple[str, Node]]:
    for name, value in cast("Mapping[str, Node]", node.get("properties", {})).items():
        yield name, value


def _of(held: Held, name: str) -> Held:
    return cast("Mapping[str, Json]", held).get(name, MISSING) if isinstance(held, Mapping) else MISSING


def _name(path: tuple[str | int, ...]) -> str:
    return "/".join((PREFIX, *map(str, path)))


def _said(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _label(name: str) -> str:
    spaced = "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


# ------------------------------------------------------------------------------------------------------ both ways


class _Maker:
    """Makes fields of a document."""

    def __init__(self, whole: Node, wrong: Mapping[str, str]) -> None:
        self._whole = whole
        self._wrong = wrong

    def group(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> tuple[Input, ...]:
        needed = node.get("required")
        required = set(map(str, needed)) if isinstance(needed, list) else set[str]()
        found: list[Input] = []
        for name, member in _members(node):
            value = _of(held, name)
            shape = _shape(member, self._whole, value, depth)
            if shape.kind != "const":
                found.append(self._one(shape, value, (*path, name), depth, required=name in required))
        return tuple(found)

    def _one(self, shape: _Shape, held: Held, path: tuple[str | int, ...], depth: int, *, required: bool) -> Input:
        name, node, parts = _name(path), shape.node, ()
        if shape.kind == "group":
            parts = self.group(node, held, path, depth + 1)
        elif shape.kind == "items":
            parts = self._items(node, held, path, depth + 1)
        most, default = node.get("maxLength"), node.get("default", MISSING)
        return Input(
            name=name,
            path=_said(path),
            kind=shape.kind,
            label=_label(str(path[-1])),
            required=required,
            about=str(node.get("description") or "").strip().partition("\n")[0],
            value="" if parts else self._wrong.get(name, _text(shape.kind, held)),
            choices=shape.choices,
            chosen=tuple(map(str, held)) if shape.kind == "many" and isinstance(held, list) else (),
            shown_empty="" if default in (MISSING, None, "") or parts else _shown(default),
            most=most if isinstance(most, int) and shape.kind in {"text", "long"} else 0,
            parts=parts,
            open=required,
        )

    def _items(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> tuple[Input, ...]:
        inner = _ways(_resolved(cast("Node", node["items"]), self._whole), self._whole)[0]
        made: list[Input] = []
        for number, each in enumerate(cast("list[Json]", held) if isinstance(held, list) else ()):
            where = (*path, number)
            parts = self.group(inner, each, where, depth)
            called = next((part.value for part in parts if part.kind == "text" and part.value), "")
            label = f"{number + 1}{f': {called[:60]}' if called else ''}"
            made.append(Input(_name(where), _said(where), "group", label, parts=parts))
        return tuple(made)


def _shown(default: Held) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, list) and all(isinstance(each, str) for each in default):
        return ", ".join(map(str, default))
    return str(default) if isinstance(default, str | int | float) else ""


class _Taker:
    """Puts what was typed into a document."""

    def __init__(self, whole: Node, typed: Typed) -> None:
        self._whole = whole
        self._typed = typed
        self._values = typed.values

    def value(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:
        if not path:
            return self._group(node, held, path, depth)
        shape, name = _shape(node, self._whole, held, depth), _name(path)
        if shape.kind == "group":
            return self._group(shape.node, held, path, depth + 1)
        if shape.kind == "items":
            return self._items(shape.node, held, path, depth + 1)
        if name not in self._values or shape.kind == "const":
            return held
        if shape.kind == "many":
            return self._many(shape, held, name)
        text = self._values[name].replace("\r\n", "\n")
        if text == _text(shape.kind, held):
            return held
        if not text.strip():
            return MISSING
        try:
            return _READ[shape.kind](text, shape)
        except ValueError as error:
            self._typed.problems[_said(path)] = str(error)
            self._typed.wrong[name] = text
            return held

    def _group(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:
        made = dict(cast("Mapping[str, Json]", held)) if isinstance(held, Mapping) else {}
        for name, member in _members(node):
            found = self.value(member, _of(held, name), (*path, name), depth)
            if isinstance(found, _Missing):
                made.pop(name, None)
            else:
                made[name] = found
        return made if made or not isinstance(held, _Missing) else MISSING

    def _items(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:
        inner = _ways(_resolved(cast("Node", node["items"]), self._whole), self._whole)[0]
        made: list[Json] = []
        for number, each in enumerate(cast("list[Json]", held) if isinstance(held, list) else ()):
            if not self._values.get(f"{_name((*path, number))}/-"):
                made.append(cast("Json", self._group(inner, each, (*path, number), depth)))
        if self._values.get("add") == _name(path):
            made.append({})
        return made if made or not isinstance(held, _Missing) else MISSING

    def _many(self, shape: _Shape, held: Held, name: str) -> Held:
        chosen = [word for word in shape.choices if self._values.get(f"{name}/{word}")]
        before = cast("list[str]", held) if isinstance(held, list) else []
        if set(chosen) == set(before):
            return held
        return list[Json](chosen) if chosen or not isinstance(held, _Missing) else MISSING


def _integer(text: str, _: _Shape) -> Json:
    try:
        return int(text.strip())
    except ValueError:
        message = f"{text.strip()[:40]!r} is no whole number"
        raise ValueError(message) from None


def _number(text: str, _: _Shape) -> Json:
    try:
        found = json.loads(text.strip(), parse_constant=_no_constant)
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int | float):
        message = f"{text.strip()[:40]!r} is no number"
        raise ValueError(message)
    return found


def _no_constant(word: str) -> float:
    raise ValueError(word)


def _json(text: str, _: _Shape) -> Json:
    try:
        return cast("Json", json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        message = f"this is no JSON: {error}"
        raise ValueError(message) from None


def _value(text: str, shape: _Shape) -> Json:
    """A text that may be a number or yes and no as well."""
    word = text.strip()
    if "boolean" in shape.types and word in {"true", "false"}:
        return word == "true"
    if shape.types & {"integer", "number"}:
        try:
            return _number(text, shape)
        except ValueError:
            pass
    if "string" not in shape.types:
        message = f"{word[:40]!r} is none of {', '.join(sorted(shape.types))}"
        raise ValueError(message)
    return text


def _listed(text: str, shape: _Shape) -> Json:
    if text not in shape.choices:
        message = f"{text[:40]!r} is none of {', '.join(shape.choices)}"
        raise ValueError(message)
    return text if shape.kind == "choice" else text == "yes"


_READ: Mapping[str, Callable[[str, _Shape], Json]] = {
    "text": lambda text, _: text,
    "long": lambda text, _: text,
    "integer": _integer,
    "number": _number,
    "value": _value,
    "choice": _listed,
    "flag": _listed,
    "lines": lambda text, _: [line.strip() for line in text.split("\n") if line.strip()],
    "json": _json,
}
