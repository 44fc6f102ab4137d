"""An intake seen from above: every entity with its feature and its place in the document, found by name or id."""

from dataclasses import dataclass

from remit.packs.build.names import plural, snake
from remit.packs.build.problem import DocumentPath
from remit.packs.build.schema_entity import EntitySpec, FieldSpec
from remit.packs.build.schema_feature import DependencyType, FeatureSpec
from remit.packs.build.schema_intake import UncheckedIntake

USER = "User"
"""The entity every generated application brings: its accounts. An intake may point at it."""

FEATURES: DocumentPath = ("requirements", "features")


@dataclass(frozen=True, slots=True, eq=False)
class EntityPlace:
    """An entity of the intake, the feature that brings it, and where it stands.

    `id` is the stable id: as given, else the folded name. `snake` is the folded name that all names of code derive
    from, empty when the script folds to nothing. `table` is the plural as given, else the English one.
    """

    spec: EntitySpec
    feature: FeatureSpec
    path: DocumentPath
    id: str
    snake: str
    table: str


def _place(spec: EntitySpec, feature: FeatureSpec, path: DocumentPath) -> EntityPlace:
    folded = snake(spec.code or spec.name)
    table = snake(spec.plural) if spec.plural else plural(folded)
    return EntityPlace(spec, feature, path, spec.id or folded, folded, table)


@dataclass(frozen=True, slots=True)
class Survey:
    """All entities in the order of the document and, by name and by id, where to find them."""

    entities: tuple[EntityPlace, ...]
    by_name: dict[str, EntityPlace]
    features: dict[str, FeatureSpec]

    def find(self, name: str) -> EntityPlace | None:
        """The entity of this name or id."""
        return self.by_name.get(name)

    def enabled(self) -> "Survey":
        """The same with only what enabled features bring."""
        return Survey(
            tuple(place for place in self.entities if place.feature.enabled),
            {name: place for name, place in self.by_name.items() if place.feature.enabled},
            {name: feature for name, feature in self.features.items() if feature.enabled},
        )

    def entity_names(self) -> list[str]:
        """Every name that may be referred to, the built-in accounts last."""
        return [*(place.spec.name for place in self.entities), USER]


def survey(intake: UncheckedIntake) -> Survey:
    """Look over an intake; of two entities with one name the first is found."""
    places: list[EntityPlace] = []
    features: dict[str, FeatureSpec] = {}
    for position, feature in enumerate(intake.requirements.features):
        features.setdefault(feature.id, feature)
        root = (*FEATURES, position, "dataModel", "entities")
        places.extend(_place(spec, feature, (*root, i)) for i, spec in enumerate(feature.data_model.entities))
    by_name: dict[str, EntityPlace] = {}
    for place in places:
        by_name.setdefault(place.spec.name, place)
    for place in places:
        by_name.setdefault(place.id, place)
    return Survey(tuple(places), by_name, features)


def is_built_in(field: FieldSpec) -> bool:
    """Whether a field only says what every entity has anyway: a uuid `id`, datetimes `created_at` and `updated_at`."""
    return (snake(field.name), field.type) in {("id", "uuid"), ("created_at", "datetime"), ("updated_at", "datetime")}


def dependencies_of(feature: FeatureSpec) -> list[tuple[str, DependencyType, str]]:
    """The declared dependencies as (feature id, type, reason)."""
    return [
        (entry, DependencyType.HARD, "") if isinstance(entry, str) else (entry.feature_id, entry.type, entry.reason)
        for entry in feature.dependencies
    ]
