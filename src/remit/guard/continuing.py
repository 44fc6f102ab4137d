"""Going on from what a provider keeps: responses, conversations, containers. Whose they are, and who may.

All keys of a workspace may share one account at a provider, and to the provider every id of that account is good. So
what an answer told is remembered with the outcome of its call, in the same transaction, as the acting agent's on behalf
of the same person; nobody else goes on from there. Keys come and go: another key of that agent for that person may.
Rows that nobody used for ``KEPT_US`` go, a few with each that comes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.audit.entry import Entry, Result
from remit.guard.continuing_tables import CONTINUED
from remit.kernel.action import Action, Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import NotFound, RemitError
from remit.kernel.ports import Journal, ReadTx, Tx

#: OpenAI keeps responses for 30 days, and conversations until somebody deletes them.
KEPT_US = 90 * 86_400 * 1_000_000
#: An answer reaches its caller before its outcome is written, so what is not there yet is looked for again.
LOOKS_S = (0.02, 0.05, 0.1, 0.2)
_GONE = 8  # rows that one call takes away at most

_PUT = insert(CONTINUED)
_REMEMBER = _PUT.on_conflict_do_update(
    index_elements=["ref"],
    set_={"used_us": _PUT.excluded["used_us"]},
    where=(CONTINUED.c.workspace == _PUT.excluded["workspace"])
    & (CONTINUED.c.principal == _PUT.excluded["principal"])
    & (CONTINUED.c.on_behalf_of == _PUT.excluded["on_behalf_of"]),
)
_FORGET = delete(CONTINUED).where(
    CONTINUED.c.ref.in_(
        select(CONTINUED.c.ref)
        .where(CONTINUED.c.used_us < bindparam("before"))
        .order_by(CONTINUED.c.used_us, CONTINUED.c.ref)
        .limit(_GONE)
    )
)
_THESE = select(CONTINUED).where(CONTINUED.c.ref.in_(bindparam("these", expanding=True)))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a request would go on from.

    Attributes:
        place: The member of the request.
        id: As the provider calls it.
        own: It must be known as the caller's; else it only must not be known as somebody else's.
    """

    place: str
    id: str
    own: bool = True


@dataclass(frozen=True, slots=True)
class Party:
    """Who goes on: the same agent, for the same person, in the same workspace."""

    workspace: str
    principal: Principal
    on_behalf_of: Principal


def reference(account: str, told: str) -> str:
    """What an id is remembered as: a digest of it and of where it is good (a provider's address)."""
    return hashlib.sha256(f"{account}\n{told}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


def remember(tx: Tx, action: Action, refs: Iterable[str], *, now_us: int) -> None:
    """What an answer told is its caller's, unless it is somebody's already."""
    for ref in refs:
        tx.execute(
            _REMEMBER,
            {
                "ref": ref,
                "workspace": action.workspace,
                "principal": str(action.principal),
                "on_behalf_of": str(action.on_behalf_of),
                "used_us": now_us,
            },
        )
    tx.execute(_FORGET, {"before": now_us - KEPT_US})


async def check(journal: Journal, party: Party, asked: Sequence[Reference], *, accounts: Sequence[str]) -> str:
    """Where a call goes on: the first of these accounts that keeps what it refers to, and keeps it for this party.

    Raises:
        NotFound: Something of it is not the caller's at any (``gateway.continued``); it says the same of what is
            another's and of what never was.
    """
    places = {account: {reference(account, each.id): each for each in asked} for account in accounts}
    every = [ref for refs in places.values() for ref in refs]
    for wait_s in (*LOOKS_S, None):
        owners = await journal.read(lambda tx: _owners(tx, every))
        fit = [
            account
            for account, refs in places.items()
            if all(_may(owners.get(ref), party, each) for ref, each in refs.items())
        ]
        if fit:
            return next((account for account in fit if any(ref in owners for ref in places[account])), fit[0])
        if wait_s is not None:
            await asyncio.sleep(wait_s)
    first = asked[0]
    message = f"There is no {first.id[:80]!r} to go on from."
    raise NotFound(message, place=first.place, code="gateway.continued", hint="send the conversation, without its id")


async def check_inside(journal: Journal, party: Party, asked: Sequence[Reference], *, accounts: Sequence[str]) -> str:
    """As ``check``, for an agent of this process: nobody stands before it who would write the refusal down."""
    try:
        return await check(journal, party, asked, accounts=accounts)
    except NotFound as error:
        entry = Entry(
            actor=party.principal,
            action="agents.refused",
            domain="guard",
            result=Result.BLOCKED,
            workspace=party.workspace,
            reason=error.code,
        )
        payload: dict[str, Json] = {"for": str(party.on_behalf_of), "asked": error.place or "", "why": error.message}

        def op(tx: Tx) -> None:
            tx.append(entry, payload)

        with suppress(RemitError):
            journal.submit("guard.refused", op, patient=True)
        raise


def _owners(tx: ReadTx, refs: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    rows = tx.rows(_THESE, {"these": list(refs)})
    return {row["ref"]: (row["workspace"], row["principal"], row["on_behalf_of"]) for row in rows}


def _may(owner: tuple[str, str, str] | None, party: Party, asked: Reference) -> bool:
    if owner is None:
        return not asked.own
    return owner == (party.workspace, str(party.principal), str(party.on_behalf_of))
