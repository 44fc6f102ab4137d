"""Settling an effect whose end nobody wrote down, by looking at what it was to change.

A process that died, was killed or lost its connection leaves an action ``open`` or ``unknown``; it is never repeated by
itself. Where its target can be asked, the answer is written here and the effect may be asked for again, or counts as
done.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from remit.audit.entry import Entry, Result
from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict
from remit.kernel.ports import Tx

REASON = "reconciled"
SYSTEM = Principal(ActorKind.SYSTEM, "remit")

#: States in which it may have happened.
UNSURE = (State.OPEN, State.UNKNOWN, State.BLOCKED, State.CANCELLED, State.ABANDONED)

_ONE = select(ACTION).where(ACTION.c.workspace == bindparam("of"), ACTION.c.id == bindparam("which"))
_SETTLE = (
    update(ACTION)
    .where(
        ACTION.c.workspace == bindparam("of"),
        ACTION.c.id == bindparam("which"),
        ACTION.c.state.in_([state.value for state in UNSURE]),
    )
    .values(state=bindparam("now_in"), reason=REASON, closed_us=bindparam("at"))
)


def reconcile(tx: Tx, action: str, *, workspace: str, happened: bool, now_us: int) -> bool:
    """Write down what the target says: it happened, or it certainly did not. Whether there was anything to write.

    Raises:
        Conflict: The action still holds money: only the end of its run says what it cost (``guard.reserved``).
    """
    row = tx.row(_ONE, {"of": workspace, "which": action})
    if row is None or State(row["state"]) not in UNSURE:
        return False
    if row["estimate_micros"] and State(row["state"]) is State.OPEN:
        message = f"The action {action} is open and holds a reservation: its mission must be resumed first."
        raise Conflict(message, code="guard.reserved", hint=f"remit why {action}")
    state = State.OK if happened else State.FAILED
    tx.execute(_SETTLE, {"of": workspace, "which": action, "now_in": state.value, "at": now_us})
    entry = Entry(
        actor=SYSTEM,
        action="guard.outcome",
        domain="deployment",
        result=Result.SUCCESS if happened else Result.FAILURE,
        workspace=workspace,
        on_behalf_of=Principal.parse(row["on_behalf_of"]),
        reason=REASON,
        subject=action,
        mission=row["mission"],
        step=row["step"],
        policy_rev=row["policy_rev"],
    )
    tx.append(entry, {"kind": row["kind"], "state": state.value, "was": row["state"]})
    return True
