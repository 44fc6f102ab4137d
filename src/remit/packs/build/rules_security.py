"""Rules on sign-in, roles, data protection, tenants, billing, integrations and secrets."""

import re
from collections.abc import Iterator

from remit.packs.build.cycles import find_cycles
from remit.packs.build.document_text import SECRET_PREFIX
from remit.packs.build.names import Suggestion, snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.rules_fields import is_personal
from remit.packs.build.rules_names import collision_problems, name_problems
from remit.packs.build.schema_feature import IntegrationSpec, SecretProvider
from remit.packs.build.schema_intake import UncheckedIntake
from remit.packs.build.schema_security import (
    AuthMethod,
    AuthorizationModel,
    BillingProvider,
    BillingSpec,
    Isolation,
    Security,
    Standard,
)
from remit.packs.build.survey import Survey

ADMIN = "admin"
"""The role every generated application has, with every right; an intake may declare it to name or inherit it."""

MEMBER = "member"
"""The role of everyone who registers, in an application whose intake declares none but `admin`."""

GENERATED_METHODS = frozenset({AuthMethod.PASSWORD, AuthMethod.JWT})

_SECURITY: DocumentPath = ("requirements", "security")
_TELLTALE = re.compile(r"(password|passwd|secret|token|api_?key|private_?key|credential)", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def role_names(intake: UncheckedIntake) -> list[str]:
    """The roles that may be referred to: those declared, and `admin`."""
    declared = [role.name for role in intake.requirements.security.authorization.declared]
    if not [name for name in declared if name != ADMIN]:
        declared.append(MEMBER)
    return [*declared, *([ADMIN] if ADMIN not in declared else [])]


def security_problems(intake: UncheckedIntake, found: Survey) -> Iterator[Problem]:
    """Everything wrong outside the data model."""
    security = intake.requirements.security
    yield from _sign_in_problems(security)
    yield from _role_problems(security, role_names(intake))
    yield from _permission_problems(security, role_names(intake), found)
    yield from _protection_problems(security, found)
    yield from _tenancy_problems(intake)
    if intake.requirements.billing is not None:
        yield from _billing_problems(intake.requirements.billing, intake, found)
    yield from _secret_problems(intake)
    yield from _integration_problems(intake)


def _sign_in_problems(security: Security) -> Iterator[Problem]:
    sign_in, path = security.authentication, (*_SECURITY, "authentication")
    for index, method in enumerate(sign_in.methods):
        if method not in GENERATED_METHODS:
            yield Problem(
                "build.auth_unsupported",
                (*path, "methods", index),
                f"sign-in by `{method}` can't be generated: it needs an identity provider or a channel of its own",
                "Use `password` and `jwt`: e-mail and password for a bearer token.",
            )
    if sign_in.providers:
        text = "identity providers can't be wired into the generated sign-in"
        yield Problem("build.auth_unsupported", (*path, "providers"), text, "Remove `providers`.")
    if sign_in.mfa:
        text = "a second factor can't be generated; an application that claims one and has none would be unsafe"
        yield Problem("build.auth_unsupported", (*path, "mfa"), text, "Set `mfa: false`.")
    if security.authorization.model is not AuthorizationModel.RBAC:
        text = f"authorization by `{security.authorization.model}` can't be generated"
        path = (*_SECURITY, "authorization", "model")
        yield Problem("build.auth_unsupported", path, text, "Use `model: rbac`.")


def _role_problems(security: Security, known: list[str]) -> Iterator[Problem]:
    roles, path = security.authorization.declared, (*_SECURITY, "authorization", "roles")
    for index, role in enumerate(roles):
        yield from name_problems(role.name, (*path, index), what="role", keywords=True)
        for position, name in enumerate(role.inherits):
            if name not in known:
                text = f"role `{role.name}` inherits `{name}`, which the intake has not"
                yield Problem("build.unknown_role", (*path, index, "inherits", position), text, Suggestion(name, known))
    named = ((snake(role.name), role.name, (*path, index, "name")) for index, role in enumerate(roles))
    yield from collision_problems(named, what="role")
    for cycle in find_cycles({role.name: role.inherits for role in roles}):
        index = next(i for i, role in enumerate(roles) if role.name == cycle[0])
        text = f"roles inherit each other in a cycle: {' -> '.join(cycle)}"
        yield Problem("build.role_cycle", (*path, index, "inherits"), text, "Remove one of these inheritances.")
    defaults = [index for index, role in enumerate(roles) if role.default]
    for index in defaults[1:]:
        text = f"role `{roles[index].name}` is a second default role; whoever registers gets one"
        yield Problem("build.duplicate", (*path, index, "default"), text, "Mark one role as default.")
    for index in defaults[:1]:
        if roles[index].name == ADMIN:
            text = "everyone who registers would be `admin`"
            yield Problem("build.role_default", (*path, index, "default"), text, "Make a lesser role the default.")


def _permission_problems(security: Security, known: list[str], found: Survey) -> Iterator[Problem]:
    resources = [*(place.spec.name for place in found.entities), "*"]
    for index, permission in enumerate(security.authorization.permissions):
        path = (*_SECURITY, "authorization", "permissions", index)
        if permission.role not in known:
            text = f"a permission is for role `{permission.role}`, which the intake has not"
            yield Problem("build.unknown_role", (*path, "role"), text, Suggestion(permission.role, known))
        if permission.resource != "*" and found.find(permission.resource) is None:
            text = f"a permission is on `{permission.resource}`, which is no entity of the intake"
            yield Problem("build.unknown_entity", (*path, "resource"), text, Suggestion(permission.resource, resources))


def _protection_problems(security: Security, found: Survey) -> Iterator[Problem]:
    protection, path = security.data_protection, (*_SECURITY, "dataProtection")
    names = [f"{place.spec.name}.{field.name}" for place in found.entities for field in place.spec.fields]
    for key, entries in (("pii", protection.pii), ("sensitiveFields", protection.sensitive_fields)):
        for index, entry in enumerate(entries):
            entity_name, _, field_name = entry.rpartition(".")
            place = found.find(entity_name)
            if place is None or field_name not in {field.name for field in place.spec.fields}:
                text = f"{key} names `{entry}`, which is no `Entity.field` of the intake"
                yield Problem("build.unknown_field", (*path, key, index), text, Suggestion(entry, names))
    compliance = security.compliance
    personal = any(is_personal(field) for place in found.entities for field in place.spec.fields)
    strict = [name for name in compliance.standards if name in {Standard.HIPAA, Standard.PCI_DSS}]
    if Standard.GDPR in compliance.standards and (personal or protection.pii):
        strict.append(Standard.GDPR)
    if strict and not compliance.audit_log:
        text = f"{strict[0]} asks who saw and changed personal data, but there is no audit log"
        path = (*_SECURITY, "compliance", "standards")
        yield Problem("build.compliance", path, text, "Set `compliance.auditLog: true`.")


def _tenancy_problems(intake: UncheckedIntake) -> Iterator[Problem]:
    tenancy, path = intake.requirements.multi_tenancy, ("requirements", "multiTenancy")
    if tenancy is None:
        return
    if tenancy.isolation is not Isolation.ROW:
        yield Problem(
            "build.tenancy_unsupported",
            (*path, "isolation"),
            f"isolation by `{tenancy.isolation}` can't be generated",
            "Use `isolation: row`: every row carries its tenant and every query is bound to it.",
        )
    for problem in name_problems(tenancy.tenant_identifier, path, what="tenant"):
        yield Problem(problem.code, (*path, "tenantIdentifier"), problem.what, problem.hint)


def _billing_problems(billing: BillingSpec, intake: UncheckedIntake, found: Survey) -> Iterator[Problem]:
    path = ("requirements", "billing")
    for index, tier in enumerate(billing.tiers):
        place = (*path, "tiers", index)
        yield from name_problems(tier.name, place, what="tier", keywords=True)
        for position, feature in enumerate(tier.features):
            if feature not in found.features:
                text = f"tier `{tier.name}` opens feature `{feature}`, which the intake has not"
                yield Problem(
                    "build.unknown_feature", (*place, "features", position), text, Suggestion(feature, found.features)
                )
        if len(set(tier.features)) < len(tier.features):
            text = f"tier `{tier.name}` names a feature twice"
            yield Problem("build.duplicate", (*place, "features"), text, "Name every feature once.")
    named = ((snake(tier.name), tier.name, (*path, "tiers", i, "name")) for i, tier in enumerate(billing.tiers))
    yield from collision_problems(named, what="tier")
    outside = billing.provider is not BillingProvider.MANUAL
    if outside and not any(snake(entry.provider) == billing.provider for entry in intake.integrations):
        text = f"billing goes through `{billing.provider}`, but no integration has that provider"
        hint = f"Add an integration with `type: payment` and `provider: {billing.provider}`, or use `manual`."
        yield Problem("build.billing_provider", (*path, "provider"), text, hint)


def _secret_problems(intake: UncheckedIntake) -> Iterator[Problem]:
    named = ((snake(secret.name), secret.name, ("secrets", i, "name")) for i, secret in enumerate(intake.secrets))
    yield from collision_problems(named, what="secret")
    for index, secret in enumerate(intake.secrets):
        if secret.provider is SecretProvider.ENV and not _ENVIRONMENT.match(secret.path):
            text = f"secret `{secret.name}` is read from `{secret.path}`, which is no name of an environment variable"
            yield Problem("build.secret_path", ("secrets", index, "path"), text, "Write it like `STRIPE_API_KEY`.")


def _integration_problems(intake: UncheckedIntake) -> Iterator[Problem]:
    known = [entry.name for entry in intake.integrations]
    secrets = [secret.name for secret in intake.secrets]
    for index, entry in enumerate(intake.integrations):
        path = ("integrations", index)
        yield from name_problems(entry.name, path, what="integration")
        for position, name in enumerate(entry.depends_on):
            if name not in known:
                text = f"integration `{entry.name}` depends on `{name}`, which the intake has not"
                yield Problem(
                    "build.unknown_integration", (*path, "dependsOn", position), text, Suggestion(name, known)
                )
        yield from _config_problems(entry, (*path, "config"), secrets)
    named = (
        (snake(entry.name), entry.name, ("integrations", i, "name")) for i, entry in enumerate(intake.integrations)
    )
    yield from collision_problems(named, what="integration", taken={"api", "database"})
    for cycle in find_cycles({entry.name: entry.depends_on for entry in intake.integrations}):
        index = known.index(cycle[0])
        text = f"services depend on each other in a cycle: {' -> '.join(cycle)}"
        yield Problem("build.service_cycle", ("integrations", index, "dependsOn"), text, "Remove one dependency.")


def _config_problems(entry: IntegrationSpec, path: DocumentPath, secrets: list[str]) -> Iterator[Problem]:
    for key, value in entry.config.items():
        place = (*path, key)
        if not snake(key) or not re.match(r"[A-Za-z][A-Za-z0-9_.-]*\Z", key):
            text = f"key `{key}` of integration `{entry.name}` is no plain name"
            yield Problem("build.name_characters", place, text, "Use letters, digits, `_`, `-` and `.`.", at_key=True)
        if isinstance(value, str) and value.startswith(SECRET_PREFIX):
            name = value.removeprefix(SECRET_PREFIX)
            if name not in secrets:
                text = f"`{key}` of integration `{entry.name}` refers to secret `{name}`, which is not declared"
                hint = f"{Suggestion(name, secrets)} Or add it under `secrets:` with its name, provider and path."
                yield Problem("build.undeclared_secret", place, text, hint)
        elif isinstance(value, str) and _TELLTALE.search(key) and value:
            text = f"`{key}` of integration `{entry.name}` looks like a secret written out"
            yield Problem(
                "build.secret_inline", place, text, "Declare it under `secrets:` and write `secret://NAME` here."
            )
    named = ((snake(key), key, (*path, key)) for key in entry.config)
    yield from collision_problems(named, what="setting")
