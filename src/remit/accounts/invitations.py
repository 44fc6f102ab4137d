"""Invitations: a token that lets somebody join a team once, until it expires. Only its hash is kept."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.access import (
    ACTIVE,
    Permission,
    Resource,
    check_gift,
    lock,
    reading,
    refuse,
    require,
    rights_by_team,
    still_gives,
)
from remit.accounts.people import Person, admit, check_person, read_people, valid_email
from remit.accounts.roles import ROLE_RIGHTS, Role, may
from remit.accounts.team_tables import INVITATION
from remit.accounts.teams import Member, find_member, find_team, join
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Row, Tx

TOKEN_BYTES = 32
DAYS = 7
MOST_DAYS = 30
_DAY_US = 86_400 * 1_000_000

OPEN, ACCEPTED, REVOKED, EXPIRED = "open", "accepted", "revoked", "expired"

_INSERT = insert(INVITATION)
_BY_TOKEN = select(INVITATION).where(
    INVITATION.c.workspace == bindparam("of"), INVITATION.c.token_hash == bindparam("hashed")
)
_BY_ID = select(INVITATION).where(INVITATION.c.workspace == bindparam("of"), INVITATION.c.id == bindparam("which"))
_OF_TEAM = (
    select(INVITATION)
    .where(INVITATION.c.workspace == bindparam("of"), INVITATION.c.team == bindparam("called"))
    .order_by(INVITATION.c.created_us, INVITATION.c.id)
)
_EVERY_OPEN = (
    select(INVITATION)
    .where(
        INVITATION.c.workspace == bindparam("of"),
        INVITATION.c.status == OPEN,
        INVITATION.c.expires_us > bindparam("at"),
    )
    .order_by(INVITATION.c.created_us, INVITATION.c.id)
)
_CLOSE = (
    update(INVITATION)
    .where(
        INVITATION.c.workspace == bindparam("of"), INVITATION.c.id == bindparam("which"), INVITATION.c.status == OPEN
    )
    .values(status=bindparam("now_is"), closed_by=bindparam("by"), closed_us=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation. ``token`` is known only to whoever made it, in the answer to that order."""

    id: str
    team: str
    email: str
    role: Role
    status: str
    expires_us: int
    invited_by: str
    token: str = field(default="", repr=False)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``; the token only where it is there."""
        told: dict[str, Json] = {
            "invitation": self.id,
            "team": self.team,
            "email": self.email,
            "role": self.role.value,
            "status": self.status,
            "expires_us": self.expires_us,
            "invited_by": self.invited_by,
        }
        return {**told, "token": self.token} if self.token else told


async def invite(
    journal: Journal,
    team: str,
    *,
    workspace: str,
    email: str,
    role: Role,
    by: Principal,
    clock: Clock,
    rand: Callable[[int], bytes],
    days: int = DAYS,
) -> Invitation:
    """Invite whoever reads ``email`` into a team; the answer holds the token, and nothing else ever does. Audited.

    Args:
        journal: The store.
        team: Which team.
        workspace: Where.
        email: Whom; an account with another address can't accept.
        role: What they will be.
        by: Who invites.
        clock: Wall time.
        rand: Random bytes, such as ``secrets.token_bytes``.
        days: How long the token holds, at most 30.

    Raises:
        Refused: ``by`` may not invite into the team, or offers more than they have.
        InvalidInput: No e-mail address, or a wrong number of days.
        NotFound: There is no such team.
    """
    if not valid_email(email) or not 1 <= days <= MOST_DAYS:
        message = f"An invitation needs an e-mail address (not {email[:80]!r}) and holds 1 to {MOST_DAYS} days."
        raise InvalidInput(message, code="accounts.invitation", hint="remit teams invite --help")
    token = base64.urlsafe_b64encode(rand(TOKEN_BYTES)).rstrip(b"=").decode()
    now = micros_of(clock.now())
    made = Invitation(new_id(), team, email, role, OPEN, now + days * _DAY_US, str(by), token)

    def op(tx: Tx) -> Invitation:
        rights = require(
            tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.INVITATION, team=team
        )
        find_team(tx, workspace=workspace, slug=team)
        check_gift(by, rights=rights, gift=ROLE_RIGHTS[role], workspace=workspace, team=team)
        row: dict[str, object] = {
            "id": made.id,
            "workspace": workspace,
            "team": team,
            "email": email,
            "role": role.value,
            "token_hash": _hash(token),
            "invited_by": str(by),
            "created_us": now,
            "expires_us": made.expires_us,
            "status": OPEN,
            "closed_by": "",
            "closed_us": None,
        }
        tx.execute(_INSERT, row)
        told: dict[str, Json] = {"team": team, "role": role.value, "expires_us": made.expires_us}
        tx.append(_entry("accounts.invitation.made", workspace, made.id, by), told)
        return made

    return await journal.commit("accounts.team", op)


async def accept(journal: Journal, token: str, *, workspace: str, who: Principal, clock: Clock, name: str = "") -> str:
    """Join with a token: whoever has no account gets one. Audited; the team's slug.

    Raises:
        Refused: The token is unknown, used, revoked or expired, or meant for another address; ``who`` is no person;
            the plan holds no more people.
        Conflict: They are in the team.
    """

    def op(tx: Tx) -> str:
        return accept_in(tx, token, workspace=workspace, who=who, clock=clock, name=name)

    return await journal.commit("accounts.team", op)


def accept_in(tx: Tx, token: str, *, workspace: str, who: Principal, clock: Clock, name: str) -> str:
    """As ``accept``, inside another operation."""
    lock(tx, workspace)
    now = micros_of(clock.now())
    if who.kind is not ActorKind.USER:
        _refuse(who, workspace, "only a person joins a team")
    row = check_token(tx, token, workspace=workspace, who=who, clock=clock)
    person = _account(tx, row, who=who, name=name, clock=clock)
    if find_member(tx, workspace=workspace, team=row["team"], user=person.id) is not None:
        message = f"{person.id!r} is in the team {row['team']!r}."
        raise Conflict(message, code="accounts.taken", hint=f"remit teams show {row['team']}")
    if tx.execute(_CLOSE, {"of": workspace, "which": row["id"], "now_is": ACCEPTED, "by": str(who), "at": now}) != 1:
        _refuse(who, workspace, "the invitation was used", row=row)
    join(tx, Member(row["team"], person.id, Role(row["role"])), workspace=workspace, at_us=now)
    told: dict[str, Json] = {"team": row["team"], "role": row["role"], "user": person.id}
    tx.append(_entry("accounts.invitation.accepted", workspace, row["id"], who), told)
    return str(row["team"])


def check_token(tx: ReadTx, token: str, *, workspace: str, who: Principal, clock: Clock) -> Row:
    """The invitation that a token opens; refused, on record as ``who`` asked, when it opens none.

    Raises:
        Refused: It is unknown, used, revoked or expired, or whoever made it could not make it any more.
    """
    row = tx.row(_BY_TOKEN, {"of": workspace, "hashed": _hash(token)})
    if row is None:
        _refuse(who, workspace, "there is no such invitation")
    status = _status(row, micros_of(clock.now()))
    if status != OPEN:
        _refuse(who, workspace, f"the invitation is {status}", row=row)
    gift, giver, team = ROLE_RIGHTS[Role(row["role"])], str(row["invited_by"]), str(row["team"])
    if not still_gives(tx, giver, workspace=workspace, resource=Resource.INVITATION, gift=gift, team=team):
        _refuse(who, workspace, "who invited may not any more", row=row)
    return row


async def look_at_invitation(journal: Journal, token: str, *, workspace: str, clock: Clock) -> Invitation | None:
    """What an open invitation offers, for whoever has its token; ``None``: nothing."""
    return await journal.read(lambda tx: find_open(tx, token, workspace=workspace, clock=clock))


def find_open(tx: ReadTx, token: str, *, workspace: str, clock: Clock) -> Invitation | None:
    """As ``look_at_invitation``, inside another operation."""
    row = tx.row(_BY_TOKEN, {"of": workspace, "hashed": _hash(token)})
    found = None if row is None else _invitation(row, micros_of(clock.now()))
    return found if found is not None and found.status == OPEN else None


async def revoke_invitation(journal: Journal, which: str, *, workspace: str, by: Principal, clock: Clock) -> None:
    """Take an open invitation back; audited.

    Raises:
        Refused: ``by`` may not administer the team's invitations.
        NotFound: There is no such invitation, or it isn't open.
    """

    def op(tx: Tx) -> None:
        row = tx.row(_BY_ID, {"of": workspace, "which": which})
        team = "" if row is None else str(row["team"])
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.INVITATION, team=team)
        at = micros_of(clock.now())
        values: dict[str, object] = {"now_is": REVOKED, "by": str(by), "at": at}
        if row is None or tx.execute(_CLOSE, {"of": workspace, "which": which, **values}) != 1:
            message = f"There is no open invitation {which[:60]!r}."
            raise NotFound(message, code="accounts.invitation", hint="remit teams list")
        tx.append(_entry("accounts.invitation.revoked", workspace, which, by), {"team": team})

    await journal.commit("accounts.team", op)


async def list_invitations(
    journal: Journal, team: str, *, workspace: str, by: Principal, clock: Clock
) -> list[Invitation]:
    """A team's invitations, oldest first.

    Raises:
        Refused: ``by`` may not administer them.
        NotFound: There is no such team.
    """

    def op(tx: ReadTx) -> list[Invitation]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.INVITATION, team=team)
        find_team(tx, workspace=workspace, slug=team)
        now = micros_of(clock.now())
        return [_invitation(row, now) for row in tx.rows(_OF_TEAM, {"of": workspace, "called": team})]

    return await reading(journal, op)


async def open_invitations(
    journal: Journal, *, workspace: str, by: Principal, clock: Clock
) -> dict[str, list[Invitation]]:
    """The open invitations of every team whose invitations ``by`` administers, by team, oldest first."""

    def op(tx: ReadTx) -> dict[str, list[Invitation]]:
        rights = rights_by_team(tx, by.id, workspace=workspace)
        now = micros_of(clock.now())
        found: dict[str, list[Invitation]] = {}
        for row in tx.rows(_EVERY_OPEN, {"of": workspace, "at": now}) if by.kind is ActorKind.USER else ():
            if may(rights(row["team"]), Permission.ADMIN, Resource.INVITATION):
                found.setdefault(row["team"], []).append(_invitation(row, now))
        return found

    return await reading(journal, op)


def _account(tx: Tx, row: Row, *, who: Principal, name: str, clock: Clock) -> Person:
    workspace = row["workspace"]
    known = read_people(tx, workspace).get(who.id)
    if known is not None and known.email and known.email.casefold() != row["email"].casefold():
        _refuse(who, workspace, "the invitation is for another e-mail address", row=row)
    if known is not None and known.status == ACTIVE:
        return known
    person = Person(workspace, who.id, name or who.id, row["email"])
    check_person(person)
    admit(tx, person, by=who, clock=clock)
    return person


def _refuse(who: Principal, workspace: str, why: str, *, row: Row | None = None) -> NoReturn:
    refuse(
        who,
        f"{f'{who} can not' if who.kind is ActorKind.USER else 'Nobody can'} join with this token: {why}. "
        "Ask for a new invitation.",
        workspace=workspace,
        subject="invitation" if row is None else row["id"],
        code="accounts.invitation_refused",
        hint="remit teams invite TEAM --email ADDRESS",
        team="" if row is None else row["team"],
        why=why,
    )


def _status(row: Row, now_us: int) -> str:
    return EXPIRED if row["status"] == OPEN and row["expires_us"] <= now_us else str(row["status"])


def _invitation(row: Row, now_us: int) -> Invitation:
    return Invitation(
        row["id"],
        row["team"],
        row["email"],
        Role(row["role"]),
        _status(row, now_us),
        row["expires_us"],
        row["invited_by"],
    )


def _hash(token: str) -> str:
    return sha256_hex(token.encode("utf-8", "replace"))


def _entry(action: str, workspace: str, which: str, by: Principal) -> Entry:
    return Entry(actor=by, action=action, domain="accounts", result=Result.SUCCESS, workspace=workspace, subject=which)
