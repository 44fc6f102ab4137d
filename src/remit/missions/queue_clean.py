"""Cleaning up after finished work: what only takes space goes, what proves or brings back something stays.

Gone: the workspace's files, step folders, the mission's buckets of rates, its row in the queue, the engine's records,
the vault of its personal data with its key, the answers that its steps kept.
Kept: the mission's row, its repository with every checkpoint (``remit resume``, ``rollback`` and ``branch`` still work:
they put the files back), and the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from remit.audit.entry import Result
from remit.guard.personal_vault import shred
from remit.guard.rate_store import SqlRates
from remit.kernel.action import Principal
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import ReadTx, Tx
from remit.missions import queue, recorded
from remit.missions.holding import Holding
from remit.missions.repository import START
from remit.missions.rows import set_mission
from remit.missions.tables import MISSION

#: Missions cleaned up in one go.
BATCH = 200

_OVER = [status.value for status in MissionStatus if status.over]
_FINISHED = (
    select(MISSION.c.id)
    .where(
        MISSION.c.workspace == bindparam("of"),
        MISSION.c.status.in_(_OVER),
        MISSION.c.updated_us < bindparam("before"),
        MISSION.c.workspace_commit != START,
    )
    .order_by(MISSION.c.updated_us, MISSION.c.id)
    .limit(BATCH)
)
_CLEANED = select(MISSION.c.id).where(
    MISSION.c.workspace == bindparam("of"),
    MISSION.c.status.in_(_OVER),
    MISSION.c.updated_us < bindparam("before"),
    MISSION.c.workspace_commit == START,
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What went.

    Attributes:
        missions: Whose files are gone.
        kept: Whose workspace somebody changed by hand: it stays.
        runs: Records of the engine.
        buckets: Buckets of rates that were full again.
    """

    missions: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    runs: int = 0
    buckets: int = 0


def finished(tx: ReadTx, workspace: str, *, before_us: int) -> list[str]:
    """Missions that ended before, and still have files in their workspace; the oldest first."""
    return [row["id"] for row in tx.rows(_FINISHED, {"of": workspace, "before": before_us})]


def sweep(tx: Tx, workspace: str, *, before_us: int) -> int:
    """Forget rows of the queue of missions without files, and buckets that are full again; how many of those."""
    for row in tx.rows(_CLEANED, {"of": workspace, "before": before_us}):
        queue.forget(tx, workspace, row["id"])
    return SqlRates(tx, workspace).sweep()


async def clean(holding: Holding, *, by: Principal) -> bool:
    """Empty a finished mission's workspace; ``False`` when somebody changed it by hand.

    The row is first: a crash after it leaves a workspace that shows the head, which a resume takes as it is.
    """
    mission, repository = holding.mission, holding.repository
    await repository.discard()
    if await repository.workspace_drift(mission.workspace_commit):
        return False
    entry = holding.entry("mission.cleaned", Result.SUCCESS, actor=by)

    def change(tx: Tx) -> None:
        set_mission(tx, mission, workspace_commit=START)
        queue.forget(tx, mission.workspace, mission.id)
        recorded.forget(tx, mission.workspace, mission.id)
        SqlRates(tx, mission.workspace).drop(mission.id)
        shred(tx, mission.workspace, mission.id, by=by)
        tx.append(entry, {"head": mission.head_commit})

    await holding.write("queue.clean", change)
    holding.mission = replace(mission, workspace_commit=START)
    await repository.reset_workspace(START)
    return True
