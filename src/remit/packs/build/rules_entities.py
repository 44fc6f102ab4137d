"""Rules on entities: their names, what their attributes become, unique groups and states."""

from collections.abc import Collection, Iterator

from remit.packs.build.ir import FieldType, Operator
from remit.packs.build.names import Suggestion, attribute, class_name, kebab, snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.relations import Key, Relations
from remit.packs.build.rules_fields import field_problems
from remit.packs.build.rules_names import collision_problems, id_problems, name_problems
from remit.packs.build.schema_entity import FieldSpec, GuardSpec, Ownership, StatesSpec, TransitionSpec
from remit.packs.build.survey import USER, EntityPlace, Survey, is_built_in
from remit.packs.build.values import ORDERED, read_value

BUILT_IN_TABLES = frozenset({"users", "tenants", "audit_entries", "revoked_tokens", "alembic_version"})
BUILT_IN_SEGMENTS = frozenset({"auth", "users", "billing"})
BUILT_IN_MODULES = frozenset({"accounts", "billing", "migrations", "user", "users"})
_PAIRLESS = frozenset({Operator.SET, Operator.EMPTY})
_ORDERING = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})


def entity_problems(
    found: Survey, relations: Relations, roles: Collection[str], tenant: str | None
) -> Iterator[Problem]:
    """Everything wrong with the entities, one by one and together. `tenant` is the folded tenant column, if any."""
    related = _relation_names(relations)
    for place in found.entities:
        spec = place.spec
        yield from name_problems(spec.name, place.path, what="entity", code=spec.code)
        if spec.id is not None:
            yield from id_problems(spec.id, (*place.path, "id"), what="entity")
        if spec.plural is not None and not snake(spec.plural):
            text = f"plural `{spec.plural}` of entity `{spec.name}` has no Latin letters to name a table after"
            yield Problem("build.name_needs_code", (*place.path, "plural"), text, "Write the plural in ASCII.")
        if spec.tenant and tenant is None:
            yield Problem(
                "build.tenant",
                (*place.path, "tenant"),
                f"entity `{spec.name}` belongs to a tenant, but the intake has no tenants",
                "Add `multiTenancy:` to requirements, or remove `tenant`.",
            )
        for position, field in enumerate(spec.fields):
            yield from field_problems(field, (*place.path, "fields", position))
        yield from _attribute_problems(place, relations, related.get(id(place), []), tenant)
        yield from _unique_problems(place, relations)
        if spec.states is not None:
            yield from _states_problems(place, spec.states, relations, roles)
    yield from _names_together(found, relations)


def _names_together(found: Survey, relations: Relations) -> Iterator[Problem]:
    """Ids, classes, tables and routes; an entity is reported once, for the first of them that collides."""
    places = [(place, (*place.path, "name")) for place in found.entities if place.snake]
    joins = [join for join in relations.joins if join.through is None]
    kinds = (
        ("entity", {"user"}, [(place.id, place.spec.name, path) for place, path in places]),
        ("class", {USER}, [(class_name(place.snake), place.spec.name, path) for place, path in places]),
        (
            "table",
            BUILT_IN_TABLES,
            [(place.table, place.spec.name, path) for place, path in places]
            + [
                (f"{join.holder.snake}_{join.stem}", f"{join.holder.spec.name}.{join.stem}", join.path)
                for join in joins
            ],
        ),
        ("module", BUILT_IN_MODULES, [(attribute(p.snake), p.spec.name, path) for p, path in places]),
        ("route", BUILT_IN_SEGMENTS, [(kebab(place.table), place.spec.name, path) for place, path in places]),
    )
    reported: set[DocumentPath] = set()
    for what, taken, names in kinds:
        for problem in collision_problems(names, what=what, taken=taken):
            if problem.path not in reported:
                reported.add(problem.path)
                yield problem


type _Named = tuple[str, str, DocumentPath]


def _relation_names(relations: Relations) -> dict[int, list[_Named]]:
    """What relations become on each entity (by identity): both names of a key or a join, and ways back."""
    found: dict[int, list[_Named]] = {}

    def add(place: EntityPlace | None, path: DocumentPath, *names: str | None) -> None:
        if place is not None:
            found.setdefault(id(place), []).extend((attribute(name), name, path) for name in names if name)

    for key in relations.keys:
        add(key.holder, key.path, key.stem, key.column)
        add(key.target, key.path, key.inverse)
    for join in relations.joins:
        add(join.holder, join.path, join.stem, join.ids)
        add(join.target, join.path, join.inverse)
    return found


def _attribute_problems(
    place: EntityPlace, relations: Relations, related: list[_Named], tenant: str | None
) -> Iterator[Problem]:
    """No two of an entity's fields, keys and ways back may become one attribute."""
    taken = {"id", "created_at", "updated_at"}
    if place.spec.ownership is Ownership.USER:
        taken |= {"owner", "owner_id"}
    if tenant is not None and place.spec.tenant is not False:
        taken.add(tenant)
    absorbed, seen = relations.absorbed(place), set[str]()
    names: list[_Named] = []
    for position, field in enumerate(place.spec.fields):
        path = (*place.path, "fields", position, "name")
        if is_built_in(field) or (field.name in absorbed and field.name not in seen):
            seen.add(field.name)
        else:
            names.append((attribute(snake(field.code or field.name)), field.name, path))
    yield from collision_problems([*names, *related], what=f"attribute of {place.spec.name}", taken=taken)


def member_named(place: EntityPlace, relations: Relations, name: str) -> FieldSpec | Key | None:
    """The field, or the key by its relation's name, its column's or its API name."""
    absorbed = relations.absorbed(place)
    for field in place.spec.fields:
        if field.name == name and name not in absorbed:
            return field
    folded = snake(name)
    for key in relations.keys_of(place):
        if name == key.name or (folded and folded in {key.stem, key.column}):
            return key
    return None


def _member_names(place: EntityPlace, relations: Relations) -> list[str]:
    absorbed = relations.absorbed(place)
    fields = [field.name for field in place.spec.fields if field.name not in absorbed]
    return [*fields, *(key.stem for key in relations.keys_of(place))]


def _unique_problems(place: EntityPlace, relations: Relations) -> Iterator[Problem]:
    for position, group in enumerate(place.spec.unique_together):
        path = (*place.path, "uniqueTogether", position)
        for index, name in enumerate(group):
            member = member_named(place, relations, name)
            if member is None:
                yield Problem(
                    "build.unknown_field",
                    (*path, index),
                    f"uniqueTogether of entity `{place.spec.name}` names `{name}`, which it has not",
                    Suggestion(name, _member_names(place, relations)),
                )
            elif isinstance(member, FieldSpec) and member.type in {FieldType.JSON, FieldType.BYTES}:
                text = f"`{name}` is {member.type}, which a database can't compare"
                yield Problem("build.field_flag", (*path, index), text, "Leave it out of uniqueTogether.")
        if len(set(group)) < len(group):
            text = f"uniqueTogether of entity `{place.spec.name}` names a field twice"
            yield Problem("build.duplicate", path, text, "Name every field once.")


def _states_problems(
    place: EntityPlace, states: StatesSpec, relations: Relations, roles: Collection[str]
) -> Iterator[Problem]:
    path = (*place.path, "states")
    field = next((spec for spec in place.spec.fields if spec.name == states.field), None)
    if field is None:
        yield Problem(
            "build.unknown_field",
            (*path, "field"),
            f"states of entity `{place.spec.name}` are kept in `{states.field}`, which it has not",
            Suggestion(states.field, [spec.name for spec in place.spec.fields if spec.type is FieldType.ENUM]),
        )
        return
    if field.type is not FieldType.ENUM:
        yield Problem(
            "build.states_field",
            (*path, "field"),
            f"states of entity `{place.spec.name}` are kept in `{field.name}`, which is {field.type} and not enum",
            "Make it `type: enum` with one value for each state.",
        )
        return
    for flag, key in ((field.unique, "unique"), (field.write_only, "writeOnly")):
        if flag:
            text = f"`{field.name}` holds the states of entity `{place.spec.name}` and can't be {key}"
            index = place.spec.fields.index(field)
            yield Problem("build.states_field", (*place.path, "fields", index, key), text, f"Remove `{key}`.")
    if states.initial is not None:
        yield from _state_problem(states.initial, field, (*path, "initial"))
        if field.default is not None and field.default != states.initial:
            text = f"initial state `{states.initial}` differs from the default `{field.default}` of `{field.name}`"
            yield Problem("build.states_initial", (*path, "initial"), text, "Give one of them, or the same twice.")
    for position, transition in enumerate(states.transitions):
        yield from _transition_problems(transition, (*path, "transitions", position), field, states, roles)
    named = ((snake(t.name), t.name, (*path, "transitions", i, "name")) for i, t in enumerate(states.transitions))
    yield from collision_problems(named, what="transition")
    guards = ((guard.name, guard.name, (*path, "guards", i, "name")) for i, guard in enumerate(states.guards))
    yield from collision_problems(guards, what="guard")
    for position, guard in enumerate(states.guards):
        yield from _guard_problems(guard, (*path, "guards", position), place, relations)


def _state_problem(state: str, field: FieldSpec, path: DocumentPath) -> Iterator[Problem]:
    if state not in field.values:
        yield Problem(
            "build.unknown_state",
            path,
            f"state `{state}` is not among the values of `{field.name}`",
            Suggestion(state, field.values),
        )


def sources_of(transition: TransitionSpec) -> tuple[str, ...]:
    """The states a transition leaves from."""
    return (transition.sources,) if isinstance(transition.sources, str) else transition.sources


def _transition_problems(
    transition: TransitionSpec, path: DocumentPath, field: FieldSpec, states: StatesSpec, roles: Collection[str]
) -> Iterator[Problem]:
    yield from name_problems(transition.name, path, what="transition", keywords=True)
    many = not isinstance(transition.sources, str)
    for position, source in enumerate(sources_of(transition)):
        yield from _state_problem(source, field, (*path, "from", position) if many else (*path, "from"))
    yield from _state_problem(transition.target, field, (*path, "to"))
    known = [guard.name for guard in states.guards]
    for position, name in enumerate(transition.guards):
        if name not in known:
            text = f"transition `{transition.name}` asks for guard `{name}`, which these states have not"
            yield Problem("build.unknown_guard", (*path, "guards", position), text, Suggestion(name, known))
    for position, name in enumerate(transition.roles):
        if name not in roles:
            text = f"transition `{transition.name}` is for role `{name}`, which the intake has not"
            yield Problem("build.unknown_role", (*path, "roles", position), text, Suggestion(name, roles))


def _guard_problems(
    guard: GuardSpec, path: DocumentPath, place: EntityPlace, relations: Relations
) -> Iterator[Problem]:
    member = member_named(place, relations, guard.field)
    if member is None:
        yield Problem(
            "build.unknown_field",
            (*path, "field"),
            f"guard `{guard.name}` looks at `{guard.field}`, which entity `{place.spec.name}` has not",
            Suggestion(guard.field, _member_names(place, relations)),
        )
        return
    pairless = guard.operator in _PAIRLESS
    if pairless != (guard.value is None):
        what = "takes no value" if pairless else "needs a value"
        text = f"guard `{guard.name}`: operator `{guard.operator}` {what}"
        yield Problem("build.guard", (*path, "value" if pairless else "operator"), text, "Use set, empty, or a value.")
        return
    if isinstance(member, Key):
        if not pairless:
            text = f"guard `{guard.name}` compares a relation with a value"
            yield Problem("build.guard", (*path, "operator"), text, "A relation can only be `set` or `empty`.")
        return
    if guard.operator in _ORDERING and member.type not in ORDERED:
        text = f"guard `{guard.name}` orders `{member.name}`, but {member.type} values have no order"
        yield Problem("build.guard", (*path, "operator"), text, "Use eq, ne, set or empty.")
    elif not pairless:
        try:
            read_value(member, guard.value)
        except ValueError as error:
            text = f"guard `{guard.name}` compares `{member.name}` with `{guard.value!s:.80}`: {error}"
            yield Problem("build.literal", (*path, "value"), text, "Give a value of the field's type.")
