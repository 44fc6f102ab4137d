"""Relations resolved: which entity holds which foreign key, and which pairs are linked n-n.

An intake may state a relation from either side or from both. Both sides of one relation become one record here, so
rules and names are worked out once.
"""

import re
from dataclasses import dataclass, field, replace

from remit.packs.build.names import plural, snake
from remit.packs.build.problem import DocumentPath
from remit.packs.build.schema_entity import FieldSpec, OnDelete, RelationshipSpec, RelationType
from remit.packs.build.survey import USER, EntityPlace, Survey


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key at `holder`. `target` None stands for the application's own accounts.

    `stem` is the folded name of the relation at the holder (`referred_by`), `inverse` that of the way back at the
    target, if there is one. `absorbed` is the declared field that the key takes the place of.
    """

    holder: EntityPlace
    target: EntityPlace | None
    path: DocumentPath
    stem: str
    name: str | None
    inverse: str | None
    required: bool
    unique: bool
    immutable: bool
    on_delete: OnDelete | None
    label: str | None
    absorbed: FieldSpec | None

    @property
    def column(self) -> str:
        """The folded name of the key's column."""
        return f"{self.stem}_id"


@dataclass(frozen=True, slots=True)
class Join:
    """An n-n relation as `holder` declares it; `through` is the entity whose rows are the links."""

    holder: EntityPlace
    target: EntityPlace | None
    path: DocumentPath
    stem: str
    name: str | None
    inverse: str | None
    through: EntityPlace | None
    label: str | None

    @property
    def ids(self) -> str:
        """The folded name of the list of the targets' ids."""
        target = "user" if self.target is None else self.target.snake
        return f"{target}_ids" if self.stem in {plural(target), target} else f"{self.stem}_ids"


@dataclass(slots=True)
class Relations:
    """All keys and joins, in the order of the document."""

    keys: list[Key] = field(default_factory=list[Key])
    joins: list[Join] = field(default_factory=list[Join])
    held: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def keys_of(self, place: EntityPlace) -> list[Key]:
        """The keys that this entity holds."""
        return [self.keys[position] for position in self.held.get(place.id, ())]

    def absorbed(self, place: EntityPlace) -> set[str]:
        """The declared fields of this entity that are keys."""
        return {key.absorbed.name for key in self.keys_of(place) if key.absorbed}


def resolve(found: Survey) -> Relations:
    """Work out every relation whose target is known; unknown targets are left to the rules."""
    relations = Relations()
    for place in found.entities:
        for position, relation in enumerate(place.spec.relationships):
            target = found.find(relation.target)
            if target is None and relation.target != USER:
                continue
            path = (*place.path, "relationships", position)
            match relation.type:
                case RelationType.MANY_TO_MANY:
                    _add_join(relations, _join(place, target, relation, path, found))
                case RelationType.ONE_TO_MANY:
                    if target is not None:
                        _add_key(relations, _key_from_many(place, target, relation, path))
                case RelationType.MANY_TO_ONE | RelationType.ONE_TO_ONE:
                    _add_key(relations, _key_from_holder(place, target, relation, path))
    return relations


def stem_of_key(foreign_key: str) -> str:
    """`doctorId`, `doctor_id` and `doctor` all name the relation `doctor`."""
    return re.sub(r"_id\Z", "", snake(foreign_key))


def _field_named(place: EntityPlace, name: str | None) -> FieldSpec | None:
    return next((spec for spec in place.spec.fields if spec.name == name), None)


def _key_from_holder(
    place: EntityPlace, target: EntityPlace | None, relation: RelationshipSpec, path: DocumentPath
) -> Key:
    name = relation.name
    target_stem = "user" if target is None else target.snake
    stem = snake(name) if name else stem_of_key(relation.foreign_key) if relation.foreign_key else target_stem
    if not name and not relation.foreign_key and target is place:
        stem = f"parent_{stem}"
    return Key(
        holder=place,
        target=target,
        path=path,
        stem=stem,
        name=relation.foreign_key,
        inverse=snake(relation.inverse) if relation.inverse else None,
        required=relation.required or _is_required(place, relation.foreign_key),
        unique=relation.unique or relation.type is RelationType.ONE_TO_ONE,
        immutable=relation.immutable,
        on_delete=relation.on_delete,
        label=relation.label,
        absorbed=_field_named(place, relation.foreign_key),
    )


def _key_from_many(place: EntityPlace, target: EntityPlace, relation: RelationshipSpec, path: DocumentPath) -> Key:
    """`place` has many `target`: the target holds the key, and `place` is what it points at."""
    own = f"parent_{place.snake}" if target is place else place.snake
    named = relation.inverse
    stem = snake(named) if named else stem_of_key(relation.foreign_key) if relation.foreign_key else own
    return Key(
        holder=target,
        target=place,
        path=path,
        stem=stem,
        name=relation.foreign_key,
        inverse=snake(relation.name) if relation.name else plural(target.snake),
        required=relation.required or _is_required(target, relation.foreign_key),
        unique=relation.unique,
        immutable=relation.immutable,
        on_delete=relation.on_delete,
        label=relation.label,
        absorbed=_field_named(target, relation.foreign_key),
    )


def _is_required(place: EntityPlace, name: str | None) -> bool:
    spec = _field_named(place, name)
    return spec is not None and spec.required


def _join(
    place: EntityPlace, target: EntityPlace | None, relation: RelationshipSpec, path: DocumentPath, found: Survey
) -> Join:
    target_stem = "users" if target is None else plural(target.snake)
    return Join(
        holder=place,
        target=target,
        path=path,
        stem=snake(relation.name) if relation.name else target_stem,
        name=relation.name,
        inverse=snake(relation.inverse) if relation.inverse else None,
        through=found.find(relation.through) if relation.through else None,
        label=relation.label,
    )


def _add_key(relations: Relations, new: Key) -> None:
    """Add a key, or join it with the other side of the same relation."""
    if new.unique and new.target and not new.required and new.absorbed is None:
        for position in relations.held.get(new.target.id, ()):
            old = relations.keys[position]
            if old.unique and old.target is new.holder and old.path[:-1] != new.path[:-1]:
                relations.keys[position] = replace(old, inverse=old.inverse or new.stem)
                return
    for position in relations.held.get(new.holder.id, ()):
        old = relations.keys[position]
        if old.target is new.target and old.column == new.column and old.path[:-1] != new.path[:-1]:
            relations.keys[position] = replace(
                old,
                inverse=old.inverse or new.inverse,
                name=old.name or new.name,
                required=old.required or new.required,
                unique=old.unique or new.unique,
                immutable=old.immutable or new.immutable,
                on_delete=old.on_delete or new.on_delete,
                absorbed=old.absorbed or new.absorbed,
            )
            return
    relations.held.setdefault(new.holder.id, []).append(len(relations.keys))
    relations.keys.append(new)


def _add_join(relations: Relations, new: Join) -> None:
    """Add an n-n relation, or join it with its other side: named as its inverse, or neither side named."""
    for position, old in enumerate(relations.joins):
        if old.holder is not new.target or old.target is not new.holder or old.holder is new.holder:
            continue
        unnamed = not (old.inverse or new.inverse or old.name or new.name)
        if unnamed or old.inverse == new.stem or new.inverse == old.stem:
            relations.joins[position] = replace(old, inverse=new.stem, through=old.through or new.through)
            return
    relations.joins.append(new)
