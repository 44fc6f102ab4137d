"""Rules on one field: its parameters fit its type, its bounds make sense, its literals are values of the type."""

from collections.abc import Iterable, Iterator
from typing import cast

from remit.packs.build.ir import FieldType
from remit.packs.build.names import snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.rules_names import name_problems
from remit.packs.build.schema_entity import FieldSpec
from remit.packs.build.values import DEFAULT_LENGTHS, NOW, ORDERED, Value, precision_and_scale, read_value

_MOMENTS = frozenset({FieldType.DATE, FieldType.DATETIME, FieldType.TIME})
_UNCOMPARABLE = frozenset({FieldType.JSON, FieldType.BYTES})
_SECRETIVE = frozenset({FieldType.STRING, FieldType.TEXT})

_SHORTEST = {FieldType.EMAIL: 20, FieldType.URL: 20}
"""The least room that makes sense: `a@b.io` and `http://a.io` fit, and the generated tests' own samples too."""

_PERSONAL = frozenset(
    """
    email email_address e_mail phone phone_number mobile telephone fax birth_date date_of_birth dob birthday birthdate
    first_name last_name middle_name full_name given_name family_name surname maiden_name ssn social_security_number
    national_id passport passport_number tax_id street street_address postal_address home_address iban
    insurance_number driver_license blood_type
    """.split()  # noqa: SIM905 - a page of words is read, a page of quotes and commas is not
)


def is_personal(spec: FieldSpec) -> bool:
    """Whether a field holds personal data: as the intake says, else by its type and its name."""
    if spec.pii is not None:
        return spec.pii
    return spec.type is FieldType.EMAIL or snake(spec.name) in _PERSONAL


def field_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    """Everything wrong with one field by itself."""
    yield from name_problems(spec.name, path, what="field", code=spec.code)
    yield from _parameter_problems(spec, path)
    yield from _flag_problems(spec, path)
    if spec.type is FieldType.ENUM:
        yield from _value_problems(spec, path)
    yield from _length_problems(spec, path)
    yield from _literal_problems(spec, path)


def _misplaced(spec: FieldSpec, path: DocumentPath, keys: Iterable[str], advice: str) -> Iterator[Problem]:
    for key in keys:
        yield Problem(
            "build.field_parameter",
            (*path, key),
            f"`{key}` does not apply to field `{spec.name}` of type {spec.type}",
            advice,
        )


def _parameter_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    given = {
        "min": spec.min is not None,
        "max": spec.max is not None,
        "minLength": spec.min_length is not None,
        "maxLength": spec.max_length is not None,
        "precision": spec.precision is not None,
        "scale": spec.scale is not None,
        "values": bool(spec.values),
    }
    lengthy = spec.type in DEFAULT_LENGTHS
    rules = (
        (("min", "max"), spec.type in ORDERED, "Use minLength and maxLength." if lengthy else "Remove it."),
        (("minLength", "maxLength"), lengthy, "Use min and max." if spec.type in ORDERED else "Remove it."),
        (("precision", "scale"), spec.type is FieldType.DECIMAL, "Only `type: decimal` has precision and scale."),
        (("values",), spec.type is FieldType.ENUM, "Only `type: enum` has values."),
    )
    for keys, applies, advice in rules:
        if not applies:
            yield from _misplaced(spec, path, (key for key in keys if given[key]), advice)
    precision, scale = precision_and_scale(spec)
    if spec.type is FieldType.DECIMAL and scale > precision:
        yield Problem(
            "build.decimal_scale",
            (*path, "scale"),
            f"decimal field `{spec.name}` has scale {scale}, more than its precision {precision}",
            "The precision counts all digits, the scale those after the point: make scale <= precision.",
        )


def _flag_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    rules = (
        (spec.unique and spec.type in _UNCOMPARABLE, "unique", f"a {spec.type} value can't be unique in a database"),
        (spec.indexed and spec.type in _UNCOMPARABLE, "indexed", f"a {spec.type} value can't be indexed"),
        (spec.unique and spec.type is FieldType.BOOL, "unique", "a unique bool allows two rows at most"),
        (spec.secret and spec.type not in _SECRETIVE, "secret", f"a secret is a string or text, not a {spec.type}"),
        (spec.secret and spec.default is not None, "default", "a secret with a default is no secret"),
        (spec.secret and spec.example is not None, "example", "a secret must not be shown as an example"),
        (spec.unique and spec.default is not None, "default", "the second row that uses it could not be stored"),
    )
    for wrong, key, why in rules:
        if wrong:
            text = f"`{key}` of field `{spec.name}`: {why}"
            yield Problem("build.field_flag", (*path, key), text, f"Remove `{key}`, or change the field.")


def _value_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    if not spec.values:
        yield Problem(
            "build.enum_values",
            path,
            f"enum field `{spec.name}` has no values",
            "Add `values:` with at least one value.",
        )
    seen: set[str] = set()
    for position, value in enumerate(spec.values):
        why = ""
        if not value.strip() or value != value.strip():
            why = "is empty or has spaces around it"
        elif value in seen:
            why = "stands there twice"
        if why:
            yield Problem(
                "build.enum_values",
                (*path, "values", position),
                f"value `{value}` of enum field `{spec.name}` {why}",
                "Give every value once, without surrounding spaces.",
            )
        seen.add(value)


def _length_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    floor = _SHORTEST.get(spec.type, 0)
    if spec.max_length is not None and spec.max_length < floor:
        text = f"no {spec.type} fits into field `{spec.name}` with maxLength {spec.max_length}"
        yield Problem("build.bounds", (*path, "maxLength"), text, f"Make maxLength at least {floor}.")
    limit = spec.max_length if spec.max_length is not None else DEFAULT_LENGTHS.get(spec.type)
    if limit is not None and spec.min_length is not None and spec.min_length > limit:
        yield Problem(
            "build.bounds",
            (*path, "minLength"),
            f"field `{spec.name}` has minLength {spec.min_length}, more than its maxLength {limit}",
            "Make minLength <= maxLength.",
        )


def _read(spec: FieldSpec, path: DocumentPath, key: str, literal: object) -> Iterator[Problem | tuple[str, Value]]:
    """The value, or the problem that it is none."""
    try:
        yield key, read_value(spec, literal)
    except ValueError as error:
        yield Problem(
            "build.email" if spec.type is FieldType.EMAIL else "build.literal",
            (*path, key),
            f"`{key}` of field `{spec.name}` ({spec.type}) is `{literal!s:.80}`: {error}",
            f"Change `{key}`, or the field's type.",
        )


def _literal_problems(spec: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    values: dict[str, Value] = {}
    bounds = (("min", spec.min), ("max", spec.max)) if spec.type in ORDERED else ()
    for key, literal in (*bounds, ("default", spec.default), ("example", spec.example)):
        if literal is None or (key == "default" and literal == NOW and spec.type in _MOMENTS):
            continue
        for found in _read(spec, path, key, literal):
            if isinstance(found, Problem):
                yield found
            else:
                values[found[0]] = found[1]
    low, high = values.get("min"), values.get("max")
    if low is not None and high is not None and _less(high, low):
        yield Problem(
            "build.bounds",
            (*path, "min"),
            f"field `{spec.name}` has min {spec.min}, more than its max {spec.max}",
            "Make min <= max.",
        )
    for key in ("default", "example"):
        if key in values:
            yield from _outside(spec, path, key, values)


def _outside(spec: FieldSpec, path: DocumentPath, key: str, values: dict[str, Value]) -> Iterator[Problem]:
    value = values[key]
    low, high = values.get("min"), values.get("max")
    why = ""
    if low is not None and _less(value, low):
        why = f"below the field's min {spec.min}"
    elif high is not None and _less(high, value):
        why = f"above the field's max {spec.max}"
    elif isinstance(value, str | bytes) and spec.type in DEFAULT_LENGTHS:
        limit = spec.max_length if spec.max_length is not None else DEFAULT_LENGTHS[spec.type]
        if len(value) > limit:
            why = f"{len(value)} long, more than maxLength {limit}"
        elif spec.min_length is not None and len(value) < spec.min_length:
            why = f"{len(value)} long, less than minLength {spec.min_length}"
    if why:
        yield Problem(
            "build.literal_bounds",
            (*path, key),
            f"`{key}` of field `{spec.name}` is {why}",
            f"Change `{key}`, or the bound.",
        )


def _less(left: Value, right: Value) -> bool:
    """Compare two values of one ordered type."""
    return cast("int", left) < cast("int", right)
