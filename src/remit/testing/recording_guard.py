"""A guard that admits everything, performs files itself and hands the rest to a function; it remembers all of it.

The intent and outcome transactions are there with their crash points, and ``within`` is honoured, so that fencing and
crashes behave as with the real guard. Its ledger lets a test say what was performed outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import Vaults
from remit.guard.retry import Profile
from remit.guard.written import Written
from remit.kernel import crash
from remit.kernel.action import Action, Principal
from remit.kernel.effects import Effect, WriteFiles
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, Tx
from remit.missions.deps import Performed

type Perform = Callable[[Action], Awaitable[Outcome]]


class RecordingGuard:
    """``missions.deps.Guard`` and ``missions.deps.Ledger``. ``results`` is an outside receiver that honours keys."""

    def __init__(self, journal: Journal, perform: Perform | None = None) -> None:
        self.journal = journal
        self.perform = perform
        self.personal = PersonalTerms()
        self.vaults = Vaults(journal)
        self.actions: list[Action] = []
        self.asked: Counter[str] = Counter()
        self.results: dict[str, str] = {}
        self.outside: list[Performed] = []
        self.undone: list[Performed] = []
        self.settled: list[str] = []

    async def run(
        self,
        action: Action,
        *,
        within: Callable[[Tx], None] | None = None,
        pending: list[Written] | None = None,
        alternatives: Sequence[Effect] = (),
        keep_s: float = 0.0,
        profile: Profile | None = None,
    ) -> Outcome:
        """Intent, performance, outcome; nothing stands in for anything and nothing is kept."""
        del alternatives, keep_s, profile

        def op(tx: Tx) -> None:
            if within is not None:
                within(tx)

        await self.journal.commit("guard.intent", op)
        self.actions.append(action)
        outcome = await self._perform(action)
        self.asked[action.effect_key] += 1
        self.results.setdefault(action.effect_key, action.subject_hash)
        written = Written(self.journal, "guard.outcome", op)
        if pending is None:
            written.future.result()
        else:
            pending.append(written)
        return outcome

    async def _perform(self, action: Action) -> Outcome:
        effect = action.effect
        if isinstance(effect, WriteFiles):
            _write(effect, Path(action.directory))
            return Outcome(ok=True)
        if self.perform is not None:
            return await self.perform(action)
        return Outcome(ok=True)

    async def performed(self, workspace: str, mission: str) -> Sequence[Performed]:
        """What the test put into ``outside`` and nothing undid yet, newest first."""
        del workspace, mission
        return [each for each in reversed(self.outside) if each not in self.undone]

    async def compensate(self, performed: Performed, *, workspace: str, actor: Principal) -> None:
        """Remember that it was undone."""
        del workspace, actor
        self.undone.append(performed)

    def settle_abandoned(self, tx: Tx, workspace: str, mission: str) -> None:
        """Remember that it was asked."""
        del tx, workspace
        self.settled.append(mission)


def _write(effect: WriteFiles, directory: Path) -> None:
    crash.reach("files.write:before")
    for path, data in effect.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for path in effect.delete:
        (directory / path).unlink(missing_ok=True)
    crash.reach("files.write:after")
