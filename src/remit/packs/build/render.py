"""From the intermediate representation to the files of an application: pure, and the same for the same input.

Three parts that never write the same path: the skeleton (depends on the whole intake but on no feature), each feature
(depends on itself and on the features it depends on), and the assembly (knows all features). So an application
without a feature has the same bytes in every other feature's files.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from remit.packs.build import render_names, render_samples
from remit.packs.build.ir import Application, Entity, Field, FieldType
from remit.packs.build.render_environment import TEMPLATE_VERSION, folder, render
from remit.packs.build.render_migration import tables
from remit.packs.build.render_text import spoken

__all__ = [
    "SEAMS",
    "TEMPLATE_VERSION",
    "render_application",
    "render_assembly",
    "render_feature",
    "render_skeleton",
]

SEAMS = "app/custom/"
"""Files below this path (but for `__init__.py`) are written once and then belong to the user."""

UNSORTED = frozenset({FieldType.TEXT, FieldType.JSON, FieldType.BYTES})
RANGED = frozenset(
    {FieldType.INT, FieldType.BIGINT, FieldType.DECIMAL, FieldType.DATE, FieldType.DATETIME, FieldType.FLOAT}
)
EQUAL = frozenset({FieldType.ENUM, FieldType.BOOL, FieldType.INT, FieldType.BIGINT, FieldType.UUID, FieldType.DATE})
PAGING = frozenset({"limit", "offset", "sort"})


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter of a list; `source` is the field of an answer that a test can filter by."""

    name: str
    attribute: str
    column: str
    type: str
    kind: str
    source: str | None = None
    flag: bool = False


@dataclass(frozen=True, slots=True)
class UniqueCase:
    """A unique constraint that a test can break with one body."""

    label: str
    names: list[str]


@dataclass(frozen=True, slots=True)
class BrokenGuard:
    """A transition with one guard made to fail."""

    function: str
    segment: str
    source: str
    attribute: str
    literal: str


def render_application(app: Application) -> dict[str, bytes]:
    """All files of the application, by path; sorted."""
    found = render_skeleton(app)
    for feature in app.features:
        found |= render_feature(app, feature.id)
    return dict(sorted((found | render_assembly(app)).items()))


def render_skeleton(app: Application) -> dict[str, bytes]:
    """What every application has: settings, database, accounts, checks. No feature shows in it."""
    return checked(folder("skeleton", app=app, is_postgres=app.database != "sqlite"))


def render_feature(app: Application, feature_id: str) -> dict[str, bytes]:
    """One feature's tables, schemas, operations and tests; KeyError when there is no such feature."""
    feature = app.feature(feature_id)
    found: dict[str, str] = {}
    for entity_id in feature.entities:
        found |= _entity_files(app, app.entity(entity_id))
    if feature.endpoints:
        context = {"app": app, "feature": feature}
        for template, path in (
            ("contract", f"app/contracts/{feature.module}.py"),
            ("endpoints", f"app/endpoints/{feature.module}.py"),
            ("custom", f"{SEAMS}{feature.module}.py"),
            ("test_endpoints", f"tests/test_{feature.module}_endpoints.py"),
        ):
            found[path] = render(f"feature/{template}.py.j2", **context)
    return checked(found)


def render_assembly(app: Application) -> dict[str, bytes]:
    """What knows all features: imports, routing, the first migration, tiers, the smoke test, the manual."""
    first = smoke_entity(app)
    context: dict[str, object] = {
        "app": app,
        "tables": tables(app),
        "deferred": [(entity, ref) for entity in app.entities for ref in entity.references if ref.deferred],
        "models": sorted({entity.module for entity in app.entities}),
        "first": first,
        "smoke_order": _smoke_order(app, first) if first else [],
        "gated": sorted(app.billing.gated) if app.billing else [],
    }
    return checked(folder("assembly", **context))


def smoke_entity(app: Application) -> Entity | None:
    """The entity that the smoke test makes a row of: the first of the first feature that has one."""
    return next((app.entity(entity) for feature in app.features for entity in feature.entities), None)


def _smoke_order(app: Application, first: Entity) -> list[Entity]:
    """The entity and all that it needs, what is needed first."""
    order: list[Entity] = []

    def visit(entity: Entity) -> None:
        for ref in entity.references:
            if ref.required and ref.target != "user" and not ref.self_reference:
                visit(app.entity(ref.target))
        if entity not in order:
            order.append(entity)

    visit(first)
    return order


def _entity_files(app: Application, entity: Entity) -> dict[str, str]:
    filters = _filters(app, entity)
    targets = {(member.target_module, member.target_class) for member in (*entity.references, *entity.links)}
    others = sorted(targets - {(entity.module, entity.class_name), ("user", "User")})
    context: dict[str, object] = {
        "app": app,
        "entity": entity,
        "imported": sorted(targets - {(entity.module, entity.class_name)}),
        "targets": others,
        "filters": filters,
        "sorts": _sorts(app, entity),
    }
    return {
        f"app/models/{entity.module}.py": render("feature/model.py.j2", **context),
        f"app/schemas/{entity.module}.py": render("feature/schema.py.j2", **context),
        f"app/routes/{entity.module}.py": render("feature/routes.py.j2", **context),
        f"tests/factories/{entity.module}.py": render(
            "feature/factory.py.j2",
            **context,
            grouped={name for unique in entity.uniques for name in unique.attributes},
            required_factories=sorted(
                {ref.target_module for ref in entity.references if ref.required and ref.target != "user"}
            ),
        ),
        f"tests/test_{entity.module}.py": render("feature/test_entity.py.j2", **context, **_test_context(app, entity)),
    }


def _public(field: Field) -> bool:
    return not field.secret and not field.write_only


def _sorts(app: Application, entity: Entity) -> list[tuple[str, str]]:
    names = [(field.name, field.attribute) for field in entity.fields if _public(field) and field.type not in UNSORTED]
    return [*names, (spoken("created_at", app), "created_at"), (spoken("updated_at", app), "updated_at")]


def _filters(app: Application, entity: Entity) -> list[Filter]:
    found: list[Filter] = [
        Filter(ref.name, ref.fk_attribute, ref.fk_attribute, "Identifier", "equal") for ref in entity.references
    ]
    for field in entity.fields:
        # personal data stays out of addresses, which end up in logs
        if field.pii or not _public(field):
            continue
        kind = render_names.query_type(field)
        if field.type in EQUAL or (field.type not in UNSORTED | RANGED and (field.unique or field.indexed)):
            source = None if field.type in (FieldType.TIME, FieldType.FLOAT) else field.name
            flag = field.type is FieldType.BOOL
            found.append(Filter(field.name, field.attribute, field.attribute, kind, "equal", source, flag))
        if field.type in RANGED:
            for suffix, side in (("min", "least"), ("max", "most")):
                said = spoken(f"x_{suffix}", app)[1:]
                name = f"{field.attribute.rstrip('_')}_{suffix}"
                found.append(Filter(f"{field.name}{said}", name, field.attribute, kind, side))
    taken: set[str] = set(PAGING)
    kept: list[Filter] = []
    for item in found:
        if not {item.name, item.attribute} & taken:
            taken |= {item.name, item.attribute}
            kept.append(item)
    return kept


def _test_context(app: Application, entity: Entity) -> dict[str, object]:
    inputs = [field for field in entity.fields if not render_names.is_state(entity, field)]
    held = [ref for ref in entity.references if ref.required]
    exact = [f for f in inputs if _public(f) and f.type not in (FieldType.FLOAT, FieldType.DATETIME)]
    changeable = [(f.name, not f.required, _public(f)) for f in inputs if not f.immutable]
    bad = [(f.name, value) for f in inputs for value in render_samples.bad_values(f)]
    others = {
        member.target_module
        for member in (*entity.references, *(link for link in entity.links if not link.through))
        if member.target not in ("user", entity.id)
    }
    return {
        "compared": [*(ref.name for ref in held), *(f.name for f in exact)],
        "changeable": changeable,
        "nullable": [name for name, nullable, _ in changeable if nullable],
        "filled": [name for name, nullable, _ in changeable if not nullable],
        "bounds_tested": _outside(app, entity),
        "frozen": [f.name for f in inputs if f.immutable],
        "required": [
            *(ref.name for ref in held),
            *(f.name for f in inputs if f.required and not render_names.has_default(f)),
        ],
        "bad_values": bad,
        "unique_fields": _unique_cases(app, entity),
        "optional_factories": sorted(others),
        **_state_context(entity),
    }


def _outside(app: Application, entity: Entity) -> list[dict[str, str]]:
    """One filter by a range that no sample of the tests can fulfil."""
    found: list[dict[str, str]] = []
    never = {FieldType.DATE: '"9999-12-31"', FieldType.DATETIME: '"9999-12-30T00:00:00Z"'}
    types = {field.attribute: field for field in entity.fields}
    for item in _filters(app, entity):
        if item.kind == "least" and types[item.column].type in never and not found:
            found.append({"name": item.name, "out": never[types[item.column].type]})
    return found


def _unique_cases(app: Application, entity: Entity) -> list[UniqueCase]:
    names = {field.attribute: field.name for field in entity.fields if not render_names.is_state(entity, field)}
    names |= {ref.fk_attribute: ref.name for ref in entity.references if ref.required}
    hidden = {app.tenancy.attribute} if app.tenancy else set[str]()
    found: list[UniqueCase] = []
    for unique in entity.uniques:
        wanted = [name for name in unique.attributes if name not in hidden]
        if all(name in names for name in wanted):
            found.append(UniqueCase("_and_".join(wanted), [names[name] for name in wanted]))
    return found


def _state_context(entity: Entity) -> dict[str, object]:
    states = entity.states
    if states is None:
        return {"state_name": "", "prepared": [], "unsure": [], "broken_guards": []}
    prepared: list[tuple[str, list[tuple[str, str]]]] = []
    unsure: list[str] = []
    broken: list[BrokenGuard] = []
    for transition in states.transitions:
        values: dict[str, str] = {}
        for guard in transition.guards:
            value = render_samples.guard_literal(guard, entity, holds=True)
            if value is None or values.get(guard.attribute, value) != value:
                unsure.append(transition.segment)
                break
            values[guard.attribute] = value
        prepared.append((transition.segment, list(values.items())))
        for guard in transition.guards:
            value = render_samples.guard_literal(guard, entity, holds=False)
            if value is not None and not any(case.function == transition.function for case in broken):
                source = transition.sources[0].value
                broken.append(BrokenGuard(transition.function, transition.segment, source, guard.attribute, value))
    name = next(field.name for field in entity.fields if field.attribute == states.attribute)
    return {"state_name": name, "prepared": prepared, "unsure": unsure, "broken_guards": broken}


def checked(found: Mapping[str, str]) -> dict[str, bytes]:
    """Every Python file must parse before anything is written."""
    for path, text in found.items():
        if path.endswith(".py"):
            ast.parse(text, path)
    return {path: text.encode() for path, text in sorted(found.items())}
