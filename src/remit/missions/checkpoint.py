"""The one committer: what a step made becomes a commit, then its row becomes final."""

from __future__ import annotations

from collections.abc import Sequence

from remit.kernel.errors import Conflict, Failed
from remit.kernel.mission import StepStatus
from remit.missions.holding import Holding
from remit.missions.repository import TRAILER_GENERATION, TRAILER_KEY, TRAILER_MISSION, TRAILER_STEP, Checkpoint
from remit.missions.rows import AttemptOutcome, StepRow
from remit.missions.step import Broken, Done, Made

CLASH = "git.conflict"


async def commit(holding: Holding, made: Made) -> Done | Broken:
    """Commit an output on top of the head and finish its step.

    Raises:
        Fenced: The mission has another owner; nothing was written.
        Conflict: Somebody else moved the head.
    """
    stranger = None if made.inherited else _stranger(holding, made)
    if stranger:
        return await _overlap(holding, made, stranger)
    row = await holding.produce(made.row, made.output, made.key)
    try:
        found = await _apply(holding, made, row)
    except Conflict as error:
        if error.code != CLASH:
            raise
        return await _overlap(holding, made, _writer(holding, made) or error.message)
    holding.moved(found)
    done = await finish(holding, row, made, commit=found)
    await holding.repository.discard([row.name])
    return Done(done)


async def _overlap(holding: Holding, made: Made, what: str) -> Broken:
    row = made.row
    error = Failed(
        f"Two steps that don't need each other wrote the same file: {what}",
        code="step.overlap",
        hint=f"let one of them need the other, or write different files, then: remit resume {row.mission}",
    )
    record = holding.attempt(
        row,
        AttemptOutcome.FAILED,
        began_us=made.began_us,
        log=made.output.log,
        error=(error.code, error.message),
        cost=made.output.cost_micros,
    )
    return Broken(await holding.fail(row, record, status=StepStatus.FAILED, failures=row.failures + 1), error)


async def finish(holding: Holding, row: StepRow, made: Made, *, commit: str) -> StepRow:
    """Make the step's row final after its commit."""
    return await holding.finish(
        row,
        made.output,
        key=made.key,
        status=StepStatus.SKIPPED if made.inherited else StepStatus.SUCCEEDED,
        commit=commit,
        attempt=None if made.inherited else AttemptOutcome.SUCCEEDED,
        began_us=made.began_us,
        tree=await holding.repository.tree(commit),
        also=made.also,
    )


async def _apply(holding: Holding, made: Made, row: StepRow) -> str:
    try:
        return await holding.repository.apply(
            made.output.changes,
            onto=holding.head,
            message=made.spec.title or made.spec.name,
            trailers=holding.trailers(row, made.key),
            when=holding.deps.clock.now(),
        )
    except Conflict as error:
        if error.code == CLASH:
            raise
        # Somebody moved the head: a zombie that committed this very step before it was fenced, or a person with git.
        history = await holding.repository.history(since=holding.head)
        mine = adopted(history, row, key=made.key)
        if mine and len(history) == 1:
            return mine
        raise


def adopted(history: Sequence[Checkpoint], row: StepRow, *, key: str) -> str:
    """The newest commit that holds this step's output under this key and generation; empty when there is none."""
    wanted = {
        TRAILER_MISSION: row.mission,
        TRAILER_STEP: row.name,
        TRAILER_KEY: key,
        TRAILER_GENERATION: str(row.generation),
    }
    return next((each.commit for each in reversed(history) if wanted.items() <= each.trailers.items()), "")


def _stranger(holding: Holding, made: Made) -> str:
    """A file that this step changed after a step wrote it that it does not need: the result would hang on timing.

    What was written meanwhile is git's to judge: the same bytes are welcome, others a conflict.
    """
    return _writer(holding, made, until=made.output.changes.base)


def _writer(holding: Holding, made: Made, *, until: str | None = None) -> str:
    """Who else wrote a file that this step changed (up to the commit ``until``), in words; empty when nobody did."""
    name, writers = made.spec.name, holding.writers()
    others = {path: writers[path] for path in made.output.changes.paths if writers.get(path, name) != name}
    allowed = holding.plan.upstream(name) if others else frozenset[str]()
    for path, writer in others.items():
        seen = until is None or holding.before(holding.rows[writer].commit_id, until)
        if writer not in allowed and seen:
            return f"{writer!r} and {name!r} both wrote {path}."
    return ""
