"""Missions that waited for a person who has decided meanwhile, and that nobody has taken up since."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import and_, bindparam, exists, or_, select

from remit.guard.approval_rows import SYSTEM, Status
from remit.guard.approval_tables import APPROVAL
from remit.kernel.errors import Conflict
from remit.kernel.mission import MissionStatus
from remit.missions.service import Missions
from remit.missions.tables import MISSION

_REFUSED = (Status.DENIED.value, Status.EXPIRED.value)
_ANSWERED = (
    select(MISSION.c.id)
    .where(
        MISSION.c.workspace == bindparam("of"),
        MISSION.c.status == MissionStatus.WAITING.value,
        exists().where(
            APPROVAL.c.workspace == MISSION.c.workspace,
            APPROVAL.c.mission == MISSION.c.id,
            or_(
                and_(
                    APPROVAL.c.status == Status.APPROVED.value,
                    APPROVAL.c.used_us.is_(None),
                    APPROVAL.c.expires_us > bindparam("at"),
                ),
                and_(APPROVAL.c.status.in_(_REFUSED), APPROVAL.c.told_us.is_(None)),
            ),
        ),
    )
    .order_by(MISSION.c.updated_us)
    .limit(100)
)


async def answered(missions: Missions, workspace: str) -> list[str]:
    """Waiting missions of which a request was decided or has expired."""
    params = {"of": workspace, "at": missions.deps.now()}
    return [row["id"] for row in await missions.deps.journal.read(lambda tx: tx.rows(_ANSWERED, params))]


async def wake(missions: Missions, workspace: str) -> list[str]:
    """Queue every such mission for the workers; which ones. Harmless when several processes do it at once."""
    woken: list[str] = []
    for mission in await answered(missions, workspace):
        with suppress(Conflict):  # somebody else took it up just now
            await missions.resume(workspace, mission, actor=SYSTEM, queued=True)
            woken.append(mission)
    return woken
