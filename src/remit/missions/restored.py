"""A store that came out of a backup: what it must not do by itself, for the home that it was copied from may live.

Until a person says otherwise nothing of it goes on: missions that ran, waited for their turn or waited for a person are
interrupted (``remit resume`` goes on with one), what was approved and not used must be approved again, and processes of
the old home are nobody's here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, or_, select, update

from remit.audit.entry import Entry, Result
from remit.guard.approval_requests import withdraw
from remit.guard.approval_rows import Status
from remit.guard.approval_tables import APPROVAL
from remit.kernel.action import Principal
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import Tx
from remit.missions.queue_snapshot import State
from remit.missions.queue_tables import QUEUE, WORKER
from remit.missions.tables import CHILD, MISSION

_OPEN = (
    select(MISSION.c.id, MISSION.c.workspace, MISSION.c.status)
    .where(
        or_(
            MISSION.c.status.in_([MissionStatus.RUNNING.value, MissionStatus.WAITING.value]),
            (MISSION.c.status == MissionStatus.QUEUED.value) & (MISSION.c.run > 0),
        )
    )
    .order_by(MISSION.c.created_us, MISSION.c.id)
)
_INTERRUPT = (
    update(MISSION)
    .where(MISSION.c.workspace == bindparam("of"), MISSION.c.id == bindparam("which"))
    .values(status=MissionStatus.RUNNING.value, owner="", updated_us=bindparam("at"))
)
_LEAVE_QUEUE = (
    update(QUEUE)
    .where(QUEUE.c.state.in_([State.WAITING.value, State.TAKEN.value]))
    .values(state=State.ENDED.value, taken_us=0, ended_us=bindparam("at"), waiter="", taker="")
)
_ASKED = (
    select(APPROVAL.c.workspace, APPROVAL.c.mission)
    .where(APPROVAL.c.status.in_([Status.PENDING.value, Status.APPROVED.value]))
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Held:
    """A mission that does not go on by itself; ``was`` is its status in the backup."""

    mission: str
    workspace: str
    was: str


def hold_missions(tx: Tx, *, by: Principal, now_us: int) -> list[Held]:
    """Interrupt every mission that is not over, of every workspace, each with its entry; which ones."""
    for row in tx.rows(_ASKED):
        withdraw(tx, row["workspace"], row["mission"], now_us=now_us)
    found = [Held(row["id"], row["workspace"], row["status"]) for row in tx.rows(_OPEN)]
    for held in found:
        tx.execute(_INTERRUPT, {"of": held.workspace, "which": held.mission, "at": now_us})
        entry = Entry(
            actor=by,
            action="mission.control",
            domain="missions",
            result=Result.SUCCESS,
            workspace=held.workspace,
            reason="restored",
            subject=held.mission,
            mission=held.mission,
        )
        tx.append(entry, {"order": "restored", "was": held.was})
    tx.execute(_LEAVE_QUEUE, {"at": now_us})
    tx.execute(delete(WORKER))
    tx.execute(delete(CHILD))
    return found
