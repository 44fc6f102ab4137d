"""What the missions' rows tell in sums: missions and steps by status, attempts, retries, durations (OBS-2, RES-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, select

from remit.guard.measures import Durations, counted, durations
from remit.kernel.ports import ReadTx
from remit.missions.tables import ATTEMPT, MISSION, STEP


@dataclass(frozen=True, slots=True)
class MissionMeasures:
    """A workspace's missions in sums.

    Attributes:
        missions: How many stand in each status.
        steps: How many steps stand in each status.
        attempts: How many attempts ended in each outcome.
        retried: Steps that needed more than one attempt.
        durations: How long attempts took, by outcome.
        cost_micros: What missions cost so far.
    """

    missions: Mapping[str, int] = field(default_factory=dict[str, int])
    steps: Mapping[str, int] = field(default_factory=dict[str, int])
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])
    retried: int = 0
    durations: Mapping[str, Durations] = field(default_factory=dict[str, Durations])
    cost_micros: int = 0


_MISSIONS = (
    select(MISSION.c.status, func.count().label("n"), func.sum(MISSION.c.cost_micros).label("cost"))
    .where(MISSION.c.workspace == bindparam("of"))
    .group_by(MISSION.c.status)
)
_STEPS = (
    select(STEP.c.status, func.count().label("n")).where(STEP.c.workspace == bindparam("of")).group_by(STEP.c.status)
)
_RETRIED = select(func.count().label("n")).where(STEP.c.workspace == bindparam("of"), STEP.c.attempts > 1)
_ATTEMPTS = (
    select(ATTEMPT.c.outcome, *counted(ATTEMPT.c.ended_us - ATTEMPT.c.started_us))
    .where(ATTEMPT.c.workspace == bindparam("of"))
    .group_by(ATTEMPT.c.outcome)
)


def measure(tx: ReadTx, workspace: str) -> MissionMeasures:
    """Read them, in the caller's snapshot."""
    of = {"of": workspace}
    missions = tx.rows(_MISSIONS, of)
    attempts = {row["outcome"]: durations(row) for row in tx.rows(_ATTEMPTS, of)}
    retried = tx.row(_RETRIED, of)
    return MissionMeasures(
        missions={row["status"]: int(row["n"]) for row in missions},
        steps={row["status"]: int(row["n"]) for row in tx.rows(_STEPS, of)},
        attempts={outcome: took.count for outcome, took in attempts.items()},
        retried=0 if retried is None else int(retried["n"]),
        durations=attempts,
        cost_micros=sum(int(row["cost"]) for row in missions),
    )
