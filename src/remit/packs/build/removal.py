"""An intake without one feature and all that can't do without it: what rolling back a feature plans again."""

from remit.kernel.errors import NotFound
from remit.packs.build.features import feature_graph
from remit.packs.build.intake import InvalidDocument, PlacedProblem
from remit.packs.build.names import Suggestion
from remit.packs.build.problem import dotted
from remit.packs.build.rules import intake_problems
from remit.packs.build.schema import Intake
from remit.packs.build.schema_entity import EntitySpec
from remit.packs.build.schema_feature import DependencyType, FeatureSpec
from remit.packs.build.schema_security import Security
from remit.packs.build.survey import Survey, dependencies_of, survey

_NEEDED = frozenset({DependencyType.HARD, DependencyType.DATA})


def without_feature(intake: Intake, feature_id: str) -> tuple[Intake, tuple[str, ...]]:
    """The intake without a feature and the features that need it, and the ids of all that went.

    A feature needs another by a hard or data dependency or by a required relation, also through others. Optional
    relations into what went are dropped from what stays, as are permissions, tiers and listed fields.

    Raises:
        NotFound: There is no such feature.
        InvalidDocument: What is left can't be built, such as when nothing is left, with the reason.
    """
    known = [feature.id for feature in intake.requirements.features]
    if feature_id not in known:
        raise NotFound(f"The intake has no feature `{feature_id}`.", hint=str(Suggestion(feature_id, known)))
    gone = _dependants(intake, feature_id)
    found = survey(intake)
    left = tuple(_trimmed(spec, gone, found) for spec in intake.requirements.features if spec.id not in gone)
    removed = tuple(name for name in known if name in gone)
    if not left:
        what = f"nothing is left without feature {feature_id}: every other feature needs it"
        raise _refused("build.nothing_enabled", "requirements.features", what)
    billing = intake.requirements.billing
    if billing is not None:
        tiers = tuple(
            tier.model_copy(update={"features": tuple(name for name in tier.features if name not in gone)})
            for tier in billing.tiers
        )
        billing = billing.model_copy(update={"tiers": tiers})
    security = _trimmed_security(intake.requirements.security, gone, found)
    requirements = intake.requirements.model_copy(update={"features": left, "billing": billing, "security": security})
    trimmed = intake.model_copy(update={"requirements": requirements})
    for problem in intake_problems(trimmed):
        raise _refused(problem.code, dotted(problem.path), f"without feature {feature_id}, {problem.what}")
    return trimmed, removed


def _refused(code: str, path: str, what: str) -> InvalidDocument:
    hint = "Change the intake so that the feature can go, then plan again."
    return InvalidDocument((PlacedProblem(code, "intake:1:1", 1, 1, path, what, hint),))


def _dependants(intake: Intake, feature_id: str) -> set[str]:
    nodes = feature_graph(intake).nodes
    gone = {feature_id}
    grew = True
    while grew:
        more = {n.id for n in nodes if any(d.type in _NEEDED and d.feature_id in gone for d in n.dependencies)}
        grew = not more <= gone
        gone |= more
    return gone


def _trimmed(spec: FeatureSpec, gone: set[str], found: Survey) -> FeatureSpec:
    targets = {target for target, _, _ in dependencies_of(spec)} & gone
    dependencies = tuple(
        entry for entry in spec.dependencies if (entry if isinstance(entry, str) else entry.feature_id) not in targets
    )
    entities = tuple(_trimmed_entity(entity, gone, found) for entity in spec.data_model.entities)
    data_model = spec.data_model.model_copy(update={"entities": entities})
    return spec.model_copy(update={"dependencies": dependencies, "data_model": data_model})


def _trimmed_entity(entity: EntitySpec, gone: set[str], found: Survey) -> EntitySpec:
    def stays(name: str | None) -> bool:
        place = found.find(name) if name else None
        return place is None or place.feature.id not in gone

    relationships = tuple(r for r in entity.relationships if stays(r.target) and stays(r.through))
    return entity.model_copy(update={"relationships": relationships})


def _trimmed_security(security: Security, gone: set[str], found: Survey) -> Security:
    def stays(name: str) -> bool:
        place = found.find(name)
        return place is None or place.feature.id not in gone

    rights = security.authorization
    permissions = tuple(entry for entry in rights.permissions if stays(entry.resource))
    protection = security.data_protection
    listed = {
        key: tuple(entry for entry in entries if stays(entry.rpartition(".")[0]))
        for key, entries in (("pii", protection.pii), ("sensitive_fields", protection.sensitive_fields))
    }
    return security.model_copy(
        update={
            "authorization": rights.model_copy(update={"permissions": permissions}),
            "data_protection": protection.model_copy(update=listed),
        }
    )
