"""Sign-ins: each is a row from its beginning to its end, is shown to its person, and can be ended from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from remit.accounts.access import Permission, Resource, check_gift, reading, require, rights_of
from remit.accounts.entrance import Entrance, Visit
from remit.accounts.people import find_person
from remit.accounts.sign_in import CONSOLE, PROGRAM
from remit.accounts.sign_in_tables import SESSION
from remit.accounts.sign_in_tokens import TokenWord, digest_of, new_token, well_formed
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.errors import NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import ReadTx, Row, Tx

#: Ended and expired sign-ins are shown for so long, and deleted when their person signs in again.
KEPT_US = 30 * 86_400 * 1_000_000

_AT = (SESSION.c.workspace == bindparam("of"), SESSION.c.id == bindparam("which"))
_OF = (SESSION.c.workspace == bindparam("of"), SESSION.c.person == bindparam("who"))
_INSERT = insert(SESSION)
_ONE = select(SESSION).where(*_AT)
_ALL = select(SESSION).where(*_OF).order_by(SESSION.c.created_us.desc(), SESSION.c.id.desc())
_OLD = delete(SESSION).where(*_OF, SESSION.c.expires_us < bindparam("before"))
_ENDING: dict[str, Any] = {"ended_us": bindparam("at"), "ended_by": bindparam("by"), "ended_why": bindparam("why")}
_END = update(SESSION).where(*_AT, SESSION.c.ended_us.is_(None)).values(**_ENDING)
_END_ALL = (
    update(SESSION).where(*_OF, SESSION.c.ended_us.is_(None), SESSION.c.id != bindparam("kept")).values(**_ENDING)
)
_FREE = update(SESSION).where(*_AT).values(limited=0, strong=1)
_BY_COOKIE = select(SESSION.c.id, SESSION.c.workspace, SESSION.c.person).where(
    SESSION.c.token_hash == bindparam("hashed"), SESSION.c.ended_us.is_(None)
)


class SessionKind(StrEnum):
    """Who holds a sign-in."""

    CONSOLE = CONSOLE  # a browser, by a cookie
    PROGRAM = PROGRAM  # by access and refresh tokens


class How(StrEnum):
    """By what somebody signed in."""

    PASSWORD = "password"  # noqa: S105 - a word
    LINK = "link"
    OIDC = "oidc"


class Ended(StrEnum):
    """Why a sign-in ended before its time."""

    SIGNED_OUT = "signed_out"
    KILLED = "killed"
    PASSWORD = "password"  # noqa: S105 - a word
    REUSED = "reused"
    FACTOR = "factor"
    RESTORED = "restored"  # the store came out of a backup


@dataclass(frozen=True, slots=True)
class Begun:
    """What a new sign-in is to be."""

    workspace: str
    person: str
    kind: SessionKind
    how: How
    strong: bool
    limited: bool
    visit: Visit


@dataclass(frozen=True, slots=True)
class SessionView:
    """A sign-in as its person sees it. Moments are microseconds since the epoch."""

    id: str
    person: str
    kind: SessionKind
    how: How
    strong: bool
    address: str
    agent: str
    created_us: int
    seen_us: int
    expires_us: int
    ended_us: int | None
    ended_why: str
    current: bool

    def status(self, now_us: int, *, idle_us: int) -> str:
        """``open``, ``ended`` or ``expired``."""
        if self.ended_us is not None:
            return "ended"
        idle = self.kind is SessionKind.CONSOLE and now_us - self.seen_us >= idle_us
        return "expired" if idle or self.expires_us <= now_us else "open"

    def as_json(self, now_us: int, *, idle_us: int) -> dict[str, Json]:
        """For programs."""
        return {
            "session": self.id,
            "user": self.person,
            "kind": self.kind.value,
            "how": self.how.value,
            "second_factor": self.strong,
            "address": self.address,
            "agent": self.agent,
            "created_at": iso(self.created_us),
            "seen_at": iso(self.seen_us),
            "expires_at": iso(self.expires_us),
            "status": self.status(now_us, idle_us=idle_us),
            "ended_why": self.ended_why,
            "current": self.current,
        }


def begin_session(tx: Tx, begun: Begun, *, token_hash: str, at_us: int, expires_us: int, salt: bytes = b"") -> str:
    """Write a sign-in, inside the operation that lets somebody in; its id. Old ones of the person are cleared away."""
    tx.execute(_OLD, {"of": begun.workspace, "who": begun.person, "before": at_us - KEPT_US})
    made = new_id()
    row: dict[str, object] = {
        "id": made,
        "workspace": begun.workspace,
        "person": begun.person,
        "kind": begun.kind.value,
        "token_hash": token_hash,
        "previous_hash": "",
        "salt": salt,
        "generation": 0,
        "rotated_us": at_us,
        "created_us": at_us,
        "seen_us": at_us,
        "expires_us": expires_us,
        "how": begun.how.value,
        "strong": int(begun.strong),
        "limited": int(begun.limited),
        "address": begun.visit.address,
        "agent": begun.visit.shown_agent,
        "ended_us": None,
        "ended_by": "",
        "ended_why": "",
    }
    tx.execute(_INSERT, row)
    return made


def new_cookie(entrance: Entrance) -> str:
    """A console session's token; only its hash is stored."""
    return new_token(TokenWord.SESSION, entrance.rand)


async def list_sessions(
    entrance: Entrance, *, workspace: str, by: Principal, person: str = "", current: str = ""
) -> list[SessionView]:
    """Sign-ins of ``by``, or (``person`` named) of somebody else, newest first, those of the last 30 days.

    Raises:
        Refused: They are somebody else's, and ``by`` may not administer members.
        NotFound: There is no such person.
    """

    def op(tx: ReadTx) -> list[SessionView]:
        whose = _whose(tx, person, workspace=workspace, by=by)
        return [_view(row, current) for row in tx.rows(_ALL, {"of": workspace, "who": whose})]

    return await reading(entrance.journal, op)


async def end_session(entrance: Entrance, which: str, *, workspace: str, by: Principal) -> None:
    """End a sign-in, one's own or (administering members) another's; at once here, within 250 ms elsewhere. Audited.

    Raises:
        Refused: It is somebody else's, and ``by`` may not.
        NotFound: There is no such open sign-in.
    """

    def op(tx: Tx) -> None:
        row = tx.row(_ONE, {"of": workspace, "which": which})
        whose = by.id if row is None else str(row["person"])
        _may_end(tx, whose, workspace=workspace, by=by)
        if row is None or row["ended_us"] is not None:
            message = f"There is no open session {which[:60]!r}."
            raise NotFound(message, code="sign_in.session", hint="remit users sessions")
        why = Ended.SIGNED_OUT if whose == by.id else Ended.KILLED
        close_session(tx, which, workspace=workspace, by=str(by), why=why, at_us=entrance.now_us())
        tx.append(
            session_entry("accounts.session.ended", workspace, which, by), {"user": whose, "why": why}, subject=whose
        )

    await entrance.journal.commit("sign_in.session", op)
    entrance.sign_in.forget()


async def end_sessions(entrance: Entrance, *, workspace: str, by: Principal, person: str = "", keep: str = "") -> int:
    """End all sign-ins of ``by`` (sign out everywhere) or of ``person``, but for ``keep``; how many. Audited.

    Raises:
        Refused: They are somebody else's, and ``by`` may not.
        NotFound: There is no such person.
    """

    def op(tx: Tx) -> int:
        whose = person or by.id
        _may_end(tx, whose, workspace=workspace, by=by)
        find_person(tx, workspace=workspace, user=whose)
        why = Ended.SIGNED_OUT if whose == by.id else Ended.KILLED
        ended = close_sessions(tx, whose, workspace=workspace, by=str(by), why=why, at_us=entrance.now_us(), keep=keep)
        told: dict[str, Json] = {"user": whose, "ended": ended, "why": why}
        tx.append(session_entry("accounts.sessions.ended", workspace, whose, by), told, subject=whose)
        return ended

    ended = await entrance.journal.commit("sign_in.session", op)
    entrance.sign_in.forget()
    return ended


async def sign_out(entrance: Entrance, token: str) -> None:
    """End the console session with this cookie, if it is one. Audited."""
    if not well_formed(token, TokenWord.SESSION):
        return

    def op(tx: Tx) -> None:
        row = tx.row(_BY_COOKIE, {"hashed": digest_of(token)})
        if row is None:
            return
        who = person_of(row["person"])
        close_session(
            tx, row["id"], workspace=row["workspace"], by=str(who), why=Ended.SIGNED_OUT, at_us=entrance.now_us()
        )
        told: dict[str, Json] = {"user": who.id, "why": Ended.SIGNED_OUT}
        tx.append(session_entry("accounts.session.ended", row["workspace"], row["id"], who), told, subject=who.id)

    await entrance.journal.commit("sign_in.session", op)
    entrance.sign_in.forget()


def close_session(tx: Tx, which: str, *, workspace: str, by: str, why: Ended, at_us: int) -> int:
    """End one, inside another operation; how many were open (0 or 1)."""
    return tx.execute(_END, {"of": workspace, "which": which, "at": at_us, "by": by, "why": why.value})


def close_sessions(tx: Tx, person: str, *, workspace: str, by: str, why: Ended, at_us: int, keep: str = "") -> int:
    """End all of a person's but ``keep``, inside another operation; how many were open."""
    values: dict[str, object] = {"at": at_us, "by": by, "why": why.value, "kept": keep}
    return tx.execute(_END_ALL, {"of": workspace, "who": person, **values})


def free_session(tx: Tx, which: str, *, workspace: str) -> None:
    """A second factor was set up in this session: it is limited no longer."""
    tx.execute(_FREE, {"of": workspace, "which": which})


def person_of(user: str) -> Principal:
    """A person as one who acts."""
    return Principal(ActorKind.USER, user)


def session_entry(
    action: str, workspace: str, subject: str, by: Principal, *, result: Result = Result.SUCCESS, reason: str = ""
) -> Entry:
    """An entry of the log about signing in."""
    return Entry(
        actor=by, action=action, domain="accounts", result=result, workspace=workspace, subject=subject, reason=reason
    )


def _whose(tx: ReadTx, person: str, *, workspace: str, by: Principal) -> str:
    if person in {"", by.id}:
        return by.id
    require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)
    return find_person(tx, workspace=workspace, user=person).id


def _may_end(tx: ReadTx, person: str, *, workspace: str, by: Principal) -> None:
    if person == by.id:
        return
    rights = require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)
    check_gift(by, rights=rights, gift=rights_of(tx, person, workspace=workspace), workspace=workspace)


def _view(row: Row, current: str) -> SessionView:
    return SessionView(
        id=row["id"],
        person=row["person"],
        kind=SessionKind(row["kind"]),
        how=How(row["how"]),
        strong=bool(row["strong"]),
        address=row["address"],
        agent=row["agent"],
        created_us=row["created_us"],
        seen_us=row["seen_us"],
        expires_us=row["expires_us"],
        ended_us=row["ended_us"],
        ended_why=row["ended_why"],
        current=row["id"] == current,
    )
