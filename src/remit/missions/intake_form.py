"""A pack's input as a form: fields made from its JSON Schema, and what was typed there put back into the document.

What a form does not touch stays as it is: a field whose text is the one that was shown gives back the very value that
it was shown for, and what no field shows (or has a shape that the schema does not expect) is not lost. So a text that
goes through the form unchanged comes out unchanged, and a changed one keeps everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from remit.kernel.canonical import Json
from remit.missions.intake_shapes import (
    MISSING,
    Held,
    Missing,
    Node,
    Shape,
    item_of,
    member_of,
    members,
    read_text,
    shape_of,
    text_of,
)

PREFIX = "in"


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
    return {} if isinstance(found, Missing) else found


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
    """The longest path of a field that a problem speaks of: a word of it, or how one begins (``a.b`` in ``a``)."""
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


class _Maker:
    """Makes fields of a document."""

    def __init__(self, whole: Node, wrong: Mapping[str, str]) -> None:
        self._whole = whole
        self._wrong = wrong

    def group(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> tuple[Input, ...]:
        needed = node.get("required")
        required = set(map(str, needed)) if isinstance(needed, list) else set[str]()
        found: list[Input] = []
        for name, member in members(node):
            value = member_of(held, name)
            shape = shape_of(member, self._whole, value, depth)
            if shape.kind != "const":
                found.append(self._one(shape, value, (*path, name), depth, required=name in required))
        return tuple(found)

    def _one(self, shape: Shape, held: Held, path: tuple[str | int, ...], depth: int, *, required: bool) -> Input:
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
            value="" if parts else self._wrong.get(name, text_of(shape.kind, held)),
            choices=shape.choices,
            chosen=tuple(map(str, held)) if shape.kind == "many" and isinstance(held, list) else (),
            shown_empty="" if default in (MISSING, None, "") or parts else _shown(default),
            most=most if isinstance(most, int) and shape.kind in {"text", "long"} else 0,
            parts=parts,
            open=required,
        )

    def _items(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> tuple[Input, ...]:
        inner = item_of(node, self._whole)
        made: list[Input] = []
        for number, each in enumerate(held if isinstance(held, list) else ()):
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

    def value(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:  # noqa: PLR0911 - one per kind
        if not path:
            return self._group(node, held, path, depth)
        shape, name = shape_of(node, self._whole, held, depth), _name(path)
        if shape.kind == "group":
            return self._group(shape.node, held, path, depth + 1)
        if shape.kind == "items":
            return self._items(shape.node, held, path, depth + 1)
        if name not in self._values or shape.kind == "const":
            return held
        if shape.kind == "many":
            return self._many(shape, held, name)
        text = self._values[name].replace("\r\n", "\n")
        if text == text_of(shape.kind, held):
            return held
        if not text.strip():
            return MISSING
        try:
            return read_text(text, shape)
        except ValueError as error:
            self._typed.problems[_said(path)] = str(error)
            self._typed.wrong[name] = text
            return held

    def _group(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:
        made = dict(cast("Mapping[str, Json]", held)) if isinstance(held, Mapping) else {}
        for name, member in members(node):
            found = self.value(member, member_of(held, name), (*path, name), depth)
            if isinstance(found, Missing):
                made.pop(name, None)
            else:
                made[name] = found
        return made if made or not isinstance(held, Missing) else MISSING

    def _items(self, node: Node, held: Held, path: tuple[str | int, ...], depth: int) -> Held:
        inner = item_of(node, self._whole)
        made: list[Json] = []
        for number, each in enumerate(held if isinstance(held, list) else ()):
            if not self._values.get(f"{_name((*path, number))}/-"):
                made.append(cast("Json", self._group(inner, each, (*path, number), depth)))
        if self._values.get("add") == _name(path):
            made.append({})
        return made if made or not isinstance(held, Missing) else MISSING

    def _many(self, shape: Shape, held: Held, name: str) -> Held:
        chosen = [word for word in shape.choices if self._values.get(f"{name}/{word}")]
        before = cast("list[str]", held) if isinstance(held, list) else []
        if set(chosen) == set(before):
            return held
        return list[Json](chosen) if chosen or not isinstance(held, Missing) else MISSING
