"""Whatever valid intake is drawn: it is accepted, planned the same twice, and all its names can stand in code."""

import copy
import json
import keyword
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.packs.build.intake import InvalidDocument, read_intake
from remit.packs.build.plan import plan_build

WORDS = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "session",
    "index",
    "metadata",
    "order",
    "größe",
    "naïve",
)
TYPES: dict[str, dict[str, Any]] = {
    "string": {"maxLength": 20, "example": "x"},
    "text": {},
    "int": {"min": 0, "max": 9, "default": 3},
    "bigint": {"max": 2**62},
    "float": {"min": -1.5},
    "decimal": {"precision": 9, "scale": 3, "default": 1.125},
    "bool": {"default": True},
    "date": {"default": "now"},
    "datetime": {"example": "2026-01-31T09:30:00Z"},
    "time": {"min": "08:00:00"},
    "uuid": {},
    "email": {"example": "ada@example.org"},
    "url": {},
    "enum": {"values": ["a b", "2", "None", "naïve"], "default": "2"},
    "json": {},
    "bytes": {"maxLength": 64},
}


@st.composite
def intakes(draw: st.DrawFn) -> dict[str, Any]:
    """Up to 10 entities over up to 4 features; required relations point backwards, so that a first row can exist."""
    features: list[dict[str, Any]] = []
    entities: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        own: list[dict[str, Any]] = []
        for _ in range(draw(st.integers(1, 3)) if len(entities) < 8 else 1):
            name = f"{draw(st.sampled_from(WORDS))} {'abcdefghijklm'[len(entities)]}x"
            own.append(draw(_entity(name, entities)))
            entities.append(name)
        earlier = [feature["id"] for feature in features]
        features.append(
            {
                "id": f"part-{number}",
                "name": f"Part {number}",
                "priority": draw(st.integers(0, 10)),
                "dependencies": draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else [],
                "dataModel": {"entities": own},
            }
        )
    requirements: dict[str, Any] = {"features": features}
    if draw(st.booleans()):
        requirements["multiTenancy"] = {"tenantIdentifier": draw(st.sampled_from(["tenantId", "organisation"]))}
    if draw(st.booleans()):
        opened = draw(st.lists(st.sampled_from([feature["id"] for feature in features]), unique=True))
        requirements["billing"] = {
            "tiers": [{"name": "free", "price": 0}, {"name": "pro", "price": 9.9, "features": opened}]
        }
    return {"metadata": {"appName": "Drawn"}, "requirements": requirements}


@st.composite
def _entity(draw: st.DrawFn, name: str, earlier: list[str]) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=5))):
        field = {"name": f"{draw(st.sampled_from(WORDS))} {'abcde'[number]}", "type": kind, **TYPES[kind]}
        fields.append({**field, "required": draw(st.booleans()), "immutable": draw(st.booleans())})
    relations: list[dict[str, Any]] = []
    for number, target in enumerate(draw(st.lists(st.sampled_from([*earlier, name, "User"]), max_size=3))):
        kind = draw(st.sampled_from(["n-1", "1-1", "n-n"]))
        relation: dict[str, Any] = {"type": kind, "target": target, "name": f"rel {'abc'[number]}"}
        if kind != "n-n" and target != name:
            relation["required"] = draw(st.booleans())
        relations.append(relation)
    entity: dict[str, Any] = {"name": name, "fields": fields, "relationships": relations}
    if draw(st.booleans()):
        entity["ownership"] = "user"
    state = next((field for field in fields if field["type"] == "enum"), None)
    if state is not None and draw(st.booleans()):
        entity["states"] = {
            "field": state["name"],
            "transitions": [{"name": draw(st.sampled_from(["go", "return", "mark done"])), "from": "2", "to": "a b"}],
        }
    return entity


@given(intakes())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_valid_intake_is_planned_the_same_twice(drawn: dict[str, Any]) -> None:
    data = json.dumps(drawn, ensure_ascii=False).encode()
    plan = plan_build(read_intake(data, name="drawn.json"))
    again = plan_build(read_intake(data, name="drawn.yaml"))
    assert plan.canonical() == again.canonical()
    tables: set[str] = {"users"}
    for entity in plan.ir.entities:
        names = ["id", "created_at", "updated_at"]
        names += [field.attribute for field in entity.fields]
        names += [name for ref in entity.references for name in (ref.attribute, ref.fk_attribute)]
        names += [name for link in entity.links for name in (link.attribute, link.ids_attribute)]
        assert len(set(names)) == len(names)
        for name in (*names, entity.class_name, entity.module, entity.variable, entity.table):
            assert name.isidentifier(), name
            assert name.isascii(), name
            assert not keyword.iskeyword(name), name
        assert all(len(text) <= 63 for text in (entity.table, *(index.name for index in entity.indexes)))
        tables.add(entity.table)
        assert all(ref.deferred or ref.target_table in tables for ref in entity.references)
        for field in entity.fields:
            members = [value.member for value in field.values]
            assert len(set(members)) == len(members)
            assert all(member.isidentifier() for member in members)


def _refusal(data: bytes, name: str) -> InvalidDocument | None:
    try:
        read_intake(data, name=name)
    except InvalidDocument as error:
        return error
    return None


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_an_intake_or_a_clear_refusal(data: bytes) -> None:
    for name in ("x.yaml", "x.json"):
        error = _refusal(data, name)
        assert error is None or (error.found and str(error.place).startswith(f"{name}:"))


KEYS = ("metadata", "appName", "requirements", "features", "id", "name", "dataModel", "entities", "fields", "type", "x")


def _trees() -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-5, 5)
        | st.floats(allow_nan=False)
        | st.sampled_from(["string", "", "{{x}}", "a/b"])
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
        max_leaves=25,
    )


@given(st.dictionaries(st.sampled_from(KEYS[:4]), _trees(), max_size=4))
@settings(max_examples=80, deadline=None)
def test_any_tree_is_an_intake_or_a_clear_refusal(tree: dict[str, Any]) -> None:
    error = _refusal(json.dumps(tree).encode(), "x.json")
    assert error is None or all(problem.what and problem.hint for problem in error.found)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in below for place in _places(item, (*path, key)))]


EXAMPLES = [
    json.loads(read_intake(path.read_bytes(), name=path.name).model_dump_json(exclude_none=True))
    for path in sorted((Path(__file__).parents[4] / "examples" / "intakes").glob("*.yaml"))
]
ODD = (
    None,
    True,
    -1,
    10**15,
    0.5,
    "",
    "x",
    "class",
    "../x",
    "{{x}}",
    "größe",
    "住",
    "1-n",
    "n-n",
    "*",
    "User",
    [],
    {},
    ["x"],
)


@given(st.sampled_from(EXAMPLES), st.lists(st.tuples(st.randoms(), st.sampled_from(ODD)), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_an_example_with_odd_values_is_an_intake_or_a_clear_refusal(example: Any, changes: list[Any]) -> None:
    tree = copy.deepcopy(example)
    for random, odd in changes:
        *way, last = random.choice(_places(tree)[1:])
        inner = tree
        for part in way:
            inner = inner[part]
        inner[last] = odd
    data = json.dumps(tree, ensure_ascii=False).encode()
    error = _refusal(data, "x.json")
    if error is None:
        plan_build(read_intake(data, name="x.json"))
    else:
        assert all(problem.what and problem.hint for problem in error.found)
