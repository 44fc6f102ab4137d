"""Who may administer: one question that every order of a person asks, in the order's own transaction."""

from __future__ import annotations

from enum import StrEnum

from remit.accounts.owner import read_owner
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Denied
from remit.kernel.ports import ReadTx


class Permission(StrEnum):
    """What a person may be allowed in a workspace. ``APPROVE``: to decide about other people's requests."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    APPROVE = "approve"
    ADMIN = "admin"


def require(tx: ReadTx, who: Principal, *, workspace: str, permission: Permission) -> None:
    """Refuse whoever may not.

    Raises:
        Denied: An agent (agents never administer nor approve), or a person without the permission.
    """
    if who.kind is ActorKind.AGENT:
        message = f"{who} is an agent: agents never administer and never approve."
        raise Denied(message, code="accounts.agent_administers", hint="run the command as a person")
    owner = read_owner(tx, workspace)
    if owner is None or who != owner.principal:
        message = f"{who} has no {permission.value} permission in the workspace {workspace!r}."
        raise Denied(message, code="accounts.not_permitted", hint="ask the workspace's owner: remit agents")
