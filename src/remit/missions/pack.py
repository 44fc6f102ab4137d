"""What a domain brings: a planner from input to steps, and the functions that its steps use."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from remit.kernel.canonical import Json
from remit.kernel.effects import Effect
from remit.kernel.finding import Finding
from remit.kernel.mission import Outcome, Plan
from remit.kernel.money import ZERO, Money

type Result = Mapping[str, Json]


class StepContext(Protocol):
    """All that a step's function is given. Everything it does to the outside world goes through ``do``."""

    @property
    def mission(self) -> str:
        """The mission's id."""
        ...

    @property
    def step(self) -> str:
        """The step's name in the plan."""
        ...

    @property
    def feature(self) -> str:
        """The feature the step belongs to, or empty."""
        ...

    @property
    def input(self) -> bytes:
        """The mission's input. What of it shapes this step's result must stand in its ``params`` or ``version`` too."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; attempts that a crash cut short count."""
        ...

    @property
    def upstream(self) -> Mapping[str, Result]:
        """The results of the steps that this one needs, by name."""
        ...

    @property
    def directory(self) -> str:
        """Absolute path of the step's own directory, to be read; write with a ``WriteFiles`` effect.

        Raises:
            InternalError: Nothing has opened the directory yet: ``await ctx.open()`` first, or ask for a file or
                command effect, which open it.
        """
        ...

    async def open(self) -> str:
        """Make the step's directory from the newest checkpoint, unless it is there; its absolute path.

        A step that never opens it costs no directory and no git call.
        """
        ...

    async def do(
        self,
        effect: Effect,
        *,
        estimate: Money | None = ZERO,
        alternatives: Sequence[Effect] = (),
        keep_s: float = 0.0,
        about: str = "",
    ) -> Outcome:
        """Ask the guard for an effect and wait until it has happened.

        ``estimate`` is the most that it may cost; ``None`` when nobody can tell, which is never the same as free.

        The effect's key is mission / step / skip key / generation / ordinal, the same on every attempt and after every
        crash, so that a receiver that honours it sees each effect once. Ask in a fixed order.

        Args:
            effect: What to do.
            estimate: What it may cost, whoever answers.
            alternatives: Effects that may stand in, in this order, when it is not there; each passes the guard itself.
            keep_s: For reads: an answer to the same request that is at most so many seconds old will do.
            about: Whom its content concerns (a customer's reference): ``remit audit erase`` of that person erases it.

        Raises:
            Denied, ApprovalPending, Unavailable, Failed: What the guard or the adapter answered.
        """
        ...

    def report(self, findings: Iterable[Finding], *, critic: str = "") -> None:
        """Add to the verdict of the step's critic, or of another one whose part the step took on the way.

        One finding that blocks makes the verdict bad; a critic that is named with no findings at all has found the
        tree good. It becomes evidence, about the tree that the step was given, when the step ends.
        """
        ...

    async def secrets(self) -> list[Finding]:
        """Scan every file of the step's directory for secrets: one critical finding each, never the value."""
        ...

    def log(self, text: str) -> None:
        """Add a line to the attempt's log; secrets are masked before it is kept or shown."""
        ...


class StepFunction(Protocol):
    """A step's body. Its result (JSON) goes to the steps that need it."""

    def __call__(self, ctx: StepContext, params: Mapping[str, Json], /) -> Awaitable[Result | None]:
        """Do the work."""
        ...


class Pack(Protocol):
    """A domain. ``plan`` and ``without`` are pure: same bytes, same answer."""

    @property
    def name(self) -> str:
        """As in ``remit run NAME``."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever plans or steps may."""
        ...

    def plan(self, data: bytes, *, name: str) -> Plan:
        """The steps that turn this input into the result.

        Args:
            data: The input file's bytes.
            name: What the file was called, for messages.

        Raises:
            InvalidInput: The input is wrong; says where.
        """
        ...

    def step(self, uses: str) -> StepFunction:
        """The function behind ``StepSpec.uses``.

        Raises:
            InvalidInput: There is none of that name.
        """
        ...

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """The input without a feature, and the names of every feature that goes with it (itself included).

        Raises:
            NotFound: The input has no such feature.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """What a pack may also offer: what its input looks like."""

    def schema(self) -> Mapping[str, Json]:
        """The input's JSON Schema (2020-12)."""
        ...


@runtime_checkable
class Exampled(Protocol):
    """What a pack may also offer: an input to begin with."""

    def example(self) -> tuple[str, bytes]:
        """A file's name and an input that the pack plans; reads a file.

        Raises:
            NotFound: It is not part of this installation.
        """
        ...


@runtime_checkable
class Formed(Described, Protocol):
    """What a pack may offer beside its schema: its input as plain values, so that a form can be filled from it."""

    def document(self, data: bytes, *, name: str) -> Json:
        """The values that stand in an input; only its text is judged, not its shape.

        Raises:
            InvalidInput: It is no document of the pack's language; with the place.
        """
        ...
