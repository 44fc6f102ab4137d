"""What a JSON Schema lets stand in a place, as a form shows it: the kind of field, and its texts read and written.

A value that has not the shape which the schema expects is shown as JSON, and so kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from remit.kernel.canonical import Json

DEEPEST = 8  # levels of fields in fields; what is deeper is one field that holds JSON
LONG = 500  # characters from which a text gets several lines
_SCALARS = frozenset({"string", "integer", "number", "boolean"})

type Node = Mapping[str, Json]


class Missing:
    """A value that is not there, which is not the same as null."""


MISSING = Missing()
type Held = Json | Missing


@dataclass(frozen=True, slots=True)
class Shape:
    """How a place is shown, and by which part of the schema; the kinds are ``Input``'s of the form, and ``const``."""

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


def shape_of(node: Node, whole: Node, held: Held, depth: int) -> Shape:
    """How a node is shown, for what stands there: a value of another shape is shown as JSON, and so kept."""
    node = _resolved(node, whole)
    ways = _ways(node, whole)
    types = frozenset(str(way.get("type")) for way in ways)
    one = ways[0] if len(ways) == 1 else node
    about = {key: node[key] for key in ("description", "default", "title") if key in node}
    made = _simple({**one, **about}, whole, ways, types)
    return made if _fits(made, held, depth) else Shape("json", made.node)


def _simple(one: Node, whole: Node, ways: list[Node], types: frozenset[str]) -> Shape:  # noqa: PLR0911 - one per kind
    if len(ways) > 1:
        return Shape("value" if types <= _SCALARS else "json", one, types=types)
    if "const" in one:
        return Shape("const", one)
    listed = one.get("enum")
    if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
        return Shape("choice", one, tuple(map(str, listed)))
    match one.get("type"):
        case "string":
            longest = one.get("maxLength")
            return Shape("long" if isinstance(longest, int) and longest >= LONG else "text", one)
        case "boolean":
            return Shape("flag", one, ("yes", "no"))
        case "integer" | "number" as kind:
            return Shape(str(kind), one)
        case "object" if isinstance(one.get("properties"), Mapping):
            return Shape("group", one)
        case "array" if isinstance(one.get("items"), Mapping):
            return _list(one, _resolved(cast("Node", one["items"]), whole), whole)
        case _:
            return Shape("json", one)


def _list(one: Node, inner: Node, whole: Node) -> Shape:
    ways = _ways(inner, whole)
    if len(ways) > 1:
        return Shape("json", one)
    listed = ways[0].get("enum")
    if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
        return Shape("many", one, tuple(map(str, listed)))
    if ways[0].get("type") == "string":
        return Shape("lines", one)
    if ways[0].get("type") == "object" and isinstance(ways[0].get("properties"), Mapping):
        return Shape("items", one)
    return Shape("json", one)


def _fits(shape: Shape, held: Held, depth: int) -> bool:
    """Whether what stands there has the shape that the field can show."""
    if shape.kind in {"group", "items"} and depth >= DEEPEST:
        return False
    return held is MISSING or _FITS.get(shape.kind, _is_text)(shape, held)


def _is_text(_: Shape, held: Held) -> bool:
    return isinstance(held, str)


def _all(held: Held, fit: Callable[[Json], bool]) -> bool:
    return isinstance(held, list) and all(fit(each) for each in held)


_FITS: Mapping[str, Callable[[Shape, Held], bool]] = {
    "json": lambda _, __: True,
    "const": lambda _, __: True,
    "group": lambda _, held: isinstance(held, Mapping),
    "items": lambda _, held: _all(held, lambda each: isinstance(each, Mapping)),
    "lines": lambda _, held: _all(held, lambda each: isinstance(each, str) and _line(each)),
    "many": lambda shape, held: _all(held, lambda each: each in shape.choices),
    "choice": lambda shape, held: held in shape.choices,
    "flag": lambda _, held: isinstance(held, bool),
    "integer": lambda _, held: isinstance(held, int | float) and not isinstance(held, bool),
    "number": lambda _, held: isinstance(held, int | float) and not isinstance(held, bool),
    "value": lambda _, held: isinstance(held, str | int | float),
}


def _line(text: str) -> bool:
    return text == text.strip() and bool(text) and "\n" not in text and "\r" not in text


def text_of(kind: str, held: Held) -> str:
    """What stands in a field for a value."""
    if isinstance(held, Missing):
        return ""
    if kind == "lines":
        return "\n".join(map(str, cast("list[Json]", held)))
    if kind == "flag" or isinstance(held, bool):
        return ("yes" if held else "no") if kind == "flag" else ("true" if held else "false")
    if isinstance(held, str) and kind != "json":
        return held
    return json.dumps(held, ensure_ascii=False, indent=2 if kind == "json" else None)


def members(node: Node) -> Iterator[tuple[str, Node]]:
    """An object's properties, by name."""
    yield from cast("Mapping[str, Node]", node.get("properties", {})).items()


def item_of(node: Node, whole: Node) -> Node:
    """What an item of a list of objects may be."""
    return _ways(_resolved(cast("Node", node["items"]), whole), whole)[0]


def member_of(held: Held, name: str) -> Held:
    """What stands in an object under a name."""
    return cast("Mapping[str, Json]", held).get(name, MISSING) if isinstance(held, Mapping) else MISSING


def read_text(text: str, shape: Shape) -> Json:
    """What a text that was typed there stands for.

    Raises:
        ValueError: It can't be read; says why.
    """
    return _READ[shape.kind](text, shape)


def _integer(text: str, _: Shape) -> Json:
    try:
        return int(text.strip())
    except ValueError:
        message = f"{text.strip()[:40]!r} is no whole number"
        raise ValueError(message) from None


def _number(text: str, _: Shape) -> Json:
    try:
        found = json.loads(text.strip(), parse_constant=_no_constant)
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int | float):
        message = f"{text.strip()[:40]!r} is no number"
        raise ValueError(message)  # noqa: TRY004 - of a text that was typed
    return found


def _no_constant(word: str) -> float:
    raise ValueError(word)


def _json(text: str, _: Shape) -> Json:
    try:
        return cast("Json", json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        message = f"this is no JSON: {error}"
        raise ValueError(message) from None


def _value(text: str, shape: Shape) -> Json:
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


def _listed(text: str, shape: Shape) -> Json:
    if text not in shape.choices:
        message = f"{text[:40]!r} is none of {', '.join(shape.choices)}"
        raise ValueError(message)
    return text if shape.kind == "choice" else text == "yes"


_READ: Mapping[str, Callable[[str, Shape], Json]] = {
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
