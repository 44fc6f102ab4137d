"""How an agent asks the guard: for a run of its own, or as a step of a mission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from remit.guard import continuing
from remit.guard.continuing import Reference
from remit.guard.guard import Guard
from remit.guard.retry import Profile
from remit.kernel.action import Action, Principal
from remit.kernel.effects import Effect
from remit.kernel.errors import NotFound
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.permits import Tap
from remit.missions.pack import StepContext
from remit.missions.recorded import Recorder
from remit.redact.redactor import Redactor


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, beside the effect.

    Attributes:
        name: The effect's name within its run, the same on every attempt.
        estimate: The most that it may cost; ``None``: nobody can tell, which is never the same as free.
        once: Never try again within the permit: whoever asked does so itself.
        tap: Where the answer's bytes go while they come.
        alternatives: Effects that may stand in.
    """

    name: str
    estimate: Money | None = ZERO
    once: bool = True
    tap: Tap | None = None
    alternatives: tuple[Effect, ...] = ()

    def through(self, tap: Tap) -> Asked:
        """The same, its bytes passed on."""
        return replace(self, tap=tap)


class Gate(Protocol):
    """The way to the guard."""

    @property
    def redactor(self) -> Redactor | None:
        """What masks answers that pass on while they come; ``None``: they don't, they are recorded whole first."""
        ...

    @property
    def workspace(self) -> str:
        """Whose models are asked."""
        ...

    async def ask(self, effect: Effect, asked: Asked) -> Outcome:
        """The guard's answer; raises what the guard raises."""
        ...

    async def goes_on(self, asked: Sequence[Reference], accounts: Sequence[str]) -> str:
        """Which of these accounts of providers keeps what a request goes on from, for this agent.

        Raises:
            NotFound: It is another's, or never was.
        """
        ...


class Names:
    """What the effects of one run are called: the same on every attempt at it, whoever of a chain answers."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._answers = 0
        self._calls: Counter[str] = Counter()

    def model(self) -> str:
        """The request that waits for an answer; attempts at it that failed had the same name."""
        return f"{self._run}/model/{self._answers + 1}"

    def answered(self) -> None:
        """The next request is another one."""
        self._answers += 1

    def tool(self, call: str) -> str:
        """A call of a tool, by its id."""
        self._calls[call] += 1
        return f"{self._run}/tool/{call}/{self._calls[call]}"


@dataclass(frozen=True, slots=True)
class RunGate:
    """For a run outside missions, in the name of a registered agent and the person it acts for."""

    guard: Guard
    principal: Principal
    on_behalf_of: Principal
    workspace: str
    key: str = ""

    @property
    def redactor(self) -> Redactor:
        """The guard's."""
        return self.guard.redactor

    async def ask(self, effect: Effect, asked: Asked) -> Outcome:
        """Admit and perform it."""
        action = Action(
            id=new_id(),
            effect=effect,
            principal=self.principal,
            on_behalf_of=self.on_behalf_of,
            workspace=self.workspace,
            effect_key=f"agent/{self.principal.id}/{asked.name}",
            estimate=asked.estimate or ZERO,
            priced=asked.estimate is not None,
            key=self.key,
        )
        profile = Profile.ONCE if asked.once else None
        return await self.guard.run(action, profile=profile, tap=asked.tap, alternatives=asked.alternatives)

    async def goes_on(self, asked: Sequence[Reference], accounts: Sequence[str]) -> str:
        """The account that keeps it for the registered agent, on behalf of the same person."""
        party = continuing.Party(self.workspace, self.principal, self.on_behalf_of)
        return await continuing.check_inside(self.guard.journal, party, asked, accounts=accounts)


@dataclass(frozen=True, slots=True)
class StepGate:
    """For a run inside a mission's step: what was answered is recorded, and answered again after a crash."""

    context: StepContext

    @property
    def redactor(self) -> None:
        """None: an answer is recorded whole before anybody acts on it."""
        return

    @property
    def workspace(self) -> str:
        """The mission's."""
        return self.context.workspace if isinstance(self.context, Recorder) else ""

    async def ask(self, effect: Effect, asked: Asked) -> Outcome:
        """Ask through the step; with a context of a test's own, as any effect of it."""
        if isinstance(self.context, Recorder):
            profile = Profile.ONCE if asked.once else None
            return await self.context.recorded(
                effect, name=asked.name, estimate=asked.estimate, alternatives=asked.alternatives, profile=profile
            )
        return await self.context.do(effect, estimate=asked.estimate, alternatives=asked.alternatives)

    async def goes_on(self, asked: Sequence[Reference], accounts: Sequence[str]) -> str:
        """The account that keeps it for the step's agent; none with a context that keeps no record."""
        if isinstance(self.context, Recorder):
            return await self.context.goes_on(asked, accounts)
        message = f"There is no {asked[0].id[:80]!r} to go on from."
        raise NotFound(message, place=asked[0].place, code="gateway.continued")
