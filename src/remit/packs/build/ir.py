"""The one intermediate representation that decides every name of a generated application.

Templates read these records and choose no name of their own. Every record is frozen, holds only tuples and
scalars, and is produced by `remit.packs.build.ir_build.build_ir` alone. `name` is always the name as the intake
wrote it (and as the generated API speaks it); the other names are safe in the place their attribute says.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

type Scalar = str | int | float | bool
"""A literal of an intake. Dates, times, decimals, UUIDs and bytes stay in their text form (bytes as base64)."""

type Bound = int | float | Decimal | str
"""A bound in the type of its field: text in ISO form for date, datetime and time."""


class FieldType(StrEnum):
    """The types a field may have; each has exactly one column type and one schema type."""

    STRING = "string"
    TEXT = "text"
    INT = "int"
    BIGINT = "bigint"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    UUID = "uuid"
    EMAIL = "email"
    URL = "url"
    ENUM = "enum"
    JSON = "json"
    BYTES = "bytes"


class FeatureType(StrEnum):
    """What a feature mostly is."""

    CRUD = "crud"
    WORKFLOW = "workflow"
    INTEGRATION = "integration"
    ANALYTICS = "analytics"
    CUSTOM = "custom"


class OnDelete(StrEnum):
    """What happens to the row that holds a foreign key when the row it points at goes."""

    RESTRICT = "restrict"
    CASCADE = "cascade"
    SET_NULL = "set_null"


class Action(StrEnum):
    """What a role may be permitted to do with the rows of an entity."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"


class Casing(StrEnum):
    """How the generated API spells the names that the intake did not write itself (`created_at`, `patient_id`)."""

    SNAKE = "snake"
    CAMEL = "camel"


class Operator(StrEnum):
    """How a guard compares a field with its value; `set` and `empty` take none."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    SET = "set"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One value of an enum field: `value` as stored and spoken, `member` the Python member name, `label` to show."""

    value: str
    member: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One column that is not a key: its names, its exact type and its bounds.

    `default` is None when there is none; `default_now` stands for the moment of creation (date, datetime, time).
    `max_length` is always set for string, email, url and text (characters) and bytes (octets); `minimum` and
    `maximum` are always set for int and bigint, so that no value can overflow the column.
    """

    name: str
    attribute: str
    column: str
    label: str
    description: str
    type: FieldType
    required: bool
    unique: bool
    indexed: bool
    min_length: int | None
    max_length: int | None
    minimum: Bound | None
    maximum: Bound | None
    precision: int | None
    scale: int | None
    enum_class: str | None
    values: tuple[EnumValue, ...]
    default: Scalar | None
    default_now: bool
    example: Scalar | None
    pii: bool
    secret: bool
    write_only: bool
    immutable: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key held by this entity: n-1, or 1-1 when `unique`.

    `attribute` is the relation (`patient`), `fk_attribute` and `column` the key (`patient_id`), `name` the key as the
    API speaks it. `inverse` is the attribute on the target (a list unless `unique`), None when it has none.
    `deferred` says that the constraint closes a cycle of optional references and must be added after all tables.
    `target` is an entity id, or `user` for the application's own accounts (class User, table users).
    """

    name: str
    attribute: str
    fk_attribute: str
    column: str
    label: str
    target: str
    target_class: str
    target_module: str
    target_table: str
    required: bool
    unique: bool
    indexed: bool
    immutable: bool
    on_delete: OnDelete
    inverse: str | None
    self_reference: bool
    deferred: bool
    constraint: str


@dataclass(frozen=True, slots=True)
class Link:
    """An n-n relation declared by this entity.

    `attribute` is the list of targets (`tags`), `ids_attribute` the list of their ids as schemas take it (`tag_ids`),
    `name` that list as the API speaks it. `table` joins by `left_column` (this entity) and `right_column` (target);
    with `through` (an entity id) the rows of that entity are the links, `table` is its table, and the relation is
    read only.
    """

    name: str
    attribute: str
    ids_attribute: str
    label: str
    target: str
    target_class: str
    target_module: str
    target_table: str
    table: str
    left_column: str
    right_column: str
    left_constraint: str
    right_constraint: str
    inverse: str | None
    self_reference: bool
    through: str | None


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique constraint; `attributes` are the Python names of its columns, in the same order."""

    constraint: str
    columns: tuple[str, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A plain index; whatever is unique has its own constraint instead."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on one field (or foreign key) that must hold before a transition."""

    name: str
    attribute: str
    api_name: str
    operator: Operator
    value: Scalar | None
    message: str


@dataclass(frozen=True, slots=True)
class Transition:
    """A named change of state: `POST <route>/{id}/<segment>`; `function` is its Python name."""

    name: str
    function: str
    segment: str
    label: str
    sources: tuple[EnumValue, ...]
    target: EnumValue
    guards: tuple[Guard, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateMachine:
    """The states of an entity: an enum field that only transitions change; `initial` is set on creation."""

    attribute: str
    enum_class: str
    initial: EnumValue
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """Which roles may do `action`; every role that inherits one of them is listed too."""

    action: Action
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """One table with its class, module, route and rules.

    Every entity also has `id` (uuid, primary key), `created_at` and `updated_at` (aware UTC), which are not in
    `fields`; `owner_id` when `owned` (the account that created the row), and the tenant column when `tenant`.
    `uniques` and `indexes` are complete: those of single fields and of references are among them, and where there
    is a tenant its column comes first, so that tenants never collide.
    """

    id: str
    name: str
    label: str
    label_plural: str
    description: str
    feature: str
    module: str
    class_name: str
    variable: str
    collection: str
    table: str
    route: str
    fields: tuple[Field, ...]
    references: tuple[Reference, ...]
    links: tuple[Link, ...]
    uniques: tuple[Unique, ...]
    indexes: tuple[Index, ...]
    owned: bool
    tenant: bool
    states: StateMachine | None
    permissions: tuple[Permission, ...]

    def roles_for(self, action: Action) -> tuple[str, ...]:
        """The roles that may do `action`, in the order of `Application.roles`."""
        return next((p.roles for p in self.permissions if p.action == action), ())


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A `{name}` of a path; `type` is string or int or uuid."""

    name: str
    type: FieldType


@dataclass(frozen=True, slots=True)
class EndpointTest:
    """A test that the intake states for a custom endpoint: call it so, expect this status (and these fields)."""

    name: str
    function: str
    path: str
    body: tuple[tuple[str, Scalar], ...]
    expected_status: int
    expected_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A custom endpoint; its body lives in the user's seam `app/custom/<feature module>.py` as `function`.

    `path` is relative to `Application.api_prefix`; register custom endpoints before the generated ones, which answer
    any `/<route>/{id}`. `public` needs no sign-in; else `roles` may call (all if empty).
    """

    method: str
    path: str
    function: str
    description: str
    public: bool
    roles: tuple[str, ...]
    parameters: tuple[PathParameter, ...]
    request_class: str | None
    request: tuple[Field, ...]
    response_class: str | None
    response: tuple[Field, ...]
    response_status: int
    tests: tuple[EndpointTest, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page the intake asks for; listed in the architecture, no front end is generated from it."""

    name: str
    path: str
    description: str


@dataclass(frozen=True, slots=True)
class Feature:
    """One enabled feature with everything that is rendered for it; `entities` are ids in `Application.entities`."""

    id: str
    name: str
    module: str
    description: str
    type: FeatureType
    priority: int
    entities: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    pages: tuple[Page, ...]
    dependencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the generated application; `inherits` is transitive and leaves the role itself out."""

    name: str
    member: str
    label: str
    description: str
    inherits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Auth:
    """Sign-in of the generated application: e-mail and password for a bearer JWT.

    `admin` is the role that may do everything (always present, given to the first account); `default` is the role
    of everyone else who registers.
    """

    admin: str
    default: str
    token_minutes: int
    registration: bool


@dataclass(frozen=True, slots=True)
class Tier:
    """A billing tier; `features` are the ids of the enabled features it opens. `price` in `Billing.currency`."""

    name: str
    member: str
    label: str
    price: Decimal
    interval: str
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Billing:
    """Tiers, cheapest first in the order of the intake; a feature named by a tier is closed to accounts without it."""

    provider: str
    model: str
    currency: str
    trial_days: int
    tiers: tuple[Tier, ...]

    @property
    def gated(self) -> frozenset[str]:
        """The features that at least one tier names; all others are open to everyone signed in."""
        return frozenset(feature for tier in self.tiers for feature in tier.features)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Row isolation: every tenant entity has `column`, read from the signed-in account and never from the request."""

    attribute: str
    column: str
    api_name: str
    allow_cross_tenant: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration value of an integration; `secret` names a declared secret instead of a value."""

    key: str
    attribute: str
    environment: str
    value: Scalar | None
    secret: str | None


@dataclass(frozen=True, slots=True)
class Integration:
    """An outside service the application is configured for."""

    name: str
    attribute: str
    type: str
    provider: str
    settings: tuple[Setting, ...]
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Secret:
    """A declared secret: only where it is kept, never its value. The application reads `environment`."""

    name: str
    environment: str
    provider: str
    path: str
    required: bool


@dataclass(frozen=True, slots=True)
class Application:
    """The whole application. `entities` stand in an order in which every undeferred foreign key points backwards."""

    name: str
    slug: str
    title: str
    description: str
    version: str
    python: str
    database: str
    deployment: str
    api_prefix: str
    casing: Casing
    features: tuple[Feature, ...]
    entities: tuple[Entity, ...]
    roles: tuple[Role, ...]
    auth: Auth
    billing: Billing | None
    tenancy: Tenancy | None
    integrations: tuple[Integration, ...]
    secrets: tuple[Secret, ...]
    audit_log: bool
    retention_days: int | None
    rate_limit_per_minute: int | None

    def entity(self, entity_id: str) -> Entity:
        """The entity with this id; KeyError when there is none."""
        for entity in self.entities:
            if entity.id == entity_id:
                return entity
        raise KeyError(entity_id)

    def feature(self, feature_id: str) -> Feature:
        """The enabled feature with this id; KeyError when there is none."""
        for feature in self.features:
            if feature.id == feature_id:
                return feature
        raise KeyError(feature_id)
