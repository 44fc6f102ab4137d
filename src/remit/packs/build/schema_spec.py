"""The scaffolding spec as a document: the steps that build an application, and what became of them."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from remit.packs.build.cycles import find_cycles
from remit.packs.build.names import nearest
from remit.packs.build.schema_condition import Condition, SecretPresent, Severity
from remit.packs.build.schema_document import Document, Line, Many, Name, Path, Prose
from remit.packs.build.schema_feature import Method, SecretSpec


class Effect(StrEnum):
    """What a step may touch."""

    FILES = "files"
    NET = "net"
    DB = "db"


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RollbackStrategy(StrEnum):
    """Who rolls back, and to where."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    CHECKPOINT = "checkpoint"


class IdempotencyStrategy(StrEnum):
    """What a second run does about what is there."""

    SKIP_IF_EXISTS = "skip_if_exists"
    CHECK_AND_SKIP = "check_and_skip"
    FORCE_RERUN = "force_rerun"


class RetryPolicySpec(Document):
    """How often and how long apart a step is tried, in seconds."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    initial_delay: Annotated[float, Field(gt=0)] = 0.5
    max_delay: Annotated[float, Field(gt=0)] = 15.0

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max_delay < self.initial_delay:
            raise ValueError(f"maxDelay {self.max_delay} is less than initialDelay {self.initial_delay}")
        return self


class _Step(Document):
    """What every step says. `key` is the hash of its inputs; `reads` and `writes` are globs in the work tree."""

    id: Name
    key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    title: Line
    feature_id: Name | None = None
    depends_on: Many[Name] = ()
    effects: Many[Effect] = ()
    retryable: bool = False
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    sandbox_tier: Annotated[int, Field(ge=1, le=4)] = 1
    reads: Many[Path] = ()
    writes: Many[Path] = ()
    weight: Annotated[float, Field(ge=0)] = 1.0
    preconditions: Many[Condition] = ()
    postconditions: Annotated[Many[Condition], Field(min_length=1)]
    retry_policy: RetryPolicySpec = RetryPolicySpec()
    idempotency_check: Condition | None = None
    compensate: Name | None = None

    @model_validator(mode="after")
    def _retries(self) -> Self:
        if self.retry_policy.max_attempts > 1 and not self.retryable:
            raise ValueError(f"step {self.id} has {self.retry_policy.max_attempts} attempts but is not retryable")
        return self


class FileOperation(StrEnum):
    """What a file step does."""

    WRITE = "write"
    MKDIR = "mkdir"
    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"


class FileStep(_Step):
    """One file operation; `content` for write, `source` for copy and move."""

    type: Literal["file"] = "file"
    operation: FileOperation
    path: Path
    content: Annotated[str, Field(max_length=1_000_000)] | None = None
    source: Path | None = None

    @model_validator(mode="after")
    def _arguments(self) -> Self:
        if (self.operation is FileOperation.WRITE) != (self.content is not None):
            raise ValueError(f"step {self.id}: content belongs to write, and to nothing else")
        if (self.operation in {FileOperation.COPY, FileOperation.MOVE}) != (self.source is not None):
            raise ValueError(f"step {self.id}: source belongs to copy and move, and to nothing else")
        return self


class CommandStep(_Step):
    """A command as a list of arguments, never a shell line. `python` stands for the mission's pinned interpreter.

    `then` are further commands, run in order under the same limits while each ends as expected.
    """

    type: Literal["command"] = "command"
    args: Annotated[Many[Line], Field(min_length=1)]
    then: Many[Annotated[Many[Line], Field(min_length=1)]] = ()
    workdir: Path = "."
    env: dict[str, str] = Field(default_factory=dict)
    secret_refs: Many[Name] = ()
    expected_exit_code: Annotated[int, Field(ge=0, le=255)] = 0
    continue_on_error: bool = False


class ApiCallStep(_Step):
    """A call to an outside service: it has an idempotency key or a compensating step."""

    type: Literal["api_call"] = "api_call"
    method: Method
    url: Line
    body: dict[str, str | int | float | bool] = Field(default_factory=dict)
    secret_refs: Many[Name] = ()
    expected_status: Annotated[int, Field(ge=100, le=599)] = 200
    idempotency_key: Line | None = None

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.method is not Method.GET and self.idempotency_key is None and self.compensate is None:
            raise ValueError(f"step {self.id} changes an outside service: give it an idempotencyKey or a compensate")
        return self


class TemplateStep(_Step):
    """Render a set of templates; `template` names the set, `variables` what it is rendered with."""

    type: Literal["template"] = "template"
    template: Name
    variables: dict[str, str] = Field(default_factory=dict)


type Step = Annotated[FileStep | CommandStep | ApiCallStep | TemplateStep, Field(discriminator="type")]


class TestSpec(Document):
    """A check of the built application."""

    name: Name
    type: Annotated[str, Field(pattern="^(unit|integration|lint|types|security|migration|smoke)$")]
    command: Annotated[Many[Line], Field(min_length=1)]
    timeout: Annotated[float, Field(gt=0)]
    required: bool = True
    coverage: Annotated[float, Field(ge=0, le=100)] | None = None


class Rollback(Document):
    """How what was built is taken back."""

    strategy: RollbackStrategy = RollbackStrategy.CHECKPOINT
    steps: Many[Name] = ()


class Idempotency(Document):
    """What a second run does."""

    strategy: IdempotencyStrategy = IdempotencyStrategy.CHECK_AND_SKIP


class SpecMetadata(Document):
    """What is built and from what; `intakeHash` is the SHA-256 of the canonical intake."""

    app_name: Line
    version: Line
    intake_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    generator: Line


class ScaffoldingSpec(Document):
    """Everything to be done. Secrets referred to are declared, steps named exist, no step waits for itself."""

    metadata: SpecMetadata
    secrets: Many[SecretSpec] = ()
    preconditions: Many[Condition] = ()
    steps: Annotated[Many[Step], Field(min_length=1)]
    tests: Many[TestSpec] = ()
    postconditions: Many[Condition] = ()
    rollback: Rollback = Rollback()
    idempotency: Idempotency = Idempotency()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [step.id for step in self.steps]
        problems = [f"step {name} stands twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
        declared = {secret.name for secret in self.secrets}
        for step in self.steps:
            waits = [*step.depends_on, *([step.compensate] if step.compensate else [])]
            problems += [_unknown(f"step {step.id}", name, ids) for name in waits if name not in ids]
            refs = step.secret_refs if isinstance(step, CommandStep | ApiCallStep) else ()
            conditions = (*step.preconditions, *step.postconditions)
            asked = [*refs, *(entry.secret for entry in conditions if isinstance(entry, SecretPresent))]
            problems += [f"step {step.id} refers to undeclared secret {name}" for name in asked if name not in declared]
        problems += [_unknown("rollback", name, ids) for name in self.rollback.steps if name not in ids]
        edges = {step.id: step.depends_on for step in self.steps}
        problems += [f"steps wait for each other: {' -> '.join(cycle)}" for cycle in find_cycles(edges)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _unknown(who: str, name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f"{who} names step {name}, which there is not" + (f"; did you mean {near}?" if near else "")


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class StepResult(Document):
    """What became of one step; `duration` in seconds. Times are taken around the step."""

    step_index: Annotated[int, Field(ge=0)]
    success: bool
    started_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    duration: Annotated[float, Field(ge=0)] | None = None
    output: str = ""
    error: str | None = None
    retry_attempts: Annotated[int, Field(ge=0)] = 0
    skipped: bool = False
    skip_reason: Prose | None = None

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.completed_at is not None and self.completed_at < self.started_at:
            raise ValueError(f"step {self.step_index} completed before it started")
        if self.skipped != (self.skip_reason is not None):
            raise ValueError(f"step {self.step_index}: a skipped step, and no other, has a skipReason")
        return self


class ConditionResult(Document):
    """Whether a condition held."""

    id: Name
    held: bool
    severity: Severity = Severity.ERROR
    detail: Prose = ""


class TestResult(Document):
    """What running a test said."""

    name: Name
    passed: bool
    duration: Annotated[float, Field(ge=0)]
    coverage: Annotated[float, Field(ge=0, le=100)] | None = None


class ExecutionState(Document):
    """What became of a spec, or of one feature of it."""

    execution_id: Line
    feature_id: Name | None = None
    status: ExecutionStatus
    steps: Many[StepResult] = ()
    postcondition_results: Many[ConditionResult] = ()
    test_results: Many[TestResult] = ()
    rollback_executed: bool = False
    rollback_success: bool | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        failed = [str(step.step_index) for step in self.steps if not step.success]
        if self.status is ExecutionStatus.COMPLETED and failed:
            raise ValueError(f"the execution is completed, but step {', '.join(failed)} failed")
        if self.rollback_executed != (self.rollback_success is not None):
            raise ValueError("rollbackSuccess is known exactly when a rollback was executed")
        return self
