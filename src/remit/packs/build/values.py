"""Literals of an intake read as values of a field's type, with the reason when they are none."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit
from uuid import UUID

from remit.packs.build.ir import FieldType
from remit.packs.build.schema_entity import FieldSpec

type Value = str | int | float | bool | Decimal | date | datetime | time | UUID | bytes

NOW = "now"
"""As the default of a date, datetime or time: the moment of creation."""

INTEGER_RANGES = {FieldType.INT: (-(2**31), 2**31 - 1), FieldType.BIGINT: (-(2**63), 2**63 - 1)}
"""What the columns hold on every database."""

FLOAT_LIMIT = 1e300
"""Beyond it a bound is no bound: sums and products overflow to infinity, which JSON can't say."""

EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""Dot-atom addresses of RFC 5321 4.1.2 with a domain of at least two labels; quoted local parts are left out."""

DEFAULT_LENGTHS = {
    FieldType.STRING: 255,
    FieldType.TEXT: 10_000,
    FieldType.EMAIL: 254,
    FieldType.URL: 2_048,
    FieldType.BYTES: 65_536,
}
"""The longest value of each type with a length when the intake gives none (254: RFC 5321 erratum 1690)."""

ORDERED = frozenset(
    {
        FieldType.INT,
        FieldType.BIGINT,
        FieldType.FLOAT,
        FieldType.DECIMAL,
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.TIME,
    }
)
"""The types that `min` and `max` apply to."""


def precision_and_scale(spec: FieldSpec) -> tuple[int, int]:
    """Of a decimal: 12 and 2 when not given; a lone precision keeps the scale within it."""
    precision = spec.precision if spec.precision is not None else max(12, spec.scale or 0)
    return precision, spec.scale if spec.scale is not None else min(2, precision)


def read_value(spec: FieldSpec, literal: object) -> Value:
    """The literal as a value of the field's type.

    Raises:
        ValueError: It is none; the message is a clause that says what it should be.
    """
    match spec.type:
        case FieldType.INT | FieldType.BIGINT:
            return _integer(literal, INTEGER_RANGES[spec.type])
        case FieldType.DECIMAL:
            return _decimal(spec, literal)
        case FieldType.ENUM:
            return _one_of(literal, spec.values)
        case FieldType.DATE | FieldType.DATETIME | FieldType.TIME | FieldType.UUID:
            return _iso(spec.type, literal)
        case _:
            return _PLAIN[spec.type](literal)


def _bool(literal: object) -> bool:
    if isinstance(literal, bool):
        return literal
    raise ValueError("it must be true or false")


def _one_of(literal: object, values: tuple[str, ...]) -> str:
    if isinstance(literal, str) and literal in values:
        return literal
    raise ValueError(f"it must be one of {', '.join(values)}")


def _bytes(literal: object) -> bytes:
    try:
        return base64.b64decode(_text(literal), validate=True)
    except binascii.Error:
        raise ValueError("it must be base64") from None


def _text(literal: object) -> str:
    if isinstance(literal, str):
        return literal
    raise ValueError("it must be text; put it in quotes")


def _no_literal(literal: object) -> Value:
    raise ValueError(f"a json value is an object or a list, not {type(literal).__name__}; leave it out")


def _email(literal: object) -> str:
    text = _text(literal)
    if len(text) <= DEFAULT_LENGTHS[FieldType.EMAIL] and EMAIL.fullmatch(text) and len(text.split("@")[0]) <= 64:  # noqa: PLR2004 - RFC 5321 4.5.3.1.1
        return text
    raise ValueError("it must be an e-mail address like `ada@example.org`")


def _url(literal: object) -> str:
    text = _text(literal)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if valid and not re.search(r"\s", text):
        return text
    raise ValueError("it must be a URL with http or https, like `https://example.org/a`")


def _integer(literal: object, limits: tuple[int, int]) -> int:
    if not isinstance(literal, int) or isinstance(literal, bool):
        raise ValueError("it must be a whole number")  # noqa: TRY004 - as in `_bool`
    if not limits[0] <= literal <= limits[1]:
        raise ValueError(f"it must be between {limits[0]} and {limits[1]}, the range of the column")
    return literal


def _float(literal: object) -> float:
    if not isinstance(literal, int | float) or isinstance(literal, bool):
        raise ValueError("it must be a number")  # noqa: TRY004 - as in `_bool`
    try:
        value = float(literal)
    except OverflowError:
        value = math.inf
    if abs(value) > FLOAT_LIMIT:
        raise ValueError(f"it must be between -{FLOAT_LIMIT:g} and {FLOAT_LIMIT:g}")
    return value


def _decimal(spec: FieldSpec, literal: object) -> Decimal:
    if not isinstance(literal, int | float | str) or isinstance(literal, bool):
        raise ValueError("it must be a number")  # noqa: TRY004 - as in `_bool`
    try:
        value = Decimal(repr(literal) if isinstance(literal, float) else literal)
    except InvalidOperation:
        raise ValueError("it must be a number like 12.50") from None
    if not value.is_finite():
        raise ValueError("it must be a finite number")
    precision, scale = precision_and_scale(spec)
    places = value.normalize().as_tuple()
    exponent = int(places.exponent)
    if -exponent > scale:
        raise ValueError(f"it must have at most {scale} digits after the point")
    if len(places.digits) + exponent > precision - scale:
        raise ValueError(f"it must have at most {precision - scale} digits before the point")
    return value


def _iso(kind: FieldType, literal: object) -> date | datetime | time | UUID:
    text = _text(literal)
    try:
        match kind:
            case FieldType.DATE:
                return date.fromisoformat(text)
            case FieldType.TIME:
                moment = time.fromisoformat(text)
            case FieldType.UUID:
                return UUID(text)
            case _:
                moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"it must be {_ISO_EXAMPLES[kind]}") from None
    if kind is FieldType.TIME and moment.tzinfo is not None:
        raise ValueError("a time of day has no offset from UTC; write it without one, or use type datetime")
    if kind is FieldType.DATETIME and moment.tzinfo is None:
        raise ValueError("it must say its offset from UTC, like `2026-01-31T09:30:00Z`")
    return moment


_ISO_EXAMPLES = {
    FieldType.DATE: "a date like `2026-01-31`",
    FieldType.TIME: "a time of day like `09:30:00`",
    FieldType.DATETIME: "a moment like `2026-01-31T09:30:00Z`",
    FieldType.UUID: "a UUID like `0190a6b2-8f3e-7c4d-9e5f-6a7b8c9d0e1f`",
}

_PLAIN: dict[FieldType, Callable[[object], Value]] = {
    FieldType.STRING: _text,
    FieldType.TEXT: _text,
    FieldType.FLOAT: _float,
    FieldType.EMAIL: _email,
    FieldType.URL: _url,
    FieldType.BOOL: _bool,
    FieldType.BYTES: _bytes,
    FieldType.JSON: _no_literal,
}
