"""Entities of an intake turned into entities of the intermediate representation. The intake is valid by now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from remit.packs.build.ir import (
    Action,
    Casing,
    Entity,
    EnumValue,
    Field,
    FieldType,
    Guard,
    Index,
    Link,
    OnDelete,
    Permission,
    Reference,
    StateMachine,
    Transition,
    Unique,
)
from remit.packs.build.names import (
    attribute,
    cased,
    class_name,
    identifier,
    kebab,
    label,
    members,
    pascal,
    snake,
    variable,
)
from remit.packs.build.relations import Join, Key, Relations
from remit.packs.build.rules_entities import member_named, sources_of
from remit.packs.build.rules_fields import is_personal
from remit.packs.build.schema_entity import FieldSpec, Ownership, StatesSpec
from remit.packs.build.survey import EntityPlace, is_built_in
from remit.packs.build.values import DEFAULT_LENGTHS, INTEGER_RANGES, NOW, precision_and_scale, read_value

_MOMENTS = frozenset({FieldType.DATE, FieldType.DATETIME, FieldType.TIME})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an entity's names and rights depend on beyond itself.

    `roles_by_action` maps (entity name or `*`, action) to roles; `expand` a role to itself and all that inherit it.
    """

    casing: Casing
    relations: Relations
    tenant: str | None
    personal: frozenset[str]
    roles_by_action: Mapping[tuple[str, Action], tuple[str, ...]]
    expand: Mapping[str, tuple[str, ...]]
    role_order: tuple[str, ...]
    deferred: frozenset[tuple[str, str]]


def lower_entity(place: EntityPlace, around: Surroundings) -> Entity:
    """One entity with every name decided."""
    spec, name = place.spec, place.snake
    cls = class_name(name)
    absorbed = around.relations.absorbed(place)
    fields = tuple(
        lower_field(field, cls, personal=f"{spec.name}.{field.name}" in around.personal)
        for field in spec.fields
        if field.name not in absorbed and not is_built_in(field)
    )
    references = tuple(_reference(key, around) for key in around.relations.keys_of(place))
    tenant = around.tenant if spec.tenant is not False else None
    return Entity(
        id=place.id,
        name=spec.name,
        label=spec.label or label(spec.name),
        label_plural=label(spec.plural or place.table),
        description=spec.description,
        feature=place.feature.id,
        module=attribute(name),
        class_name=cls,
        variable=variable(name),
        collection=variable(place.table),
        table=place.table,
        route=f"/{kebab(place.table)}",
        fields=fields,
        references=references,
        links=tuple(_link(join, around) for join in around.relations.joins if join.holder is place),
        uniques=_uniques(place, fields, references, around, tenant),
        indexes=_indexes(place, fields, references, tenant),
        owned=spec.ownership is Ownership.USER,
        tenant=tenant is not None,
        states=_states(place, spec.states, fields, around) if spec.states else None,
        permissions=tuple(Permission(action, _roles(spec.name, action, around)) for action in Action),
    )


def lower_field(spec: FieldSpec, owner: str, *, personal: bool = False) -> Field:
    """One field; `owner` is the class it belongs to and leads the name of its enum."""
    name = snake(spec.code or spec.name)
    precision, scale = precision_and_scale(spec) if spec.type is FieldType.DECIMAL else (None, None)
    low, high = INTEGER_RANGES.get(spec.type, (None, None))
    longest = max((len(value) for value in spec.values), default=None)
    now = spec.default == NOW and spec.type in _MOMENTS
    return Field(
        name=spec.name,
        attribute=attribute(name),
        column=name,
        label=spec.label or label(spec.name),
        description=spec.description,
        type=spec.type,
        required=spec.required,
        unique=spec.unique,
        indexed=spec.indexed,
        min_length=spec.min_length,
        max_length=spec.max_length or DEFAULT_LENGTHS.get(spec.type) or longest,
        minimum=_bound(spec, spec.min, low),
        maximum=_bound(spec, spec.max, high),
        precision=precision,
        scale=scale,
        enum_class=f"{owner}{pascal(name)}" if spec.type is FieldType.ENUM else None,
        values=_values(spec),
        default=None if now else spec.default,
        default_now=now,
        example=spec.example,
        pii=personal or is_personal(spec),
        secret=spec.secret,
        write_only=spec.write_only or spec.secret,
        immutable=spec.immutable,
    )


def _bound(spec: FieldSpec, given: float | str | None, column: int | None) -> int | float | Decimal | str | None:
    if given is None:
        return column
    if spec.type is FieldType.DECIMAL:
        value = read_value(spec, given)
        return value if isinstance(value, Decimal) else None
    return float(given) if spec.type is FieldType.FLOAT else given


def _values(spec: FieldSpec) -> tuple[EnumValue, ...]:
    pairs = zip(spec.values, members(spec.values), strict=True)
    return tuple(EnumValue(value, member, label(value)) for value, member in pairs)


def _reference(key: Key, around: Surroundings) -> Reference:
    target = key.target
    unset = OnDelete.RESTRICT if key.required else OnDelete.SET_NULL
    return Reference(
        name=key.name or cased(key.column, around.casing),
        attribute=attribute(key.stem),
        fk_attribute=attribute(key.column),
        column=key.column,
        label=key.label or label(key.stem),
        target=target.id if target else "user",
        target_class=class_name(target.snake) if target else "User",
        target_module=attribute(target.snake) if target else "user",
        target_table=target.table if target else "users",
        required=key.required,
        unique=key.unique,
        indexed=not key.unique,
        immutable=key.immutable,
        on_delete=key.on_delete or unset,
        inverse=attribute(key.inverse) if key.inverse else None,
        self_reference=target is key.holder,
        deferred=(key.holder.id, key.column) in around.deferred,
        constraint=identifier("fk", key.holder.table, key.column),
    )


def _link(join: Join, around: Surroundings) -> Link:
    target, own = join.target, join.holder.snake
    target_snake = target.snake if target else "user"
    table = identifier(own, join.stem)
    left, right = f"{own}_id", f"{target_snake}_id"
    if target is join.holder:
        left, right = f"from_{own}_id", f"to_{own}_id"
    if join.through is not None:
        table = join.through.table
        ends = [(key.target, key.column) for key in around.relations.keys_of(join.through) if key.required]
        left = next(column for end, column in ends if end is join.holder)
        right = next(column for end, column in ends if end is target and column != left)
    return Link(
        name=cased(join.ids, around.casing),
        attribute=attribute(join.stem),
        ids_attribute=attribute(join.ids),
        label=join.label or label(join.stem),
        target=target.id if target else "user",
        target_class=class_name(target.snake) if target else "User",
        target_module=attribute(target.snake) if target else "user",
        target_table=target.table if target else "users",
        table=table,
        left_column=left,
        right_column=right,
        left_constraint=identifier("fk", table, left),
        right_constraint=identifier("fk", table, right),
        inverse=attribute(join.inverse) if join.inverse else None,
        self_reference=target is join.holder,
        through=join.through.id if join.through else None,
    )


def _uniques(
    place: EntityPlace,
    fields: Sequence[Field],
    references: Sequence[Reference],
    around: Surroundings,
    tenant: str | None,
) -> tuple[Unique, ...]:
    """All unique constraints in the order of the document; the same set of columns is given once."""
    by_name = {field.name: (field.column, field.attribute) for field in fields}
    groups = [[(field.column, field.attribute)] for field in fields if field.unique]
    groups += [[(ref.column, ref.fk_attribute)] for ref in references if ref.unique]
    for names in place.spec.unique_together:
        group: list[tuple[str, str]] = []
        for name in names:
            member = member_named(place, around.relations, name)
            group.append((member.column, attribute(member.column)) if isinstance(member, Key) else by_name[name])
        groups.append(group)
    found: dict[tuple[str, ...], Unique] = {}
    for group in groups:
        pairs = [(tenant, attribute(tenant)), *group] if tenant else group
        columns = tuple(column for column, _ in pairs)
        unique = Unique(identifier("uq", place.table, *columns), columns, tuple(name for _, name in pairs))
        found.setdefault(columns, unique)
    return tuple(found.values())


def _indexes(
    place: EntityPlace, fields: Sequence[Field], references: Sequence[Reference], tenant: str | None
) -> tuple[Index, ...]:
    columns = [tenant] if tenant else []
    columns += ["owner_id"] if place.spec.ownership is Ownership.USER else []
    columns += [field.column for field in fields if field.indexed and not field.unique]
    columns += [ref.column for ref in references if ref.indexed]
    return tuple(Index(identifier("ix", place.table, column), (column,)) for column in columns)


def _states(
    place: EntityPlace, states: StatesSpec, fields: Sequence[Field], around: Surroundings
) -> StateMachine | None:
    field = next(field for field in fields if field.name == states.field)
    by_value = {value.value: value for value in field.values}
    guards = {guard.name: guard for guard in _guards(place, states, fields, around)}
    initial = states.initial or (field.default if isinstance(field.default, str) else field.values[0].value)
    can_update = _roles(place.spec.name, Action.UPDATE, around)
    transitions = tuple(
        Transition(
            name=spec.name,
            function=attribute(snake(spec.name)),
            segment=kebab(spec.name),
            label=spec.label or label(spec.name),
            sources=tuple(by_value[source] for source in sources_of(spec)),
            target=by_value[spec.target],
            guards=tuple(guards[name] for name in spec.guards),
            roles=expanded(spec.roles, around) if spec.roles else can_update,
        )
        for spec in states.transitions
    )
    return StateMachine(field.attribute, field.enum_class or "", by_value[initial], transitions)


def _guards(place: EntityPlace, states: StatesSpec, fields: Sequence[Field], around: Surroundings) -> list[Guard]:
    by_name = {field.name: field for field in fields}
    found: list[Guard] = []
    for spec in states.guards:
        member = member_named(place, around.relations, spec.field)
        if isinstance(member, Key):
            name, said = attribute(member.column), member.name or cased(member.column, around.casing)
        else:
            name, said = by_name[spec.field].attribute, spec.field
        value = "" if spec.value is None else f" {spec.value}"
        message = spec.message or f"{label(said)} must be {spec.operator.value}{value}"
        found.append(Guard(spec.name, name, said, spec.operator, spec.value, message))
    return found


def _roles(entity: str, action: Action, around: Surroundings) -> tuple[str, ...]:
    named = (*around.roles_by_action.get((entity, action), ()), *around.roles_by_action.get(("*", action), ()))
    return expanded(named, around)


def expanded(roles: Sequence[str], around: Surroundings) -> tuple[str, ...]:
    """These roles, all that inherit one of them, and the administrator, in the order of the application."""
    allowed = {heir for role in roles for heir in around.expand[role]} | {around.role_order[-1]}
    return tuple(role for role in around.role_order if role in allowed)
