"""The local owner: the person at this machine, who may do everything except pass the guard by."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from remit.accounts.tables import USER, WORKSPACE
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal, ReadTx, Tx

OWNER_ROLE = "owner"

_ADD_WORKSPACE = insert(WORKSPACE)
_ADD_USER = insert(USER)
_OWNER = select(USER.c.id, USER.c.name).where(USER.c.workspace == bindparam("of"), USER.c.role == OWNER_ROLE)


@dataclass(frozen=True, slots=True)
class Owner:
    """A workspace's owner."""

    workspace: str
    id: str
    name: str

    @property
    def principal(self) -> Principal:
        """The owner as one who acts."""
        return Principal(ActorKind.USER, self.id)


async def create_local_owner(journal: Journal, *, workspace: str, user: str, name: str, clock: Clock) -> Owner:
    """Make a workspace with its owner, and audit it; a workspace that has an owner keeps that one, who is returned.

    Raises:
        InvalidInput: An empty workspace or user id, or the workspace ``*``.
    """
    if not workspace or not user or workspace == "*":
        message = "a workspace and its owner need ids, and the workspace's can't be '*'"
        raise InvalidInput(message, code="accounts.owner", hint="remit init")
    made = Owner(workspace, user, name)
    entry = Entry(
        actor=made.principal,
        action="accounts.owner.created",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=user,
    )

    def op(tx: Tx) -> Owner:
        known = read_owner(tx, workspace)
        if known is not None:
            return known
        at = micros_of(clock.now())
        tx.execute(_ADD_WORKSPACE, {"workspace": workspace, "name": workspace, "created_us": at, "plan": "free"})
        tx.execute(_ADD_USER, {"workspace": workspace, "id": user, "name": name, "role": OWNER_ROLE, "created_us": at})
        tx.append(entry, {"name": name})
        return made

    return await journal.commit("accounts.agent", op)


def read_owner(tx: ReadTx, workspace: str) -> Owner | None:
    """The workspace's owner, if it was set up."""
    row = tx.row(_OWNER, {"of": workspace})
    return None if row is None else Owner(workspace, row["id"], row["name"])
