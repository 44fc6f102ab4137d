"""A mission while this process holds it: its plan, its rows as last committed, and the writes only the holder may make.

Every write asks first whether the fence is still ours, in the same transaction. Rows kept here change only after their
write was queued in order, so what a later step sees is what the store will hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from remit.audit.entry import Entry, Result
from remit.guard.approval_requests import withdraw
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json, digest
from remit.kernel.errors import Fenced
from remit.kernel.mission import MissionStatus, StepSpec, StepStatus
from remit.kernel.ports import Tx
from remit.missions import pack as packs
from remit.missions.deps import Deps
from remit.missions.estimate import settle
from remit.missions.plan import OrderedPlan
from remit.missions.presets import Preset
from remit.missions.queue import end
from remit.missions.repository import (
    TRAILER_ATTEMPT,
    TRAILER_FEATURE,
    TRAILER_GENERATION,
    TRAILER_KEY,
    TRAILER_MISSION,
    TRAILER_STEP,
    Changes,
    Checkpoint,
    Repository,
)
from remit.missions.rows import (
    AttemptOutcome,
    AttemptRow,
    MissionRow,
    OnDrift,
    Standing,
    StepRow,
    hold,
    insert_attempt,
    pack_json,
    read_steps,
    set_mission,
    set_step,
    spend,
)

SYSTEM = Principal(ActorKind.SYSTEM, "missions")

#: What else is written in the transaction of a step's last row: a critic's verdict.
type Also = Callable[[Tx], None]


@dataclass(frozen=True, slots=True)
class Output:
    """What one attempt made."""

    result: packs.Result
    changes: Changes = field(default_factory=Changes)
    log: str = ""
    cost_micros: int = 0

    @property
    def hash(self) -> str:
        """What the steps that need this one see of it."""
        return digest([self.result, self.changes.digest])


class Holding:
    """Made by a claim; see ``remit.missions.claim``."""

    def __init__(
        self,
        deps: Deps,
        mission: MissionRow,
        *,
        plan: OrderedPlan,
        rows: Iterable[StepRow],
        repository: Repository,
        was: str,
    ) -> None:
        self.deps = deps
        self.was = was
        self.mission = mission
        self.plan = plan
        self.rows = {row.name: row for row in rows}
        self.repository = repository
        self.head = mission.head_commit
        self.originator = Principal.parse(mission.originator)
        self.preset: Preset | None = None
        self.lost = False
        self.over = False
        self._last_us = max((row.changed_us for row in self.rows.values()), default=0)
        self._writers: dict[str, str] | None = None
        self._history: Sequence[Checkpoint] | None = None
        self._age: dict[str, int] = {}

    # ------------------------------------------------------------------------------------------------------ reading

    def stamp(self) -> int:
        """Now in microseconds, later than every stamp before: the order of changes, for ``progress.since``."""
        self._last_us = max(self._last_us + 1, self.deps.now())
        return self._last_us

    def skip_key(self, spec: StepSpec) -> str:
        """The step's skip key, once its needs are done."""
        return spec.skip_key({need: self.rows[need].output_hash for need in spec.needs})

    def upstream(self, spec: StepSpec) -> dict[str, packs.Result]:
        """The results of what a step needs."""
        return {need: self.rows[need].outcome for need in spec.needs}

    def writers(self) -> dict[str, str]:
        """For each path, the done step that wrote it last."""
        if self._writers is None:
            done = [self.rows[spec.name] for spec in self.plan.steps if self.rows[spec.name].done]
            self._writers = {path: row.name for row in done for path in row.wrote}
        return self._writers

    async def all_history(self) -> Sequence[Checkpoint]:
        """Every commit that the head reached when this was first asked, those of rolled-back plans included."""
        if self._history is None:
            self._history = await self.repository.history()
        return self._history

    def moved(self, commit: str) -> None:
        """The head is now ``commit``, which this run made."""
        self.head = commit
        self._age[commit] = len(self._age) + 1

    def forget(self, head: str) -> None:
        """The head is ``head`` after a rollback: nothing known of history or files holds any more."""
        self.head = head
        self._history = None
        self._writers = None

    def before(self, commit: str, other: str) -> bool:
        """Whether ``commit`` was made before or is ``other``; commits of earlier runs were made before all of ours."""
        return self._age.get(commit, 0) <= self._age.get(other, 0)

    def trailers(self, row: StepRow, key: str) -> dict[str, str]:
        """What a step's commit says of itself."""
        return {
            TRAILER_MISSION: self.mission.id,
            TRAILER_STEP: row.name,
            TRAILER_FEATURE: row.feature or "-",
            TRAILER_ATTEMPT: str(row.attempts),
            TRAILER_KEY: key,
            TRAILER_GENERATION: str(row.generation),
        }

    def open_steps(self) -> list[str]:
        """Steps that are not done."""
        return [name for name, row in self.rows.items() if not row.done]

    async def reload(self) -> None:
        """Read the rows again, after somebody else's operation of this process changed several at once."""
        rows = await self.deps.journal.read(lambda tx: read_steps(tx, self.mission))
        self.rows = {row.name: row for row in rows}
        self._writers = None

    # ------------------------------------------------------------------------------------------------------ writing

    def begin(self, row: StepRow) -> StepRow:
        """Record that an attempt begins. Queued, not awaited: the attempt's own later writes come after it."""
        now = self.stamp()
        begun = replace(
            row,
            status=StepStatus.RUNNING,
            attempts=row.attempts + 1,
            standing=Standing.NONE,
            started_us=row.started_us or now,
            not_before_us=0,
            changed_us=now,
        )
        values: dict[str, str | int | bytes] = {
            "status": begun.status,
            "attempts": begun.attempts,
            "standing": int(begun.standing),
            "started_us": begun.started_us,
            "not_before_us": 0,
            "changed_us": now,
        }

        def op(tx: Tx) -> None:
            self.hold(tx)
            set_step(tx, row, **values)

        self.deps.journal.submit("step.start", op)  # if it was fenced, ``hold`` has set ``lost`` when anybody looks
        self.rows[row.name] = begun
        return begun

    async def produce(self, row: StepRow, output: Output, key: str) -> StepRow:
        """Record an output that is about to be committed, so that a crash after the commit loses nothing of it."""
        produced = replace(
            row,
            standing=Standing.PRODUCED,
            skip_key=key,
            result=pack_json(output.result),
            output_hash=output.hash,
            paths=pack_json(output.changes.paths),
            changed_us=self.stamp(),
        )
        await self._set("step.attempt", row, produced, ("standing", "skip_key", "result", "output_hash", "paths"))
        return produced

    async def finish(
        self,
        row: StepRow,
        output: Output,
        *,
        key: str,
        status: StepStatus = StepStatus.SUCCEEDED,
        commit: str = "",
        attempt: AttemptOutcome | None = AttemptOutcome.SUCCEEDED,
        began_us: int = 0,
        tree: str = "",
        output_hash: str = "",
        check: Callable[[], None] | None = None,
        also: Also | None = None,
    ) -> StepRow:
        """The step's result stands from here on: row, attempt and audit entry in one transaction.

        ``check`` may still refuse it there: it knows of writes that were queued before and not awaited.

        Raises:
            Fenced: The mission has another owner; nothing was written.
        """
        now = self.stamp()
        named = replace(row, status=status, skip_key=key, commit_id=commit, output_hash=output_hash or output.hash)
        done = _with_output(named, output, now)
        record = None
        if attempt is not None:
            record = self.attempt(done, attempt, began_us=began_us, log=output.log, cost=output.cost_micros)
        payload = _told_of(done, output) | {"tree": tree}
        entry = self.entry("step.finish", Result.SUCCESS, step=row.name, reason=status.value)

        def op(tx: Tx) -> None:
            self.hold(tx)
            if check is not None:
                check()
            set_step(tx, row, **_values(done, _FINISHED))
            if record is not None:
                insert_attempt(tx, record)
            if commit:
                set_mission(tx, self.mission, head_commit=commit, tree=tree, updated_us=now)
            if output.cost_micros:
                spend(tx, self.mission.workspace, self.mission.id, output.cost_micros)
            if also is not None:
                also(tx)
            tx.append(entry, payload)

        await self.deps.journal.commit("step.finish", op)
        self.rows[row.name] = done
        if self._writers is not None:
            self._writers |= dict.fromkeys(output.changes.paths, row.name)
        return done

    async def fail(
        self,
        row: StepRow,
        record: AttemptRow,
        *,
        status: StepStatus,
        failures: int = 0,
        not_before_us: int = 0,
        also: Also | None = None,
    ) -> StepRow:
        """Record a failed or ended attempt; a failure for good also in the audit log. ``also`` is written with it."""
        now = self.stamp()
        failed = replace(
            row,
            status=status,
            standing=Standing.NONE,
            failures=failures,
            error_code=record.error_code,
            error=record.error,
            not_before_us=not_before_us,
            finished_us=now if status is StepStatus.FAILED else 0,
            changed_us=now,
            cost_micros=row.cost_micros + record.cost_micros,
        )
        final = status is StepStatus.FAILED
        entry = self.entry("step.fail", Result.FAILURE, step=row.name, reason=record.error_code)
        payload = {"attempt": record.number, "generation": row.generation, "error": record.error}

        def op(tx: Tx) -> None:
            self.hold(tx)
            set_step(tx, row, **_values(failed, _FAILED))
            insert_attempt(tx, record)
            if record.cost_micros:
                spend(tx, self.mission.workspace, self.mission.id, record.cost_micros)
            if final:
                tx.append(entry, payload)
            if also is not None:
                also(tx)

        await self.deps.journal.commit("step.fail" if final else "step.attempt", op)
        self.rows[row.name] = failed
        return failed

    def attempt(
        self,
        row: StepRow,
        outcome: AttemptOutcome,
        *,
        began_us: int,
        log: str = "",
        error: tuple[str, str] = ("", ""),
        delay_us: int = 0,
        cost: int = 0,
    ) -> AttemptRow:
        """The row of an attempt that has just ended."""
        return AttemptRow(
            workspace=row.workspace,
            mission=row.mission,
            revision=row.revision,
            step=row.name,
            number=row.attempts,
            generation=row.generation,
            outcome=outcome,
            started_us=began_us or row.started_us,
            ended_us=self.stamp(),
            error_code=error[0],
            error=error[1],
            log=log,
            delay_us=delay_us,
            cost_micros=cost,
        )

    async def write(self, name: str, change: Callable[[Tx], None]) -> None:
        """Any other write of the holder, under its fence."""

        def op(tx: Tx) -> None:
            self.hold(tx)
            change(tx)

        await self.deps.journal.commit(name, op)

    async def rest(
        self,
        status: MissionStatus,
        *,
        error: tuple[str, str] = ("", ""),
        unless: Callable[[Tx], None] | None = None,
    ) -> MissionRow:
        """Record how the run ended, and let go of the mission. ``unless`` may still refuse that in the transaction.

        A mission that is over asks for nothing any more: its requests for approval are withdrawn.
        """
        now = self.stamp()
        values: dict[str, str | int | bytes] = {
            "status": status,
            "owner": "",
            "control": "",
            "drift": OnDrift.REFUSE,  # what was said about drift was said for this run
            "error_code": error[0],
            "error": error[1],
            "updated_us": now,
        }
        result = {MissionStatus.SUCCEEDED: Result.SUCCESS, MissionStatus.WAITING: Result.PENDING}
        entry = self.entry("mission.status", result.get(status, Result.FAILURE), reason=status.value)

        def change(tx: Tx) -> None:
            if unless is not None:
                unless(tx)
            set_mission(tx, self.mission, **values)
            end(tx, self.mission.workspace, self.mission.id, now_us=now)
            settle(tx, self.mission.workspace, self.mission.id, status=status, now_us=now)
            if MissionStatus(status).over:
                withdraw(tx, self.mission.workspace, self.mission.id, now_us=now)
            tx.append(entry, {"status": status.value, "code": error[0], "error": error[1], "head": self.head})

        await self.write("mission.status", change)
        self.mission = replace(
            self.mission, status=status, owner="", control="", error_code=error[0], error=error[1], updated_us=now
        )
        return self.mission

    async def release(self) -> None:
        """Let go without having done anything: the mission stands as it stood before the claim."""
        self.over = True
        await self.write("mission.status", lambda tx: set_mission(tx, self.mission, status=self.was, owner=""))
        self.mission = replace(self.mission, status=self.was, owner="")

    def entry(
        self, action: str, result: Result, *, step: str = "", reason: str = "", actor: Principal = SYSTEM
    ) -> Entry:
        """An audit entry about this mission."""
        return Entry(
            actor=actor,
            action=action,
            domain="missions",
            result=result,
            workspace=self.mission.workspace,
            on_behalf_of=self.originator,
            reason=reason,
            subject=self.mission.id,
            mission=self.mission.id,
            step=step,
        )

    async def _set(self, name: str, row: StepRow, new: StepRow, columns: tuple[str, ...]) -> None:
        await self.write(name, lambda tx: set_step(tx, row, **_values(new, (*columns, "changed_us"))))
        self.rows[row.name] = new

    def hold(self, tx: Tx) -> None:
        """Refuse the transaction unless the mission is still ours.

        Raises:
            Fenced: It is not.
        """
        try:
            hold(tx, self.mission.workspace, self.mission.id, fence=self.mission.fence)
        except Fenced:
            self.lost = True
            raise


def _with_output(row: StepRow, output: Output, now: int) -> StepRow:
    return replace(
        row,
        standing=Standing.FINAL,
        result=pack_json(output.result),
        paths=pack_json(output.changes.paths),
        error_code="",
        error="",
        started_us=row.started_us or now,
        finished_us=now,
        not_before_us=0,
        changed_us=now,
        cost_micros=row.cost_micros + output.cost_micros,
    )


def _told_of(done: StepRow, output: Output) -> dict[str, Json]:
    """What the audit log holds of a finished step."""
    return {
        "status": str(done.status),
        "revision": done.revision,
        "generation": done.generation,
        "attempt": done.attempts,
        "skip_key": done.skip_key,
        "output": done.output_hash,
        "result": digest([output.result, list(output.changes.paths)]),
        "commit": done.commit_id,
        "cost_micros": output.cost_micros,
    }


_FINISHED = (
    "status",
    "standing",
    "skip_key",
    "commit_id",
    "result",
    "output_hash",
    "paths",
    "error_code",
    "error",
    "started_us",
    "finished_us",
    "not_before_us",
    "changed_us",
    "cost_micros",
)
_FAILED = (
    "status",
    "standing",
    "failures",
    "error_code",
    "error",
    "not_before_us",
    "finished_us",
    "changed_us",
    "cost_micros",
)


def _values(row: StepRow, columns: tuple[str, ...]) -> Mapping[str, str | int | bytes]:
    return {column: getattr(row, column) for column in columns}
