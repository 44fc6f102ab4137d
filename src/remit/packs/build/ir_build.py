"""From a valid intake to the application's intermediate representation: pure, and the same for the same intake."""

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from remit.packs.build.cycles import find_components
from remit.packs.build.document_text import SECRET_PREFIX
from remit.packs.build.ir import (
    Action,
    Application,
    Auth,
    Billing,
    Casing,
    Endpoint,
    EndpointTest,
    Feature,
    FieldType,
    Integration,
    Page,
    PathParameter,
    Role,
    Scalar,
    Secret,
    Setting,
    Tenancy,
    Tier,
)
from remit.packs.build.ir_entities import Surroundings, expanded, lower_entity, lower_field
from remit.packs.build.names import attribute, cased, kebab, label, member, pascal, snake
from remit.packs.build.relations import Relations, resolve
from remit.packs.build.rules_features import PARAMETER, function_name, generated_routes, restates
from remit.packs.build.rules_security import ADMIN, MEMBER
from remit.packs.build.schema_feature import EndpointSpec, FeatureSpec, Method, SecretProvider
from remit.packs.build.schema_security import RoleSpec
from remit.packs.build.survey import EntityPlace, dependencies_of, survey

if TYPE_CHECKING:
    from remit.packs.build.schema import Intake

API_PREFIX = "/api/v1"


def build_ir(intake: "Intake") -> Application:
    """The application that an intake describes; features that are not enabled are left out with all that is theirs."""
    found = survey(intake).enabled()
    places = list(found.entities)
    relations = resolve(found)
    casing = _casing(places)
    around = _surroundings(intake, places, relations, casing)
    metadata, constraints, compliance = (
        intake.metadata,
        intake.technical_constraints,
        intake.requirements.security.compliance,
    )
    slug = kebab(metadata.code or metadata.app_name)
    return Application(
        name=metadata.app_name,
        slug=slug,
        title=metadata.app_name,
        description=metadata.description,
        version=metadata.version,
        python=constraints.target_runtime.removeprefix("python"),
        database=constraints.database.value,
        deployment=constraints.deployment.value,
        api_prefix=API_PREFIX,
        casing=casing,
        features=tuple(_feature(spec, places, around) for spec in intake.requirements.features if spec.enabled),
        entities=tuple(lower_entity(place, around) for place in _in_order(places, relations, around.deferred)),
        roles=_roles(intake),
        auth=_auth(intake),
        billing=_billing(intake),
        tenancy=_tenancy(intake, casing),
        integrations=_integrations(intake),
        secrets=_secrets(intake),
        audit_log=compliance.audit_log,
        retention_days=compliance.data_retention,
        rate_limit_per_minute=intake.requirements.performance.rate_limit_per_minute,
    )


def _casing(places: list[EntityPlace]) -> Casing:
    """The casing that most names of the intake have; snake when none tells."""
    names = [field.name for place in places for field in place.spec.fields]
    camels = sum(name.isidentifier() and name[:1].islower() and name != name.lower() for name in names)
    return Casing.CAMEL if camels > sum("_" in name for name in names) else Casing.SNAKE


def _surroundings(intake: "Intake", places: list[EntityPlace], relations: Relations, casing: Casing) -> Surroundings:
    security = intake.requirements.security
    roles = _declared_roles(intake)
    heirs = {role.name: [role.name] for role in roles}
    inherited = {role.name: _inherited(role.name, {r.name: r.inherits for r in roles}) for role in roles}
    for role in roles:
        for parent in inherited[role.name]:
            heirs[parent].append(role.name)
    granted: dict[tuple[str, Action], tuple[str, ...]] = {}
    names = {name: place.spec.name for place in places for name in (place.spec.name, place.id)}
    for permission in security.authorization.permissions:
        for action in permission.actions:
            key = (names.get(permission.resource, permission.resource), action)
            granted[key] = (*granted.get(key, ()), permission.role)
    if not security.authorization.permissions:
        granted = {("*", action): tuple(role.name for role in roles) for action in Action}
    tenancy = intake.requirements.multi_tenancy
    return Surroundings(
        casing=casing,
        relations=relations,
        tenant=snake(tenancy.tenant_identifier) if tenancy else None,
        personal=frozenset((*security.data_protection.pii, *security.data_protection.sensitive_fields)),
        roles_by_action=granted,
        expand={name: tuple(found) for name, found in heirs.items()},
        role_order=tuple(role.name for role in roles),
        deferred=_deferred(places, relations),
    )


def _deferred(places: list[EntityPlace], relations: Relations) -> frozenset[tuple[str, str]]:
    """Optional keys inside a knot of tables: their constraints are added when all tables stand."""
    edges = {place.id: [key.target.id for key in relations.keys_of(place) if key.target] for place in places}
    knot = {entity: number for number, members in enumerate(find_components(edges)) for entity in members}
    return frozenset(
        (place.id, key.column)
        for place in places
        for key in relations.keys_of(place)
        if key.target and key.target is not place and not key.required and knot[place.id] == knot.get(key.target.id)
    )


def _in_order(
    places: list[EntityPlace], relations: Relations, deferred: frozenset[tuple[str, str]]
) -> list[EntityPlace]:
    """Entities after those that their undeferred keys point at; else in the order of the document."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    by_id = {place.id: place for place in places}
    for place in places:
        before = [
            key.target.id
            for key in relations.keys_of(place)
            if key.target and key.target is not place and (place.id, key.column) not in deferred
        ]
        sorter.add(place.id, *before)
    position = {place.id: number for number, place in enumerate(places)}
    ordered: list[EntityPlace] = []
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        ordered.extend(by_id[entity] for entity in ready)
        sorter.done(*ready)
    return ordered


def _declared_roles(intake: "Intake") -> list[RoleSpec]:
    """The roles of the intake with the administrator last; `member` stands in when there is no other."""
    declared = list(intake.requirements.security.authorization.declared)
    others = [role for role in declared if role.name != ADMIN] or [RoleSpec(name=MEMBER)]
    admin = next((role for role in declared if role.name == ADMIN), RoleSpec(name=ADMIN, label="Administrator"))
    return [*others, admin]


def _inherited(role: str, parents: dict[str, tuple[str, ...]]) -> list[str]:
    found: list[str] = []
    queue = list(parents[role])
    for name in queue:
        if name not in found:
            found.append(name)
            queue.extend(parents[name])
    return found


def _roles(intake: "Intake") -> tuple[Role, ...]:
    declared = _declared_roles(intake)
    parents = {role.name: role.inherits for role in declared}
    return tuple(
        Role(
            name=role.name,
            member=member(role.name),
            label=role.label or label(role.name),
            description=role.description,
            inherits=tuple(_inherited(role.name, parents)),
        )
        for role in declared
    )


def _auth(intake: "Intake") -> Auth:
    """The default role is the one so marked, else the one with the fewest rights (the last declared of equals)."""
    sign_in = intake.requirements.security.authentication
    roles = [role for role in _declared_roles(intake) if role.name != ADMIN]
    parents = {role.name: role.inherits for role in _declared_roles(intake)}
    rights: dict[str, int] = {}
    for permission in intake.requirements.security.authorization.permissions:
        weight = len(permission.actions) * (1_000 if permission.resource == "*" else 1)
        rights[permission.role] = rights.get(permission.role, 0) + weight
    totals = {r.name: sum(rights.get(name, 0) for name in (r.name, *_inherited(r.name, parents))) for r in roles}
    marked = [role.name for role in roles if role.default]
    humble = min(reversed(roles), key=lambda role: totals[role.name]).name
    return Auth(
        admin=ADMIN,
        default=marked[0] if marked else humble,
        token_minutes=sign_in.token_minutes,
        registration=sign_in.registration,
    )


def _feature(spec: FeatureSpec, places: list[EntityPlace], around: Surroundings) -> Feature:
    generated = generated_routes(places)
    own = [endpoint for endpoint in spec.api.endpoints if not restates(endpoint, generated)]
    return Feature(
        id=spec.id,
        name=spec.name,
        module=attribute(snake(spec.id)),
        description=spec.description,
        type=spec.type,
        priority=spec.priority,
        entities=tuple(place.id for place in places if place.feature is spec),
        endpoints=tuple(_endpoint(endpoint, around) for endpoint in own),
        pages=tuple(Page(page.name, page.path, page.description) for page in spec.ui.pages),
        dependencies=tuple(target for target, _, _ in dependencies_of(spec)),
    )


def _endpoint(spec: EndpointSpec, around: Surroundings) -> Endpoint:
    function = attribute(function_name(spec))
    owner = pascal(function)
    fallback = 201 if spec.method is Method.POST and spec.response.fields else 200 if spec.response.fields else 204
    return Endpoint(
        method=spec.method.value,
        path=PARAMETER.sub(lambda found: f"{{{snake(found[1])}}}", spec.path),
        function=function,
        description=spec.description,
        public=spec.auth is False,
        roles=expanded([spec.auth], around) if isinstance(spec.auth, str) else (),
        parameters=tuple(
            PathParameter(name, FieldType.UUID if name == "id" or name.endswith("_id") else FieldType.STRING)
            for name in map(snake, PARAMETER.findall(spec.path))
        ),
        request_class=f"{owner}Request" if spec.request.fields else None,
        request=tuple(lower_field(field, f"{owner}Request") for field in spec.request.fields),
        response_class=f"{owner}Response" if spec.response.fields else None,
        response=tuple(lower_field(field, f"{owner}Response") for field in spec.response.fields),
        response_status=spec.response.status or fallback,
        tests=_tests(spec, function),
    )


def _tests(spec: EndpointSpec, function: str) -> tuple[EndpointTest, ...]:
    found: list[EndpointTest] = []
    for number, test in enumerate(spec.tests, start=1):
        name = f"test_{function}_{snake(test.name) or number}"[:100]
        taken = name in {other.function for other in found}
        found.append(
            EndpointTest(
                name=test.name,
                function=f"{name}_{number}" if taken else name,
                path=test.path or spec.path,
                body=tuple(test.body.items()),
                expected_status=test.expected_status,
                expected_fields=test.expected_fields,
            )
        )
    return tuple(found)


def _billing(intake: "Intake") -> Billing | None:
    spec = intake.requirements.billing
    if spec is None:
        return None
    enabled = {feature.id for feature in intake.requirements.features if feature.enabled}
    tiers = tuple(
        Tier(
            name=tier.name,
            member=member(tier.name),
            label=tier.label or label(tier.name),
            price=tier.price,
            interval=tier.interval.value,
            features=tuple(feature for feature in tier.features if feature in enabled),
        )
        for tier in spec.tiers
    )
    return Billing(spec.provider.value, spec.model.value, spec.currency, spec.trial_period, tiers)


def _tenancy(intake: "Intake", casing: Casing) -> Tenancy | None:
    spec = intake.requirements.multi_tenancy
    if spec is None:
        return None
    name = snake(spec.tenant_identifier)
    return Tenancy(attribute(name), name, cased(name, casing), spec.allow_cross_tenant)


def _integrations(intake: "Intake") -> tuple[Integration, ...]:
    return tuple(
        Integration(
            name=spec.name,
            attribute=attribute(snake(spec.name)),
            type=spec.type.value,
            provider=spec.provider,
            settings=tuple(_setting(spec.name, key, value) for key, value in spec.config.items()),
            depends_on=spec.depends_on,
        )
        for spec in intake.integrations
    )


def _setting(integration: str, key: str, value: Scalar) -> Setting:
    secret = value.removeprefix(SECRET_PREFIX) if isinstance(value, str) and value.startswith(SECRET_PREFIX) else None
    environment = f"{snake(integration)}_{snake(key)}".upper()
    return Setting(key, attribute(snake(key)), environment, None if secret else value, secret)


def _secrets(intake: "Intake") -> tuple[Secret, ...]:
    return tuple(
        Secret(
            name=spec.name,
            environment=spec.path if spec.provider is SecretProvider.ENV else snake(spec.name).upper(),
            provider=spec.provider.value,
            path=spec.path,
            required=spec.required,
        )
        for spec in intake.secrets
    )
