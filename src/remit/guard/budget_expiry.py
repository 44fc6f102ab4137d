"""Reservations that nobody will settle: their process is gone, and no mission comes back for them.

A mission settles what its own dead runs left open when it is resumed. What belongs to no mission, or to one that
nobody resumed for an hour, is found here by whether the process that opened it lives, and settled with its estimate.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam, select

from remit.accounts.budget_periods import DAY_US, HOUR_US
from remit.guard.records import Past, settle_open
from remit.guard.tables import ACTION, IS_OPEN
from remit.kernel.ports import Journal, Row, Tx

#: How long a mission has to come back for what its dead run left open.
MISSION_US = HOUR_US
#: What is open for longer is given up when nobody can tell whether its process lives (another host's, say).
OLDEST_US = DAY_US

_OPEN = select(ACTION).where(ACTION.c.workspace == bindparam("of"), IS_OPEN).order_by(ACTION.c.opened_us, ACTION.c.id)


async def expire(
    journal: Journal, workspace: str, *, alive: Callable[[str], bool | None], alone: bool, now_us: int
) -> list[Past]:
    """Settle what was left open for good, each with its estimate and an audit entry; nothing to do: no write.

    Args:
        journal: The store.
        workspace: Whose actions.
        alive: Whether the process that opened an action lives; ``None``: can't tell.
        alone: No other host uses this store, so that a process that is not known here is gone.
        now_us: Now.
    """
    left = await journal.read(lambda tx: tx.rows(_OPEN, {"of": workspace}))
    gone = [row for row in left if _gone(row, alive=alive, alone=alone, now_us=now_us)]
    if not gone:
        return []

    def op(tx: Tx) -> list[Past]:
        found = (settle_open(tx, row, reason="expired", now_us=now_us) for row in gone)
        return [past for past in found if past is not None]

    return await journal.commit("guard.settle", op)


def _gone(row: Row, *, alive: Callable[[str], bool | None], alone: bool, now_us: int) -> bool:
    age = now_us - row["opened_us"]
    lives = alive(row["owner"]) if row["owner"] else None
    if lives is None and alone and row["owner"]:
        lives = False
    if lives is None:
        return age > OLDEST_US
    return not lives and (not row["mission"] or age > MISSION_US)
