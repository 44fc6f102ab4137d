"""Everything that somebody signs in with, forgotten at once: none of it may open a later account."""

from __future__ import annotations

from sqlalchemy import bindparam, delete

from remit.accounts.sign_in_tables import API_KEY, FACTOR, IDENTITY, LINK, PASSWORD, RECOVERY, SESSION
from remit.kernel.ports import Tx

_FORGET = tuple(
    delete(table).where(table.c.workspace == bindparam("of"), table.c.person == bindparam("who"))
    for table in (PASSWORD, SESSION, API_KEY, LINK, FACTOR, RECOVERY, IDENTITY)
)


def forget_credentials(tx: Tx, *, workspace: str, person: str) -> None:
    """Delete password, sessions, API keys, links, second factor and identities elsewhere, in this operation."""
    for stmt in _FORGET:
        tx.execute(stmt, {"of": workspace, "who": person})
