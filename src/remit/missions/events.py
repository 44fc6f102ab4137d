"""What happened, as events for whoever watches: the entries of a workspace's audit log, in its order.

An event's number is its entry's sequence in the log. It never changes, and no entry is ever taken out of the log: who
says which one they saw last is told exactly what came after it, whenever they come back and whoever answers.

An event holds what an entry's header holds, ids and codes: nothing of a payload, no free text, no personal data.

Beside events there are *states*: where a step stands now. They have no number and are told when they change; who was
away is told the newest one only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import BindParameter, bindparam, func, select

from remit.accounts.access import Permission, Resource, require, rights_of
from remit.accounts.roles import may
from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.mission import StepStatus
from remit.kernel.ports import ReadTx, Row
from remit.missions.rows import read_mission
from remit.missions.tables import MISSION, STEP

MOST = 500
_MOST_STATES = 2000
_FIELDS = ("action", "domain", "result", "reason", "subject", "mission", "step", "actor", "approval_id")

# Not the bare column: SQLite would sort a workspace's whole log rather than walk the few entries after a number.
_AFTER = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(
        ENTRY.c.workspace.concat("") == bindparam("of"),
        ENTRY.c.seq > bindparam("after"),
        ENTRY.c.seq <= bindparam("upto"),
    )
    .order_by(ENTRY.c.seq)
    .limit(bindparam("most"))
)
_AFTER_IN = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(
        ENTRY.c.workspace == bindparam("of"),
        ENTRY.c.mission == bindparam("in_mission"),
        ENTRY.c.seq > bindparam("after"),
        ENTRY.c.seq <= bindparam("upto"),
    )
    .order_by(ENTRY.c.seq)
    .limit(bindparam("most"))
)
_HEAD = select(func.max(ENTRY.c.seq).label("seq"))
_THESE: BindParameter[str] = bindparam("these", expanding=True)
_STATES = (
    select(
        *(STEP.c.mission, STEP.c.name, STEP.c.status, STEP.c.attempts, STEP.c.not_before_us, STEP.c.changed_us),
        STEP.c.position,
    )
    .join(
        MISSION,
        (MISSION.c.id == STEP.c.mission)
        & (MISSION.c.workspace == STEP.c.workspace)
        & (MISSION.c.revision == STEP.c.revision),
    )
    .where(
        STEP.c.workspace == bindparam("of"),
        STEP.c.mission.in_(_THESE),
        STEP.c.changed_us > bindparam("since"),
    )
    .order_by(STEP.c.changed_us, STEP.c.position)
    .limit(_MOST_STATES)
)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log, for whoever watches."""

    seq: int
    workspace: str
    mission: str
    action: str
    data: Mapping[str, Json]

    def about(self, mission: str, kinds: tuple[str, ...]) -> bool:
        """Whether it is about this mission (empty: any) and of one of these kinds (``approval``, none: any)."""
        return mission in {"", self.mission} and (not kinds or self.action.partition(".")[0] in kinds)


@dataclass(frozen=True, slots=True)
class State:
    """Where a step stands. ``retry_us``: when its next attempt starts, 0: none is due."""

    mission: str
    step: str
    status: StepStatus
    attempts: int
    retry_us: int
    changed_us: int

    def as_json(self) -> dict[str, Json]:
        """For whoever watches."""
        return {
            "mission": self.mission,
            "step": self.step,
            "status": self.status.value,
            "attempts": self.attempts,
            "retry_at": iso(self.retry_us) if self.retry_us else None,
            "changed_at": iso(self.changed_us),
        }


def head(tx: ReadTx) -> int:
    """The number of the newest entry; -1 before the first."""
    row = tx.row(_HEAD)
    return -1 if row is None or row["seq"] is None else int(row["seq"])


def read_events(
    tx: ReadTx, workspace: str, *, after: int, upto: int, mission: str = "", most: int = MOST
) -> list[Event]:
    """The workspace's entries after a number and up to another, in order; at most ``most``, one statement."""
    asked = {"of": workspace, "after": after, "upto": upto, "most": most}
    if mission:
        return [_event(row) for row in tx.rows(_AFTER_IN, {**asked, "in_mission": mission})]
    return [_event(row) for row in tx.rows(_AFTER, asked)]


def read_states(tx: ReadTx, workspace: str, missions: Iterable[str], *, since_us: int) -> list[State]:
    """Steps of these missions' plans whose row changed after a moment, oldest change first; one statement."""
    these = list(missions)
    if not these:
        return []
    rows = tx.rows(_STATES, {"of": workspace, "these": these, "since": since_us})
    return [
        State(
            row["mission"],
            row["name"],
            StepStatus(row["status"]),
            int(row["attempts"]),
            int(row["not_before_us"]),
            int(row["changed_us"]),
        )
        for row in rows
    ]


def require_watching(tx: ReadTx, who: Principal, workspace: str, *, mission: str = "") -> None:
    """Refuse whoever may not watch a workspace, or one of its missions.

    Raises:
        Refused: ``who`` may not read here; for ``access.reading``, which puts it on record.
        NotFound: This workspace has no such mission.
    """
    require(tx, who, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
    if mission:
        read_mission(tx, workspace, mission)


def may_watch(tx: ReadTx, who: Principal, workspace: str) -> bool:
    """Whether whoever watches may still: asked again and again, so it is not put on record."""
    if who.kind is not ActorKind.USER:
        return False
    return may(rights_of(tx, who.id, workspace=workspace), Permission.READ, Resource.MISSION)


def _event(row: Row) -> Event:
    header = read_header(row["header"])
    told: dict[str, Json] = {"seq": int(row["seq"]), "at": iso(int(header["ts_us"]))}
    told |= {name: str(header.get(name, "")) for name in _FIELDS}
    return Event(int(row["seq"]), str(header["workspace"]), str(told["mission"]), str(told["action"]), told)
