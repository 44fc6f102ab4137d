"""What every document of the build pack shares: strict fields, camelCase keys, no unknown key, nothing mutable."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

NAME_LIMIT = 60
"""Longest name in characters: leaves room for the suffixes of constraints within Postgres's 63 bytes."""

LIST_LIMIT = 1_000
"""Most items of one list; an application beyond it is several applications."""


class Document(BaseModel):
    """A part of a document. Keys are camelCase (the snake_case spelling is understood); unknown keys are refused.

    Validate text with `model_validate_json`; strictness means that no value is converted from another type.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )


type Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LIMIT)]
type Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
type Prose = Annotated[str, StringConstraints(max_length=4_000)]
type Path = Annotated[str, StringConstraints(min_length=1, max_length=200)]
type Literal = str | int | float | bool
type Many[T] = Annotated[tuple[T, ...], Field(max_length=LIST_LIMIT)]
