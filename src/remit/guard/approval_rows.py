"""Requests for approval as rows: reading them, and the words for where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import cast

import orjson
from sqlalchemy import bindparam, select

from remit.audit.entry import Entry, Result
from remit.guard.approval_tables import APPROVAL, APPROVAL_VOTE
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx

SYSTEM = Principal(ActorKind.SYSTEM, "approvals")
SHORTEST_PREFIX = 6


class Status(StrEnum):
    """Where a request stands in its row. An approved one that was used has ``used_us`` set."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # its mission is over
    SUPERSEDED = "superseded"  # what was asked, or the policy, changed since


@dataclass(frozen=True, slots=True)
class Request:
    """A row of ``approval``."""

    id: str
    workspace: str
    mission: str
    step: str
    attempt: int
    effect_key: str
    kind: str
    domain: str
    target: str
    principal: str
    on_behalf_of: str
    subject_hash: str
    policy_rev: str
    estimate_micros: int
    risk: str
    shown: str
    requested_us: int
    expires_us: int
    quorum: int
    separated: int
    status: str
    open_key: str | None
    reason: str
    decided_us: int | None
    used_us: int | None
    used_by: str | None
    told_us: int | None
    notified_us: int | None

    @property
    def details(self) -> Mapping[str, Json]:
        """What an approver is shown beside the columns; masked."""
        return cast("Mapping[str, Json]", orjson.loads(self.shown))

    @property
    def open(self) -> bool:
        """Whether it may still lead to an action: undecided, or approved and not used."""
        return self.status in {Status.PENDING, Status.APPROVED} and self.used_us is None

    def state(self, now_us: int) -> str:
        """For people: the status, ``used``, or ``expired`` though nobody has marked it yet."""
        if self.used_us is not None:
            return "used"
        return Status.EXPIRED.value if self.open and self.expires_us <= now_us else self.status

    @property
    def what(self) -> str:
        """``deploy to production``, for messages."""
        return f"{self.kind} to {self.target}" if self.target else self.kind


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said. ``right_of`` differs from ``voter`` when the right was delegated."""

    approval: str
    voter: str
    right_of: str
    verdict: str
    reason: str
    voted_us: int


_COLUMNS = tuple(APPROVAL.c[field.name] for field in fields(Request))
_ONE = select(*_COLUMNS).where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.id == bindparam("which"))
_LOCKED = _ONE.with_for_update()
_RECENT = (
    select(*_COLUMNS)
    .where(APPROVAL.c.workspace == bindparam("of"))
    .order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
    .limit(bindparam("most"))
)
_OPEN = (
    select(*_COLUMNS)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.status.in_((Status.PENDING.value, Status.APPROVED.value)),
        APPROVAL.c.used_us.is_(None),
    )
    .order_by(APPROVAL.c.requested_us, APPROVAL.c.id)
)
_SUBJECT = (
    select(*_COLUMNS)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.subject_hash == bindparam("hashed"),
        APPROVAL.c.mission == bindparam("in_mission"),
        APPROVAL.c.step == bindparam("in_step"),
        APPROVAL.c.policy_rev == bindparam("rev"),
    )
    .order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
)
_OF_MISSION = (
    select(*_COLUMNS)
    .where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.mission == bindparam("in_mission"))
    .order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
)
_OF_MISSION_LOCKED = _OF_MISSION.with_for_update()
_VOTES = (
    select(*(APPROVAL_VOTE.c[field.name] for field in fields(Vote)))
    .where(APPROVAL_VOTE.c.workspace == bindparam("of"), APPROVAL_VOTE.c.approval == bindparam("which"))
    .order_by(APPROVAL_VOTE.c.voted_us, APPROVAL_VOTE.c.voter)
)


def read_request(tx: ReadTx, workspace: str, which: str, *, lock: bool = False) -> Request:
    """The request of that id, of a prefix that fits only one among the last 500, or the one a mission waits for.

    Raises:
        NotFound: There is none. InvalidInput: several fit.
    """
    row = tx.row(_LOCKED if lock else _ONE, {"of": workspace, "which": which})
    if row is not None:
        return Request(**row)
    if len(which) >= SHORTEST_PREFIX:
        waited = [one for one in of_mission(tx, workspace, which) if one.status == Status.PENDING]
        fits = waited or [one for one in recent(tx, workspace, most=500) if one.id.startswith(which)]
        if len(fits) > 1:
            message = f"{which!r} fits {len(fits)} requests."
            raise InvalidInput(message, hint="give more of the id")
        if fits:
            return read_request(tx, workspace, fits[0].id, lock=lock)
    message = f"There is no request for approval {which[:60]!r}."
    raise NotFound(message, code="approval.unknown", hint="remit approvals --all")


def recent(tx: ReadTx, workspace: str, *, most: int = 100) -> list[Request]:
    """The newest requests, whatever their state, newest first."""
    return [Request(**row) for row in tx.rows(_RECENT, {"of": workspace, "most": most})]


def unfinished(tx: ReadTx, workspace: str) -> list[Request]:
    """Undecided requests and approved ones that were not used, oldest first; expired ones too until a sweep."""
    return [Request(**row) for row in tx.rows(_OPEN, {"of": workspace})]


def of_subject(
    tx: ReadTx, workspace: str, *, subject_hash: str, mission: str, step: str, policy_rev: str
) -> list[Request]:
    """Requests about exactly this, in this place, under this policy; newest first."""
    at = {"of": workspace, "hashed": subject_hash, "in_mission": mission, "in_step": step, "rev": policy_rev}
    return [Request(**row) for row in tx.rows(_SUBJECT, at)]


def of_mission(tx: ReadTx, workspace: str, mission: str, *, lock: bool = False) -> list[Request]:
    """A mission's requests, newest first; with ``lock`` nobody decides about them until the operation ends."""
    if not mission:
        return []
    stmt = _OF_MISSION_LOCKED if lock else _OF_MISSION
    return [Request(**row) for row in tx.rows(stmt, {"of": workspace, "in_mission": mission})]


def votes(tx: ReadTx, request: Request) -> list[Vote]:
    """Who said what, in order."""
    return [Vote(**row) for row in tx.rows(_VOTES, {"of": request.workspace, "which": request.id})]


def entry(request: Request, verb: str, result: Result, *, by: Principal = SYSTEM, reason: str = "") -> Entry:
    """An audit entry about a request."""
    return Entry(
        actor=by,
        action=f"approval.{verb}",
        domain=request.domain,
        result=result,
        workspace=request.workspace,
        on_behalf_of=Principal.parse(request.on_behalf_of),
        reason=reason,
        subject=request.id,
        mission=request.mission,
        step=request.step,
        approval_id=request.id,
        policy_rev=request.policy_rev,
    )


def as_json(
    request: Request, said: list[Vote], *, now_us: int, short: Sequence[Mapping[str, Json]] = ()
) -> dict[str, Json]:
    """For ``remit approvals --json``. ``short``: what would refuse it now (``approval_fit.shortages``)."""
    details = {name: value for name, value in request.details.items() if name != "draws"}
    return {
        "approval": request.id,
        "state": request.state(now_us),
        "kind": request.kind,
        "domain": request.domain,
        "target": request.target,
        "principal": request.principal,
        "on_behalf_of": request.on_behalf_of,
        "mission": request.mission or None,
        "step": request.step or None,
        "subject_hash": request.subject_hash,
        "policy_rev": request.policy_rev,
        "estimate_usd": str(Money(request.estimate_micros).usd),
        "risk": request.risk,
        "requested_at": iso(request.requested_us),
        "expires_at": iso(request.expires_us),
        "quorum": request.quorum,
        "separation_of_duties": bool(request.separated),
        "votes": [
            {
                "by": vote.voter,
                "right_of": vote.right_of,
                "verdict": vote.verdict,
                "reason": vote.reason,
                "at": iso(vote.voted_us),
            }
            for vote in said
        ],
        "reason": request.reason,
        "decided_at": None if request.decided_us is None else iso(request.decided_us),
        "used_at": None if request.used_us is None else iso(request.used_us),
        "used_by": request.used_by,
        "would_not_fit": list(short),
        **details,
    }
