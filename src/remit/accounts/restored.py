"""A store that came out of a backup: nobody stays signed in, for what was ended since must not hold again."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from remit.accounts.sessions import Ended
from remit.accounts.sign_in_tables import LINK, SESSION
from remit.kernel.ports import Tx

_END = (
    update(SESSION).where(SESSION.c.ended_us.is_(None)).values(ended_us=bindparam("at"), ended_why=Ended.RESTORED.value)
)
_CLOSE = update(LINK).where(LINK.c.closed_us.is_(None)).values(closed_us=bindparam("at"))


def end_sign_ins(tx: Tx, *, now_us: int) -> None:
    """End every session, token family and link of every workspace. People sign in again."""
    tx.execute(_END, {"at": now_us})
    tx.execute(_CLOSE, {"at": now_us})
