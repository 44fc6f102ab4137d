"""Signing in: a password, then a second factor where there is one; and changing the password.

Whatever is wrong is answered alike and costs alike, whether there is such an account or not: a name that nobody has is
hashed against nothing. Every refusal is on record, with whose account it was about as far as there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, or_, select, update

from remit.accounts.access import ACTIVE
from remit.accounts.entrance import Entrance, Visit
from remit.accounts.lockout import Subject, Try
from remit.accounts.passwords import check_password, put_password, readable, stored_password
from remit.accounts.people import Person, find_person
from remit.accounts.refresh_tokens import RefreshToken, Tokens, first_secret, give_tokens
from remit.accounts.sessions import (
    Begun,
    Ended,
    How,
    SessionKind,
    begin_session,
    close_sessions,
    new_cookie,
    person_of,
    session_entry,
)
from remit.accounts.sign_in_tables import LINK
from remit.accounts.sign_in_tokens import digest_of
from remit.accounts.tables import USER
from remit.accounts.totp import Enrolment, begin_factor, end_factor, has_factor, take_factor
from remit.audit.entry import Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.errors import Conflict, NotFound, RateLimited, Unauthenticated
from remit.kernel.ports import ReadTx, Tx

#: For how long a right password waits for the second factor.
NOTE_US = 5 * 60 * 1_000_000
#: That somebody is locked out is written at most so often, for each account and address.
TOLD_US = 60 * 1_000_000

NOBODY = Principal(ActorKind.SYSTEM, "sign-in")

_WHO = select(USER.c.id).where(
    USER.c.workspace == bindparam("of"),
    USER.c.status == ACTIVE,
    or_(USER.c.id == bindparam("login"), func.lower(USER.c.email) == bindparam("folded")),
)


#: A link that was made for the password before opens nothing any more.
_END_LINKS = (
    update(LINK)
    .where(LINK.c.workspace == bindparam("of"), LINK.c.person == bindparam("who"), LINK.c.closed_us.is_(None))
    .values(closed_us=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody is in. ``cookie`` for a console, ``tokens`` for a program; neither is told again."""

    session: str
    person: str
    workspace: str
    until_us: int
    limited: bool
    cookie: str = field(default="", repr=False)
    tokens: Tokens | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right, and a code is needed too. ``note`` goes back with it, within five minutes."""

    note: str = field(repr=False)


async def sign_in(
    entrance: Entrance, login: str, password: str, *, workspace: str, visit: Visit, kind: SessionKind
) -> Signed | Challenge:
    """Let somebody in by their id or e-mail address and their password.

    Raises:
        Unauthenticated: Something is not right; never says what. On record.
        RateLimited: Too many tries by this name or from this address.
        Unavailable: Too many sign in at once.
    """
    text, login = readable(password), typed_login(login)
    subjects = entrance.tries.subjects("password", login, visit.address)
    tried = await _try(entrance, workspace, subjects, visit)
    person, stored = await entrance.journal.read(lambda tx: find_login(tx, workspace, login))
    right = await entrance.hasher.verify(stored, text)
    if not right:
        await _refuse(entrance, tried, "password", person=person, visit=visit)
    if entrance.hasher.stale(stored):
        renewed = await entrance.hasher.hash(text)
        await _renew(entrance, stored, renewed, workspace=workspace, person=person)
        stored = renewed
    signed = await let_in(
        entrance, person, workspace=workspace, how=How.PASSWORD, visit=visit, kind=kind, tried=tried, stored=stored
    )
    return signed or await _refuse(entrance, tried, "changed", person=person, visit=visit)


async def sign_in_with_code(entrance: Entrance, note: str, code: str, *, visit: Visit) -> Signed:
    """Let somebody in whose password was right, by a code of their app or a recovery code.

    Raises:
        Unauthenticated: The code is wrong or was used, or the password was shown too long ago. On record.
        RateLimited: Too many tries.
    """
    told = entrance.notes.unwrap(note, now_us=entrance.now_us())
    if told is None or told.get("for") != "factor":
        raise refused("The sign-in took too long: begin again.")
    person, workspace = str(told["person"]), str(told["workspace"])
    subjects = entrance.tries.subjects("factor", person, visit.address)
    tried = await _try(entrance, workspace, subjects, visit, person=person)

    def op(tx: Tx) -> Signed | None:
        stored = stored_password(tx, workspace=workspace, person=person)
        if sha256_hex(stored.encode()) != told["stored"]:
            return None
        if not take_factor(tx, entrance, code, workspace=workspace, person=person):
            return None
        entrance.tries.succeeded(tx, tried)
        how, kind = How(str(told["how"])), SessionKind(str(told["kind"]))
        return _begin(tx, entrance, person, workspace=workspace, how=how, visit=visit, kind=kind, strong=True)

    signed = await entrance.journal.commit("sign_in.session", op)
    return signed or await _refuse(entrance, tried, "code", person=person, visit=visit)


async def let_in(
    entrance: Entrance,
    person: str,
    *,
    workspace: str,
    how: How,
    visit: Visit,
    kind: SessionKind,
    tried: Try | None = None,
    stored: str = "",
    strong: bool = False,
) -> Signed | Challenge | None:
    """Begin a sign-in for somebody who has shown who they are, or ask for the second factor.

    Args:
        entrance: The store and what belongs to it.
        person: Who.
        workspace: Where.
        how: By what.
        visit: From where.
        kind: For a browser or a program.
        tried: The try that succeeded.
        stored: The password's hash that they were compared with; when it is another one by now, they are not let in.
        strong: Whether somebody else (an OpenID provider) has asked for a second factor.

    Returns:
        ``None`` when the account or its password changed meanwhile.
    """

    def op(tx: Tx) -> Signed | Challenge | None:
        now_stored = stored_password(tx, workspace=workspace, person=person)
        if how is How.PASSWORD and (not now_stored or now_stored != stored):
            return None
        try:
            find_person(tx, workspace=workspace, user=person)
        except NotFound:
            return None
        if tried is not None:
            entrance.tries.succeeded(tx, tried)
        if not strong and has_factor(tx, workspace=workspace, person=person):
            note: dict[str, Json] = {"for": "factor", "person": person, "workspace": workspace, "how": how.value}
            told = {**note, "kind": kind.value, "stored": sha256_hex(now_stored.encode())}
            return Challenge(entrance.notes.wrap(told, until_us=entrance.now_us() + NOTE_US))
        return _begin(tx, entrance, person, workspace=workspace, how=how, visit=visit, kind=kind, strong=strong)

    return await entrance.journal.commit("sign_in.session", op)


async def check_again(entrance: Entrance, password: str, *, workspace: str, by: Principal, visit: Visit) -> str:
    """Ask somebody who is signed in for their password once more; the hash that it was compared with.

    Raises:
        Unauthenticated: It is not right. On record.
        RateLimited: Too many tries.
    """
    text = readable(password)
    subjects = entrance.tries.subjects("password", by.id, visit.address)
    tried = await _try(entrance, workspace, subjects, visit, person=by.id)
    stored = await entrance.journal.read(lambda tx: stored_password(tx, workspace=workspace, person=by.id))
    if not await entrance.hasher.verify(stored, text):
        await _refuse(entrance, tried, "password", person=by.id, visit=visit)
    await entrance.journal.commit("sign_in.try", lambda tx: entrance.tries.succeeded(tx, tried))
    return stored


async def change_password(
    entrance: Entrance, current: str, new: str, *, workspace: str, by: Principal, visit: Visit, session: str = ""
) -> None:
    """Change one's own password, showing the current one; every other sign-in of the person ends. Audited.

    Raises:
        Unauthenticated: The current password is not right.
        InvalidInput: The new one may not be one.
        RateLimited: Too many tries.
        Conflict: It was changed by somebody else meanwhile.
    """
    stored = await check_again(entrance, current, workspace=workspace, by=by, visit=visit)
    person = await entrance.journal.read(lambda tx: find_person(tx, workspace=workspace, user=by.id))
    hashed = await entrance.hasher.hash(check_password(new, about=about(person)))

    def op(tx: Tx) -> None:
        if stored_password(tx, workspace=workspace, person=by.id) != stored:
            message = "Your password was changed meanwhile."
            raise Conflict(message, code="sign_in.changed", hint="sign in again")
        replace_password(tx, entrance, hashed, workspace=workspace, person=by.id, by=by, keep=session)

    await entrance.journal.commit("sign_in.password", op)
    entrance.sign_in.forget()


async def set_factor_up(entrance: Entrance, password: str, *, workspace: str, by: Principal, visit: Visit) -> Enrolment:
    """Begin one's own second factor, showing the password if there is one (a provider's people may have none). Audited.

    Raises:
        Unauthenticated: The password is not right.
        Conflict: There is a second factor.
        RateLimited: Too many tries.
    """
    stored = await entrance.journal.read(lambda tx: stored_password(tx, workspace=workspace, person=by.id))
    if stored:
        await check_again(entrance, password, workspace=workspace, by=by, visit=visit)
    return await begin_factor(entrance, workspace=workspace, by=by)


async def turn_factor_off(entrance: Entrance, password: str, *, workspace: str, by: Principal, visit: Visit) -> None:
    """Turn one's own second factor off, showing the password. Audited.

    Raises:
        Unauthenticated: The password is not right.
        Conflict: There is none.
        RateLimited: Too many tries.
    """
    await check_again(entrance, password, workspace=workspace, by=by, visit=visit)
    await end_factor(entrance, workspace=workspace, by=by)


def replace_password(
    tx: Tx, entrance: Entrance, hashed: str, *, workspace: str, person: str, by: Principal, keep: str = ""
) -> None:
    """Write a new password, end every sign-in but ``keep`` and every link, with its entry, inside another operation."""
    now = entrance.now_us()
    put_password(tx, hashed, workspace=workspace, person=person, at_us=now)
    tx.execute(_END_LINKS, {"of": workspace, "who": person, "at": now})
    ended = close_sessions(tx, person, workspace=workspace, by=str(by), why=Ended.PASSWORD, at_us=now, keep=keep)
    entry = session_entry("accounts.password.set", workspace, person, by)
    tx.append(entry, {"user": person, "sessions_ended": ended}, subject=person)


def about(person: Person) -> tuple[str, ...]:
    """What a password must not be made of."""
    return person.id, person.name, person.email, person.workspace


def refused(message: str = "The name, the password or the code is not right.") -> Unauthenticated:
    """What every refused sign-in is answered with."""
    return Unauthenticated(message, code="sign_in.refused", hint="try again; a new password: remit users link USER")


def _begin(
    tx: Tx,
    entrance: Entrance,
    person: str,
    *,
    workspace: str,
    how: How,
    visit: Visit,
    kind: SessionKind,
    strong: bool,
) -> Signed:
    now = entrance.now_us()
    found = find_person(tx, workspace=workspace, user=person)
    most = found.rights
    for rights in found.teams.values():
        most |= rights
    limited = not strong and entrance.terms.demands(most)
    begun = Begun(workspace, person, kind, how, strong, limited, visit)
    lasts = entrance.terms.session_us if kind is SessionKind.CONSOLE else entrance.terms.refresh_us
    if kind is SessionKind.CONSOLE:
        cookie = new_cookie(entrance)
        made = begin_session(tx, begun, token_hash=digest_of(cookie), at_us=now, expires_us=now + lasts)
        signed = Signed(made, person, workspace, now + lasts, limited, cookie=cookie)
    else:
        secret = first_secret(entrance)
        made = begin_session(tx, begun, token_hash=sha256_hex(secret), at_us=now, expires_us=now + lasts)
        first = RefreshToken(made, 0, secret)
        tokens = give_tokens(entrance, first, person=person, workspace=workspace, until_us=now + lasts)
        signed = Signed(made, person, workspace, now + lasts, limited, tokens=tokens)
    told: dict[str, Json] = {
        "user": person,
        "how": how,
        "kind": kind,
        "second_factor": strong,
        "address": visit.address,
        "agent": visit.shown_agent,
    }
    tx.append(session_entry("accounts.sign_in", workspace, made, person_of(person)), told, subject=person)
    return signed


def typed_login(login: str) -> str:
    """What somebody claims to be, as it is looked for; what no database takes is nobody's name.

    Tries are counted by exactly this, so that no other way of writing it is tried beside it.
    """
    return login[:256].encode("utf-8", "replace").decode().replace("\0", "")


def find_login(tx: ReadTx, workspace: str, login: str) -> tuple[str, str]:
    """Whose name this is (``typed_login``), and the hash of their password.

    An address that several people have, or none, is nobody's.
    """
    rows = tx.rows(_WHO, {"of": workspace, "login": login, "folded": login.lower()}) if login else ()
    exact = [row["id"] for row in rows if row["id"] == login]
    found = exact or [row["id"] for row in rows]
    person = str(found[0]) if len(found) == 1 else ""
    return person, stored_password(tx, workspace=workspace, person=person)


async def _renew(entrance: Entrance, stored: str, renewed: str, *, workspace: str, person: str) -> None:
    def op(tx: Tx) -> None:
        if stored_password(tx, workspace=workspace, person=person) == stored:
            put_password(tx, renewed, workspace=workspace, person=person, at_us=entrance.now_us())

    await entrance.journal.commit("sign_in.password", op)


async def _try(
    entrance: Entrance, workspace: str, subjects: tuple[Subject, ...], visit: Visit, *, person: str = ""
) -> Try:
    try:
        return await entrance.tries.begin(workspace, subjects)
    except RateLimited:
        now = entrance.now_us()
        if now - entrance.tries.told.get(subjects[0].key, 0) >= TOLD_US:
            if len(entrance.tries.told) > 10_000:  # noqa: PLR2004 - so many names are remembered
                entrance.tries.told.clear()
            entrance.tries.told[subjects[0].key] = now
            await entrance.journal.commit(
                "sign_in.try", lambda tx: _record(tx, workspace, "locked", person=person, visit=visit)
            )
        raise


async def _refuse(entrance: Entrance, tried: Try, why: str, *, person: str, visit: Visit) -> Signed:
    await entrance.journal.commit(
        "sign_in.try", lambda tx: _record(tx, tried.workspace, why, person=person, visit=visit, failures=tried.failures)
    )
    raise refused()


def _record(tx: Tx, workspace: str, why: str, *, person: str, visit: Visit, failures: int = 0) -> None:
    who = person_of(person) if person else NOBODY
    entry = session_entry("accounts.sign_in.refused", workspace, person, who, result=Result.BLOCKED, reason=why)
    told: dict[str, Json] = {
        "user": person,
        "team": "",
        "address": visit.address,
        "agent": visit.shown_agent,
        "tries": failures,
    }
    tx.append(entry, told, subject=person)
