"""One-time links: with one somebody sets their password, the first one or a new one, once, within an hour.

There is no default password. ``remit init`` and ``remit up`` print the owner's first link; later ones are made by
whoever administers members (``remit users link``). Of a link only its token's hash is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.access import Permission, Resource, check_gift, lock, refuse, require, rights_of, still_gives
from remit.accounts.entrance import Entrance, Visit
from remit.accounts.invitations import accept_in, check_token
from remit.accounts.passwords import check_password, stored_password
from remit.accounts.people import find_person, read_people
from remit.accounts.sessions import How, SessionKind, person_of, session_entry
from remit.accounts.sign_in_tables import FACTOR, LINK, RECOVERY
from remit.accounts.sign_in_tokens import TokenWord, digest_of, new_token, well_formed
from remit.accounts.signing_in import NOBODY, Challenge, Signed, about, let_in, replace_password
from remit.audit.entry import Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import Conflict, Unauthenticated
from remit.kernel.ids import new_id
from remit.kernel.ports import ReadTx, Row, Tx

_INSERT = insert(LINK)
_BY_TOKEN = select(LINK).where(LINK.c.token_hash == bindparam("hashed"))
_OPEN = (LINK.c.closed_us.is_(None),)
_USE = (
    update(LINK)
    .where(LINK.c.id == bindparam("which"), *_OPEN, LINK.c.expires_us > bindparam("at"))
    .values(closed_us=bindparam("at"))
)
_REPLACE = (
    update(LINK)
    .where(LINK.c.workspace == bindparam("of"), LINK.c.person == bindparam("who"), *_OPEN)
    .values(closed_us=bindparam("at"))
)
_NO_FACTOR = tuple(
    table.delete().where(table.c.workspace == bindparam("of"), table.c.person == bindparam("who"))
    for table in (FACTOR, RECOVERY)
)


class Purpose(StrEnum):
    """What a link is for."""

    SETUP = "setup"  # a first password
    RESET = "reset"  # a new one
    RECOVER = "recover"  # a new one, and no second factor any more: for who lost theirs


@dataclass(frozen=True, slots=True)
class Link:
    """A link. ``token`` is known only in the answer to the order that made it."""

    person: str
    workspace: str
    purpose: Purpose
    expires_us: int
    token: str = field(default="", repr=False)
    id: str = ""

    def path(self) -> str:
        """Where in the console it leads. The token stands behind ``#``: no server and no log sees it on the way."""
        return f"/set-up#{self.token}"


async def make_link(
    entrance: Entrance, user: str, *, workspace: str, by: Principal, factor: bool = True, own: bool = False
) -> Link:
    """A link with which ``user`` sets a password; earlier ones end. Audited.

    Args:
        entrance: The store and what belongs to it.
        user: Whose password.
        workspace: Where.
        by: Who orders it.
        factor: Whether their second factor stays; without it whoever has the link needs none.
        own: Whether ``by`` may make one for themselves: at this machine's command line, not in a session that somebody
            may have taken over.

    Raises:
        Refused: ``by`` may not administer members, or has less than ``user``, or it is their own.
        NotFound: There is no such person.
    """
    token = new_token(TokenWord.LINK, entrance.rand)

    def op(tx: Tx) -> Link:
        lock(tx, workspace)
        rights = require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)
        person = find_person(tx, workspace=workspace, user=user)
        check_gift(by, rights=rights, gift=rights_of(tx, user, workspace=workspace), workspace=workspace)
        if user == by.id and not own:
            _not_own(by, workspace)
        has = bool(stored_password(tx, workspace=workspace, person=user))
        purpose = (Purpose.RESET if factor else Purpose.RECOVER) if has else Purpose.SETUP
        now = entrance.now_us()
        made = Link(person.id, workspace, purpose, now + entrance.terms.link_us, token)
        tx.execute(_REPLACE, {"of": workspace, "who": user, "at": now})
        made = put_link(tx, made, by=by, at_us=now)
        told: dict[str, Json] = {"user": user, "purpose": purpose, "expires_us": made.expires_us}
        tx.append(session_entry("accounts.link.made", workspace, user, by), told, subject=user)
        return made

    return await entrance.journal.commit("sign_in.link", op)


def put_link(tx: Tx, link: Link, *, by: Principal, at_us: int) -> Link:
    """Write a new link, inside another operation whose own entry tells it; the link with its id."""
    made = replace(link, id=new_id(unix_ms=at_us // 1000))
    row: dict[str, object] = {
        "id": made.id,
        "workspace": made.workspace,
        "person": made.person,
        "purpose": made.purpose.value,
        "token_hash": digest_of(made.token),
        "created_by": str(by),
        "created_us": at_us,
        "expires_us": made.expires_us,
        "closed_us": None,
    }
    tx.execute(_INSERT, row)
    return made


async def first_link(entrance: Entrance, *, workspace: str, owner: Principal) -> Link | None:
    """The link with which the owner of a new home sets the first password; ``None`` when there is a password."""
    has = await entrance.journal.read(lambda tx: stored_password(tx, workspace=workspace, person=owner.id))
    return None if has else await make_link(entrance, owner.id, workspace=workspace, by=owner, own=True)


async def look_at_link(entrance: Entrance, token: str) -> Link | None:
    """What a link that holds is for, for whoever has it; ``None``: nothing."""
    row = await entrance.journal.read(lambda tx: _holding(tx, entrance, token))
    return None if row is None else Link(row["person"], row["workspace"], Purpose(row["purpose"]), row["expires_us"])


async def use_link(entrance: Entrance, token: str, password: str, *, visit: Visit) -> Signed | Challenge:
    """Set a password with a link, which is used up, and sign in; every other sign-in of the person ends. Audited.

    Raises:
        Unauthenticated: The link was used, replaced, has expired, or never was; never says which. On record.
        InvalidInput: It can't be a password; the link holds on.
        RateLimited: Too many tries from this address.
    """
    tried = await entrance.tries.begin(entrance.workspace, entrance.tries.subjects("link", token, visit.address))
    row = await entrance.journal.read(lambda tx: _holding(tx, entrance, token))
    if row is None:
        await _no_link(entrance, visit)
    workspace, user = str(row["workspace"]), str(row["person"])
    person = await entrance.journal.read(lambda tx: find_person(tx, workspace=workspace, user=user))
    hashed = await entrance.hasher.hash(check_password(password, about=about(person)))

    def op(tx: Tx) -> bool:
        lock(tx, workspace)
        gift, giver = rights_of(tx, user, workspace=workspace), str(row["created_by"])
        given = giver != str(NOBODY)  # else it was mailed to whom it is for (``resets``): it is nobody's gift
        if given and not still_gives(tx, giver, workspace=workspace, resource=Resource.MEMBER, gift=gift):
            return False
        if tx.execute(_USE, {"which": row["id"], "at": entrance.now_us()}) != 1:
            return False
        entrance.tries.succeeded(tx, tried)
        if row["purpose"] == Purpose.RECOVER:
            for stmt in _NO_FACTOR:
                tx.execute(stmt, {"of": workspace, "who": user})
        replace_password(tx, entrance, hashed, workspace=workspace, person=user, by=person_of(user))
        entry = session_entry("accounts.link.used", workspace, user, person_of(user))
        tx.append(entry, {"user": user, "purpose": row["purpose"], "address": visit.address}, subject=user)
        return True

    if not await entrance.journal.commit("sign_in.link", op):
        await _no_link(entrance, visit)
    entrance.sign_in.forget()
    kind = SessionKind.CONSOLE
    signed = await let_in(entrance, user, workspace=workspace, how=How.LINK, visit=visit, kind=kind)
    return signed or await _no_link(entrance, visit)


async def join(
    entrance: Entrance, token: str, user: str, password: str, *, workspace: str, visit: Visit, name: str = ""
) -> Signed | Challenge:
    """Join a team with an invitation, with a new account and its password, all or nothing; then sign in. Audited.

    Who has an account signs in and accepts with that (``invitations.accept``): an invitation opens nobody's account.

    Raises:
        Refused: The invitation is unknown, used, revoked or expired; the plan holds no more people.
        InvalidInput: It can't be a password, an id or a name.
        Conflict: There is, or was, a person with this id.
        RateLimited: Too many tries from this address.
    """
    tried = await entrance.tries.begin(entrance.workspace, entrance.tries.subjects("invitation", token, visit.address))
    who = person_of(user)
    hashed = await entrance.hasher.hash(check_password(password, about=(user, name, workspace)))

    def op(tx: Tx) -> None:
        lock(tx, workspace)
        # Before it is known who exists, and in nobody's name: a stranger may have typed anybody's.
        check_token(tx, token, workspace=workspace, who=NOBODY, clock=entrance.clock)
        if user in read_people(tx, workspace):
            message = f"There is, or was, a user {user[:60]!r}. Choose another id, or sign in and accept with that."
            raise Conflict(message, code="accounts.taken", hint="remit teams accept TOKEN")
        accept_in(tx, token, workspace=workspace, who=who, clock=entrance.clock, name=name)
        entrance.tries.succeeded(tx, tried)
        replace_password(tx, entrance, hashed, workspace=workspace, person=user, by=who)

    await entrance.journal.commit("sign_in.link", op)
    kind = SessionKind.CONSOLE
    signed = await let_in(entrance, user, workspace=workspace, how=How.LINK, visit=visit, kind=kind)
    return signed or await _no_link(entrance, visit)


def _holding(tx: ReadTx, entrance: Entrance, token: str) -> Row | None:
    if not well_formed(token, TokenWord.LINK):
        return None
    row = tx.row(_BY_TOKEN, {"hashed": digest_of(token)})
    holds = row is not None and row["closed_us"] is None and row["expires_us"] > entrance.now_us()
    return row if holds else None


async def _no_link(entrance: Entrance, visit: Visit) -> NoReturn:
    def op(tx: Tx) -> None:
        entry = session_entry(
            "accounts.sign_in.refused", entrance.workspace, "", NOBODY, result=Result.BLOCKED, reason="link"
        )
        tx.append(entry, {"user": "", "team": "", "address": visit.address, "agent": visit.shown_agent})

    await entrance.journal.commit("sign_in.try", op)
    message = "This link does not hold (any more): it was used, replaced by a newer one, or is older than an hour."
    raise Unauthenticated(message, code="sign_in.link", hint="remit users link USER")


def _not_own(by: Principal, workspace: str) -> NoReturn:
    refuse(
        by,
        f"{by} changes their own password with the current one, or with a link that somebody else makes.",
        workspace=workspace,
        subject="admin member",
        code="accounts.own_link",
        hint="remit users link USER",
    )
