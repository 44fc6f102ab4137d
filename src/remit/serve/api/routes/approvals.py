"""What waits for a person, decisions about it, and rights to decide that were handed on."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.guard import approval_decisions as orders
from remit.guard.approval_fit import over_budget
from remit.guard.approval_listing import Found, Summary, Wanted, list_requests
from remit.guard.approval_rows import Status, Vote
from remit.guard.approval_seats import Seat, seat_of
from remit.guard.approval_story import Story, read_story
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, write_cursor

ROUTES = APIRouter(prefix="/api/v1", tags=["approvals"])

_ONE = "/api/v1/approvals/{approval}"
ACCESS = (
    Access("GET", "/api/v1/approvals", Permission.READ, Resource.APPROVAL),
    Access("GET", _ONE, Permission.READ, Resource.APPROVAL),
    Access("POST", f"{_ONE}/approve", Permission.APPROVE, Resource.APPROVAL),
    Access("POST", f"{_ONE}/deny", Permission.APPROVE, Resource.APPROVAL),
    Access("GET", "/api/v1/delegations", Permission.READ, Resource.APPROVAL),
    Access("POST", "/api/v1/delegations", Permission.APPROVE, Resource.APPROVAL),
    Access("DELETE", "/api/v1/delegations/{user}", Permission.APPROVE, Resource.APPROVAL),
)

type Which = Annotated[str, Path(min_length=6, max_length=64, pattern=r"^[0-9a-zA-Z-]+$", description="The request.")]
type User = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")]
type State = Literal["waiting", "all", "approved", "used", "denied", "expired", "withdrawn", "superseded"]
type Kind = Literal["", "command", "deploy", "fetch", "files", "model", "notify", "order", "publish", "tool"]

_ITEM: dict[str, object] = {
    "approval": "0193a318-0d44-7f61-b8a2-91d6c7705b2d",
    "state": "pending",
    "kind": "deploy",
    "target": "/srv/app",
    "principal": "agent:coder",
    "on_behalf_of": "user:ada",
    "mission": None,
    "step": None,
    "risk": "medium",
    "cost_micros": 740_000,
    "subject_hash": "e21018f1" * 8,
    "policy_rev": "3-890ffc1553",
    "requested_at": "2026-11-22T14:19:20Z",
    "expires_at": "2026-11-23T14:19:20Z",
    "quorum": 1,
    "approved_by": [],
    "may_decide": True,
    "why_not": "",
    "over_budget": False,
}


class ApprovalItem(Shown):
    """A request in a list."""

    model_config = example(**_ITEM)

    approval: str
    state: str = Field(description="`pending`, `approved`, `used`, `denied`, `expired`, `withdrawn` or `superseded`.")
    kind: str = Field(description="Of the effect.")
    target: str
    principal: str = Field(description="Who would do it.")
    on_behalf_of: str
    mission: str | None
    step: str | None
    risk: str
    cost_micros: int = Field(description="Estimated, in millionths of a dollar.")
    subject_hash: str = Field(description="What a decision binds to.")
    policy_rev: str
    requested_at: str
    expires_at: str = Field(description="Then it is refused by itself.")
    quorum: int = Field(description="How many people must approve.")
    approved_by: list[str]
    may_decide: bool = Field(description="Whether you may; the decision asks again.")
    why_not: str = Field(description="Why you may not; empty: you may.")
    over_budget: bool = Field(
        description="Whether a budget of the workspace, its agents or its mission is too small for it now: it would be "
        "refused though approved. Of one that waits, or is approved and unused."
    )


class VoteShown(Shown):
    """What one person decided."""

    by: str
    right_of: str = Field(description="Whose right it was; another's: it was handed on.")
    verdict: str
    reason: str
    at: str


class CheckView(Shown):
    """What one of the guard's checks said."""

    check: str
    verdict: str
    reason: str
    detail: str


class FindingView(Shown):
    """A critic's finding."""

    kind: str
    severity: str
    message: str
    place: str
    fix: str


class EvidenceView(Shown):
    """A critic's verdict."""

    critic: str
    holds: bool
    source: str
    at: str
    findings: list[FindingView]


class ReachView(Shown):
    """What it touches, and what a rollback can do about it."""

    target: str
    files: list[str]
    files_in_all: int
    reversal: str
    undo: str
    network: str


class PreviewView(Shown):
    """What the adapter could tell beforehand."""

    failed: str
    summary: str
    diff: str
    simulation: dict[str, str]
    links: list[str]


class ShortageView(Shown):
    """What would refuse it now, though approved. A look: what is short may have come back when it runs."""

    what: str = Field(description="`budget`, `rate` or `price` (nobody can tell it, and unknown prices are refused).")
    detail: str


class ApprovalShown(ApprovalItem):
    """A request whole. Texts are masked."""

    model_config = example(
        **_ITEM,
        reason="",
        used_by=None,
        why="A person must be asked: it is a production deployment.",
        payload='{"target":"/srv/app"}',
        exact=True,
        votes=[],
        checks=[{"check": "scan", "verdict": "allow", "reason": "ok", "detail": ""}],
        evidence=[],
        blast_radius={
            "target": "/srv/app",
            "files": [],
            "files_in_all": 0,
            "reversal": "compensate",
            "undo": "A rollback undoes it by an effect of its own, which may fail.",
            "network": "",
        },
        preview={"failed": "", "summary": "", "diff": "", "simulation": {}, "links": []},
        would_not_fit=[],
    )

    reason: str = Field(description="Of the decision.")
    used_by: str | None = Field(description="The action that was admitted with it.")
    why: str = Field(description="Why a person is asked.")
    payload: str = Field(description="The canonical payload, masked.")
    exact: bool = Field(description="Whether `subject_hash` comes out again from what is shown: nothing is masked.")
    votes: list[VoteShown]
    checks: list[CheckView]
    evidence: list[EvidenceView]
    blast_radius: ReachView
    preview: PreviewView
    would_not_fit: list[ShortageView] = Field(
        description="Budgets and rates that it would not fit now; empty: it fits."
    )


class Approve(Asked):
    """Leave for exactly what was read."""

    model_config = example(subject_hash="e21018f1" * 8, reason="Read it; the limits hold.")

    subject_hash: str = Field(min_length=8, max_length=64, pattern=r"^[0-9a-f]+$", description="8 characters or more.")
    reason: str = Field(default="", max_length=orders.LONGEST_REASON)


class Deny(Asked):
    """A refusal; whoever asked is told why."""

    model_config = example(subject_hash="e21018f1" * 8, reason="Spread too wide.")

    subject_hash: str = Field(min_length=8, max_length=64, pattern=r"^[0-9a-f]+$", description="8 characters or more.")
    reason: str = Field(min_length=1, max_length=orders.LONGEST_REASON)


class DelegationItem(Shown):
    """A right to decide that was handed on."""

    model_config = example(giver="ada", taker="ines", reason="On holiday.", until="2026-12-01T00:00:00Z")

    giver: str
    taker: str
    reason: str
    until: str


class Delegations(Shown):
    """Every delegation in force."""

    items: list[DelegationItem]


class NewDelegation(Asked):
    """Your right, handed to somebody until a moment."""

    model_config = example(user="ines", until="2099-12-01T00:00:00Z", reason="On holiday.")

    user: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")
    until: AwareDatetime
    reason: str = Field(default="", max_length=orders.LONGEST_REASON)


@ROUTES.get("/approvals", response_model=Page[ApprovalItem], summary="List requests for approval")
async def list_(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    state: Annotated[State, Query(description="`waiting`: soonest deadline first; else newest first.")] = "waiting",
    kind: Annotated[Kind, Query(description="Of the effect.")] = "",
    risk: Annotated[Literal["", "low", "medium", "high"], Query()] = "",
    mission: Annotated[str, Query(max_length=64)] = "",
    on_behalf_of: Annotated[str, Query(max_length=128, description="As `user:ada`.")] = "",
) -> Response:
    """What waits for a person, or what there was."""
    wanted = Wanted(state, kind, risk, mission, on_behalf_of)
    now_us = micros_of(runtime.clock.now())
    after = paging.timed()

    def op(tx: ReadTx) -> tuple[Found, Seat, frozenset[str]]:
        require(
            tx, caller.principal, workspace=caller.workspace, permission=Permission.READ, resource=Resource.APPROVAL
        )
        found = list_requests(tx, caller.workspace, wanted, now_us=now_us, after=after, limit=paging.limit)
        over = over_budget(tx, caller.workspace, found.requests, now_us=now_us)
        return found, seat_of(tx, caller.workspace, caller.principal, now_us=now_us), over

    found, seat, over = await reading(runtime.store, op)
    items = [
        _item(one, found.votes.get(one.id, ()), seat, now_us=now_us, over=one.id in over) for one in found.requests
    ]
    following = None if found.next is None else write_cursor(found.next)
    return answer(Page[ApprovalItem](items=items, next=following))


@ROUTES.get("/approvals/{approval}", response_model=ApprovalShown, summary="Show a request for approval")
async def show(request: Request, caller: Asking, runtime: Open, approval: Which) -> Response:
    """Everything that the person who decides should see."""
    return resource(request, await _shown(runtime, caller, approval))


@ROUTES.post("/approvals/{approval}/approve", response_model=ApprovalShown, summary="Approve a request")
async def approve(caller: Asking, runtime: Open, approval: Which, asked: Approve) -> Response:
    """Allow exactly what was read, once. It waits on while more people must approve."""
    return answer(
        await _decide(runtime, caller, approval, yes=True, subject_hash=asked.subject_hash, reason=asked.reason)
    )


@ROUTES.post("/approvals/{approval}/deny", response_model=ApprovalShown, summary="Deny a request")
async def deny(caller: Asking, runtime: Open, approval: Which, asked: Deny) -> Response:
    """Refuse it; one denial is enough."""
    return answer(
        await _decide(runtime, caller, approval, yes=False, subject_hash=asked.subject_hash, reason=asked.reason)
    )


@ROUTES.get("/delegations", response_model=Delegations, summary="List delegations")
async def delegations(caller: Asking, runtime: Open) -> Response:
    """Whose right to decide is handed to whom."""
    return answer(Delegations(items=await _in_force(runtime, caller)))


@ROUTES.post("/delegations", response_model=DelegationItem, status_code=201, summary="Hand your right to somebody")
async def delegate(caller: Asking, runtime: Open, asked: NewDelegation) -> Response:
    """Hand your own right to approve to another person of the workspace for a while; it can't be handed on."""
    until: datetime = asked.until
    made = await orders.delegate(
        runtime.store,
        asked.user,
        workspace=caller.workspace,
        by=caller.principal,
        until=until,
        reason=asked.reason,
        clock=runtime.clock,
        redactor=runtime.redactor,
    )
    return created(_delegation(made), "/api/v1/delegations")


@ROUTES.delete("/delegations/{user}", status_code=204, summary="Take your right back")
async def take_back(caller: Asking, runtime: Open, user: User) -> Response:
    """End every delegation of your right to somebody."""
    await orders.take_back(runtime.store, user, workspace=caller.workspace, by=caller.principal, clock=runtime.clock)
    return nothing()


async def _decide(
    runtime: Open, caller: Asking, approval: str, *, yes: bool, subject_hash: str, reason: str
) -> ApprovalShown:
    decided = await orders.decide(
        runtime.store,
        approval,
        workspace=caller.workspace,
        by=caller.principal,
        approve=yes,
        subject_hash=subject_hash,
        reason=reason,
        clock=runtime.clock,
        redactor=runtime.redactor,
    )
    return await _shown(runtime, caller, decided.id)


async def _shown(runtime: Open, caller: Asking, which: str) -> ApprovalShown:
    now_us = micros_of(runtime.clock.now())
    who, workspace = caller.principal, caller.workspace

    def op(tx: ReadTx) -> Story:
        require(tx, who, workspace=workspace, permission=Permission.READ, resource=Resource.APPROVAL)
        return read_story(tx, workspace, which, who=who, now_us=now_us)

    return _whole(await reading(runtime.store, op), now_us)


async def _in_force(runtime: Open, caller: Asking) -> list[DelegationItem]:
    now_us = micros_of(runtime.clock.now())
    who, workspace = caller.principal, caller.workspace

    def op(tx: ReadTx) -> list[orders.Delegation]:
        require(tx, who, workspace=workspace, permission=Permission.READ, resource=Resource.APPROVAL)
        return orders.in_force(tx, workspace, now_us=now_us)

    return [_delegation(one) for one in await reading(runtime.store, op)]


def _item(one: Summary, said: tuple[Vote, ...], seat: Seat, *, now_us: int, over: bool) -> ApprovalItem:
    why_not = seat.why_not(one, said, now_us=now_us)
    return ApprovalItem(
        approval=one.id,
        state=one.state(now_us),
        kind=one.kind,
        target=one.target,
        principal=one.principal,
        on_behalf_of=one.on_behalf_of,
        mission=one.mission or None,
        step=one.step or None,
        risk=one.risk,
        cost_micros=one.estimate_micros,
        subject_hash=one.subject_hash,
        policy_rev=one.policy_rev,
        requested_at=iso(one.requested_us),
        expires_at=iso(one.expires_us),
        quorum=one.quorum,
        approved_by=[vote.voter for vote in said if vote.verdict == Status.APPROVED],
        may_decide=not why_not,
        why_not=why_not,
        over_budget=over,
    )


def _whole(story: Story, now_us: int) -> ApprovalShown:
    one, seen, reach = story.request, story.preview, story.reach
    over = any(each.what == "budget" for each in story.short)
    line = Summary(**{field.name: getattr(one, field.name) for field in fields(Summary)})
    return ApprovalShown(
        **_item(line, story.said, story.seat, now_us=now_us, over=over).model_dump(),
        reason=one.reason,
        used_by=one.used_by,
        why=story.why,
        payload=story.payload,
        exact=story.exact,
        votes=[
            VoteShown(
                by=vote.voter, right_of=vote.right_of, verdict=vote.verdict, reason=vote.reason, at=iso(vote.voted_us)
            )
            for vote in story.said
        ],
        checks=[CheckView.model_validate(each, from_attributes=True) for each in story.checks],
        evidence=[EvidenceView.model_validate(each, from_attributes=True) for each in story.evidence],
        blast_radius=ReachView.model_validate(reach, from_attributes=True),
        preview=PreviewView(
            failed=seen.failed,
            summary=seen.summary,
            diff=seen.diff,
            simulation=dict(seen.simulation),
            links=list(seen.links),
        ),
        would_not_fit=[ShortageView.model_validate(each, from_attributes=True) for each in story.short],
    )


def _delegation(one: orders.Delegation) -> DelegationItem:
    return DelegationItem(giver=one.giver, taker=one.taker, reason=one.reason, until=iso(one.until_us))
