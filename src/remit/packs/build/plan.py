"""Plan a build: one valid intake to everything that is decided before the first step runs, without a model."""

from dataclasses import dataclass

import orjson

from remit.packs.build.architecture import architecture
from remit.packs.build.features import feature_graph
from remit.packs.build.ir import Application
from remit.packs.build.ir_build import build_ir
from remit.packs.build.scaffold import scaffolding_spec
from remit.packs.build.schema import Intake
from remit.packs.build.schema_architecture import Architecture
from remit.packs.build.schema_graph import FeatureGraph
from remit.packs.build.schema_security import BillingProvider
from remit.packs.build.schema_spec import ScaffoldingSpec


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What is to be built and how. `notes` say what the intake asks for that the generated application leaves out."""

    ir: Application
    architecture: Architecture
    graph: FeatureGraph
    spec: ScaffoldingSpec
    notes: tuple[str, ...]

    def canonical(self) -> bytes:
        """The whole plan as canonical JSON: equal plans have equal bytes."""
        parts = {
            "ir": self.ir,
            "architecture": self.architecture.model_dump(mode="json", by_alias=True),
            "graph": self.graph.model_dump(mode="json", by_alias=True),
            "spec": self.spec.model_dump(mode="json", by_alias=True),
            "notes": self.notes,
        }
        return orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)


def plan_build(intake: Intake) -> BuildPlan:
    """The plan of a valid intake; pure, so two runs give the same bytes."""
    app = build_ir(intake)
    graph = feature_graph(intake)
    return BuildPlan(
        ir=app,
        architecture=architecture(intake, app),
        graph=graph,
        spec=scaffolding_spec(intake, app, graph),
        notes=tuple(_notes(intake, app)),
    )


def _notes(intake: Intake, app: Application) -> list[str]:
    notes = [
        f"feature {feature.id} is not enabled and is left out"
        for feature in intake.requirements.features
        if not feature.enabled
    ]
    notes += [
        f"feature {feature.id}: its {len(feature.pages)} page(s) stand in the intake only, no front end is generated"
        for feature in app.features
        if feature.pages
    ]
    notes += [
        f"feature {feature.id}: {endpoint.method} {endpoint.path} answers 501 until app/custom/{feature.module}.py "
        "defines it"
        for feature in app.features
        for endpoint in feature.endpoints
    ]
    described = sum(len(spec.api.endpoints) for spec in intake.requirements.features if spec.enabled)
    restated = described - sum(len(feature.endpoints) for feature in app.features)
    if restated:
        notes.append(f"{restated} endpoint(s) of the intake are those that its entities bring anyway")
    if intake.requirements.security.data_protection.encryption.at_rest:
        notes.append("encryption at rest is the duty of the disk or the database, the application does not encrypt")
    if app.billing and app.billing.provider != BillingProvider.MANUAL:
        notes.append(f"tiers are enforced, but no payment is taken: {app.billing.provider} must be wired by hand")
    referred = {setting.secret for entry in app.integrations for setting in entry.settings}
    notes += [
        f"secret {secret.name} is declared and no integration refers to it: the application reads {secret.environment}"
        for secret in app.secrets
        if secret.name not in referred
    ]
    if app.integrations:
        names = ", ".join(entry.name for entry in app.integrations)
        notes.append(f"integrations are configured and not called by generated code: {names}")
    return notes
