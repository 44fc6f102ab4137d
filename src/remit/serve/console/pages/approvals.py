"""The inbox: what waits for a person, soonest deadline first; with other filters, what there was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from remit.accounts.roles import Resource
from remit.guard.approval_fit import over_budget
from remit.guard.approval_gist import read_gists
from remit.guard.approval_listing import (
    ALL,
    USED,
    WAITING,
    Found,
    Summary,
    Wanted,
    count_waiting,
    list_requests,
)
from remit.guard.approval_rows import Request, Status, Vote, read_request
from remit.guard.approval_seats import Seat, seat_of
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import page

SIZE = 50
COUNTED = 1000
STATES = (WAITING, ALL, Status.APPROVED.value, USED, *(s.value for s in (Status.DENIED, Status.EXPIRED)))
KINDS = ("command", "deploy", "fetch", "files", "model", "notify", "order", "publish", "tool")
RISKS = ("low", "medium", "high")

#: Where a request stands, as a mark of the console's vocabulary and its word.
MARKS: Mapping[str, tuple[str, str]] = {
    Status.PENDING.value: ("waiting", "approve"),
    Status.APPROVED.value: ("done", "approved"),
    USED: ("done", "approved and used"),
    Status.DENIED.value: ("denied", "denied"),
    Status.EXPIRED.value: ("denied", "expired, refused"),
    Status.WITHDRAWN.value: ("cancelled", "withdrawn"),
    Status.SUPERSEDED.value: ("skipped", "replaced by a newer one"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A request in the list. ``why_not``: why the one who looks may not decide about it; empty: they may.

    ``gist`` is what it asks for, beside the target. ``over_budget``: a budget is too small for it now, so that it would
    be refused though approved.
    """

    id: str
    state: str
    kind: str
    target: str
    risk: str
    principal: str
    on_behalf_of: str
    mission: str
    step: str
    cost_micros: int
    expires_us: int
    requested_us: int
    approved_by: tuple[str, ...]
    quorum: int
    why_not: str
    gist: str = ""
    over_budget: bool = False

    @property
    def mark(self) -> tuple[str, str]:
        """The mark and its word."""
        kind, word = MARKS[self.state]
        return ("queued", "others decide") if self.state == Status.PENDING and self.why_not else (kind, word)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The page.

    Attributes:
        title: What waits; after a decision, what it did.
        mine: How many of the rows shown wait for the one who looks.
        waiting: How many wait at all, counted up to 1000.
        rows: A page of requests.
        wanted: The filters in force.
        next: The address of the next page; empty: this was the last.
        decided: Whether the title tells of a decision just made.
    """

    title: str
    mine: int
    waiting: int
    rows: tuple[Row, ...]
    wanted: Wanted
    next: str
    decided: bool = False


@page("/approvals", template="approvals.html", group="Work", label="Approvals", live=True, topics="approval")
async def inbox(ask: Ask) -> Inbox:
    """What waits for a person."""
    wanted = _wanted(ask.query)
    after = ask.after
    done = ask.query.get("done", "")

    def op(tx: ReadTx) -> tuple[Found, Seat, int, Request | None, Mapping[str, str], frozenset[str]]:
        found = list_requests(tx, ask.workspace, wanted, now_us=ask.now_us, after=after, limit=SIZE)
        seat = seat_of(tx, ask.workspace, ask.who, now_us=ask.now_us)
        waiting = count_waiting(tx, ask.workspace, now_us=ask.now_us, most=COUNTED)
        gists = read_gists(tx, ask.workspace, [one.id for one in found.requests])
        over = over_budget(tx, ask.workspace, found.requests, now_us=ask.now_us)
        return found, seat, waiting, _decided(tx, ask.workspace, done), gists, over

    found, seat, waiting, decided, gists, over = await ask.read(op, resource=Resource.APPROVAL)
    rows = tuple(
        replace(
            _row(one, found.votes.get(one.id, ()), seat, now_us=ask.now_us),
            gist=gists.get(one.id, ""),
            over_budget=one.id in over,
        )
        for one in found.requests
    )
    mine = sum(row.state == Status.PENDING and not row.why_not for row in rows)
    title = _title(waiting, mine, wanted) if decided is None else outcome(decided, ask.now_us)
    return Inbox(title, mine, waiting, rows, wanted, _next(wanted, found), decided is not None)


def outcome(request: Request, now_us: int) -> str:
    """What has become of a request that somebody decided about, as a title."""
    state = request.state(now_us)
    word = {
        Status.PENDING.value: "Your approval is kept, another person must approve, too",
        Status.APPROVED.value: "Approved",
        USED: "Approved and done",
        Status.DENIED.value: "Denied",
        Status.EXPIRED.value: "Expired",
        Status.WITHDRAWN.value: "Withdrawn",
        Status.SUPERSEDED.value: "Replaced by a newer request",
    }[state]
    return f"{word}: {request.what}"


def _decided(tx: ReadTx, workspace: str, which: str) -> Request | None:
    try:
        return read_request(tx, workspace, which) if which else None
    except NotFound:
        return None


def _title(waiting: int, mine: int, wanted: Wanted) -> str:
    if wanted != Wanted():
        return "Requests for approval"
    if mine:
        return told(mine, "request waits for you", "requests wait for you", most=SIZE)
    return (
        told(waiting, "request waits, for others", "requests wait, for others", most=COUNTED)
        if waiting
        else ("Nothing waits for you")
    )


def _row(one: Summary, said: tuple[Vote, ...], seat: Seat, *, now_us: int) -> Row:
    state = one.state(now_us)
    return Row(
        id=one.id,
        state=state,
        kind=one.kind,
        target=one.target,
        risk=one.risk,
        principal=one.principal,
        on_behalf_of=one.on_behalf_of,
        mission=one.mission,
        step=one.step,
        cost_micros=one.estimate_micros,
        expires_us=one.expires_us,
        requested_us=one.requested_us,
        approved_by=tuple(vote.voter for vote in said if vote.verdict == Status.APPROVED),
        quorum=one.quorum,
        why_not=seat.why_not(one, said, now_us=now_us) if state == Status.PENDING else "",
    )


def _wanted(query: Mapping[str, str]) -> Wanted:
    """The filters of the address; what is none of ours counts as any."""
    state, kind, risk = (query.get(name, "") for name in ("state", "kind", "risk"))
    return Wanted(
        state=state if state in STATES else WAITING,
        kind=kind if kind in KINDS else "",
        risk=risk if risk in RISKS else "",
        mission=query.get("mission", "")[:64],
        on_behalf_of=query.get("for", "")[:128],
    )


def _next(wanted: Wanted, found: Found) -> str:
    if found.next is None:
        return ""
    told_of = {"state": wanted.state, "kind": wanted.kind, "risk": wanted.risk, "mission": wanted.mission}
    chosen = {name: value for name, value in told_of.items() if value} | {"for": wanted.on_behalf_of}
    at, which = found.next
    return (
        f"/approvals?{urlencode({name: value for name, value in chosen.items() if value} | {'after': f'{at}.{which}'})}"
    )
