"""Every rule an intake must keep beyond the shape of its parts, in the order in which a person would mend it."""

import re
from collections.abc import Iterator

from remit.packs.build.names import snake
from remit.packs.build.problem import Problem
from remit.packs.build.relations import resolve
from remit.packs.build.rules_entities import entity_problems
from remit.packs.build.rules_features import feature_problems
from remit.packs.build.rules_names import looks_like_path, name_problems
from remit.packs.build.rules_relations import relation_problems
from remit.packs.build.rules_security import role_names, security_problems
from remit.packs.build.schema_intake import UncheckedIntake
from remit.packs.build.survey import FEATURES, survey


def intake_problems(intake: UncheckedIntake) -> list[Problem]:
    """All broken rules; empty means the intake can be built."""
    found = survey(intake)
    relations = resolve(found)
    roles = role_names(intake)
    tenancy = intake.requirements.multi_tenancy
    tenant = snake(tenancy.tenant_identifier) if tenancy else None
    features = intake.requirements.features
    return [
        *_metadata_problems(intake),
        *feature_problems(features, found, relations, roles),
        *entity_problems(found, relations, roles, tenant),
        *relation_problems(found, relations),
        *security_problems(intake, found),
    ]


def _metadata_problems(intake: UncheckedIntake) -> Iterator[Problem]:
    metadata = intake.metadata
    name, path = metadata.app_name, ("metadata", "appName")
    if looks_like_path(name) or not re.search(r"\w", name):
        text = f"application name `{name}` holds a path separator or `..`, or no letter at all"
        yield Problem("build.name_path", path, text, "Use letters, digits, spaces and simple punctuation.")
    elif metadata.code is not None or not snake(name) or snake(name)[0].isdigit():
        yield from name_problems(metadata.code or "x", ("metadata",), what="application", code=metadata.code)
        if metadata.code is None:
            text = f"application name `{name}` has no Latin letters to name files after, or starts with a digit"
            yield Problem("build.name_needs_code", path, text, "Add `code:` with a short ASCII name to metadata.")
    if metadata.created_at and metadata.updated_at and metadata.updated_at < metadata.created_at:
        text = "`updatedAt` is before `createdAt`"
        yield Problem("build.bounds", ("metadata", "updatedAt"), text, "Correct one of the two times.")
    if not any(feature.enabled for feature in intake.requirements.features):
        text = "no feature is enabled, so there is nothing to build"
        yield Problem("build.nothing_enabled", FEATURES, text, "Set `enabled: true` for at least one feature.")
