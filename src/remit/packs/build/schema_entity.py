"""The data model of an intake: entities, their fields, relations and states."""

from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, Discriminator, Field, StringConstraints, Tag

from remit.packs.build.ir import FieldType, OnDelete, Operator
from remit.packs.build.schema_document import Document, Line, Literal, Many, Name, Prose


class RelationType(StrEnum):
    """From the declaring entity's side: `1-n` has many targets, `n-1` belongs to one target."""

    ONE_TO_ONE = "1-1"
    ONE_TO_MANY = "1-n"
    MANY_TO_ONE = "n-1"
    MANY_TO_MANY = "n-n"


class Ownership(StrEnum):
    """Whether rows belong to the account that created them."""

    NONE = "none"
    USER = "user"


class FieldSpec(Document):
    """One field. Lengths are characters (octets for bytes); `min` and `max` bound the value itself."""

    name: Name
    type: FieldType
    required: bool = False
    unique: bool = False
    indexed: bool = False
    code: Name | None = None
    label: Line | None = None
    description: Prose = ""
    values: Annotated[Many[Annotated[str, StringConstraints(max_length=100)]], Field(max_length=200)] = ()
    precision: Annotated[int, Field(ge=1, le=38)] | None = None
    scale: Annotated[int, Field(ge=0, le=38)] | None = None
    min_length: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    min: int | float | str | None = None
    max: int | float | str | None = None
    default: Literal | None = None
    example: Literal | None = None
    pii: bool | None = None
    secret: bool = False
    write_only: bool = False
    immutable: bool = False


class RelationshipSpec(Document):
    """One relation. `foreignKey` names the key on the side that holds it: the target for 1-n, else this entity."""

    type: Annotated[RelationType, Field(validation_alias=AliasChoices("type", "kind"))]
    target: Annotated[Name, Field(validation_alias=AliasChoices("target", "to"))]
    name: Name | None = None
    foreign_key: Name | None = None
    required: bool = False
    unique: bool = False
    immutable: bool = False
    on_delete: OnDelete | None = None
    inverse: Name | None = None
    through: Name | None = None
    label: Line | None = None
    description: Prose = ""


class GuardSpec(Document):
    """A named condition on one field that a transition may ask for."""

    name: Name
    field: Name
    operator: Operator
    value: Literal | None = None
    message: Prose = ""


def _sources_kind(value: object) -> str:
    return "one" if isinstance(value, str) else "many"


type OneOrMany = Annotated[
    Annotated[Line, Tag("one")] | Annotated[Many[Line], Field(min_length=1), Tag("many")], Discriminator(_sources_kind)
]
"""A state or a list of states."""


class TransitionSpec(Document):
    """A named change of state; `guards` name guards of the same `states`, `roles` roles of the intake."""

    name: Name
    sources: OneOrMany = Field(alias="from")
    target: Line = Field(alias="to")
    guards: Many[Name] = ()
    roles: Many[Name] = ()
    label: Line | None = None


class StatesSpec(Document):
    """A state machine over an enum field; `initial` defaults to the field's default, else its first value."""

    field: Name
    initial: Line | None = None
    transitions: Annotated[Many[TransitionSpec], Field(min_length=1)]
    guards: Many[GuardSpec] = ()


class EntitySpec(Document):
    """One entity. `id` outlives renames and defaults to the folded name; `code` names it where code needs ASCII."""

    name: Name
    id: Name | None = None
    code: Name | None = None
    plural: Name | None = None
    label: Line | None = None
    description: Prose = ""
    fields: Annotated[Many[FieldSpec], Field(min_length=1, max_length=200)]
    relationships: Many[RelationshipSpec] = ()
    unique_together: Many[Annotated[Many[Name], Field(min_length=2, max_length=16)]] = ()
    ownership: Ownership = Ownership.NONE
    tenant: bool | None = None
    states: StatesSpec | None = None


class DataModel(Document):
    """The entities a feature brings."""

    entities: Many[EntitySpec] = ()
