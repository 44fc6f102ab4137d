"""The build pack: an intake becomes a verified application, step by step, without a model.

The plan is the scaffolding spec (``scaffold.py``) in the missions' own terms; nothing is added to it and nothing is
lost: a kind of step or condition that missions can't run is an error here, before anything is written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version as installed
from typing import cast

from remit import __version__
from remit.kernel import mission
from remit.kernel.canonical import Json, digest
from remit.kernel.errors import InternalError, InvalidInput
from remit.kernel.mission import NoSecrets, OnFailure, Plan, RetryPolicy, StepSpec
from remit.missions.pack import StepFunction
from remit.packs.build import schema_condition as conditions
from remit.packs.build import schema_spec as spec
from remit.packs.build.example import example
from remit.packs.build.intake import read_intake, read_values
from remit.packs.build.plan import plan_build
from remit.packs.build.removal import without_feature
from remit.packs.build.render import TEMPLATE_VERSION
from remit.packs.build.schema import Intake
from remit.packs.build.steps import STEPS

TOOLS = ("ruff", "mypy", "pytest", "bandit", "alembic", "sqlalchemy", "fastapi", "pydantic", "uvicorn")
"""Packages of the pinned build environment whose version can change a check's verdict."""

#: Checks keep their caches in memory or in the temporary folder: a check leaves nothing behind.
CHECK_ENV = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "RUFF_NO_CACHE": "true",
    "MYPY_CACHE_DIR": "/dev/null",
}

_CODER, _TESTER = "coder", "apptester"

#: Which verdict each check of a build gives; ``security`` scans the tree for secrets as well.
CRITICS = {"lint": "quality", "types": "quality", "tests": "tests", "migrations": "tests", "security": "security"}


class BuildPack:
    """``remit run build INTAKE``."""

    name = "build"
    version = __version__

    def plan(self, data: bytes, *, name: str) -> Plan:
        """The steps that build the application of an intake (YAML or JSON).

        Raises:
            InvalidInput: The intake is wrong; every problem with its place in the file.
        """
        found = plan_build(read_intake(data, name=name))
        steps = tuple(_step(step) for step in found.spec.steps)
        entities, features = len(found.ir.entities), len(found.ir.features)
        summary = f"{found.ir.title}: {features} features, {entities} entities, {len(steps)} steps"
        return Plan(self.name, steps, summary=summary, notes=found.notes)

    def schema(self) -> Mapping[str, Json]:
        """An intake's JSON Schema."""
        found: Mapping[str, Json] = Intake.model_json_schema(by_alias=True)
        return found

    def example(self) -> tuple[str, bytes]:
        """The clinic's intake.

        Raises:
            NotFound: It is not part of this installation.
        """
        place = example()
        return place.name, place.read_bytes()

    def document(self, data: bytes, *, name: str) -> Json:
        """What stands in an intake's text, whatever its shape.

        Raises:
            InvalidInput: It is neither YAML nor JSON; with the place.
        """
        return cast("Json", read_values(data, name=name))

    def step(self, uses: str) -> StepFunction:
        """The function behind a step.

        Raises:
            InvalidInput: There is none of that name.
        """
        if uses not in STEPS:
            message = f"The build pack has no step function {uses!r}: it has {', '.join(STEPS)}."
            raise InvalidInput(message)
        return STEPS[uses]

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """The intake without a feature and those that need it, and the names of all that went.

        Raises:
            NotFound: The intake has no such feature.
            InvalidInput: Nothing that can be built would be left.
        """
        left, removed = without_feature(read_intake(data, name="intake"), feature)
        return left.model_dump_json(by_alias=True, exclude_none=True).encode(), removed


@lru_cache(maxsize=1)
def tool_versions() -> str:
    """A hash over the interpreter and the tools of the build environment."""
    versions: dict[str, Json] = {tool: installed(tool) for tool in TOOLS}
    return digest([sys.version, versions])


def _step(step: spec.Step) -> StepSpec:
    critic = CRITICS.get(step.id, "")
    match step:
        case spec.TemplateStep():
            params: dict[str, Json] = {"part": step.template, "inputs": step.key, **step.variables}
            uses, version, agent = "render", TEMPLATE_VERSION, _CODER
        case spec.CommandStep():
            params = {
                "commands": [list(step.args), *(list(more) for more in step.then)],
                "env": {**CHECK_ENV, **step.env},
                "network": "loopback" if spec.Effect.NET in step.effects else "none",
                "wall_s": step.timeout_s,
                "inputs": step.key,
                **({"critic": critic} if critic else {}),
                **({"secrets": True} if critic == "security" else {}),
            }
            uses, version = "run", tool_versions()
            agent = _CODER if step.writes else _TESTER
        case spec.FileStep() | spec.ApiCallStep():
            message = f"step {step.id!r} is of kind {step.type!r}, which no build plan has"
            raise InternalError(message)
    return StepSpec(
        step.id,
        uses,
        params=params,
        needs=step.depends_on,
        title=step.title,
        feature=step.feature_id or "",
        agent=agent,
        version=version,
        pre=tuple(_condition(one) for one in step.preconditions),
        post=tuple(_condition(one) for one in step.postconditions),
        retry=_retry(step.retry_policy),
        timeout_s=step.timeout_s + 30.0,
        weight=step.weight,
        on_failure=OnFailure.STOP,
        critic=critic,
    )


def _retry(policy: spec.RetryPolicySpec) -> RetryPolicy:
    return RetryPolicy(
        policy.max_attempts,
        mission.Backoff(policy.backoff.value),
        initial_delay=policy.initial_delay,
        max_delay=policy.max_delay,
    )


def _condition(found: conditions.Condition) -> mission.Condition:
    match found:
        case conditions.FileExists():
            return mission.FileExists(found.path)
        case conditions.FileSha():
            return mission.FileSha(found.path, found.sha256)
        case conditions.FileContains():
            return mission.FileContains(found.path, found.text)
        case conditions.NoneOfSecrets():
            return NoSecrets()
        case conditions.CommandSucceeds() if found.pattern is None:
            return mission.CommandSucceeds(found.args, found.exit_code, found.timeout)
        case _:
            message = f"the condition {found.id!r} is of kind {found.type!r}, which missions can't check"
            raise InternalError(message)


PACK = BuildPack()
