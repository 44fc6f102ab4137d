"""Signing in by an OpenID provider: who a verified identity is here, and what a browser carries on the way there.

People are known by the provider's issuer and subject, never by an address that may be given to somebody else later. An
identity is linked once: by an invitation to its verified e-mail address, or, for domains that the owner named, to the
one account with that address (or a new one, a viewer). Every refusal is on record and answered alike.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from sqlalchemy import bindparam, func, insert, select

from remit.accounts.access import ACTIVE, lock
from remit.accounts.entrance import Entrance, Visit
from remit.accounts.invitations import accept_in, find_open
from remit.accounts.people import Person, admit, check_person, read_people
from remit.accounts.provider import Departure, Verified
from remit.accounts.roles import Role
from remit.accounts.sessions import How, SessionKind, person_of, session_entry
from remit.accounts.sign_in_tables import IDENTITY
from remit.accounts.signing_in import NOBODY, Challenge, Signed, let_in, refused
from remit.accounts.tables import USER
from remit.audit.entry import Result
from remit.audit.refusal import Refused
from remit.kernel.canonical import Json
from remit.kernel.errors import Conflict, InvalidInput, Unauthenticated
from remit.kernel.ports import ReadTx, Tx

#: How long somebody may take at the provider.
NOTE_US = 10 * 60 * 1_000_000
_RANDOM = 32

_KNOWN = select(IDENTITY.c.person).where(
    IDENTITY.c.workspace == bindparam("of"),
    IDENTITY.c.issuer == bindparam("by"),
    IDENTITY.c.subject == bindparam("named"),
)
_LINKED = select(IDENTITY.c.subject).where(
    IDENTITY.c.workspace == bindparam("of"), IDENTITY.c.issuer == bindparam("by"), IDENTITY.c.person == bindparam("who")
)
_LINK = insert(IDENTITY)
_BY_EMAIL = select(USER.c.id).where(
    USER.c.workspace == bindparam("of"),
    USER.c.status == ACTIVE,
    func.lower(USER.c.email) == bindparam("folded"),
)


def depart(entrance: Entrance, *, following: str, invitation: str = "") -> tuple[Departure, str]:
    """What a browser takes along, and the note for its cookie; ``following`` is where it goes afterwards."""
    state, nonce, verifier = (_text(entrance.rand(_RANDOM)) for _ in range(3))
    told: dict[str, Json] = {
        "for": "oidc",
        "state": state,
        "nonce": nonce,
        "verifier": verifier,
        "following": following,
        "invitation": invitation,
    }
    note = entrance.notes.wrap(told, until_us=entrance.now_us() + NOTE_US)
    return Departure(state, nonce, verifier, note), note


def arrived(entrance: Entrance, note: str, state: str) -> tuple[Departure, Mapping[str, str]]:
    """What it took along, when it comes back with this ``state``; and ``following`` and ``invitation``.

    Raises:
        Unauthenticated: Another browser went, or too long ago.
    """
    told = entrance.notes.unwrap(note, now_us=entrance.now_us())
    if told is None or told.get("for") != "oidc" or not state or told.get("state") != state:
        raise refused("The sign-in took too long, or began in another browser: begin again.")
    departure = Departure(state, str(told["nonce"]), str(told["verifier"]), note)
    return departure, {name: str(told[name]) for name in ("following", "invitation")}


async def sign_in_verified(
    entrance: Entrance,
    verified: Verified,
    *,
    workspace: str,
    visit: Visit,
    domains: frozenset[str] = frozenset(),
    invitation: str = "",
) -> Signed | Challenge:
    """Let somebody in whom a provider vouches for.

    Args:
        entrance: The store and what belongs to it.
        verified: Who.
        workspace: Where.
        visit: From where.
        domains: Whose verified e-mail addresses need no invitation.
        invitation: The token of one, for somebody who is not known yet.

    Raises:
        Unauthenticated: Nobody here is linked to it, and nothing lets it be linked. On record.
    """

    def op(tx: Tx) -> str:
        row = tx.row(_KNOWN, {"of": workspace, "by": verified.issuer, "named": verified.subject})
        if row is not None:
            return str(row["person"])
        lock(tx, workspace)
        person = _newcomer(tx, entrance, verified, workspace=workspace, domains=domains, invitation=invitation)
        if person:
            linked = {"workspace": workspace, "issuer": verified.issuer, "subject": verified.subject}
            tx.execute(_LINK, {**linked, "person": person, "linked_us": entrance.now_us()})
            entry = session_entry("accounts.identity.linked", workspace, person, person_of(person))
            tx.append(entry, {"user": person, "issuer": verified.issuer}, subject=person)
        return person

    person = ""
    try:
        person = await entrance.journal.commit("sign_in.identity", op)
    except (Refused, Conflict, InvalidInput) as error:  # on record where it is a refusal; and told to nobody
        if not isinstance(error, Refused):
            await _record(entrance, workspace, visit, "identity")
        raise _unknown() from error
    signed = None
    if person:
        signed = await let_in(
            entrance,
            person,
            workspace=workspace,
            how=How.OIDC,
            visit=visit,
            kind=SessionKind.CONSOLE,
            strong=verified.strong,
        )
    if signed is None:
        await _record(entrance, workspace, visit, "identity")
        raise _unknown()
    return signed


def _newcomer(
    tx: Tx, entrance: Entrance, verified: Verified, *, workspace: str, domains: frozenset[str], invitation: str
) -> str:
    """Who somebody becomes that was not linked yet; empty: nobody."""
    email = verified.email.strip()
    if not verified.email_verified or email.count("@") != 1:
        return ""
    rows = tx.rows(_BY_EMAIL, {"of": workspace, "folded": email.lower()})
    known = [str(row["id"]) for row in rows]
    # An address that was given to somebody else since opens nothing: the account has another identity there.
    if len(known) == 1 and tx.row(_LINKED, {"of": workspace, "by": verified.issuer, "who": known[0]}) is not None:
        return ""
    if invitation:
        person = known[0] if len(known) == 1 else _free_id(tx, email, workspace)
        who = person_of(person)
        _same_address(tx, invitation, email, workspace=workspace, entrance=entrance)
        accept_in(tx, invitation, workspace=workspace, who=who, clock=entrance.clock, name=verified.name)
        return person
    if email.rpartition("@")[2].lower() not in domains or len(known) > 1:
        return ""
    if known:
        return known[0]
    person = Person(workspace, _free_id(tx, email, workspace), verified.name or email, email, Role.VIEWER)
    check_person(person)
    who = person_of(person.id)
    admit(tx, person, by=who, clock=entrance.clock)
    entry = session_entry("accounts.user.added", workspace, person.id, who)
    tx.append(entry, {"role": Role.VIEWER.value, "may": ["read"], "by": "oidc"}, subject=person.id)
    return person.id


def _same_address(tx: ReadTx, token: str, email: str, *, workspace: str, entrance: Entrance) -> None:
    found = find_open(tx, token, workspace=workspace, clock=entrance.clock)
    if found is not None and found.email.casefold() != email.casefold():
        message = "The invitation is for another e-mail address."
        raise Conflict(message, code="accounts.invitation", hint="remit teams invite TEAM --email ADDRESS")


def _free_id(tx: ReadTx, email: str, workspace: str) -> str:
    """An id out of an address that nobody has or had."""
    taken = read_people(tx, workspace)
    word = re.sub(r"[^A-Za-z0-9._+-]", "", email.partition("@")[0]).lstrip("._+-")[:50] or "user"
    number = 1
    found = word
    while found in taken:
        number += 1
        found = f"{word}-{number}"
    return found


async def _record(entrance: Entrance, workspace: str, visit: Visit, why: str) -> None:
    def op(tx: Tx) -> None:
        entry = session_entry("accounts.sign_in.refused", workspace, "", NOBODY, result=Result.BLOCKED, reason=why)
        tx.append(entry, {"user": "", "team": "", "address": visit.address, "agent": visit.shown_agent})

    await entrance.journal.commit("sign_in.try", op)


def _unknown() -> Unauthenticated:
    message = "Your provider knows you, and nobody here is linked to that. Ask for an invitation."
    return Unauthenticated(message, code="sign_in.identity", hint="remit teams invite TEAM --email ADDRESS")


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
