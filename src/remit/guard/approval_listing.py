"""Lists of requests: what waits (soonest deadline first), or what there was (newest first), by filter, in pages.

A page costs a fixed number of statements, whatever its size and however many requests there are. Rows leave out what a
request shows in full (``approval_rows.read_request`` has that).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select, tuple_

from remit.guard.approval_rows import Status, Vote
from remit.guard.approval_tables import APPROVAL, APPROVAL_VOTE
from remit.kernel.ports import ReadTx

WAITING, ALL = "waiting", "all"
MOST = 200
USED = "used"
_LAST = (1 << 62, "")
_LOOKED_BACK = 2000  # requests
_FILTERS = ("kind", "risk", "mission", "on_behalf_of")

type Cursor = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests; empty text means any.

    Attributes:
        state: ``waiting`` (undecided and in time), ``all``, or where it stands: ``approved`` (and not used), ``used``,
            ``denied``, ``expired``, ``withdrawn``, ``superseded``.
        kind: Of this kind of effect.
        risk: ``low``, ``medium`` or ``high``.
        mission: Of this mission.
        on_behalf_of: For this principal, as ``user:ines``.
    """

    state: str = WAITING
    kind: str = ""
    risk: str = ""
    mission: str = ""
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A request in a list."""

    id: str
    mission: str
    step: str
    kind: str
    domain: str
    target: str
    principal: str
    on_behalf_of: str
    subject_hash: str
    policy_rev: str
    estimate_micros: int
    risk: str
    requested_us: int
    expires_us: int
    quorum: int
    separated: int
    status: str
    reason: str
    decided_us: int | None
    used_us: int | None

    @property
    def open(self) -> bool:
        """Whether it may still lead to an action."""
        return self.status in {Status.PENDING, Status.APPROVED} and self.used_us is None

    def state(self, now_us: int) -> str:
        """As ``Request.state``."""
        if self.used_us is not None:
            return USED
        return Status.EXPIRED.value if self.open and self.expires_us <= now_us else self.status


@dataclass(frozen=True, slots=True)
class Found:
    """A page, with who said what about each; ``next`` is what the one after it starts after."""

    requests: tuple[Summary, ...]
    votes: dict[str, tuple[Vote, ...]]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands in the line of those that wait: from 1, of how many, and its neighbours' ids."""

    number: int
    of: int
    before: str
    after: str


_COLUMNS = tuple(APPROVAL.c[field.name] for field in fields(Summary))
_VOTES = (
    select(*(APPROVAL_VOTE.c[field.name] for field in fields(Vote)))
    .where(
        APPROVAL_VOTE.c.workspace == bindparam("of"), APPROVAL_VOTE.c.approval.in_(bindparam("these", expanding=True))
    )
    .order_by(APPROVAL_VOTE.c.voted_us, APPROVAL_VOTE.c.voter)
)
_WAITS = and_(
    APPROVAL.c.workspace == bindparam("of"),
    APPROVAL.c.status == Status.PENDING.value,
    APPROVAL.c.expires_us > bindparam("now"),
)
_COUNT = select(func.count().label("waiting")).select_from(
    select(APPROVAL.c.id).where(_WAITS).limit(bindparam("most")).subquery()
)
# As rows: the index is entered at the place itself, however far down the list that is.
_HERE = tuple_(bindparam("at"), bindparam("which"))
_BEHIND = tuple_(APPROVAL.c.expires_us, APPROVAL.c.id) > _HERE
_AHEAD = tuple_(APPROVAL.c.expires_us, APPROVAL.c.id) < _HERE
_OLDER = tuple_(APPROVAL.c.requested_us, APPROVAL.c.id) < _HERE
_AFTER = select(APPROVAL.c.id).where(_WAITS, _BEHIND).order_by(APPROVAL.c.expires_us, APPROVAL.c.id).limit(1)
_BEFORE = (
    select(APPROVAL.c.id).where(_WAITS, _AHEAD).order_by(APPROVAL.c.expires_us.desc(), APPROVAL.c.id.desc()).limit(1)
)
_COUNT_AHEAD = select(func.count().label("ahead")).select_from(
    select(APPROVAL.c.id).where(_WAITS, _AHEAD).limit(bindparam("most")).subquery()
)
_NEWEST = (
    select(APPROVAL.c.id, APPROVAL.c.status, APPROVAL.c.principal, APPROVAL.c.kind)
    .where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.requested_us >= bindparam("since"))
    .order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
    .limit(_LOOKED_BACK)
    .subquery()
)
_ALIKE = (
    select(_NEWEST.c.status, func.count().label("times"))
    .where(
        _NEWEST.c.principal == bindparam("by"),
        _NEWEST.c.kind == bindparam("kind"),
        _NEWEST.c.id != bindparam("which"),
    )
    .group_by(_NEWEST.c.status)
    .order_by(_NEWEST.c.status)
)


def list_requests(
    tx: ReadTx, workspace: str, wanted: Wanted, *, now_us: int, after: Cursor | None, limit: int
) -> Found:
    """A page of requests, in two statements.

    Args:
        tx: One snapshot.
        workspace: Whose.
        wanted: Which.
        now_us: What is expired by now does not wait.
        after: The page before's ``next``; ``None``: the first page.
        limit: How many, at most 200.
    """
    size = max(1, min(limit, MOST))
    waiting = wanted.state == WAITING
    start = after or ((-1, "") if waiting else _LAST)
    given = {name: value for name in _FILTERS if (value := getattr(wanted, name))}
    params = {"of": workspace, "at": start[0], "which": start[1], "now": now_us, "most": size + 1, **given}
    rows = tx.rows(_page(wanted.state, frozenset(given)), params)
    found = tuple(Summary(**row) for row in rows[:size])
    last = None
    if len(rows) > size:
        last = (found[-1].expires_us if waiting else found[-1].requested_us, found[-1].id)
    return Found(found, _votes(tx, workspace, [one.id for one in found]), last)


def count_waiting(tx: ReadTx, workspace: str, *, now_us: int, most: int = 1000) -> int:
    """How many wait for a decision; counts no further than ``most``."""
    row = tx.row(_COUNT, {"of": workspace, "now": now_us, "most": most})
    return 0 if row is None else int(row["waiting"])


def place_of(tx: ReadTx, workspace: str, which: str, *, expires_us: int, now_us: int, most: int = 1000) -> Place:
    """Where a request that waits stands among the others, soonest deadline first."""
    at = {"of": workspace, "now": now_us, "at": expires_us, "which": which}
    before, after = tx.row(_BEFORE, at), tx.row(_AFTER, at)
    ahead = tx.row(_COUNT_AHEAD, {**at, "most": most})
    number = 1 + (0 if ahead is None else int(ahead["ahead"]))
    of = count_waiting(tx, workspace, now_us=now_us, most=most)
    return Place(number, max(of, number), "" if before is None else before["id"], "" if after is None else after["id"])


def counted_alike(tx: ReadTx, workspace: str, *, principal: str, kind: str, since_us: int, but: str) -> dict[str, int]:
    """How requests for the same kind of effect by the same asker ended since a time, without the one given.

    Counts among the newest 2,000 requests of the workspace.
    """
    asked = {"of": workspace, "by": principal, "kind": kind, "since": since_us, "which": but}
    return {row["status"]: int(row["times"]) for row in tx.rows(_ALIKE, asked)}


def _votes(tx: ReadTx, workspace: str, these: Sequence[str]) -> dict[str, tuple[Vote, ...]]:
    said: defaultdict[str, list[Vote]] = defaultdict(list)
    for row in tx.rows(_VOTES, {"of": workspace, "these": list(these)}) if these else ():
        said[row["approval"]].append(Vote(**row))
    return {which: tuple(votes) for which, votes in said.items()}


@lru_cache(maxsize=64)
def _page(state: str, given: frozenset[str]) -> Select[Any]:
    stmt = select(*_COLUMNS).limit(bindparam("most"))
    for name in _FILTERS:
        if name in given:
            stmt = stmt.where(APPROVAL.c[name] == bindparam(name))
    if state == WAITING:
        return stmt.where(_WAITS, _BEHIND).order_by(APPROVAL.c.expires_us, APPROVAL.c.id)
    stmt = stmt.where(APPROVAL.c.workspace == bindparam("of"), _OLDER)
    stmt = stmt.order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
    if state == ALL:
        return stmt
    if state == USED:
        return stmt.where(APPROVAL.c.used_us.is_not(None))
    stmt = stmt.where(APPROVAL.c.used_us.is_(None))
    overdue = and_(
        APPROVAL.c.status.in_((Status.PENDING.value, Status.APPROVED.value)), APPROVAL.c.expires_us <= bindparam("now")
    )
    if state == Status.EXPIRED:
        return stmt.where(or_(APPROVAL.c.status == Status.EXPIRED.value, overdue))
    return stmt.where(APPROVAL.c.status == state, ~overdue)
