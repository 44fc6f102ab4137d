"""Before a mission goes on: end what is left of the dead run, then check that what stands is what was left.

Nothing is passed over in silence: a damaged log, plan or repository and a missing checkpoint refuse with their name;
an artefact that changed since its step is reported, and the mission refused or the steps run again, as the person said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from remit.kernel import crash
from remit.kernel.errors import Drift, IntegrityError
from remit.kernel.mission import StepStatus
from remit.kernel.ports import Tx
from remit.missions.checkpoint import adopted
from remit.missions.conditions import file_conditions, file_unmet
from remit.missions.holding import Holding, Output
from remit.missions.repository import TRAILER_KEY, TRAILER_STEP, Changes, Checkpoint
from remit.missions.rollback import finish_pending, rerun
from remit.missions.rows import (
    CHILD_DELETE,
    CHILD_SELECT,
    AttemptOutcome,
    ChildRow,
    OnDrift,
    Standing,
    StepRow,
    insert_attempt,
    set_mission,
    set_step,
)

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Validation:
    """What a resume found."""

    adopted: tuple[str, ...] = ()  # steps whose commit was there and whose row was not final
    interrupted: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()  # paths
    rerun: tuple[str, ...] = ()  # steps that run again because of drift
    leftovers: int = 0  # process groups that were ended


async def prepare(holding: Holding) -> Validation:
    """Make a claimed mission ready to run, validated.

    Raises:
        IntegrityError: The repository is damaged, or a finished step's checkpoint is missing or another step's.
        Drift: Artefacts changed, and the person did not say to run their steps again.
    """
    leftovers = await end_leftovers(holding)
    repository = holding.repository
    crash.reach("mission.folder:before")
    await repository.init()
    crash.reach("mission.folder:after")
    if holding.mission.fence > 1:
        await repository.recover()
        await repository.verify()
    await finish_pending(holding)
    history = await repository.history()
    known = await _known_head(holding, history)
    _check_checkpoints(holding, history)
    taken = await _adopt(holding, history)
    interrupted = await interrupt(holding)
    drifted, wrong = await _drift(holding, known)
    again: tuple[str, ...] = ()
    if drifted or wrong:
        again = await _answer_drift(holding, drifted, wrong)
    await repository.discard()
    return Validation(taken, interrupted, drifted, again, leftovers)


async def end_leftovers(holding: Holding) -> int:
    """Processes of the dead run would go on writing: they end first, then their reservations are settled."""
    deps, mission = holding.deps, holding.mission
    params = {"workspace": mission.workspace, "mission": mission.id}
    children = [ChildRow(**row) for row in await deps.journal.read(lambda tx: tx.rows(CHILD_SELECT, params))]
    here = [child for child in children if child.host == deps.host]
    ended = sum(deps.kill_leftover(child.pgid, child.start_time) for child in here)
    if mission.fence == 1:
        return ended

    def change(tx: Tx) -> None:
        for child in here:
            key = {"host": child.host, "pgid": child.pgid, "start_time": child.start_time}
            tx.execute(CHILD_DELETE, params | key)
        deps.ledger.settle_abandoned(tx, mission.workspace, mission.id)

    await holding.write("guard.settle", change)
    return ended


async def _known_head(holding: Holding, history: Sequence[Checkpoint]) -> str:
    """The head that the rows know, or that of one commit whose row was lost with its process."""
    last = holding.mission.head_commit
    commits = [each.commit for each in history]
    if last and last not in commits:
        raise IntegrityError(
            f"The repository of mission {holding.mission.id} has lost its newest checkpoint {last}.",
            code="checkpoint.missing",
            hint="restore the mission's repository from a backup",
        )
    beyond = list(history[commits.index(last) + 1 :] if last else history)
    rows = [row for row in holding.rows.values() if row.standing == Standing.PRODUCED and not row.done]
    mine = {adopted(beyond, row, key=row.skip_key) for row in rows}
    foreign = [each for each in beyond if each.commit not in mine]
    if not foreign:
        holding.head = beyond[-1].commit if beyond else last
        return last
    if holding.mission.drift != OnDrift.REFUSE:
        await holding.repository.rewind(last)
        holding.head = last
        return last
    raise Drift(
        f"The history of mission {holding.mission.id} holds commits that no step made: "
        f"{', '.join(each.commit[:12] for each in foreign[:_NAMED])}.",
        code="drift.history",
        hint=f"keep them elsewhere, then: remit resume {holding.mission.id} --drift rerun",
    )


def _check_checkpoints(holding: Holding, history: Sequence[Checkpoint]) -> None:
    """Every finished step's commit is there and says that it is that step's."""
    known = {each.commit: each.trailers for each in history}
    for row in holding.rows.values():
        if not row.commit_id or not (row.done or row.standing == Standing.OFFERED):
            continue
        trailers = known.get(row.commit_id)
        if trailers is None:
            raise IntegrityError(
                f"The checkpoint {row.commit_id} of step {row.name!r} is missing from the mission's history.",
                code="checkpoint.missing",
                hint=f"run the step again: remit resume {row.mission} --from {row.name}",
            )
        if trailers.get(TRAILER_STEP) != row.name or trailers.get(TRAILER_KEY) != row.skip_key:
            raise IntegrityError(
                f"The checkpoint {row.commit_id} is not that of step {row.name!r}, as its row says.",
                code="checkpoint.foreign",
                hint=f"run the step again: remit resume {row.mission} --from {row.name}",
            )


async def _adopt(holding: Holding, history: Sequence[Checkpoint]) -> tuple[str, ...]:
    """A crash between the commit and the row: the commit stands, so the row becomes final without running again."""
    floor = holding.mission.floor_commit
    commits = [each.commit for each in history]
    recent = history[commits.index(floor) + 1 :] if floor in commits else history
    taken: list[str] = []
    for row in list(holding.rows.values()):
        if row.standing != Standing.PRODUCED or row.done:
            continue
        found = adopted(recent, row, key=row.skip_key)
        if not found:
            continue
        files: dict[str, tuple[str, str] | None] = dict.fromkeys(row.wrote)
        output = Output(row.outcome, Changes(files=files))
        await holding.finish(
            row,
            output,
            key=row.skip_key,
            commit=found,
            output_hash=row.output_hash,
            tree=await holding.repository.tree(found),
        )
        taken.append(row.name)
    return tuple(taken)


async def interrupt(holding: Holding) -> tuple[str, ...]:
    """Attempts that the crash cut short get their row, and their steps start again; it is no failure of theirs."""
    running = [row for row in holding.rows.values() if row.status == StepStatus.RUNNING]
    if not running:
        return ()
    now = holding.stamp()
    records = [holding.attempt(row, AttemptOutcome.INTERRUPTED, began_us=row.changed_us) for row in running]

    def change(tx: Tx) -> None:
        for row, record in zip(running, records, strict=True):
            set_step(tx, row, status=StepStatus.PENDING, standing=int(Standing.NONE), changed_us=now)
            insert_attempt(tx, record)

    await holding.write("step.reset", change)
    await holding.reload()
    return tuple(row.name for row in running)


async def _drift(holding: Holding, known: str) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Paths that changed since their step, and finished steps whose postconditions no longer hold.

    The workspace is set when a run ends, so after a crash it may show the last run's end, the head, or (when the crash
    came while it was set) some of each: only what is in neither has drifted.
    """
    if holding.mission.fence == 1:
        return (), {}
    repository, shown = holding.repository, holding.mission.workspace_commit
    drifted = set(await repository.workspace_drift(shown))
    for commit in {known, holding.head} - {shown}:
        drifted &= set(await repository.workspace_drift(commit)) if drifted else set()
    if drifted:
        return tuple(sorted(drifted)), {}
    await show_head(holding)
    found = {row.name: _postconditions(holding, row) for row in holding.rows.values() if row.done}
    return (), {name: problems for name, problems in found.items() if problems}


async def show_head(holding: Holding) -> None:
    """Set the workspace to the head, unless it shows it already."""
    head, mission = holding.head, holding.mission
    if mission.workspace_commit != head:
        await holding.repository.reset_workspace(head)
        await holding.write("mission.status", lambda tx: set_mission(tx, mission, workspace_commit=head))
        holding.mission = replace(mission, workspace_commit=head)


def _postconditions(holding: Holding, row: StepRow) -> list[str]:
    """The file conditions of a finished step that no longer hold, but for files that a later step wrote over."""
    writers, position = holding.writers(), holding.plan.position
    return [
        problem
        for condition in file_conditions(holding.plan.spec(row.name))
        if (writer := writers.get(condition.path)) is not None and position[writer] <= position[row.name]
        for problem in file_unmet(condition, holding.repository.workspace)
    ]


async def _answer_drift(holding: Holding, drifted: Sequence[str], wrong: dict[str, list[str]]) -> tuple[str, ...]:
    mission = holding.mission
    if mission.drift == OnDrift.REFUSE:
        said = [f"changed since their step: {', '.join(drifted[:_NAMED])}"] if drifted else []
        said += [f"step {name!r} no longer holds: {'; '.join(found)}" for name, found in wrong.items()]
        more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
        raise Drift(
            f"The workspace of mission {mission.id} is not what its steps left: {'; '.join(said)}{more}.",
            code="drift.workspace",
            hint=f"put the files back, or run their steps again: remit resume {mission.id} --drift rerun",
        )
    writers = holding.writers()
    steps = {writers[path] for path in drifted if path in writers} | wrong.keys()
    await holding.repository.reset_workspace(holding.head)
    await holding.write("mission.status", lambda tx: set_mission(tx, mission, workspace_commit=holding.head))
    holding.mission = replace(mission, workspace_commit=holding.head)
    if steps and mission.drift == OnDrift.RERUN:
        await rerun(holding, steps, why="drift")
        return tuple(sorted(steps))
    return ()
