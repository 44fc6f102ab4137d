"""Who may give orders: one question that every order of a person asks, in the order's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from sqlalchemy import bindparam, select, update

from remit.accounts.roles import NONE, Permission, Resource, Role, effective, may, names_of
from remit.accounts.tables import USER, WORKSPACE
from remit.accounts.team_tables import MEMBER
from remit.audit.entry import MAX_TEXT, Entry, Result
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.ports import Journal, ReadTx, Row, Tx

__all__ = [
    "Permission",
    "Resource",
    "check_gift",
    "lock",
    "no_agent",
    "reading",
    "refuse",
    "require",
    "rights_of",
    "still_gives",
]

ACTIVE = "active"

_USER = select(USER.c.role, USER.c.granted, USER.c.revoked, USER.c.status).where(
    USER.c.workspace == bindparam("of"), USER.c.id == bindparam("who")
)
_LOCK = update(WORKSPACE).where(WORKSPACE.c.workspace == bindparam("of")).values(name=WORKSPACE.c.name)
_OWNING = select(WORKSPACE.c.team).where(WORKSPACE.c.workspace == bindparam("of"))
_MEMBER = select(MEMBER.c.team, MEMBER.c.role, MEMBER.c.granted, MEMBER.c.revoked).where(
    MEMBER.c.workspace == bindparam("of"), MEMBER.c.person == bindparam("who")
)
_OWNERS = (
    select(USER.c.id)
    .where(USER.c.workspace == bindparam("of"), USER.c.role == Role.OWNER.value, USER.c.status == ACTIVE)
    .order_by(USER.c.created_us, USER.c.id)
)


def require(
    tx: ReadTx,
    who: Principal,
    *,
    workspace: str,
    permission: Permission,
    resource: Resource = Resource.WORKSPACE,
    team: str = "",
) -> int:
    """Refuse whoever may not, on record; the rights of whoever may.

    Args:
        tx: The order's own transaction. One that only reads goes through ``reading``, so that a refusal is recorded.
        who: Who gives the order.
        workspace: Where.
        permission: What the order needs.
        resource: What it is about; some orders about some resources take an owner (``roles.OWNER_ONLY``).
        team: The team it is about: rights in that team count as well.

    Raises:
        Refused: An agent (agents never administer nor approve), or a person without the permission.
    """
    no_agent(who, workspace=workspace, permission=permission, resource=resource, team=team)
    rights = rights_of(tx, who.id, workspace=workspace, team=team) if who.kind is ActorKind.USER else NONE
    if not may(rights, permission, resource):
        owners = ", ".join(row["id"] for row in tx.rows(_OWNERS, {"of": workspace})) or "nobody: remit init"
        where = f"the team {team!r}" if team else f"the workspace {workspace!r}"
        message = (
            f"{who} may not {permission.value} ({resource.value}) in {where[:80]}. An owner could grant it: {owners}."
        )
        refuse(
            who,
            message,
            workspace=workspace,
            subject=f"{permission.value} {resource.value}",
            code="accounts.not_permitted",
            hint="remit users",
            team=team,
            permission=permission.value,
            resource=resource.value,
        )
    return rights


def no_agent(
    who: Principal, *, workspace: str, permission: Permission, resource: Resource = Resource.WORKSPACE, team: str = ""
) -> None:
    """Agents never administer and never approve, whoever they act for.

    Raises:
        Refused: ``who`` is an agent.
    """
    if who.kind is ActorKind.AGENT:
        message = f"{who} is an agent: agents never administer and never approve."
        refuse(
            who,
            message,
            workspace=workspace,
            subject=f"{permission.value} {resource.value}",
            code="accounts.agent_administers",
            hint="run the command as a person",
            team=team,
        )


def refuse(
    who: Principal, message: str, *, workspace: str, subject: str, code: str, hint: str, **details: Json
) -> NoReturn:
    """Refuse an order, on record with who asked and in which team.

    Args:
        who: Who gave it.
        message: Who may not do what, and who could.
        workspace: Where.
        subject: What it was about, in codes.
        code: ``accounts.reason``; its last word is the entry's reason.
        hint: The exact next command.
        details: More for the entry's payload: ids and codes.

    Raises:
        Refused: Always.
    """
    entry = Entry(
        actor=who,
        action="accounts.refused",
        domain="accounts",
        result=Result.BLOCKED,
        workspace=workspace,
        reason=code.rpartition(".")[2],
        subject=subject[:MAX_TEXT],
    )
    payload: dict[str, Json] = {"user": str(who), "team": ""}
    payload |= {key: _plain(value) if isinstance(value, str) else value for key, value in details.items()}
    raise Refused(message, entry=entry, payload=payload, code=code, hint=hint)


async def reading[T](journal: Journal, op: Callable[[ReadTx], T]) -> T:
    """Run reads in one snapshot; a refusal among them is recorded as an order's would be.

    Raises:
        Refused: As ``op`` raises it.
    """
    try:
        return await journal.read(op)
    except Refused as refused:
        said = refused

    def record(tx: Tx) -> None:
        tx.append(said.entry, said.payload)

    if said.entry is not None:
        await journal.commit("accounts.user", record)
    raise said


def rights_of(tx: ReadTx, user: str, *, workspace: str, team: str = "") -> int:
    """What a person may do in a workspace: by their role in it, in the team that owns it, and in ``team``.

    Nobody unknown, and nobody who was removed, may do anything.
    """
    at = {"of": workspace, "who": user}
    row = tx.row(_USER, at)
    if row is None or row["status"] != ACTIVE:
        return NONE
    rights = _rights(row)
    owning = tx.row(_OWNING, {"of": workspace})
    counted = {team, "" if owning is None else owning["team"]} - {""}
    for member in tx.rows(_MEMBER, at) if counted else ():
        if member["team"] in counted:
            rights |= _rights(member)
    return rights


def rights_by_team(tx: ReadTx, user: str, *, workspace: str) -> Callable[[str], int]:
    """As ``rights_of``, for every team with the same three queries."""
    at = {"of": workspace, "who": user}
    row = tx.row(_USER, at)
    if row is None or row["status"] != ACTIVE:
        return lambda _team: NONE
    owning = tx.row(_OWNING, {"of": workspace})
    within = {str(member["team"]): _rights(member) for member in tx.rows(_MEMBER, at)}
    everywhere = _rights(row) | (NONE if owning is None else within.get(owning["team"], NONE))
    return lambda team: everywhere | within.get(team, NONE)


def check_gift(who: Principal, *, rights: int, gift: int, workspace: str, team: str = "") -> None:
    """Nobody gives, or takes away, what they don't have: an admin makes no owner and touches none.

    Args:
        who: Who gives the order, with these ``rights`` there.
        rights: As ``require`` returned them.
        gift: The rights that would be given, or those of the one who would lose some.
        workspace: Where.
        team: In which team.

    Raises:
        Refused: It is more than they have.
    """
    beyond = names_of(gift & ~rights)
    if beyond:
        refuse(
            who,
            f"{who} may not give or take what they don't have themselves: {', '.join(beyond)}. An owner could.",
            workspace=workspace,
            subject="admin member",
            code="accounts.beyond_own",
            hint="remit users",
            team=team,
            beyond=beyond,
        )


def still_gives(tx: ReadTx, giver: str, *, workspace: str, resource: Resource, gift: int, team: str = "") -> bool:
    """Whether who gave something that is used now (``user:ann``) could give it still: as ``require``, ``check_gift``.

    What somebody handed out does not outlast their right to: who was let go keeps no way back in.
    """
    kind, _, user = giver.partition(":")
    rights = rights_of(tx, user, workspace=workspace, team=team) if kind == ActorKind.USER else NONE
    return may(rights, Permission.ADMIN, resource) and not gift & ~rights


def lock(tx: Tx, workspace: str) -> None:
    """Let orders about people take turns: what is read after this holds until the order commits."""
    tx.execute(_LOCK, {"of": workspace})


def _plain(text: str) -> str:
    """What a person typed, fit for the log: an entry that can't be written would lose the refusal."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


def _rights(row: Row) -> int:
    return effective(Role(row["role"]) if row["role"] else None, row["granted"], row["revoked"])
