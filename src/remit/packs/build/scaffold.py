"""The steps that build an application: pure data, in an order and with names that never depend on chance.

`skeleton`, one `feature-<id>` for each feature, `assemble`, `format`; then side by side `lint`, `types`, `tests`,
`security`, `migrations`; then `serve`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from remit import __version__
from remit.packs.build.ir import Application, Entity, Feature
from remit.packs.build.schema_condition import (
    CommandSucceeds,
    Condition,
    FileContains,
    FileExists,
    NoneOfSecrets,
    Severity,
)
from remit.packs.build.schema_feature import SecretSpec
from remit.packs.build.schema_graph import FeatureGraph, ordering
from remit.packs.build.schema_spec import (
    Backoff,
    CommandStep,
    Effect,
    Idempotency,
    IdempotencyStrategy,
    RetryPolicySpec,
    Rollback,
    RollbackStrategy,
    ScaffoldingSpec,
    SpecMetadata,
    Step,
    TemplateStep,
    TestSpec,
)

if TYPE_CHECKING:
    from remit.packs.build.schema import Intake

GENERATOR = f"remit-build/{__version__}"

SKELETON, ASSEMBLE, FORMAT, SERVE = "skeleton", "assemble", "format", "serve"
CHECKS = ("lint", "types", "tests", "security", "migrations")

_SAFE: Condition = NoneOfSecrets(id="no-secrets", severity=Severity.CRITICAL)


def feature_step(feature_id: str) -> str:
    """The name of the step that renders a feature."""
    return f"feature-{feature_id}"


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON, records and decimals included."""
    data = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest()


def intake_hash(intake: "Intake") -> str:
    """SHA-256 of the canonical intake: the same for the same content, however it was written down."""
    return digest(intake.model_dump(mode="json", by_alias=True, exclude_none=True))


def scaffolding_spec(intake: "Intake", app: Application, graph: FeatureGraph) -> ScaffoldingSpec:
    """All steps for the application `app`, features in the order of the graph's stages."""
    before = ordering(graph.nodes)
    weights = {node.id: node.weight for node in graph.nodes}
    features = [app.feature(name) for stage in graph.execution_stages for name in stage.features]
    keys = _Keys(app)
    rendered = [
        _feature(feature, app, keys, needs=before[feature.id], weight=weights[feature.id]) for feature in features
    ]
    commands = (_format(app, keys), *_checks(app, keys), _serve(app, keys))
    steps: tuple[Step, ...] = (_skeleton(keys), *rendered, _assemble(app, keys, rendered), *commands)
    return ScaffoldingSpec(
        metadata=SpecMetadata(
            app_name=app.name, version=app.version, intake_hash=intake_hash(intake), generator=GENERATOR
        ),
        secrets=tuple(SecretSpec.model_validate(secret.model_dump()) for secret in intake.secrets),
        preconditions=(CommandSucceeds(id="python", args=("python", "--version")),),
        steps=steps,
        tests=tuple(_tests(commands)),
        postconditions=(
            FileExists(id="application", path="app/main.py"),
            FileExists(id="manifest", path="pyproject.toml"),
            _SAFE,
        ),
        rollback=Rollback(strategy=RollbackStrategy.CHECKPOINT),
        idempotency=Idempotency(strategy=IdempotencyStrategy.CHECK_AND_SKIP),
    )


class _Keys:
    """Hashes of what shapes each step's result, so that a step whose inputs are unchanged is known by its key."""

    def __init__(self, app: Application) -> None:
        tiers = tuple(replace(tier, features=()) for tier in app.billing.tiers) if app.billing else ()
        billing = replace(app.billing, tiers=tiers) if app.billing else None
        self._entities = {entity.id: digest(entity) for entity in app.entities}
        self._frame = digest(
            [
                GENERATOR,
                [app.name, app.title, app.description, app.version, app.python, app.database, app.deployment],
                [app.api_prefix, app.casing, app.roles, app.auth, billing, app.tenancy],
                [app.integrations, app.secrets, app.audit_log, app.retention_days, app.rate_limit_per_minute],
            ]
        )
        self._whole = digest([self._frame, self._entities, app.features, app.billing])
        self._targets = {entity.id: _targets(entity) & self._entities.keys() for entity in app.entities}

    def of_feature(self, feature: Feature) -> str:
        """The feature, its entities and those they point at: what points at them shows in none of their files."""
        named = {target for entity in feature.entities for target in self._targets[entity]}
        hashes = [(name, self._entities[name]) for name in sorted(named | set(feature.entities))]
        return digest([self._frame, feature, hashes])

    def of_frame(self, step: str) -> str:
        """What depends on no feature; which features a tier opens stands in what is assembled."""
        return digest([step, self._frame])

    def of_whole(self, step: str) -> str:
        """What depends on everything."""
        return digest([step, self._whole])


def _targets(entity: Entity) -> set[str]:
    links = (name for link in entity.links for name in (link.target, link.through) if name)
    return {*(ref.target for ref in entity.references), *links}


def _skeleton(keys: _Keys) -> TemplateStep:
    return TemplateStep(
        id=SKELETON,
        key=keys.of_frame(SKELETON),
        title="Lay out the application",
        effects=(Effect.FILES,),
        writes=("**",),
        weight=0.1,
        template="skeleton",
        postconditions=(FileExists(id="package", path="app/__init__.py"), _SAFE),
    )


def _feature(feature: Feature, app: Application, keys: _Keys, *, needs: Sequence[str], weight: float) -> TemplateStep:
    modules = [app.entity(name).module for name in feature.entities]
    files = [f"app/models/{module}.py" for module in modules]
    files += [f"app/endpoints/{feature.module}.py"] if feature.endpoints else []
    enabled = {other.id for other in app.features}
    return TemplateStep(
        id=feature_step(feature.id),
        key=keys.of_feature(feature),
        title=f"Render {feature.name}",
        feature_id=feature.id,
        depends_on=(SKELETON, *(feature_step(name) for name in needs if name in enabled)),
        effects=(Effect.FILES,),
        writes=("app/**", "tests/**"),
        weight=weight,
        template="feature",
        variables={"feature": feature.id},
        postconditions=(*(FileExists(id=f"file-{n}", path=path) for n, path in enumerate(files, start=1)), _SAFE),
    )


def _assemble(app: Application, keys: _Keys, rendered: Sequence[TemplateStep]) -> TemplateStep:
    return TemplateStep(
        id=ASSEMBLE,
        key=keys.of_whole(ASSEMBLE),
        title="Assemble what lists all features",
        depends_on=(SKELETON, *(step.id for step in rendered)),
        effects=(Effect.FILES,),
        writes=("**",),
        weight=0.05 + 0.005 * len(app.entities),
        template="assembly",
        postconditions=(
            FileContains(id="readme", path="README.md", text=app.title.splitlines()[0][:200]),
            FileExists(id="models", path="app/models/__init__.py"),
            FileExists(id="api", path="app/api.py"),
            _SAFE,
        ),
    )


def _command(
    name: str,
    keys: _Keys,
    args: Sequence[str],
    *,
    title: str,
    needs: Sequence[str],
    timeout: float,
    weight: float,
    writes: Sequence[str] = (),
    effects: Sequence[Effect] = (),
    then: Sequence[Sequence[str]] = (),
    retry: RetryPolicySpec | None = None,
) -> CommandStep:
    return CommandStep(
        id=name,
        key=keys.of_whole(name),
        title=title,
        depends_on=tuple(needs),
        effects=tuple(effects),
        reads=("**",),
        writes=tuple(writes),
        timeout_s=timeout,
        weight=weight,
        retryable=retry is not None,
        retry_policy=retry or RetryPolicySpec(),
        args=("python", *args),
        then=tuple(("python", *more) for more in then),
        postconditions=(FileExists(id="application", path="app/main.py"), _SAFE),
    )


def _format(app: Application, keys: _Keys) -> CommandStep:
    return _command(
        FORMAT,
        keys,
        ("-m", "ruff", "check", "--fix", "--select", "I,F,UP", "."),
        title="Sort imports and format",
        needs=(ASSEMBLE,),
        timeout=60,
        weight=0.2 + 0.005 * len(app.entities),
        writes=("**/*.py",),
        effects=(Effect.FILES,),
        then=(("-m", "ruff", "format", "."),),
    )


def _checks(app: Application, keys: _Keys) -> tuple[CommandStep, ...]:
    """The five checks. Limits are ten times what a quiet machine needs; weights are what it needs (seconds)."""
    size, migrations = len(app.entities), "tests/test_migrations.py"
    rows: tuple[tuple[str, str, tuple[str, ...], float, float, tuple[Effect, ...]], ...] = (
        ("lint", "Lint", ("-m", "ruff", "check", "--no-fix", "."), 60, 0.2, ()),
        ("types", "Check types", ("-m", "mypy"), 300, 6 + 0.05 * size, ()),
        ("tests", "Run its own tests", ("-m", "pytest", "-q", f"--ignore={migrations}"), 300, 4 + 0.25 * size, _LOCAL),
        ("security", "Scan for weaknesses", ("-m", "bandit", "-q", "-r", "app", "-ll"), 120, 1 + 0.02 * size, ()),
        ("migrations", "Migrate up, down, up and compare", ("-m", "pytest", "-q", migrations), 120, 3, _LOCAL),
    )
    return tuple(
        _command(name, keys, args, title=title, needs=(FORMAT,), timeout=timeout, weight=weight, effects=effects)
        for name, title, args, timeout, weight, effects in rows
    )


_LOCAL = (Effect.FILES, Effect.DB)


def _serve(app: Application, keys: _Keys) -> CommandStep:
    """Start it and speak to it over a real socket; another try is right only because a port may be taken."""
    return _command(
        SERVE,
        keys,
        ("scripts/smoke.py",),
        title=f"Start {app.title}, ask for its health, create and read a row",
        needs=CHECKS,
        timeout=60,
        weight=4,
        effects=(Effect.FILES, Effect.DB, Effect.NET),
        retry=RetryPolicySpec(max_attempts=2, backoff=Backoff.FIXED, initial_delay=0.5, max_delay=0.5),
    )


_TEST_TYPES = {
    "lint": "lint",
    "types": "types",
    "tests": "unit",
    "security": "security",
    "migrations": "migration",
    "serve": "smoke",
}


def _tests(commands: Sequence[CommandStep]) -> list[TestSpec]:
    return [
        TestSpec(name=step.id, type=_TEST_TYPES[step.id], command=step.args, timeout=step.timeout_s)
        for step in commands
        if step.id in _TEST_TYPES
    ]
