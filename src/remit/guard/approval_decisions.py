"""What people decide: approve, deny, hand the right on. Each order is one transaction, and so is a refusal of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.access import ACTIVE, Permission, Resource, require, rights_of
from remit.accounts.roles import may
from remit.accounts.tables import USER
from remit.audit.entry import Entry, Result
from remit.audit.refusal import Refused
from remit.guard.approval_rows import Request, Status, Vote, entry, read_request, votes
from remit.guard.approval_tables import APPROVAL, APPROVAL_DELEGATION, APPROVAL_VOTE
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound, UserError
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.redact.redactor import Redactor

LONGEST_REASON = 2000
SHORTEST_HASH = 8  # characters of the subject hash that a person may give instead of all 64

_DECIDE = (
    update(APPROVAL)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.id == bindparam("which"),
        APPROVAL.c.status == Status.PENDING.value,
    )
    .values(status=bindparam("becomes"), reason=bindparam("because"), decided_us=bindparam("at"), open_key=None)
)
_VOTE = insert(APPROVAL_VOTE)
_GIVE = insert(APPROVAL_DELEGATION)
_TAKE_BACK = (
    update(APPROVAL_DELEGATION)
    .where(
        APPROVAL_DELEGATION.c.workspace == bindparam("of"),
        APPROVAL_DELEGATION.c.giver == bindparam("from_"),
        APPROVAL_DELEGATION.c.taker == bindparam("to"),
        APPROVAL_DELEGATION.c.revoked_us.is_(None),
        APPROVAL_DELEGATION.c.until_us > bindparam("at"),
    )
    .values(revoked_us=bindparam("at"))
)
_PERSON = select(USER.c.id).where(
    USER.c.workspace == bindparam("of"), USER.c.id == bindparam("called"), USER.c.status == ACTIVE
)


@dataclass(frozen=True, slots=True)
class Delegation:
    """A row of ``approval_delegation``."""

    id: str
    workspace: str
    giver: str
    taker: str
    reason: str
    given_us: int
    until_us: int
    revoked_us: int | None


_IN_FORCE = (
    select(*(APPROVAL_DELEGATION.c[field.name] for field in fields(Delegation)))
    .where(
        APPROVAL_DELEGATION.c.workspace == bindparam("of"),
        APPROVAL_DELEGATION.c.revoked_us.is_(None),
        APPROVAL_DELEGATION.c.until_us > bindparam("at"),
    )
    .order_by(APPROVAL_DELEGATION.c.given_us, APPROVAL_DELEGATION.c.id)
)


async def decide(
    journal: Journal,
    which: str,
    *,
    workspace: str,
    by: Principal,
    approve: bool,
    subject_hash: str,
    reason: str,
    clock: Clock,
    redactor: Redactor,
) -> Request:
    """Approve or deny a request; how it stands then (``pending`` while more persons must approve).

    One denial refuses. The decision binds to ``subject_hash``: what the person has read, whole or at least its first
    eight characters.

    Raises:
        Denied: An agent, somebody without the right, or who asked for it (or for whom it was asked) where duties are
            separated.
        Conflict: It is decided, expired, used or void already; the person decided before; or the hash is another.
        NotFound: There is no such request.
    """
    told = _reason(reason, redactor)
    verdict = Status.APPROVED if approve else Status.DENIED

    def op(tx: Tx) -> Request:
        now_us = micros_of(clock.now())
        request = read_request(tx, workspace, which, lock=True)
        right_of = _right(tx, request, by, now_us=now_us)
        _check_undecided(tx, request, subject_hash, now_us=now_us)
        said = votes(tx, request)
        _check_new(request, said, by=by, right_of=right_of)
        row = Vote(request.id, by.id, right_of, verdict.value, told, now_us)
        values = {field.name: getattr(row, field.name) for field in fields(Vote)}
        tx.execute(_VOTE, {"workspace": workspace, **values})
        standing = [vote for vote in said if _holds(tx, request, vote)]
        enough = not approve or len(standing) + 1 >= request.quorum
        tx.append(
            entry(request, verdict.value if enough else "voted", Result.SUCCESS, by=by),
            {
                "verdict": verdict.value,
                "reason": told,
                "right_of": right_of,
                "subject_hash": request.subject_hash,
                "votes": len(standing) + 1,
                "quorum": request.quorum,
            },
        )
        if enough:
            tx.execute(
                _DECIDE,
                {"of": workspace, "which": request.id, "becomes": verdict.value, "because": told, "at": now_us},
            )
        return read_request(tx, workspace, request.id)

    return await _ordered(journal, "guard.approval", op, workspace=workspace, by=by, verb="refused", subject=which)


async def delegate(
    journal: Journal,
    taker: str,
    *,
    workspace: str,
    by: Principal,
    until: datetime,
    reason: str,
    clock: Clock,
    redactor: Redactor,
) -> Delegation:
    """Hand one's right to approve to another person of the workspace until a moment; it can't be handed on.

    Raises:
        Denied: ``by`` is an agent, or has the right only by delegation, or not at all.
        NotFound: There is no such person. InvalidInput: To oneself, or until a moment that is over.
    """
    told = _reason(reason, redactor)

    def op(tx: Tx) -> Delegation:
        require(tx, by, workspace=workspace, permission=Permission.APPROVE, resource=Resource.APPROVAL)
        now_us, until_us = micros_of(clock.now()), micros_of(until)
        if tx.row(_PERSON, {"of": workspace, "called": taker}) is None:
            message = f"There is no person {taker[:60]!r} in the workspace {workspace!r}."
            raise NotFound(message, code="approval.delegate", hint="remit users")
        if taker == by.id or until_us <= now_us:
            message = f"A right is handed to somebody else, until a moment to come (not {iso(until_us)})."
            raise InvalidInput(message, code="approval.delegate", hint="remit delegate USER --days 7")
        made = Delegation(new_id(), workspace, by.id, taker, told, now_us, until_us, None)
        tx.execute(_GIVE, {field.name: getattr(made, field.name) for field in fields(Delegation)})
        tx.append(_entry(workspace, by, "delegated", made.id), {"to": taker, "until_us": until_us, "reason": told})
        return made

    return await _ordered(
        journal, "guard.delegation", op, workspace=workspace, by=by, verb="delegation_refused", subject=taker
    )


async def take_back(journal: Journal, taker: str, *, workspace: str, by: Principal, clock: Clock) -> int:
    """End every delegation of one's right to ``taker`` that is in force; how many.

    Raises:
        Denied: ``by`` is an agent or has no right of its own. NotFound: None is in force.
    """

    def op(tx: Tx) -> int:
        require(tx, by, workspace=workspace, permission=Permission.APPROVE, resource=Resource.APPROVAL)
        now_us = micros_of(clock.now())
        ended = tx.execute(_TAKE_BACK, {"of": workspace, "from_": by.id, "to": taker, "at": now_us})
        if not ended:
            message = f"{by.id} has handed nothing to {taker[:60]!r} that is still in force."
            raise NotFound(message, code="approval.delegate", hint="remit delegate")
        tx.append(_entry(workspace, by, "delegation_ended", taker), {"to": taker, "ended": ended})
        return ended

    return await _ordered(
        journal, "guard.delegation", op, workspace=workspace, by=by, verb="delegation_refused", subject=taker
    )


def in_force(tx: ReadTx, workspace: str, *, now_us: int) -> list[Delegation]:
    """Every delegation in force, oldest first."""
    return [Delegation(**row) for row in tx.rows(_IN_FORCE, {"of": workspace, "at": now_us})]


def _right(tx: ReadTx, request: Request, by: Principal, *, now_us: int) -> str:
    """Whose right ``by`` decides with: the own one, or one that was delegated.

    Raises:
        Denied: None.
    """
    try:
        require(tx, by, workspace=request.workspace, permission=Permission.APPROVE, resource=Resource.APPROVAL)
        rights = [by.id]
    except Refused:
        if by.kind is not ActorKind.USER:
            raise
        rights = [one.giver for one in in_force(tx, request.workspace, now_us=now_us) if one.taker == by.id]
        rights = [giver for giver in rights if _may(tx, request.workspace, giver)]
        if not rights:
            raise
    involved = {request.principal, request.on_behalf_of}
    if request.separated and str(by) in involved:
        raise _own(
            request, by, f"{by.id} asked for the {request.what}, and nobody decides about their own request here."
        )
    free = [right for right in rights if not request.separated or f"user:{right}" not in involved]
    if not free:
        raise _own(request, by, f"{by.id} holds the right of {rights[0]}, who asked for the {request.what}.")
    taken = {vote.right_of for vote in votes(tx, request)}
    return next((right for right in free if right not in taken), free[0])


def _own(request: Request, by: Principal, message: str) -> Refused:
    """The refusal, on record, of whoever asked and would decide."""
    told = entry(request, "refused", Result.BLOCKED, by=by, reason="own_request")
    return Refused(message, entry=told, code="approval.own_request", hint="ask another person: remit users")


def _may(tx: ReadTx, workspace: str, user: str) -> bool:
    return may(rights_of(tx, user, workspace=workspace), Permission.APPROVE, Resource.APPROVAL)


def _holds(tx: ReadTx, request: Request, vote: Vote) -> bool:
    """An earlier approval counts as long as its right stands."""
    return vote.verdict == Status.APPROVED and _may(tx, request.workspace, vote.right_of)


def _check_undecided(tx: ReadTx, request: Request, subject_hash: str, *, now_us: int) -> None:
    state = request.state(now_us)
    if state != Status.PENDING:
        who = ", ".join(vote.voter for vote in votes(tx, request))
        told = {
            "used": f"it was approved by {who} and used by action {request.used_by}",
            Status.APPROVED.value: f"it is approved already, by {who}",
            Status.DENIED.value: f"it is denied already, by {who}",
            Status.EXPIRED.value: f"it expired {iso(request.expires_us)} and is refused",
            Status.WITHDRAWN.value: "its mission is over or failed, so nobody asks any more",
            Status.SUPERSEDED.value: "what was asked, or the policy, has changed since: there is a newer request",
        }[state]
        message = f"Request {request.id} can't be decided: {told}."
        raise Conflict(message, code=f"approval.{state}", hint="remit approvals")
    wanted = subject_hash.lower()
    if len(wanted) < SHORTEST_HASH or not request.subject_hash.startswith(wanted):
        message = (
            f"Request {request.id} is about {request.subject_hash[:SHORTEST_HASH]}…, and you decided about "
            f"{wanted[:SHORTEST_HASH] or 'nothing'}…: what you read is not what was asked."
        )
        raise Conflict(message, code="approval.hash", hint=f"remit approvals {request.id}")


def _check_new(request: Request, said: list[Vote], *, by: Principal, right_of: str) -> None:
    for vote in said:
        if vote.voter == by.id or vote.right_of == right_of:
            whose = "" if vote.voter == by.id else f" with the right of {right_of}"
            message = (
                f"{vote.voter} has {vote.verdict} request {request.id} already{whose}; another person must decide."
            )
            raise Conflict(message, code="approval.voted", hint=f"remit approvals {request.id}")


def _reason(reason: str, redactor: Redactor) -> str:
    if len(reason) > LONGEST_REASON:
        message = f"The reason has {len(reason)} characters, {LONGEST_REASON} are kept."
        raise InvalidInput(message, code="approval.reason", hint="shorten it")
    return redactor.mask(reason.strip())


def _entry(workspace: str, by: Principal, verb: str, subject: str, *, result: Result = Result.SUCCESS) -> Entry:
    return Entry(
        actor=by, action=f"approval.{verb}", domain="approvals", result=result, workspace=workspace, subject=subject
    )


async def _ordered[T](
    journal: Journal, name: str, op: Callable[[Tx], T], *, workspace: str, by: Principal, verb: str, subject: str
) -> T:
    """Carry the order out; one that can't be is written down, too (what may not be is, by ``Refused``)."""
    try:
        return await journal.commit(name, op)
    except (Conflict, UserError) as refused:
        shown = subject if subject.isascii() and subject.isprintable() else "?"
        refusal = _entry(workspace, by, verb, shown[:60], result=Result.BLOCKED)
        payload = {"code": refused.code}
        await journal.commit(name, lambda tx: tx.append(refusal, payload))
        raise
