"""Expressions of Python code for the parts of the intermediate representation: types, defaults, samples, guards."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from remit.packs.build.ir import Field, FieldType, OnDelete
from remit.packs.build.render_text import py

if TYPE_CHECKING:
    from remit.packs.build.ir import Bound, Endpoint, Entity, Guard, Link, PathParameter, Reference, Scalar

IDENTIFIER_LIMIT = 63
MOMENTS = {FieldType.DATE: "CalendarDate", FieldType.DATETIME: "UtcMoment", FieldType.TIME: "TimeOfDay"}
PYTHON_TYPES = {
    FieldType.STRING: "str",
    FieldType.TEXT: "str",
    FieldType.EMAIL: "str",
    FieldType.URL: "str",
    FieldType.ENUM: "str",
    FieldType.INT: "int",
    FieldType.BIGINT: "int",
    FieldType.FLOAT: "float",
    FieldType.DECIMAL: "Decimal",
    FieldType.BOOL: "bool",
    FieldType.DATE: "CalendarDate",
    FieldType.DATETIME: "UtcMoment",
    FieldType.TIME: "TimeOfDay",
    FieldType.UUID: "UUID",
    FieldType.JSON: "dict[str, Any] | list[Any]",
    FieldType.BYTES: "bytes",
}
INPUT_TYPES = {
    FieldType.STRING: "Text",
    FieldType.TEXT: "Text",
    FieldType.EMAIL: "Email",
    FieldType.URL: "Url",
    FieldType.FLOAT: "Number",
    FieldType.DECIMAL: "Amount",
    FieldType.BOOL: "Flag",
    FieldType.DATE: "Day",
    FieldType.DATETIME: "Moment",
    FieldType.TIME: "Clock",
    FieldType.UUID: "Identifier",
    FieldType.JSON: "JsonData",
    FieldType.BYTES: "Binary",
}
EMAIL_LENGTH = 254
WIDEST_INTEGER = 18
"""Digits of a decimal that SQLite keeps as a 64-bit integer."""
CREATION = {FieldType.DATE: "_day_now", FieldType.DATETIME: "_moment_now", FieldType.TIME: "_time_now"}
BUILTINS = frozenset({"str", "int", "float", "bool", "bytes", "dict", "list"})
INTEGERS = {FieldType.INT: 2**31 - 1, FieldType.BIGINT: 2**63 - 1}


def fit(name: str) -> str:
    """A database identifier cut to what Postgres keeps, with a stable hash in place of the rest."""
    if len(name) <= IDENTIFIER_LIMIT:
        return name
    return f"{name[: IDENTIFIER_LIMIT - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def check_name(field: Field, entity: Entity) -> str:
    """The check constraint of an enum column, without the prefix that the naming convention adds."""
    return fit(f"ck_{entity.table}_{field.column}").removeprefix(f"ck_{entity.table}_")


def link_index(link: Link) -> str:
    """The index on the far column of a join table."""
    return fit(f"ix_{link.table}_{link.right_column}")


def on_delete(reference: Reference) -> str:
    """SQL for what happens when the target goes."""
    return {OnDelete.RESTRICT: "RESTRICT", OnDelete.CASCADE: "CASCADE", OnDelete.SET_NULL: "SET NULL"}[
        reference.on_delete
    ]


def python_type(field: Field) -> str:
    """The type of a mapped attribute."""
    return PYTHON_TYPES[field.type]


def stored_type(field: Field, prefix: str = "") -> str:
    """The column type; with a prefix (`sa.`) only in types of SQLAlchemy's own, as migrations spell it."""
    kind = field.type
    if kind is FieldType.DECIMAL and prefix:
        precision, scale = field.precision or 12, field.scale or 0
        narrow = f"{prefix}BigInteger()" if precision <= WIDEST_INTEGER else f"{prefix}String({precision + 1})"
        return f'{prefix}Numeric({precision}, {scale}).with_variant({narrow}, "sqlite")'
    if kind is FieldType.DECIMAL:
        return f"ExactDecimal({field.precision}, {field.scale or 0})"
    if kind is FieldType.DATETIME:
        return f"{prefix}DateTime(timezone=True)" if prefix else "UtcDateTime()"
    if kind in (FieldType.STRING, FieldType.EMAIL, FieldType.URL, FieldType.ENUM):
        return f"{prefix}String({field.max_length or EMAIL_LENGTH})"
    if kind is FieldType.JSON:
        return f"{prefix}JSON(none_as_null=True)" if not prefix else f"{prefix}JSON()"
    names = {
        FieldType.TEXT: "Text",
        FieldType.INT: "Integer",
        FieldType.BIGINT: "BigInteger",
        FieldType.FLOAT: "Float",
        FieldType.BOOL: "Boolean",
        FieldType.DATE: "Date",
        FieldType.TIME: "Time",
        FieldType.UUID: "Uuid",
        FieldType.BYTES: "LargeBinary",
    }
    return f"{prefix}{names[kind]}()"


def unshadowed(annotation: str, entity: Entity) -> str:
    """An annotation in a class that has an attribute called `float` or the like: there the type needs its module."""
    hidden = {field.attribute for field in entity.fields} & BUILTINS
    return re.sub(rf"\b({'|'.join(sorted(hidden))})\b", r"builtins.\1", annotation) if hidden else annotation


def moment_text(value: str) -> str:
    """An ISO moment, taken as UTC when it names no zone."""
    found = datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def literal(field: Field, value: Bound | Scalar) -> str:
    """A Python expression for a value of this field."""
    if field.type in MOMENTS:
        text = moment_text(str(value)) if field.type is FieldType.DATETIME else str(value)
        return f"{MOMENTS[field.type]}.fromisoformat({py(text)})"
    if field.type is FieldType.DECIMAL:
        return f'Decimal("{Decimal(str(value)):f}")'
    if field.type is FieldType.FLOAT:
        return repr(float(value))
    if field.type is FieldType.UUID:
        return f"UUID({py(str(value))})"
    if field.type is FieldType.BYTES:
        return repr(base64.b64decode(str(value)))
    return py(value)


def decimal_pattern(field: Field) -> str:
    """The JSON schema pattern of a decimal: its digits, and no sign where none can be."""
    scale = field.scale or 0
    whole = max((field.precision or 12) - scale, 1)
    sign = "" if field.minimum is not None and Decimal(str(field.minimum)) >= 0 else "-?"
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    return f"^{sign}[0-9]{{1,{whole}}}{fraction}$"


def bounds(field: Field) -> Iterator[str]:
    """The keyword arguments of a Pydantic Field that bound a value."""
    if field.type is FieldType.DECIMAL:
        yield f"max_digits={field.precision}, decimal_places={field.scale or 0}"
    elif field.type in (FieldType.STRING, FieldType.TEXT, FieldType.URL, FieldType.EMAIL, FieldType.BYTES):
        if field.min_length:
            yield f"min_length={field.min_length}"
        if field.max_length and (field.type is not FieldType.EMAIL or field.max_length != EMAIL_LENGTH):
            yield f"max_length={field.max_length}"
    for name, bound in (("ge", field.minimum), ("le", field.maximum)):
        if bound is not None:
            yield f"{name}={literal(field, bound)}"


def input_type(field: Field) -> str:
    """The strict type of a value in a body."""
    if field.enum_class:
        return field.enum_class
    kind = INPUT_TYPES.get(field.type, "int")
    limits = ", ".join(bounds(field))
    if field.type is FieldType.DECIMAL:
        schema = f'WithJsonSchema({{"type": "string", "pattern": {py(decimal_pattern(field))}}})'
        return f"Annotated[{kind}, Field({limits}), {schema}]"
    if field.type in INTEGERS:
        # a bound after a validator would be missing in the API description
        return f"Annotated[int, Strictly, Field({limits}), Whole]"
    return f"Annotated[{kind}, Field({limits})]" if limits else kind


def query_type(field: Field) -> str:
    """The type of a filter: bounded by the column and not by the field, as one may well ask for what can't be."""
    open_field = replace(field, minimum=None, maximum=None, min_length=None)
    if field.type in INTEGERS:
        limit = INTEGERS[field.type]
        return f"Annotated[int, Field(ge={-limit - 1}, le={limit}), QueryWhole]"
    kind = input_type(open_field)
    return {"Flag": "QueryFlag", "Number": "QueryNumber"}.get(kind, kind)


def output_type(field: Field) -> str:
    """The type of a value that goes out."""
    if field.enum_class:
        return field.enum_class
    if field.type in (FieldType.JSON, FieldType.BYTES, FieldType.TIME):
        return INPUT_TYPES[field.type]
    return PYTHON_TYPES[field.type]


def is_state(entity: Entity, field: Field) -> bool:
    """Whether only transitions change this field."""
    return entity.states is not None and entity.states.attribute == field.attribute


def attribute_of(member: Field | Reference) -> str:
    """The Python attribute that holds the value."""
    return member.attribute if isinstance(member, Field) else member.fk_attribute


def has_default(member: Field) -> bool:
    """Whether a body may leave this field out although it is required."""
    return member.default_now or member.default is not None


def create_default(member: Field | Reference) -> str:
    """What follows the type of a field in the body of a creation: nullability, default, alias."""
    options: list[str] = []
    if isinstance(member, Field) and member.default_now:
        options.append(f"default_factory={CREATION[member.type]}")
    elif isinstance(member, Field) and member.default is not None:
        options.append(f"default={literal(member, member.default)}")
    elif not member.required:
        options.append("default=None")
    optional = "" if member.required else " | None"
    if member.name != attribute_of(member):
        options.append(f"validation_alias={py(member.name)}")
    return f"{optional} = Field({', '.join(options)})" if options else optional


def patch_default(member: Field | Reference) -> str:
    """What follows the type of a field in the body of a change."""
    optional = "" if member.required else " | None"
    alias = f", validation_alias={py(member.name)}" if member.name != attribute_of(member) else ""
    return f"{optional} = Field(default_factory=_unset{alias})"


def read_alias(member: Field | Reference, attribute: str) -> str:
    """The name under which a field goes out, when it is not its attribute's."""
    return f" = Field(serialization_alias={py(member.name)})" if member.name != attribute else ""


def alias_option(member: Link, kind: str, attribute: str) -> str:
    """A further keyword argument with the name the API speaks, when it differs."""
    return f", {kind}={py(member.name)}" if member.name != attribute else ""


PATH_TYPES = {FieldType.UUID: "Identifier"}


def path_type(parameter: PathParameter) -> str:
    """The type of a path parameter, bounded as every value is."""
    if parameter.type is FieldType.INT:
        return "Annotated[int, Path(ge=0, le=2147483647), QueryWhole]"
    return PATH_TYPES.get(parameter.type, "Annotated[_Text, Path(max_length=255)]")


def plain_type(parameter: PathParameter) -> str:
    """The type a hand-written function sees."""
    return {FieldType.INT: "int", FieldType.UUID: "UUID"}.get(parameter.type, "str")


def filled_path(endpoint: Endpoint) -> str:
    """The path with a value for every parameter."""
    path = endpoint.path
    for parameter in endpoint.parameters:
        value = {FieldType.INT: "1", FieldType.UUID: str(UUID(int=1))}.get(parameter.type, "sample")
        path = path.replace(f"{{{parameter.name}}}", value)
    return path


def response_default(field: Field) -> str:
    """What follows the type of a field in a hand-written answer."""
    if field.name != field.attribute:
        optional = "" if field.required else "default=None, "
        return f" = Field({optional}serialization_alias={py(field.name)})"
    return "" if field.required else " = None"


def scalar_type(value: object) -> str:
    """The type of a configuration value."""
    return type(value).__name__ if isinstance(value, bool | int | float | str) else "str | None"


def guard_value(guard: Guard, entity: Entity) -> str:
    """The value a guard compares with, in the type of its field; uses modules that routes import."""
    field = next((field for field in entity.fields if field.attribute == guard.attribute), None)
    if guard.value is None:
        return "None"
    return literal(field, guard.value) if field else f"UUID({py(str(guard.value))})"
