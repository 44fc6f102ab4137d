"""What a step's function is given: its inputs, its directory, and the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from remit.guard import continuing
from remit.guard.personal import restored
from remit.guard.retry import Profile
from remit.guard.written import Written
from remit.kernel import crash
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Effect, WriteFiles
from remit.kernel.errors import Cancelled, Conflict, Fenced, InternalError
from remit.kernel.finding import Finding
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome, StepSpec
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import Tx
from remit.missions import recorded as records
from remit.missions.conditions import files_below
from remit.missions.holding import Holding
from remit.missions.pack import Result
from remit.missions.progress import StepLogged
from remit.missions.repository import Changes
from remit.missions.rows import StepRow
from remit.redact.vault import Kept

LOG_LIMIT = 64 << 10  # characters kept of one attempt's log
DONE_BEFORE = "guard.done"
_CUT = "… the log is cut here …"


class Context:
    """``pack.StepContext`` for one attempt."""

    def __init__(self, holding: Holding, spec: StepSpec, row: StepRow, *, key: str) -> None:
        self._holding = holding
        self._spec = spec
        self._row = row
        self._key = key
        self._pending: list[Written] = []
        self._directory = ""
        self._opening = asyncio.Lock()
        self._ordinal = 0
        self._named: set[str] = set()
        self._log: list[str] = []
        self._logged = 0
        self._before = holding.head
        self.base = ""
        self.findings: dict[str, list[Finding]] = {}
        self.cost = ZERO
        self.closed = False
        self.upstream: Mapping[str, Result] = holding.upstream(spec)

    @property
    def mission(self) -> str:
        """The mission's id."""
        return self._row.mission

    @property
    def workspace(self) -> str:
        """Whose mission it is."""
        return self._row.workspace

    @property
    def step(self) -> str:
        """The step's name."""
        return self._row.name

    @property
    def feature(self) -> str:
        """The feature the step belongs to."""
        return self._row.feature

    @property
    def input(self) -> bytes:
        """The mission's input."""
        return self._holding.mission.input

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._row.attempts

    @property
    def opened(self) -> bool:
        """Whether the step has a directory."""
        return bool(self._directory)

    @property
    def directory(self) -> str:
        """The step's directory, once it is open."""
        if not self._directory:
            raise InternalError(
                f"Step {self.step!r} asks for its directory before anything opened it.",
                code="step.directory",
                hint="await ctx.open() first, or declare the step with @step(directory=True)",
            )
        return self._directory

    async def open(self) -> str:
        """Make the directory from the newest checkpoint, once."""
        async with self._opening:
            if not self._directory:
                self._check()
                self.base = self._holding.head
                crash.reach("step.folder:before")
                self._directory = await self._holding.repository.materialise(self.base, self.step)
                crash.reach("step.folder:after")
        return self._directory

    async def do(
        self,
        effect: Effect,
        *,
        estimate: Money | None = ZERO,
        alternatives: Sequence[Effect] = (),
        keep_s: float = 0.0,
        about: str = "",
    ) -> Outcome:
        """Ask the guard."""
        self._check()
        self._ordinal += 1
        if isinstance(effect, WriteFiles | Command):
            await self.open()
        action = self._action(effect, str(self._ordinal), estimate=estimate, about=about)
        # The fence is asked in the intent's own transaction: a zombie acts no more. The outcome of what may be repeated
        # is queued; the step's own commit comes after it.
        pending = self._pending if effect.trait.repeatable else None
        try:
            outcome = await self._holding.deps.guard.run(
                action, within=self._holding.hold, pending=pending, alternatives=alternatives, keep_s=keep_s
            )
        except Conflict as error:
            if error.code != DONE_BEFORE:
                raise
            # Before a crash, or in an earlier attempt: what can't be repeated was done, and is not done again.
            return Outcome(ok=True, value={"done_before": True}, text=error.message)
        self.cost += outcome.cost
        return outcome

    def _action(self, effect: Effect, name: str, *, estimate: Money | None, about: str = "") -> Action:
        preset = self._holding.preset
        return Action(
            id=new_id(),
            effect=effect,
            principal=Principal(ActorKind.AGENT, self._spec.agent),
            on_behalf_of=self._holding.originator,
            workspace=self._row.workspace,
            mission=self.mission,
            step=self.step,
            attempt=self.attempt,
            effect_key=f"{self.mission}/{self.step}/{self._key}/{self._row.generation}/{name}",
            estimate=estimate or ZERO,
            directory=self._directory,
            preset=preset.name if preset is not None else "",
            preset_approval=preset.approval if preset is not None else "",
            priced=estimate is not None,
            about=about,
        )

    async def recorded(
        self,
        effect: Effect,
        *,
        name: str,
        estimate: Money | None = ZERO,
        alternatives: Sequence[Effect] = (),
        profile: Profile | None = None,
    ) -> Outcome:
        """Ask the guard for a repeatable effect once: what was answered is recorded, and answered again from there.

        Args:
            effect: What to do; of a kind that may be repeated.
            name: The effect's name within the step, the same on every attempt and no other effect's.
            estimate: As for ``do``.
            alternatives: As for ``do``.
            profile: How patiently, within the permit.

        Raises:
            InternalError: The name was used in this attempt, or the effect can't be repeated.
        """
        self._check()
        if name in self._named or not effect.trait.repeatable:
            what = "was asked for twice" if name in self._named else f"is no effect that can be recorded ({name})"
            raise InternalError(f"In step {self.step!r} the effect {name!r} {what}.", code="step.recorded")
        self._named.add(name)
        action = self._action(effect, name, estimate=estimate)
        deps = self._holding.deps
        known = await deps.journal.read(lambda tx: records.find(tx, action.workspace, action.effect_key))
        personal = deps.guard.personal.models
        if known is not None:
            if not personal:
                return known
            return restored(known, await deps.guard.vaults.open(action.workspace, action.mission))
        try:
            outcome = await deps.guard.run(
                action, within=self._holding.hold, pending=self._pending, alternatives=alternatives, profile=profile
            )
        except BaseException:
            self._named.discard(name)  # somebody else may be asked instead
            raise
        self.cost += outcome.cost
        await self._record(action, outcome, personal=personal)
        return outcome

    async def goes_on(self, asked: Sequence[continuing.Reference], accounts: Sequence[str]) -> str:
        """Which of these accounts of providers keeps what a request goes on from, for the step's agent.

        Raises:
            NotFound: It is another's, or never was.
        """
        self._check()
        agent = Principal(ActorKind.AGENT, self._spec.agent)
        party = continuing.Party(self.workspace, agent, self._holding.originator)
        return await continuing.check_inside(self._holding.deps.journal, party, asked, accounts=accounts)

    async def _record(self, action: Action, outcome: Outcome, *, personal: bool) -> None:
        """Keep an answer, with tokens in place of personal data where models get those."""
        deps, now_us = self._holding.deps, self._holding.deps.now()
        shown, held = outcome, None
        fresh: list[Kept] = []
        if personal:
            held = await deps.guard.vaults.open(action.workspace, action.mission)
            regions = deps.guard.personal.regions
            with held.lock:
                value, kept = held.vault.mask_tree(dict(outcome.value), regions=regions)
                text, more = held.vault.mask(outcome.text, regions=regions)
            shown = replace(outcome, value=cast("dict[str, Json]", value), text=text)
            fresh = held.unsaved([*kept, *more])

        def keep(tx: Tx) -> None:
            if held is not None and fresh:
                deps.guard.vaults.keeping(held, fresh, about="")(tx)
            records.keep(tx, action, shown, now_us=now_us)

        await self._holding.write("step.recorded", keep)
        if held is not None and fresh:
            deps.guard.vaults.saved(held, fresh)

    async def settled(self) -> None:
        """Wait until every outcome is committed.

        Raises:
            Fenced: One was refused, because the mission has another owner.
        """
        for written in self._pending:
            await written.wait()
        self._pending.clear()

    def check(self) -> None:
        """Within the step's own last operation, which comes after every outcome: refuse it if one was not written.

        Raises:
            Fenced: One was refused, because the mission has another owner.
        """
        for written in self._pending:
            written.check()

    def log(self, text: str) -> None:
        """Keep a masked line."""
        masked = self._holding.deps.redactor.mask(text)
        if self._logged <= LOG_LIMIT:
            self._logged += len(masked) + 1
            self._log.append(masked if self._logged <= LOG_LIMIT else _CUT)
        progress = self._holding.deps.progress
        if progress.watched(self.mission):
            progress.publish(StepLogged(self.mission, self.step, masked))

    def report(self, findings: Iterable[Finding], *, critic: str = "") -> None:
        """Keep what a critic found, masked."""
        name = critic or self._spec.critic
        if not name:
            message = f"Step {self.step!r} reports findings, and is no critic."
            raise InternalError(message, code="step.critic", hint="give the step critic=NAME, or name one in report()")
        self.findings.setdefault(name, []).extend(map(self._masked, findings))

    def _masked(self, finding: Finding) -> Finding:
        mask = self._holding.deps.redactor.mask
        return replace(finding, message=mask(finding.message), place=mask(finding.place), fix=mask(finding.fix))

    async def secrets(self) -> list[Finding]:
        """Scan every file of the step's directory."""
        root = await self.open()
        redactor = self._holding.deps.redactor
        return await asyncio.to_thread(lambda: redactor.findings(dict(files_below(root))))

    @property
    def judged(self) -> str:
        """The commit whose files the step was given."""
        return self.base if self.opened else self._before

    @property
    def logged(self) -> str:
        """The attempt's log so far."""
        return "\n".join(self._log)

    async def collect(self) -> Changes:
        """What the step did to its directory; nothing, without a git call, when it has none."""
        if not self.opened:
            return Changes()
        return await self._holding.repository.collect(self.base, self.step)

    def close(self) -> None:
        """Nothing is done for this attempt any more."""
        self.closed = True

    def _check(self) -> None:
        if self._holding.lost:
            raise Fenced(f"Another worker owns mission {self.mission} now.")
        if self.closed or self._holding.over:
            raise Cancelled(f"step {self.step} has ended")
