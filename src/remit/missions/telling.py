"""What a run tells whoever watches it; nothing is made when nobody does."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from remit.kernel.mission import MissionStatus, StepStatus
from remit.missions.holding import Holding
from remit.missions.progress import MissionEnded, Planned, StepFinished, StepStarted
from remit.missions.rows import StepRow


def planned(holding: Holding, resting: AbstractSet[str]) -> None:
    """The plan, and which steps are at rest before anything starts."""
    if holding.deps.progress.watched(holding.mission.id):
        names = tuple(step.name for step in holding.plan.steps)
        done = tuple(name for name in names if name in resting)
        plan = holding.plan
        event = Planned(holding.mission.id, names, done, plan.critical_path, plan.critical_seconds)
        holding.deps.progress.publish(event)


def started(holding: Holding, row: StepRow) -> None:
    """An attempt begins."""
    if holding.deps.progress.watched(row.mission):
        holding.deps.progress.publish(StepStarted(row.mission, row.name, row.title, row.attempts + 1))


def rested(holding: Holding, row: StepRow, resting: AbstractSet[str]) -> None:
    """A step came to rest."""
    if not holding.deps.progress.watched(row.mission):
        return
    left = [name for name in holding.rows if name not in resting]
    holding.deps.progress.publish(
        StepFinished(
            mission=row.mission,
            step=row.name,
            status=StepStatus(row.status),
            attempt=row.attempts,
            seconds=max(row.finished_us - row.started_us, 0) / 1_000_000,
            cost_micros=row.cost_micros,
            done=len(holding.rows) - len(left),
            total=len(holding.rows),
            seconds_left=holding.plan.seconds_left(left),
            error=row.error,
        )
    )


def ended(holding: Holding) -> None:
    """The mission came to rest."""
    mission = holding.mission
    holding.deps.progress.publish(MissionEnded(mission.id, MissionStatus(mission.status), mission.error))
