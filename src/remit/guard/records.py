"""What the guard writes: the intent before, the outcome after, the refusal instead. Each is one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import orjson
from sqlalchemy import bindparam, insert, select, update

from remit.audit.entry import Entry, Result
from remit.audit.schedule import check_alarm
from remit.guard import approval_requests, budget, continuing, rate
from remit.guard.budget_usage import ALWAYS, Opened, payer_of, payer_of_row
from remit.guard.rate_limits import METERED, Charge, Limits
from remit.guard.tables import ACTION, ACTION_ATTEMPT, IS_OPEN
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json, digest
from remit.kernel.decision import Check
from remit.kernel.effects import TRAITS, Durability, Notify
from remit.kernel.errors import Conflict, RemitError
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.kernel.usage import NOTHING, Usage

LONGEST_TARGET = 500
LONGEST_TEXT = 2000

type Within = Callable[[Tx], None]


class State(StrEnum):
    """Where an action stands."""

    OPEN = "open"  # the intent is there, the outcome isn't
    OK = "ok"
    FAILED = "failed"  # it certainly did not happen, or ended with a result that isn't what was wanted
    UNKNOWN = "unknown"  # it may have happened
    BLOCKED = "blocked"  # stopped by a kill switch while it ran
    CANCELLED = "cancelled"  # stopped by its caller while it ran
    UNUSED = "unused"  # admitted, never started
    ABANDONED = "abandoned"  # its process died; settled at resume
    REFUSED = "refused"


KILLED = "killed"

#: States in which a repetition can't do harm, whatever the kind.
HARMLESS = frozenset({State.FAILED, State.UNUSED, State.REFUSED})

_RESULTS = {
    State.OK: Result.SUCCESS,
    State.FAILED: Result.FAILURE,
    State.UNKNOWN: Result.FAILURE,
    State.BLOCKED: Result.BLOCKED,
    State.CANCELLED: Result.FAILURE,
    State.UNUSED: Result.FAILURE,
    State.ABANDONED: Result.FAILURE,
}

_INSERT = insert(ACTION)
_ATTEMPTED = insert(ACTION_ATTEMPT)
_CLOSED = (
    update(ACTION)
    .where(ACTION.c.id == bindparam("which"), ACTION.c.state == State.OPEN.value)
    .values(
        state=bindparam("now_in"),
        reason=bindparam("because"),
        cost_micros=bindparam("cost"),
        tries=bindparam("tried"),
        closed_us=bindparam("at"),
    )
)
_CLOSE = _CLOSED.returning(ACTION.c.opened_us)
_SAME_EFFECT = (
    select(ACTION.c.id, ACTION.c.state, ACTION.c.cost_micros, ACTION.c.opened_us)
    .where(ACTION.c.workspace == bindparam("of"), ACTION.c.effect_key == bindparam("same"))
    .order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc())
)
_RUNNING = (
    select(ACTION.c.principal, ACTION.c.mission, ACTION.c.kind, ACTION.c.target)
    .where(ACTION.c.workspace == bindparam("of"), IS_OPEN)
    .order_by(ACTION.c.mission)
)
_LEFT_OPEN = (
    select(ACTION)
    .where(
        ACTION.c.workspace == bindparam("of"),
        ACTION.c.mission == bindparam("in_mission"),
        IS_OPEN,
    )
    .order_by(ACTION.c.opened_us, ACTION.c.id)
)


@dataclass(frozen=True, slots=True)
class Past:
    """What became of an effect when it was asked for before."""

    action: str
    state: State
    cost: Money

    @property
    def must_ask(self) -> bool:
        """Whether it may have happened, so that a person has to say before an unrepeatable effect is repeated."""
        return self.state not in HARMLESS and self.state is not State.OK


# What each action makes is a tuple or not frozen: a frozen dataclass takes three times as long to make.


class Attempt(NamedTuple):
    """One attempt: when, the code of its error (empty: it succeeded), how long the next one waited for it."""

    began_us: int
    ended_us: int
    code: str = ""
    wait_ms: int = 0


class Ending(NamedTuple):
    """How an action ended. ``error`` is raised to the caller once the outcome is written.

    ``cost`` and ``usage`` are those of all its attempts together.
    """

    state: State
    reason: str
    outcome: Outcome | None = None
    error: BaseException | None = None
    tries: int = 1
    cost: Money = ZERO
    usage: Usage = NOTHING


@dataclass(slots=True)
class Receipt:
    """What an intent took, told by its transaction, so that its outcome need not read it again.

    Attributes:
        opened_us: When; 0: not known.
        opened: The row of what it may cost, if it has one.
        charges: What its rates took.
    """

    opened_us: int = 0
    opened: Opened | None = None
    charges: tuple[Charge, ...] = ()


class Verdicts(NamedTuple):
    """The verdicts of one admission in the order in which they fell, as logged and as stored."""

    checks: tuple[Check, ...]
    told: list[Json]
    text: str
    spent_ns: str = "[]"


def verdicts(checks: tuple[Check, ...], *, spent_ns: Sequence[int] = ()) -> Verdicts:
    """Verdicts ready to be written. ``spent_ns``: how long each check took, as far as it was measured."""
    told = [check.as_kept() for check in checks]
    return Verdicts(checks, told, orjson.dumps(told).decode(), orjson.dumps(list(spent_ns)).decode())


def intent(
    action: Action,
    said: Verdicts,
    *,
    target: str,
    policy_rev: str,
    facts: str,
    now_us: int,
    charges: tuple[Charge, ...] = (),
    limits: Limits | None = None,
    owner: str = "",
    approval_id: str = "",
    beyond: frozenset[str] = frozenset(),
    receipt: Receipt | None = None,
) -> Within:
    """The operation that uses up approval and rates, reserves the estimate and writes action row and audit entry.

    An unrepeatable effect whose key is known is refused here, in the same transaction. ``owner`` names this process:
    what it leaves open is settled by others once it is gone. ``beyond`` (of rate and budget): what is counted though it
    doesn't fit. ``receipt`` is told what it took.

    Raises (when run):
        RateLimited: A rate would be passed.
        BudgetExceeded: The estimate does not fit.
        Conflict: The effect happened, or may have happened, before; or it waits for a signature, and a verification
            found the log changed.
        approval_requests.Taken: ``approval_id`` can't be used (any more).
    """
    row = _row(action, State.OPEN, target=target, said=said, policy_rev=policy_rev, now_us=now_us)
    row["facts"] = facts
    row["owner"] = owner
    entry = _entry(action, "guard.intent", Result.PENDING, policy_rev=policy_rev, approval_id=approval_id)
    payload = _payload(action, target, said.told)
    once = not action.effect.trait.repeatable
    sealed = action.effect.trait.durability is Durability.SEALED
    message = isinstance(action.effect, Notify)

    def op(tx: Tx) -> None:
        if sealed:
            check_alarm(tx)
        if once:
            _check_unrepeated(tx, action)
        elif message and action.effect_key:
            _check_untold(tx, action)
        if approval_id:
            approval_requests.consume(tx, action, approval_id, policy_rev=policy_rev, now_us=now_us)
        if charges and limits is not None:
            rate.take(tx, action, charges, limits=limits, now_us=now_us, beyond=rate.NAME in beyond)
        opened = None
        if action.estimate or not action.priced or action.kind in ALWAYS:
            opened = budget.reserve(tx, action, now_us=now_us, beyond=budget.NAME in beyond)
        tx.put(_INSERT, row)
        tx.append(entry, payload, subject=action.about)
        if receipt is not None:
            receipt.opened_us, receipt.opened, receipt.charges = now_us, opened, charges

    return op


def outcome(
    action: Action,
    ending: Ending,
    *,
    policy_rev: str,
    now_us: int,
    lenient: bool,
    attempts: tuple[Attempt, ...] = (),
    metered: bool = True,
    receipt: Receipt | None = None,
) -> Within:
    """The operation that closes the action, settles its budget and writes the audit entry.

    ``lenient``: the intent may never have been committed; then there is nothing to close. ``metered``: whether it may
    have taken from a rate. ``receipt``: its intent's, once that is committed.

    Raises (when run):
        Conflict: Somebody else settled the action meanwhile.
    """
    result = Result.BLOCKED if ending.reason == KILLED else _RESULTS[ending.state]
    entry = _entry(action, "guard.outcome", result, policy_rev=policy_rev, reason=ending.reason)
    usage = ending.usage
    payload = _ended(action, ending)
    values = {
        "which": action.id,
        "now_in": ending.state.value,
        "because": ending.reason,
        "cost": ending.cost.micros,
        "tried": ending.tries,
        "at": now_us,
    }

    def op(tx: Tx) -> None:
        known = receipt if receipt is not None and receipt.opened_us else None
        if known is not None and tx.later(_CLOSED, values, exact=True):
            opened_us = known.opened_us
        elif (closed := tx.row(_CLOSE, values)) is not None:
            opened_us = int(closed["opened_us"])
        else:
            if lenient:
                return
            message = f"The action {action.id} was settled by another process: this one had been given up."
            raise Conflict(message, code="guard.settled", hint=f"remit why {action.id}")
        if metered and action.kind in METERED:
            taken = None if known is None else known.charges
            rate.settle(tx, action, _used(ending, now_us), taken=taken, taken_us=opened_us)
        if action.estimate or ending.cost or not action.priced or usage is not NOTHING or action.kind in ALWAYS:
            budget.settle(
                tx,
                payer_of(action),
                cost=ending.cost,
                usage=usage,
                by=action.principal,
                opened_us=opened_us,
                now_us=now_us,
                opened=None if known is None else known.opened,
            )
        for attempt in _attempts(action, attempts, ending.cost):
            tx.put(_ATTEMPTED, attempt)
        if usage.refs:
            continuing.remember(tx, action, usage.refs, now_us=now_us)
        if ending.state is State.UNUSED:
            approval_requests.give_back(tx, action)  # an action that never started gives its approval back
        tx.append(entry, payload, subject=action.about)

    return op


def refusal(
    action: Action, said: Verdicts, *, target: str, policy_rev: str, facts: str, now_us: int, approval_id: str = ""
) -> Within:
    """The operation that records who was refused what, and why (POL-6)."""
    last = said.checks[-1]
    reason = f"{last.name}.{last.reason}"
    row = _row(action, State.REFUSED, target=target, said=said, policy_rev=policy_rev, now_us=now_us)
    row |= {"reason": reason, "facts": facts, "closed_us": now_us}
    entry = _entry(
        action, "guard.refused", Result.BLOCKED, policy_rev=policy_rev, reason=reason, approval_id=approval_id
    )
    payload = _payload(action, target, said.told)

    def op(tx: Tx) -> None:
        tx.put(_INSERT, row)
        tx.append(entry, payload, subject=action.about)

    return op


async def find_outcome(journal: Journal, effect_key: str, *, workspace: str) -> Past | None:
    """What became of the newest action with this effect key that wasn't refused; ``None`` when there was none."""

    def op(tx: ReadTx) -> Past | None:
        for row in tx.rows(_SAME_EFFECT, {"of": workspace, "same": effect_key}):
            if State(row["state"]) is not State.REFUSED:
                return Past(row["id"], State(row["state"]), Money(row["cost_micros"]))
        return None

    return await journal.read(op)


def repeats(tx: ReadTx, action: Action) -> bool:
    """Whether this is an effect that can't be repeated and that was done, or may have been, before."""
    if action.effect.trait.repeatable or not action.effect_key:
        return False
    before = tx.rows(_SAME_EFFECT, {"of": action.workspace, "same": action.effect_key})
    return any(State(row["state"]) not in HARMLESS for row in before)


def running(tx: ReadTx, workspace: str) -> Mapping[str, tuple[str, ...]]:
    """What each agent is doing now: its open actions, as ``mission: kind target`` (``accounts.agents.Activity``)."""
    busy: dict[str, list[str]] = {}
    for row in tx.rows(_RUNNING, {"of": workspace}):
        kind, _, name = row["principal"].partition(":")
        if kind == ActorKind.AGENT.value:
            what = f"{row['kind']} {row['target']}".strip()
            busy.setdefault(name, []).append(f"{row['mission']}: {what}" if row["mission"] else what)
    return {name: tuple(each) for name, each in busy.items()}


def settle_abandoned(tx: Tx, mission: str, *, workspace: str, now_us: int) -> list[Past]:
    """Close what a dead run of a mission left open: ``abandoned`` when it may be repeated, else ``unknown``.

    Its reservation becomes spending, for nobody knows what it cost. To be called by whoever holds the mission's fence,
    inside an operation of theirs (``guard.settle``).
    """
    rows = tx.rows(_LEFT_OPEN, {"of": workspace, "in_mission": mission})
    found = (settle_open(tx, row, reason="abandoned", now_us=now_us) for row in rows)
    return [past for past in found if past is not None]


def settle_open(tx: Tx, row: Row, *, reason: str, now_us: int) -> Past | None:
    """Close one action that nobody will: ``row`` is as it was read, open. ``None``: somebody closed it meanwhile."""
    state = State.ABANDONED if TRAITS[row["kind"]].repeatable else State.UNKNOWN
    cost = Money(row["estimate_micros"])
    principal, origin = _principal(row["principal"]), _principal(row["on_behalf_of"])
    closed = tx.row(
        _CLOSE,
        {
            "which": row["id"],
            "now_in": state.value,
            "because": reason,
            "cost": cost.micros,
            "tried": row["tries"],
            "at": now_us,
        },
    )
    if closed is None:
        return None
    if row["kind"] in METERED:
        rate.keep(tx, row["workspace"], row["id"])
    budget.settle(tx, payer_of_row(row), cost=cost, by=principal, opened_us=closed["opened_us"], now_us=now_us)
    tx.append(
        _settled_entry(row, principal, origin, state, reason),
        {"kind": row["kind"], "state": state.value, "cost_micros": cost.micros},
    )
    return Past(row["id"], state, cost)


def _used(ending: Ending, now_us: int) -> rate.Used:
    """How an action ended, as far as its rates care."""
    value = None if ending.outcome is None else ending.outcome.value
    certain = ending.state in {State.OK, State.FAILED}
    tokens = ending.usage.tokens_in + ending.usage.tokens_out
    return rate.Used(0 if ending.state is State.UNUSED else max(ending.tries, 1), value, certain, now_us, tokens)


def _check_unrepeated(tx: Tx, action: Action) -> None:
    if not action.effect_key:
        message = f"An effect of kind {action.kind!r} can't be repeated, so it needs an effect key."
        raise Conflict(message, code="guard.no_key", hint="set Action.effect_key")
    for row in tx.rows(_SAME_EFFECT, {"of": action.workspace, "same": action.effect_key}):
        state = State(row["state"])
        if state in HARMLESS:
            continue
        if state is State.OK:
            message = f"This {action.kind} was done already (action {row['id']}) and is not repeated."
            raise Conflict(message, code="guard.done", hint=f"remit why {row['id']}")
        message = (
            f"Nobody knows whether this {action.kind} was done (action {row['id']} is {state.value}): "
            "look at its target and decide; it is never repeated by itself."
        )
        raise Conflict(message, code="guard.unknown_outcome", hint=f"remit why {row['id']}")


def _check_untold(tx: Tx, action: Action) -> None:
    """A message may be repeated when nobody knows whether it arrived; one that did is not sent again."""
    for row in tx.rows(_SAME_EFFECT, {"of": action.workspace, "same": action.effect_key}):
        if State(row["state"]) is State.OK:
            message = f"This {action.kind} was done already (action {row['id']}) and is not repeated."
            raise Conflict(message, code="guard.done", hint=f"remit why {row['id']}")


def _row(
    action: Action, state: State, *, target: str, said: Verdicts, policy_rev: str, now_us: int
) -> dict[str, object]:
    return {
        "id": action.id,
        "workspace": action.workspace,
        "mission": action.mission,
        "step": action.step,
        "attempt": action.attempt,
        "kind": action.kind,
        "target": target,
        "subject_hash": action.subject_hash,
        "effect_key": action.effect_key,
        "principal": str(action.principal),
        "on_behalf_of": str(action.on_behalf_of),
        "parent": action.parent,
        "estimate_micros": action.estimate.micros,
        "cost_micros": 0,
        "state": state.value,
        "reason": "",
        "tries": 0,
        "checks": said.text,
        "spent_ns": said.spent_ns,
        "policy_rev": policy_rev,
        "facts": "",
        "opened_us": now_us,
        "closed_us": None,
        "owner": "",
        "key": action.key,
    }


def _attempts(action: Action, attempts: tuple[Attempt, ...], cost: Money) -> list[dict[str, object]]:
    """Each attempt's row; the last one bears the cost."""
    last = len(attempts)
    return [
        {
            "action": action.id,
            "number": number,
            "workspace": action.workspace,
            "began_us": attempt.began_us,
            "ended_us": attempt.ended_us,
            "code": attempt.code,
            "wait_ms": attempt.wait_ms,
            "cost_micros": cost.micros if number == last else 0,
        }
        for number, attempt in enumerate(attempts, 1)
    ]


def _entry(
    action: Action, name: str, result: Result, *, policy_rev: str, reason: str = "", approval_id: str = ""
) -> Entry:
    return Entry(
        actor=action.principal,
        action=name,
        domain=action.effect.trait.domain,
        result=result,
        workspace=action.workspace,
        on_behalf_of=action.on_behalf_of,
        reason=reason,
        subject=action.id,
        mission=action.mission,
        step=action.step,
        approval_id=approval_id if approval_id != approval_requests.NONE else "",
        policy_rev=policy_rev,
    )


def _payload(action: Action, target: str, checks: Json) -> dict[str, Json]:
    return {
        "kind": action.kind,
        "target": target,
        "subject_hash": action.subject_hash,
        "effect": action.effect_key,
        "attempt": action.attempt,
        "estimate_micros": action.estimate.micros,
        "checks": checks,
    }


def _ended(action: Action, ending: Ending) -> dict[str, Json]:
    """What the log keeps of an outcome."""
    payload: dict[str, Json] = {
        "kind": action.kind,
        "state": ending.state.value,
        "tries": ending.tries,
        "cost_micros": ending.cost.micros,
    }
    if ending.usage is not NOTHING:
        payload["usage"] = ending.usage.as_json()
    if ending.outcome is not None:
        payload["value_sha256"] = digest(ending.outcome.value)
        payload["text"] = ending.outcome.text[:LONGEST_TEXT]
    elif ending.error is not None:
        # A caller's own cancellation was masked by nobody: its kind says enough.
        known = isinstance(ending.error, RemitError)
        payload["error"] = (str(ending.error) if known else type(ending.error).__name__)[:LONGEST_TEXT]
    return payload


def _settled_entry(row: Row, principal: Principal, origin: Principal, state: State, reason: str) -> Entry:
    return Entry(
        actor=principal,
        action="guard.outcome",
        domain=TRAITS[row["kind"]].domain,
        result=_RESULTS[state],
        workspace=row["workspace"],
        on_behalf_of=origin,
        reason=reason,
        subject=row["id"],
        mission=row["mission"],
        step=row["step"],
        policy_rev=row["policy_rev"],
    )


def _principal(text: str) -> Principal:
    kind, _, name = text.partition(":")
    return Principal(ActorKind(kind), name)
