"""Values for the tests and the smoke script of a generated application: valid, invalid, and around each guard."""

import base64
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from remit.packs.build.ir import FieldType, Operator
from remit.packs.build.render_names import literal, moment_text
from remit.packs.build.render_text import py

if TYPE_CHECKING:
    from remit.packs.build.ir import Entity, Field, Guard


def sample(field: "Field") -> str:
    """A call of the generated tests' samples that makes a valid JSON value."""
    match field.type:
        case FieldType.ENUM:
            found = f"samples.choice({', '.join(py(value.value) for value in field.values)})"
        case FieldType.STRING | FieldType.TEXT:
            found = f"samples.text({field.min_length or 1}, {field.max_length or 255})"
        case FieldType.BYTES:
            found = f"samples.binary({field.min_length or 1}, {field.max_length or 64})"
        case FieldType.INT | FieldType.BIGINT:
            found = f"samples.whole({field.minimum}, {field.maximum})"
        case FieldType.FLOAT:
            found = _float_sample(field)
        case FieldType.DECIMAL:
            found = _decimal_sample(field)
        case FieldType.DATE | FieldType.DATETIME | FieldType.TIME:
            found = _moment_sample(field)
        case other:
            found = SIMPLE_SAMPLES[other]
    return found


SIMPLE_SAMPLES = {
    FieldType.EMAIL: "samples.email()",
    FieldType.URL: "samples.web_address()",
    FieldType.BOOL: "samples.flag()",
    FieldType.UUID: "samples.identifier()",
    FieldType.JSON: "samples.data()",
}


def _moment_sample(field: "Field") -> str:
    low = None if field.minimum is None else str(field.minimum)
    high = None if field.maximum is None else str(field.maximum)
    if field.type is FieldType.TIME:
        first = low or min("00:00:00", high or "00:00:00")
        return f"samples.clock({py(first)}, {py(high or max(first, '23:59:00'))})"
    first = low or min("2024-01-01", (high or "9999")[:10])
    last = high or f"{min(int(first[:4]) + 5, 9998):04}-12-28"
    if field.type is FieldType.DATE:
        return f"samples.day({py(first)}, {py(last)})"
    return f"samples.moment({py(moment_text(first))}, {py(moment_text(last))})"


def _float_sample(field: "Field") -> str:
    low = None if field.minimum is None else float(field.minimum)
    high = None if field.maximum is None else float(field.maximum)
    first = low if low is not None else 0.0 if high is None else high - 100
    return f"samples.number({first!r}, {high if high is not None else first + 100!r})"


def _decimal_sample(field: "Field") -> str:
    scale = field.scale or 0
    room = Decimal(10) ** min((field.precision or 12) - scale, 6) - 1
    low = Decimal(str(field.minimum)) if field.minimum is not None else Decimal(0)
    if field.minimum is None and field.maximum is not None:
        low = min(low, Decimal(str(field.maximum)))
    high = Decimal(str(field.maximum)) if field.maximum is not None else max(low, room)
    return f'samples.amount("{low:f}", "{high:f}", {scale})'


def bad_values(field: "Field") -> list[str]:
    """Expressions for values that this field must refuse."""
    kind = field.type
    found: list[str] = []
    if kind in (FieldType.STRING, FieldType.TEXT):
        found = [f'"x" * {(field.max_length or 255) + 1}', "7", '"a\\x00b"']
        if field.min_length:
            found.append(f'"x" * {field.min_length - 1}')
    elif kind in (FieldType.INT, FieldType.BIGINT):
        found = ['"1"', "1.5", "True", f"{int(field.maximum or 0) + 1}", f"{int(field.minimum or 0) - 1}"]
    elif kind is FieldType.FLOAT:
        found = ['"1"', "True"]
    elif kind is FieldType.DECIMAL:
        found = ['""', '"1e3"', "True", f'"1{"0" * (field.precision or 12)}"', f'"0.{"1" * ((field.scale or 0) + 1)}"']
        if field.minimum is not None:
            found.append(f'"{Decimal(str(field.minimum)) - 1:f}"')
        if field.maximum is not None:
            found.append(f'"{Decimal(str(field.maximum)) + 1:f}"')
    elif kind is FieldType.BYTES:
        found = ['"!"', "7"]
    else:
        found = {
            FieldType.BOOL: ['"yes"', "1"],
            FieldType.DATE: ["0", '"0"', '"2024-02-30"'],
            FieldType.DATETIME: ["0", '"2024-01-01T00:00:00"', '"0001-01-01T00:00:00+14:00"'],
            FieldType.TIME: ["0", '"24:00"'],
            FieldType.UUID: ["7", '"nonsense"'],
            FieldType.EMAIL: ['"nonsense"', "7"],
            FieldType.URL: ['"javascript:alert(1)"', "7"],
            FieldType.ENUM: ['"no such value"', "7"],
            FieldType.JSON: ['"text"', "7"],
        }[kind]
    return found


def guard_literal(guard: "Guard", entity: "Entity", *, holds: bool) -> str | None:
    """A value of the guarded attribute with which the guard holds (or does not); None when none is known."""
    field = next((field for field in entity.fields if field.attribute == guard.attribute), None)
    if field is None:
        return "None" if (guard.operator is Operator.EMPTY) == holds and not _needs_value(guard, entity) else None
    if guard.operator in (Operator.SET, Operator.EMPTY):
        wanted = (guard.operator is Operator.SET) == holds
        empty = None if field.required else "None"
        return _any_value(field) if wanted else empty
    if guard.value is None:
        return None
    equal_holds = guard.operator in (Operator.EQ, Operator.GE, Operator.LE)
    return literal(field, guard.value) if equal_holds == holds else _other_value(field, guard, holds=holds)


def _needs_value(guard: "Guard", entity: "Entity") -> bool:
    return any(ref.fk_attribute == guard.attribute and ref.required for ref in entity.references)


def _any_value(field: "Field") -> str | None:
    values = {
        FieldType.STRING: '"x"',
        FieldType.TEXT: '"x"',
        FieldType.EMAIL: '"x@example.com"',
        FieldType.URL: '"https://example.com"',
        FieldType.INT: "1",
        FieldType.BIGINT: "1",
        FieldType.FLOAT: "1.0",
        FieldType.DECIMAL: 'Decimal("1")',
        FieldType.BOOL: "True",
        FieldType.DATE: 'CalendarDate.fromisoformat("2024-01-01")',
        FieldType.DATETIME: 'UtcMoment.fromisoformat("2024-01-01T00:00:00+00:00")',
        FieldType.TIME: 'TimeOfDay.fromisoformat("12:00:00")',
        FieldType.UUID: "uuid.uuid4()",
        FieldType.BYTES: 'b"x"',
        FieldType.JSON: '{"x": 1}',
    }
    return py(field.values[0].value) if field.values else values.get(field.type)


def _other_value(field: "Field", guard: "Guard", *, holds: bool) -> str | None:
    value, kind = guard.value, field.type
    found: str | None = None
    if field.values:
        found = next((py(item.value) for item in field.values if item.value != value), None)
    elif isinstance(value, bool):
        found = repr(not value)
    elif kind in (FieldType.INT, FieldType.BIGINT, FieldType.FLOAT, FieldType.DECIMAL):
        down = Operator.LT if holds else Operator.GE
        number = Decimal(str(value)) + (-1 if guard.operator is down else 1)
        found = str(int(number)) if kind in (FieldType.INT, FieldType.BIGINT) else literal(field, number)
    elif guard.operator in (Operator.EQ, Operator.NE) and kind in (FieldType.STRING, FieldType.TEXT):
        found = py(f"{value}x")
    return found


def example(field: "Field") -> str:
    """One valid JSON value, as a literal; for scripts that can't import the tests' samples."""
    low, high, kind = field.minimum, field.maximum, field.type
    fixed = {
        FieldType.EMAIL: "sample@example.com",
        FieldType.URL: "https://example.com/",
        FieldType.BOOL: True,
        FieldType.UUID: str(UUID(int=1)),
        FieldType.JSON: {"sample": 1},
        FieldType.BYTES: base64.b64encode(b"x" * (field.min_length or 1)).decode(),
        FieldType.DATE: str(low or high or "2024-01-01"),
        FieldType.DATETIME: moment_text(str(low or high or "2024-01-01T00:00:00")),
        FieldType.TIME: str(low or high or "12:00:00"),
    }
    if kind in fixed:
        return repr(fixed[kind])
    if field.values:
        return py(field.values[0].value)
    if kind in (FieldType.INT, FieldType.BIGINT):
        return str(max(int(low or 0), min(1, int(high or 1))))
    if kind in (FieldType.FLOAT, FieldType.DECIMAL):
        number = Decimal(str(low)) if low is not None else min(Decimal(0), Decimal(str(high or 0)))
        return f'"{number:f}"' if kind is FieldType.DECIMAL else repr(float(number))
    return py("x" * max(field.min_length or 1, 1))
