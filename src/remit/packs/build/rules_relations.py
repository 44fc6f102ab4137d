"""Rules on relations: targets exist, keys resolve, deleting has an answer, and no row needs itself to exist."""

from collections.abc import Iterator

from remit.packs.build.cycles import find_cycles
from remit.packs.build.ir import FieldType, OnDelete
from remit.packs.build.names import Suggestion, snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.relations import Key, Relations
from remit.packs.build.rules_names import name_problems
from remit.packs.build.schema_entity import RelationshipSpec, RelationType
from remit.packs.build.survey import USER, EntityPlace, Survey


def relation_problems(found: Survey, relations: Relations) -> Iterator[Problem]:
    """Everything wrong with the relations, one by one and as a graph."""
    for place in found.entities:
        for position, relation in enumerate(place.spec.relationships):
            path = (*place.path, "relationships", position)
            if found.find(relation.target) is None and relation.target != USER:
                yield Problem(
                    "build.unknown_entity",
                    (*path, "target"),
                    f"entity `{place.spec.name}` relates to `{relation.target}`, which the intake has not",
                    Suggestion(relation.target, found.entity_names()),
                )
                continue
            yield from _shape_problems(relation, path)
            yield from _enabled_problems(place, found.find(relation.target), path)
            yield from _through_problems(place, relation, path, found, relations)
    for key in relations.keys:
        yield from _key_problems(key)
    yield from _cycle_problems(relations)


def _shape_problems(relation: RelationshipSpec, path: DocumentPath) -> Iterator[Problem]:
    if relation.name is not None:
        yield from name_problems(relation.name, path, what="relation")
    for key, name in (("inverse", relation.inverse), ("foreignKey", relation.foreign_key)):
        if name is None:
            continue
        for problem in name_problems(name, path, what=key):
            yield Problem(problem.code, (*path, key), problem.what, "Use letters, digits and `_`.")
    many_to_many = relation.type is RelationType.MANY_TO_MANY
    rules = (
        (many_to_many and relation.foreign_key, "foreignKey", "an n-n relation has a table of its own, no key"),
        (many_to_many and relation.required, "required", "an n-n relation can't be required"),
        (many_to_many and relation.unique, "unique", "an n-n relation can't be unique; use 1-n"),
        (many_to_many and relation.on_delete, "onDelete", "links of an n-n relation always go with either end"),
        (not many_to_many and relation.through, "through", "only an n-n relation goes through another entity"),
        (
            relation.type is RelationType.ONE_TO_MANY and relation.target == USER,
            "type",
            "accounts are generated and can't hold your key; declare n-1 at the entity that has an account",
        ),
        (
            relation.target == USER and relation.inverse is not None,
            "inverse",
            "accounts are generated and get no attribute of yours",
        ),
        (
            relation.required and relation.on_delete is OnDelete.SET_NULL,
            "onDelete",
            "a required key can't be set to null; use restrict or cascade",
        ),
    )
    for wrong, key, why in rules:
        if wrong:
            yield Problem(
                "build.relation", (*path, key), f"relation to `{relation.target}`: {why}", f"Change or remove `{key}`."
            )


def _enabled_problems(place: EntityPlace, target: EntityPlace | None, path: DocumentPath) -> Iterator[Problem]:
    if target is not None and place.feature.enabled and not target.feature.enabled:
        yield Problem(
            "build.disabled_reference",
            (*path, "target"),
            f"entity `{place.spec.name}` relates to `{target.spec.name}` of feature `{target.feature.id}`, "
            "which is not enabled",
            f"Enable `{target.feature.id}`, or remove the relation.",
        )


def _through_problems(
    place: EntityPlace, relation: RelationshipSpec, path: DocumentPath, found: Survey, relations: Relations
) -> Iterator[Problem]:
    if relation.through is None or relation.type is not RelationType.MANY_TO_MANY:
        return
    through, target = found.find(relation.through), found.find(relation.target)
    if through is None:
        text = f"relation to `{relation.target}` goes through `{relation.through}`, which the intake has not"
        yield Problem(
            "build.unknown_entity", (*path, "through"), text, Suggestion(relation.through, found.entity_names())
        )
        return
    ends = [key.target for key in relations.keys_of(through) if key.required]
    if place not in ends or target not in ends or (place is target and ends.count(place) < 2):  # noqa: PLR2004 - both ends
        yield Problem(
            "build.relation",
            (*path, "through"),
            f"`{through.spec.name}` does not link `{place.spec.name}` with `{relation.target}`: "
            "it needs a required n-1 relation to each",
            f"Add the relations to `{through.spec.name}`, or remove `through`.",
        )


def _key_problems(key: Key) -> Iterator[Problem]:
    if key.absorbed is not None and key.absorbed.type is not FieldType.UUID:
        yield Problem(
            "build.foreign_key",
            (*key.path, "foreignKey"),
            f"foreign key `{key.absorbed.name}` of `{key.holder.spec.name}` is {key.absorbed.type}, "
            "but it must hold the uuid `id` of its target",
            f"Make field `{key.absorbed.name}` `type: uuid`, or leave the field out: the relation makes its own.",
        )
    elif key.name is not None and snake(key.name) == "id":
        text = f"foreign key `{key.name}` of `{key.holder.spec.name}` is its primary key"
        yield Problem("build.foreign_key", (*key.path, "foreignKey"), text, "Give the key a column of its own.")
    if key.required and key.on_delete is OnDelete.SET_NULL and not _declared_required(key):
        text = f"key `{key.column}` of `{key.holder.spec.name}` is required and can't be set to null"
        yield Problem("build.relation", (*key.path, "onDelete"), text, "Use restrict or cascade.")


def _declared_required(key: Key) -> bool:
    """Whether the relation itself said so, and `_shape_problems` has spoken already."""
    return key.absorbed is None or not key.absorbed.required


def _cycle_problems(relations: Relations) -> Iterator[Problem]:
    edges: dict[str, list[str]] = {}
    first: dict[tuple[str, str], Key] = {}
    for key in relations.keys:
        if key.required and key.target is not None:
            edges.setdefault(key.holder.id, []).append(key.target.id)
            edges.setdefault(key.target.id, [])
            first.setdefault((key.holder.id, key.target.id), key)
    for cycle in find_cycles(edges):
        key = first[cycle[0], cycle[1]]
        yield Problem(
            "build.required_cycle",
            key.path,
            f"required relations form a cycle, so no first row could ever be stored: {' -> '.join(cycle)}",
            "Make one relation of the cycle optional (`required: false`).",
        )
