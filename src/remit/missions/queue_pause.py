"""Pausing the queue: nothing more is taken up, in any process, until somebody lets it go on. What runs goes on.

The order is a row (of ``queue_share``, under a name that no originator has), so it outlives every process, and each
that would take a mission reads it in the transaction that takes.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx, Tx
from remit.missions.deps import Deps
from remit.missions.queue import turnstile
from remit.missions.queue_order import EVERY
from remit.missions.queue_tables import PAUSED, SHARE

LONGEST = 2000  # characters of a reason

_PUT = insert(SHARE)
_SET = _PUT.on_conflict_do_update(
    index_elements=[SHARE.c.workspace, SHARE.c.originator], set_={"pass_units": _PUT.excluded.pass_units}
)
_SINCE = select(SHARE.c.workspace, SHARE.c.pass_units).where(
    SHARE.c.workspace.in_(bindparam("these", expanding=True)), SHARE.c.originator == PAUSED, SHARE.c.pass_units > 0
)


def paused_since(tx: ReadTx, workspace: str) -> tuple[int, bool]:
    """Since when nothing of a workspace is taken up (0: it is), and whether that holds for the whole home."""
    found = {row["workspace"]: int(row["pass_units"]) for row in tx.rows(_SINCE, {"these": [workspace, EVERY]})}
    return max(found.values(), default=0), EVERY in found


async def pause(deps: Deps, workspace: str, *, by: Principal, reason: str, paused: bool, home: bool = False) -> bool:
    """Pause a workspace's queue, or let it go on; whether that changed anything. Harmless to repeat.

    Args:
        deps: The missions' surroundings.
        workspace: Where ``by`` is, and what is paused.
        by: Who orders it: an administrator.
        reason: Kept in the audit log, masked.
        paused: Pause, or go on.
        home: For every workspace of this home; only whoever is at the machine is asked for that.

    Raises:
        Refused: ``by`` may not. InvalidInput: No reason.
    """
    told = deps.redactor.mask(reason.strip())
    if not 0 < len(told) <= LONGEST:
        message = f"Say why, in at most {LONGEST} characters: it is kept in the audit log."
        raise InvalidInput(message, code="queue.reason", hint="remit queue pause --reason 'the model is down'")
    which = EVERY if home else workspace

    def op(tx: Tx) -> bool:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        turnstile(tx)
        before = bool(tx.rows(_SINCE, {"these": [which]}))
        if before == paused:
            return False
        now_us = deps.now()
        tx.execute(_SET, {"workspace": which, "originator": PAUSED, "pass_units": now_us if paused else 0})
        verb = "paused" if paused else "resumed"
        entry = Entry(by, f"mission.queue.{verb}", "missions", Result.SUCCESS, workspace, subject=which, reason=verb)
        payload: dict[str, Json] = {"reason": told, "home": home}
        tx.append(entry, payload)
        return True

    return await deps.journal.commit("queue.pause", op)
