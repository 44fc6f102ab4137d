"""An input through its form and back: what was changed is all that changed, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput
from remit.missions.intake_form import Typed, at_fields, inputs, taken, walk
from remit.missions.intake_text import read_text, write_text
from remit.packs.build.pack import BuildPack

INTAKES = sorted((Path(__file__).parents[2] / "examples" / "intakes").glob("*.yaml"))
BUILD = BuildPack()
SCHEMA = BUILD.schema()


def sent(document: Json, schema: Any = SCHEMA) -> dict[str, str]:
    """What a browser sends of the form as it is shown."""
    values: dict[str, str] = {}
    for one in walk(inputs(schema, document)):
        if one.kind == "many":
            values |= {one.name: ".", **{f"{one.name}/{word}": "yes" for word in one.chosen}}
        elif one.kind not in {"group", "items"}:
            values[one.name] = one.value.replace("\n", "\r\n")
    return values


@pytest.mark.parametrize("path", INTAKES, ids=lambda path: path.stem)
def test_an_intake_goes_through_its_form_and_comes_back_byte_for_byte(path: Path) -> None:
    text = "# kept\n" + path.read_text()
    document: Json = dict(read_text(BUILD, text, path.name))
    typed = Typed(sent(document))
    assert taken(SCHEMA, document, typed) == document
    assert not typed.problems
    assert write_text(BUILD, document, text, path.name) == text
    values = sent(document) | {"in/metadata/appName": "no: 12:30 'x'"}
    changed = cast("dict[str, Any]", taken(SCHEMA, document, Typed(values)))
    again = cast("dict[str, Any]", dict(read_text(BUILD, write_text(BUILD, changed, text, path.name), path.name)))
    assert again == changed
    assert again.pop("metadata") | {"appName": ""} == {**cast("dict[str, Any]", document)["metadata"], "appName": ""}
    assert again == {key: value for key, value in cast("dict[str, Any]", document).items() if key != "metadata"}


ODD: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "count": {"type": "integer"},
        "share": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "on": {"type": "boolean"},
        "mode": {"enum": ["a", "b"], "type": "string"},
        "words": {"type": "array", "items": {"type": "string"}},
        "tags": {"type": "array", "items": {"enum": ["x", "y"], "type": "string"}},
        "free": {},
        "price": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    },
}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "a", "other": {"not": "in the schema"}},
        {"name": 5, "count": "many", "on": "yes", "mode": "c", "words": [" spaced ", "two\nlines"], "tags": ["z"]},
        {"count": 1.5, "share": None, "words": [], "tags": [], "free": {"deep": [1, None]}, "price": "1e3"},
        {"name": "", "on": False, "price": 3, "free": None},
    ],
)
def test_values_of_another_shape_are_kept_too(document: dict[str, Any]) -> None:
    typed = Typed(sent(document, ODD))
    assert taken(ODD, document, typed) == document
    assert not typed.problems


def test_what_is_typed_is_read_as_its_field_says_or_told_at_it() -> None:
    values = sent({}, ODD) | {
        "in/name": "Clinic", "in/count": "12", "in/share": "0.5", "in/on": "yes", "in/mode": "b",
        "in/words": "one\r\n two \r\n", "in/tags/y": "yes", "in/price": "many", "in/free": '{"k": [1]}',
    }  # fmt: skip
    assert taken(ODD, {}, Typed(values)) == {
        "name": "Clinic", "count": 12, "share": 0.5, "on": True, "mode": "b", "words": ["one", "two"],
        "tags": ["y"], "price": "many", "free": {"k": [1]},
    }  # fmt: skip
    wrong = Typed(values | {"in/count": "twelve", "in/share": "NaN", "in/mode": "c", "in/free": "{"})
    kept = taken(ODD, {"count": 1}, wrong)
    assert cast("dict[str, Any]", kept)["count"] == 1
    assert set(wrong.problems) == {"count", "share", "mode", "free"}
    shown = {one.path: one for one in walk(inputs(ODD, kept, wrong=wrong.wrong))}
    assert (shown["count"].value, shown["free"].value) == ("twelve", "{")


def test_lists_grow_and_shrink_and_problems_find_their_field() -> None:
    document: Json = dict(read_text(BUILD, INTAKES[0].read_text(), "a.yaml"))
    before = len(cast("Any", document)["requirements"]["features"])
    more = taken(SCHEMA, document, Typed(sent(document) | {"add": "in/requirements/features"}))
    assert len(cast("Any", more)["requirements"]["features"]) == before + 1
    less = taken(SCHEMA, document, Typed(sent(document) | {"in/requirements/features/0/-": "yes"}))
    assert cast("Any", less)["requirements"]["features"] == cast("Any", document)["requirements"]["features"][1:]
    fields, left = at_fields(
        inputs(SCHEMA, document),
        ["a.yaml:3:1: metadata.version: `x` is no version", "requirements.features[0].names is unknown", "all wrong"],
    )
    told = {one.path: one.problem for one in walk(fields) if one.problem}
    assert set(told) == {"metadata.version", "requirements.features[0]"}
    assert left == ("all wrong",)


def test_a_text_that_is_no_mapping_has_no_form() -> None:
    for text in ("- a\n", "a: [", "just words"):
        with pytest.raises(InvalidInput):
            read_text(BUILD, text, "a.yaml")
