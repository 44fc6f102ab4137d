"""A forgotten password: a one-time link by mail, to the address that stands with the account.

Whoever asks is answered alike and as fast, whether there is such an account or not: what is done about it is done after
the answer, and is on record. The link's token is in the mail and nowhere else; of it only a hash is stored. It sets a
new password in place of one that there is: who signs in by a provider alone gets none, nor does who never had one. A
second factor stays. Until the link is used nothing has changed: no sign-in ends, no other link ends.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from sqlalchemy import bindparam, func, select

from remit.accounts.access import lock
from remit.accounts.entrance import Entrance, Visit
from remit.accounts.links import Link, Purpose, put_link
from remit.accounts.people import find_person
from remit.accounts.sessions import person_of, session_entry
from remit.accounts.sign_in_tables import LINK
from remit.accounts.sign_in_tokens import TokenWord, new_token
from remit.accounts.signing_in import NOBODY, find_login, typed_login
from remit.audit.entry import Result
from remit.kernel.canonical import Json
from remit.kernel.errors import NotFound, Overloaded, RemitError
from remit.kernel.plain import plain
from remit.kernel.ports import Tx

MINUTE_US = 60 * 1_000_000
#: How long a mailed link holds, at most: mail lies about.
RESET_US = 30 * MINUTE_US
#: Mails to one person within an hour: whoever asks for somebody else's account fills no mailbox.
MOST_MAILS, WITHIN_US = 3, 60 * MINUTE_US
#: Requests that are worked on at once; beyond, whoever asks is told to come back.
MOST_WAITING = 64

_MAILED = select(func.count().label("mails")).where(
    LINK.c.workspace == bindparam("of"),
    LINK.c.person == bindparam("who"),
    LINK.c.created_by == str(NOBODY),
    LINK.c.created_us > bindparam("since"),
)


class Post(Protocol):
    """Carries a mail to one mailbox; ``adapters.identity.post`` has the one over SMTP."""

    async def send(self, to: str, subject: str, body: str, *, key: str) -> None:
        """Send it once.

        Raises:
            RemitError: It did not go.
        """
        ...


class Resets:
    """Works on requests after they were answered.

    Args:
        post: How a mail leaves.
        address: Where people reach this install; from the settings, never from a request.
    """

    def __init__(self, post: Post, *, address: str) -> None:
        self._post = post
        self._address = address.rstrip("/")
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, entrance: Entrance, login: str, *, workspace: str, visit: Visit) -> None:
        """Work on a request, soon.

        Raises:
            Overloaded: Too many are worked on.
        """
        if len(self._tasks) >= MOST_WAITING:
            message = "Too many ask for a new password at once."
            raise Overloaded(message, code="sign_in.busy", retry_after=10.0)
        task = asyncio.create_task(self._work(entrance, login, workspace, visit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until everything that was asked has been worked on."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _work(self, entrance: Entrance, login: str, workspace: str, visit: Visit) -> None:
        try:
            made = await _made(entrance, login, workspace, visit)
            if made is None:
                return
            link, to = made
            code = ""
            try:
                subject, body = letter(link, self._address, visit)
                await self._post.send(to, subject, body, key=f"reset/{link.id}")
            except RemitError as error:
                code = error.code
            result = Result.FAILURE if code else Result.SUCCESS
            entry = session_entry("accounts.link.mailed", workspace, link.person, NOBODY, result=result, reason=code)
            told: dict[str, Json] = {"user": link.person, "link": link.id}
            await entrance.journal.commit("sign_in.link", lambda tx: tx.append(entry, told, subject=link.person))
        except RemitError:
            return  # the store is away: nothing was promised, and whoever asked asks again


async def ask_reset(entrance: Entrance, login: str, *, workspace: str, visit: Visit) -> None:
    """Ask for a mail with a link to set a new password. The answer is the same whoever ``login`` is, or is not.

    Args:
        entrance: The store and what belongs to it.
        login: An id, or an e-mail address.
        workspace: Where.
        visit: From where somebody asks.

    Raises:
        NotFound: This install sends no such mail. RateLimited: Too many asked, for this name or from this address.
        Overloaded: Too many ask at once.
    """
    if entrance.resets is None:
        message = "This install sends no mail for a new password."
        hint = "whoever administers members makes a link: remit users link USER"
        raise NotFound(message, code="sign_in.no_mail", hint=hint)
    login = typed_login(login)
    (account,) = entrance.tries.subjects("reset", login, "")
    # Counted apart from sign-ins: who forgot is not to wait with them.
    origin = entrance.tries.subjects("reset from", entrance.tries.place(visit.address), "") if visit.address else ()
    await entrance.tries.begin(workspace, (account, *origin))
    entrance.resets.begin(entrance, login, workspace=workspace, visit=visit)


def letter(link: Link, address: str, visit: Visit) -> tuple[str, str]:
    """Subject and text of the mail."""
    lines = (
        f"Somebody asked for a new password of the account {plain(link.person, limit=80)} in the workspace",
        f"{plain(link.workspace, limit=80)} of Remit, from {plain(visit.address, limit=60) or 'an unknown address'}.",
        "",
        f"Set it here, once and within {RESET_US // MINUTE_US} minutes:",
        "",
        f"    {address}{link.path()}",
        "",
        "Every sign-in of yours ends then, and a second factor is asked for as ever.",
        "",
        "If that was not you, do nothing: nothing has changed, and nobody but you has this link.",
    )
    return "A new password for Remit", "\n".join(lines)


async def _made(entrance: Entrance, login: str, workspace: str, visit: Visit) -> tuple[Link, str] | None:
    """The link and where its mail goes; ``None``, on record, when there is none to be sent."""
    token = new_token(TokenWord.LINK, entrance.rand)

    def op(tx: Tx) -> tuple[Link, str] | None:
        lock(tx, workspace)
        now = entrance.now_us()
        person, stored = find_login(tx, workspace, login)
        to = find_person(tx, workspace=workspace, user=person).email if person else ""
        mails = tx.row(_MAILED, {"of": workspace, "who": person, "since": now - WITHIN_US})
        why = (
            "unknown" if not person
            else "no_password" if not stored
            else "no_address" if not to
            else "too_many" if mails is not None and int(mails["mails"]) >= MOST_MAILS
            else ""
        )  # fmt: skip
        told: dict[str, Json] = {"user": person, "address": visit.address, "agent": visit.shown_agent}
        if why:
            who = person_of(person) if person else NOBODY
            entry = session_entry("accounts.reset.refused", workspace, person, who, result=Result.BLOCKED, reason=why)
            tx.append(entry, told, subject=person)
            return None
        link = Link(person, workspace, Purpose.RESET, now + min(RESET_US, entrance.terms.link_us), token)
        link = put_link(tx, link, by=NOBODY, at_us=now)
        tx.append(
            session_entry("accounts.link.made", workspace, person, NOBODY),
            {**told, "purpose": Purpose.RESET, "expires_us": link.expires_us, "by_mail": True},
            subject=person,
        )
        return link, to

    return await entrance.journal.commit("sign_in.link", op)
