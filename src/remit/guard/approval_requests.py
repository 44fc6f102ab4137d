"""A request's life in transactions: asked for, found again, used once, given back, withdrawn, expired.

Every function here runs inside an operation of the journal and writes its audit entry in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import orjson
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import ACTIVE
from remit.accounts.tables import AGENT, USER
from remit.audit.entry import Result
from remit.guard.approval_fit import DRAWS, WHEN_ASKED, shortages
from remit.guard.approval_risk import blast_radius, risk
from remit.guard.approval_rows import Request, Status, entry, of_mission, of_subject, unfinished, votes
from remit.guard.approval_tables import APPROVAL
from remit.guard.approval_terms import ApprovalTerms, Separation
from remit.kernel.action import Action, ActorKind
from remit.kernel.canonical import Json, digest
from remit.kernel.clock import iso
from remit.kernel.errors import Conflict, Denied
from remit.kernel.ids import new_id
from remit.kernel.plain import plain
from remit.kernel.ports import ReadTx, Tx

_INSERT = insert(APPROVAL).on_conflict_do_nothing(index_elements=["workspace", "open_key"])
_USE = (
    update(APPROVAL)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.id == bindparam("which"),
        APPROVAL.c.status == Status.APPROVED.value,
        APPROVAL.c.used_us.is_(None),
        APPROVAL.c.expires_us > bindparam("at"),
        APPROVAL.c.subject_hash == bindparam("hashed"),
        APPROVAL.c.policy_rev == bindparam("rev"),
        APPROVAL.c.mission == bindparam("in_mission"),
        APPROVAL.c.step == bindparam("in_step"),
    )
    .values(used_us=bindparam("at"), used_by=bindparam("action"))
)
_GIVE_BACK = (
    update(APPROVAL)
    .where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.used_by == bindparam("action"))
    .values(used_us=None, used_by=None)
)
_CLOSE = (
    update(APPROVAL)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.id == bindparam("which"),
        APPROVAL.c.status == bindparam("was"),
        APPROVAL.c.used_us.is_(None),
    )
    .values(status=bindparam("becomes"), reason=bindparam("because"), decided_us=bindparam("at"), open_key=None)
)
_TOLD = (
    update(APPROVAL)
    .where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.id == bindparam("which"))
    .values(told_us=bindparam("at"))
)
_PEOPLE = (
    select(func.count().label("people"))
    .select_from(USER)
    .where(USER.c.workspace == bindparam("of"), USER.c.status == ACTIVE)
)
#: Before an agent's requests are counted: whoever counts them for another request waits until this one stands. An agent
#: that nobody has registered has no row, and asks for nothing that a person could approve.
_AGENT = (
    select(AGENT.c.name)
    .where(AGENT.c.workspace == bindparam("of"), AGENT.c.name == bindparam("who"))
    .with_for_update(key_share=True)
)
_OPEN_OF = (
    select(func.count().label("open"))
    .select_from(APPROVAL)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.status == Status.PENDING.value,
        APPROVAL.c.expires_us > bindparam("at"),
        APPROVAL.c.principal == bindparam("who"),
    )
)


#: In place of a request's id: there is none, and ``consume`` refuses.
NONE = "-"


class Taken(Conflict):
    """The leave is no longer there: somebody else used it, it expired, or it was withdrawn. Look again."""


class TooManyOpen(Denied):
    """The agent has as many undecided requests as one may have."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new request would show beside what the action itself says. All texts are masked."""

    why: str
    checks: Sequence[Mapping[str, Json]]
    target: str
    payload: str
    preview: Mapping[str, Json]
    draws: Mapping[str, Json]  # what it asks of rates, and by which key (``approval_fit``)
    misled: bool = False  # what its mission has read looks like orders to it


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request says to whoever asks. ``live``: it may be used now. ``fresh``: it was made just now."""

    request: Request
    live: bool = False
    fresh: bool = False


def usable(tx: ReadTx, action: Action, *, policy_rev: str, now_us: int) -> Request | None:
    """An approved, unused, unexpired request about exactly this action."""
    return next((one for one in _about(tx, action, policy_rev) if _usable(one, now_us)), None)


def ask(
    tx: Tx,
    action: Action,
    draft: Draft,
    *,
    terms: ApprovalTerms,
    policy_rev: str,
    now_us: int,
    evidence: Sequence[Mapping[str, Json]] = (),
) -> Answer:
    """Find the request about exactly this action, or make one.

    The answer's request is approved (look again: it may be used), pending, or denied or expired: then whoever asked is
    told so this once. A denial holds for the attempt that was told (outside a mission: until the request would have
    expired); a later attempt, which takes a person's order, asks anew.

    Raises:
        TooManyOpen: A request would have to be made, and the agent has as many as one may have.
    """
    about = _about(tx, action, policy_rev)
    live = next((one for one in about if _usable(one, now_us)), None)
    if live is not None:
        return Answer(live, live=True)
    if about:
        # Not by time alone: clocks go back, and there is at most one that is pending.
        known = next((one for one in about if one.status == Status.PENDING), about[0])
        if known.open and known.expires_us <= now_us:
            known = _close(tx, known, Status.EXPIRED, now_us=now_us)
        if known.status == Status.PENDING:
            return Answer(known)
        if known.status in {Status.DENIED, Status.EXPIRED} and _still_told(known, action, now_us):
            _mark_told(tx, known, now_us)
            return Answer(known)
    _supersede(tx, action, policy_rev=policy_rev, now_us=now_us)
    _check_open(tx, action, most=terms.most_open, now_us=now_us)
    return _make(tx, action, draft, terms=terms, policy_rev=policy_rev, now_us=now_us, evidence=evidence)


def consume(tx: Tx, action: Action, which: str, *, policy_rev: str, now_us: int) -> None:
    """Use the leave up, within the intent's transaction: once, for exactly what was approved.

    Raises:
        Taken: It can't be used (any more).
    """
    values = {
        "of": action.workspace,
        "which": which,
        "at": now_us,
        "hashed": action.subject_hash,
        "rev": policy_rev,
        "in_mission": action.mission,
        "in_step": action.step,
        "action": action.id,
    }
    if tx.execute(_USE, values) != 1:
        message = f"Request {which} can't be used."
        raise Taken(message, code="approval.taken", hint="remit approvals")


def give_back(tx: Tx, action: Action) -> None:
    """The action never started, so its leave is as good as before."""
    tx.execute(_GIVE_BACK, {"of": action.workspace, "action": action.id})


def withdraw(tx: Tx, workspace: str, mission: str, *, now_us: int, step: str = "") -> None:
    """Whatever the mission (or one step of it) still asks for, or was allowed and did not use, is void."""
    for request in of_mission(tx, workspace, mission):
        if request.open and step in {"", request.step}:
            _close(tx, request, Status.WITHDRAWN, now_us=now_us)


def sweep(tx: Tx, workspace: str, *, now_us: int) -> list[Request]:
    """Mark what has expired, each with its audit entry; which those are."""
    return [
        _close(tx, request, Status.EXPIRED, now_us=now_us)
        for request in unfinished(tx, workspace)
        if request.expires_us <= now_us
    ]


def refused_step(tx: ReadTx, workspace: str, mission: str, step: str, *, now_us: int) -> Request | None:
    """The denied or expired request of a parked step of which it was not told yet."""
    for request in of_mission(tx, workspace, mission):
        if request.step == step and request.told_us is None:
            state = request.state(now_us)
            if state in {Status.DENIED, Status.EXPIRED}:
                return request
    return None


def tell_step(tx: Tx, request: Request, *, now_us: int) -> None:
    """The step learnt that it was refused: mark it, and withdraw what else it asks for."""
    if request.open and request.expires_us <= now_us:
        _close(tx, request, Status.EXPIRED, now_us=now_us)
    _mark_told(tx, request, now_us)
    withdraw(tx, request.workspace, request.mission, now_us=now_us, step=request.step)


def answered(tx: ReadTx, workspace: str, mission: str, ids: Sequence[str], *, now_us: int) -> bool:
    """Whether any of the requests that a mission waits for is no longer pending. Their rows stay locked meanwhile."""
    waited = [one for one in of_mission(tx, workspace, mission, lock=True) if one.id in ids]
    return any(one.state(now_us) != Status.PENDING for one in waited)


def refusal_text(tx: ReadTx, request: Request) -> str:
    """Who refused it and why, for whoever asked."""
    what = plain(request.what, limit=200)
    if request.status != Status.DENIED:
        return (
            f"Nobody approved the {what} in time (request {request.id} expired "
            f"{iso(request.expires_us)}), so it is refused."
        )
    by = next((vote for vote in votes(tx, request) if vote.verdict == Status.DENIED), None)
    who = "somebody" if by is None else by.voter
    return f"{who} denied the {what} (request {request.id}): {plain(request.reason) or 'no reason given'}"


def people(tx: ReadTx, workspace: str) -> int:
    """How many persons the workspace has."""
    row = tx.row(_PEOPLE, {"of": workspace})
    return 0 if row is None else int(row["people"])


def _about(tx: ReadTx, action: Action, policy_rev: str) -> list[Request]:
    return of_subject(
        tx,
        action.workspace,
        subject_hash=action.subject_hash,
        mission=action.mission,
        step=action.step,
        policy_rev=policy_rev,
    )


def _usable(request: Request, now_us: int) -> bool:
    return request.status == Status.APPROVED and request.used_us is None and request.expires_us > now_us


def _still_told(request: Request, action: Action, now_us: int) -> bool:
    """Whether this asker is to hear of the refusal (again) rather than make a new request."""
    if request.told_us is None:
        return True
    if request.status == Status.EXPIRED:
        return False
    return action.attempt == request.attempt if action.mission else now_us < request.expires_us


def _mark_told(tx: Tx, request: Request, now_us: int) -> None:
    if request.told_us is None:
        tx.execute(_TOLD, {"of": request.workspace, "which": request.id, "at": now_us})


def _close(tx: Tx, request: Request, becomes: Status, *, now_us: int) -> Request:
    """End a request that nobody decided about (or whose leave nobody used), with its entry; as it stands then."""
    values = {
        "of": request.workspace,
        "which": request.id,
        "was": request.status,
        "becomes": becomes.value,
        "because": request.reason,
        "at": now_us,
    }
    if tx.execute(_CLOSE, values):
        tx.append(entry(request, becomes.value, Result.BLOCKED, reason=becomes.value), {"was": request.status})
    return replace(request, status=becomes.value, open_key=None, decided_us=now_us)


def _supersede(tx: Tx, action: Action, *, policy_rev: str, now_us: int) -> None:
    """Older requests of the same place in the plan, or about the same subject, that this one replaces."""
    for request in unfinished(tx, action.workspace):
        if (request.mission, request.step) != (action.mission, action.step):
            continue
        same = request.subject_hash == action.subject_hash
        changed = not same or request.policy_rev != policy_rev
        place = same if not action.effect_key else request.effect_key == action.effect_key
        if place and changed:
            _close(tx, request, Status.SUPERSEDED, now_us=now_us)


def _check_open(tx: Tx, action: Action, *, most: int, now_us: int) -> None:
    """Raise when the agent may ask for nothing more; nobody else's request of it is made meanwhile."""
    who = action.principal
    if who.kind is not ActorKind.AGENT:
        return
    tx.row(_AGENT, {"of": action.workspace, "who": who.id})
    row = tx.row(_OPEN_OF, {"of": action.workspace, "who": str(who), "at": now_us})
    count = 0 if row is None else int(row["open"])
    if count >= most:
        message = f"The agent {who.id!r} waits for {count} decisions, and may have {most} requests open."
        raise TooManyOpen(message, code="guard.approvals_open", hint="remit approvals")


def _make(
    tx: Tx,
    action: Action,
    draft: Draft,
    *,
    terms: ApprovalTerms,
    policy_rev: str,
    now_us: int,
    evidence: Sequence[Mapping[str, Json]],
) -> Answer:
    quorum = terms.quorum_of(action.kind)
    together = quorum > 1 or people(tx, action.workspace) > 1
    separated = terms.separation is Separation.ON or (terms.separation is Separation.AUTO and together)
    shown: dict[str, Json] = {
        "why": draft.why,
        "payload": draft.payload,
        "blast_radius": {**blast_radius(action), "target": draft.target},
        "evidence": list(evidence),
        "checks": list(draft.checks),
        "preview": draft.preview,
        DRAWS: draft.draws,
    }
    request = Request(
        id=new_id(unix_ms=now_us // 1000),
        workspace=action.workspace,
        mission=action.mission,
        step=action.step,
        attempt=action.attempt,
        effect_key=action.effect_key,
        kind=action.kind,
        domain=action.effect.trait.domain,
        target=draft.target,
        principal=str(action.principal),
        on_behalf_of=str(action.on_behalf_of),
        subject_hash=action.subject_hash,
        policy_rev=policy_rev,
        estimate_micros=action.estimate.micros,
        risk=risk(action, over=terms.over, evidence=evidence, misled=draft.misled).value,
        shown=orjson.dumps(shown).decode(),
        requested_us=now_us,
        expires_us=now_us + terms.expires_s * 1_000_000,
        quorum=quorum,
        separated=int(separated),
        status=Status.PENDING.value,
        open_key=digest([action.mission, action.step, action.subject_hash, policy_rev]),
        reason="",
        decided_us=None,
        used_us=None,
        used_by=None,
        told_us=None,
        notified_us=None,
    )
    short = [each.detail for each in shortages(tx, request, now_us=now_us)]
    if short:
        request = replace(request, shown=orjson.dumps({**shown, WHEN_ASKED: short}).decode())
    if not tx.execute(_INSERT, {field.name: getattr(request, field.name) for field in fields(request)}):
        # Another process asked the same at the same time (Postgres); its request is committed by now.
        about = _about(tx, action, policy_rev)
        return Answer(next((one for one in about if one.status == Status.PENDING), about[0]))
    payload: dict[str, Json] = {
        "kind": request.kind,
        "subject_hash": request.subject_hash,
        "estimate_micros": request.estimate_micros,
        "risk": request.risk,
        "why": draft.why,
        "expires_us": request.expires_us,
        "quorum": quorum,
        "separated": separated,
        **({"would_not_fit": short} if short else {}),
    }
    tx.append(entry(request, "requested", Result.PENDING), payload, subject=action.about)
    return Answer(request, fresh=True)
