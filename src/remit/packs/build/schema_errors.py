"""What Pydantic found wrong, said in the words of the document: what is there, what belongs there, what was meant."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from remit.packs.build.names import Suggestion
from remit.packs.build.problem import DocumentPath, Problem

_MEANT: Mapping[str, str] = {
    "integer": "int",
    "number": "float` or `decimal",
    "double": "float",
    "real": "float",
    "boolean": "bool",
    "str": "string",
    "varchar": "string",
    "char": "string",
    "phone": "string",
    "timestamp": "datetime",
    "timestamptz": "datetime",
    "date-time": "datetime",
    "numeric": "decimal",
    "money": "decimal",
    "currency": "decimal",
    "blob": "bytes",
    "binary": "bytes",
    "object": "json",
    "array": "json",
    "list": "json",
    "jsonb": "json",
    "id": "uuid",
    "guid": "uuid",
    "belongs_to": "n-1",
    "many-to-one": "n-1",
    "manytoone": "n-1",
    "has_many": "1-n",
    "one-to-many": "1-n",
    "onetomany": "1-n",
    "many-to-many": "n-n",
    "manytomany": "n-n",
    "m-n": "n-n",
    "one-to-one": "1-1",
    "onetoone": "1-1",
    "basic": "password",
    "local": "password",
    "email": "password",
    "bearer": "jwt",
    "monthly": "month",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
    "one_time": "once",
    "postgres": "postgresql",
    "python": "python3.12",
}
"""What other tools call the same choice."""

_KINDS: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "datetime_type": "a moment like `2026-01-31T09:30:00Z`",
    "datetime_parsing": "a moment like `2026-01-31T09:30:00Z`",
    "datetime_from_date_parsing": "a moment like `2026-01-31T09:30:00Z`",
    "none_required": "nothing",
}

_CODES: Mapping[str, str] = {
    "greater_than_equal": "build.out_of_range",
    "less_than_equal": "build.out_of_range",
    "greater_than": "build.out_of_range",
    "less_than": "build.out_of_range",
    "string_too_long": "build.too_long",
    "string_too_short": "build.too_short",
    "too_long": "build.too_many",
    "too_short": "build.too_few",
    "string_pattern_mismatch": "build.pattern",
    "timezone_aware": "build.timezone",
    "finite_number": "build.not_finite",
    "decimal_max_digits": "build.out_of_range",
    "decimal_max_places": "build.out_of_range",
    "decimal_whole_digits": "build.out_of_range",
}


_LENGTHS: Mapping[str, str] = {
    "string_too_long": "has {length} characters, {limit} at most are allowed",
    "string_too_short": "has {length} characters, {limit} at least are needed",
    "too_long": "has {length} items, {limit} at most are allowed",
    "too_short": "has {length} items, {limit} at least are needed",
}


def schema_problems(model: type[BaseModel], errors: list[ErrorDetails], document: object) -> list[Problem]:
    """One problem for each place; of the branches of a union the document's own type decides."""
    found: dict[DocumentPath, Problem] = {}
    kinds: dict[DocumentPath, dict[str, None]] = {}
    for error in errors:
        path, left_over = _document_path(error["loc"], document)
        if error["type"] in _KINDS:
            kinds.setdefault(path, {})[_KINDS[error["type"]]] = None
        if error["type"] == "too_short" and len(error["input"]) >= error.get("ctx", {}).get("min_length", 0):
            continue  # an echo: items that are wrong themselves were not counted
        if error["type"] == "missing":
            key = str(error["loc"][-1])
            found.setdefault((*path, key), _missing(key, path))
        elif error["type"] == "extra_forbidden":
            found.setdefault(path, _unknown_key(model, path))
        elif path in found and left_over:
            wanted = " or ".join(kinds.get(path, ())) or "something else"
            what = f"{_shown(error['input'])} stands where {wanted} belongs"
            found[path] = Problem("build.wrong_type", path, what, "Give one of these, in quotes for text.")
        else:
            found.setdefault(path, _translated(error, path))
    return list(found.values())


def _document_path(loc: tuple[int | str, ...], document: object) -> tuple[DocumentPath, bool]:
    """The part of Pydantic's location that is in the document, and whether names of union branches were left out."""
    path: DocumentPath = ()
    value = document
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = cast("dict[str, object]", value)[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[object]", value)):
            value = cast("list[object]", value)[part]
        else:
            continue
        path = (*path, part)
    return path, len(path) < len(loc)


def _missing(key: str, path: DocumentPath) -> Problem:
    return Problem("build.missing", path, f"`{key}` is missing", f"Add `{key}:`.")


def _unknown_key(model: type[BaseModel], path: DocumentPath) -> Problem:
    key, known = str(path[-1]), _keys_at(model, path[:-1])
    what = f"`{key}` is no key that belongs here"
    return Problem("build.unknown_key", path, what, Suggestion(key, known), at_key=True)


def _translated(error: ErrorDetails, path: DocumentPath) -> Problem:
    kind, shown, context = error["type"], _shown(error["input"]), error.get("ctx", {})
    if kind in {"enum", "literal_error"}:
        return _choice(error["input"], str(context.get("expected", "")), path)
    if kind in _KINDS:
        code = "build.price" if "price" in path and kind.startswith("decimal") else "build.wrong_type"
        hint = _type_hint(error["input"], _KINDS[kind])
        return Problem(code, path, f"{shown} stands where {_KINDS[kind]} belongs", hint)
    code = _CODES.get(kind, "build.invalid")
    if kind in _LENGTHS:
        limit = context.get("min_length", context.get("max_length"))
        what = _LENGTHS[kind].format(length=len(error["input"]), limit=limit)
        return Problem(
            code, path, f"{shown} {what}", "Shorten it." if "max_length" in context else "Add what is missing."
        )
    if code == "build.out_of_range" and path and path[-1] == "price":
        what = (
            f"price {shown} is negative" if kind == "greater_than_equal" else f"price {shown}: {_lower(error['msg'])}"
        )
        return Problem("build.price", path, what, "Give a price of 0 or more with at most 4 decimals.")
    hint = "Add the offset from UTC, like `Z` or `+01:00`." if code == "build.timezone" else "Change the value."
    return Problem(code, path, f"{shown}: {_lower(error['msg'])}", hint)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str():
            return f"`{value[:60]}...`" if len(value) > 60 else f"`{value}`"  # noqa: PLR2004 - what fits a line
        case _:
            return f"`{value}`"


def _type_hint(value: object, wanted: str) -> str:
    if wanted == "true or false" and isinstance(value, str):
        return "Write true or false; `yes`, `no`, `on` and `off` are text in YAML 1.2."
    if wanted == "text" and isinstance(value, bool | int | float):
        return "Put it in quotes if it is meant as text."
    if isinstance(value, str) and wanted != "text":
        return "Write it without quotes." if re.fullmatch(r"-?[0-9.]+", value) else f"Give {wanted}."
    return f"Give {wanted}."


def _choice(value: object, expected: str, path: DocumentPath) -> Problem:
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    text = str(value)
    meant = _MEANT.get(text.strip().lower().replace("_", "-")) or _MEANT.get(text.strip().lower())
    hint: str | Suggestion = Suggestion(text, choices)
    known = {part for choice in [meant or ""] for part in choice.split("` or `")}
    if re.match(r"decimal\s*\(", text):
        hint = "Write `type: decimal` with `precision:` and `scale:`."
    elif re.match(r"enum\s*\(", text):
        hint = "Write `type: enum` with `values:`."
    elif re.match(r"(var)?char\s*\(|string\s*\(", text):
        hint = "Write `type: string` with `maxLength:`."
    elif meant and known & set(choices):
        hint = f"Did you mean `{meant}`?"
    return Problem("build.not_a_choice", path, f"{_shown(value)} is not one of {', '.join(choices)}", hint)


@lru_cache(maxsize=16)
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _keys_at(model: type[BaseModel], path: DocumentPath) -> list[str]:
    """The keys that belong at a path, by the model's own JSON schema."""
    root = _json_schema(model)
    nodes = _resolved(root, root)
    for part in path:
        nodes = [inner for node in nodes for inner in _step(root, node, part)]
    return [key for node in nodes for key in node.get("properties", {})]


def _step(root: dict[str, Any], node: dict[str, Any], part: int | str) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return _resolved(root, node.get("items", {}))
    found: dict[str, Any] = node.get("properties", {}).get(part, {})
    return _resolved(root, found)


def _resolved(root: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node behind references and, for a union, each of its branches."""
    if "$ref" in node:
        return _resolved(root, root["$defs"][node["$ref"].rpartition("/")[2]])
    branches: list[dict[str, Any]] = [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]
    return [inner for branch in branches for inner in _resolved(root, branch)] or [node]
