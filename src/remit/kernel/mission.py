"""Missions as data: a plan is a graph of steps, a step says what must hold before and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from remit.kernel.canonical import Json, digest
from remit.kernel.errors import InvalidInput
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import NOTHING, Usage


class MissionStatus(StrEnum):
    """Where a mission stands. ``WAITING``: for a person. ``INTERRUPTED`` is derived (running without a live owner)."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def over(self) -> bool:
        """Whether nothing happens any more unless a person orders it."""
        return self not in {MissionStatus.QUEUED, MissionStatus.RUNNING, MissionStatus.WAITING}


class StepStatus(StrEnum):
    """Where a step stands. ``SKIPPED``: its idempotency check found it done already."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def done(self) -> bool:
        """Whether the step's result stands and it must not run again."""
        return self in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long apart a step is tried. Seconds.

    Raises:
        InvalidInput: ``max_attempts`` < 1, ``initial_delay`` <= 0, or ``max_delay`` < ``initial_delay``.
    """

    max_attempts: int = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    initial_delay: float = 0.5
    max_delay: float = 15.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        problems = [
            text
            for wrong, text in (
                (self.max_attempts < 1, f"max_attempts is {self.max_attempts}, it must be at least 1"),
                (not self.initial_delay > 0, f"initial_delay is {self.initial_delay}, it must be more than 0 seconds"),
                (
                    self.max_delay < self.initial_delay,
                    f"max_delay {self.max_delay} < initial_delay {self.initial_delay}",
                ),
                (not 0 <= self.jitter <= 1, f"jitter is {self.jitter}, it must be between 0 and 1"),
            )
            if wrong
        ]
        if problems:
            message = f"The retry policy can't work: {'; '.join(problems)}."
            raise InvalidInput(message, problems=tuple(problems))

    def delay(self, attempt: int, *, rand: Callable[[], float]) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 1), at most ``max_delay``.

        ``rand`` gives a number in [0, 1); jitter takes off at most that share of the delay.
        """
        match self.backoff:
            case Backoff.FIXED:
                base = self.initial_delay
            case Backoff.LINEAR:
                base = self.initial_delay * attempt
            case Backoff.EXPONENTIAL:
                base = self.initial_delay * 2.0 ** min(attempt - 1, 60)
            case _:
                assert_never(self.backoff)
        return min(base, self.max_delay) * (1 - self.jitter * rand())


@dataclass(frozen=True, slots=True)
class FileExists:
    """A file is there (relative POSIX path in the tree)."""

    path: str


@dataclass(frozen=True, slots=True)
class FileAbsent:
    """Nothing is at this path."""

    path: str


@dataclass(frozen=True, slots=True)
class FileSha:
    """A file has exactly this SHA-256 (hexadecimal)."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileContains:
    """A file, read as UTF-8, contains this text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class CommandSucceeds:
    """A command, run through the guard in the step's directory, ends with ``exit_code``."""

    argv: tuple[str, ...]
    exit_code: int = 0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ResultHas:
    """The step's own result holds ``value`` under ``key``."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class NoSecrets:
    """No file that the step changed holds a secret."""


type Condition = FileExists | FileAbsent | FileSha | FileContains | CommandSucceeds | ResultHas | NoSecrets


class OnFailure(StrEnum):
    """What a step's final failure does to its mission."""

    STOP = "stop"  # the mission fails, what stands is kept and can be resumed
    ROLLBACK = "rollback"  # critical: everything the mission did is rolled back
    CONTINUE = "continue"  # the failure is recorded, steps that need this one are not run


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step of a plan.

    ``uses`` names the pack's step function, ``params`` its inputs (JSON), ``version`` the tools and templates that
    shape the result: all three enter the skip key. ``weight`` is the estimated seconds, for the critical path.
    ``critic`` names the verdict that the step gives of the tree it finds (``tests``, ``security`` ...): evidence for
    the guard's rules. Several steps may share one; the verdict then is good when each of theirs is.

    Raises:
        InvalidInput: No name, no postcondition, or a timeout that is not above zero.
    """

    name: str
    uses: str
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    needs: tuple[str, ...] = ()
    title: str = ""
    feature: str = ""
    agent: str = "coder"
    version: str = ""
    pre: tuple[Condition, ...] = ()
    post: tuple[Condition, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float = 300.0
    weight: float = 1.0
    estimate: Money = ZERO
    on_failure: OnFailure = OnFailure.STOP
    critic: str = ""

    def __post_init__(self) -> None:
        problems = [
            text
            for wrong, text in (
                (not self.name, "a step needs a name"),
                (not self.post, f"step {self.name!r} has no postcondition, at least one is needed"),
                (
                    not self.timeout_s > 0,
                    f"step {self.name!r} has timeout {self.timeout_s}, it must be above 0 seconds",
                ),
                (self.weight < 0, f"step {self.name!r} has weight {self.weight}, it can't be negative"),
            )
            if wrong
        ]
        if problems:
            message = f"The step can't run: {'; '.join(problems)}."
            raise InvalidInput(message, problems=tuple(problems))

    def skip_key(self, upstream: Mapping[str, str]) -> str:
        """Hash of everything that shapes the result: inputs, tool and template versions, upstream output hashes."""
        return digest([self.uses, self.params, self.version, sorted(upstream.items())])


@dataclass(frozen=True, slots=True)
class Plan:
    """A pack's plan: the steps in plan order (any order that respects ``needs`` after ``missions.plan.order``).

    ``notes`` say what the input asks for that the plan leaves out, for the person who reads it. ``secrets`` are the
    names that the input declares, against which the steps' references are held while it is planned; ``None``: this
    pack's inputs declare none. They are no part of the stored plan.
    """

    pack: str
    steps: tuple[StepSpec, ...]
    summary: str = ""
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] | None = field(default=None, compare=False)

    @property
    def estimate(self) -> Money:
        """The sum of the steps' estimates."""
        return Money(sum(step.estimate.micros for step in self.steps))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an effect, once performed, gave.

    ``value`` is JSON for the step; ``text`` is for people and is redacted before anybody sees it; ``cost`` is what it
    really cost, and ``usage`` what that was for (at least what its shares add up to).
    """

    ok: bool
    value: Mapping[str, Json] = field(default_factory=dict[str, Json])
    text: str = ""
    cost: Money = ZERO
    usage: Usage = NOTHING

    def __post_init__(self) -> None:
        if self.usage is not NOTHING and self.usage.named > self.cost:
            object.__setattr__(self, "cost", self.usage.named)
