"""Delegations: who holds whose right to approve, until when; hand one's own on, and take it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from remit.accounts.access import rights_of
from remit.accounts.people import read_people
from remit.accounts.roles import Permission, Resource, may
from remit.guard.approval_decisions import Delegation, delegate, in_force, take_back
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

MOST_DAYS = 365
DONE = {"given": "It is handed on, and ends by itself.", "ended": "Your right is yours alone again."}


@dataclass(frozen=True, slots=True)
class Given:
    """A right that somebody else holds. ``own``: the reader gave it, and may end it."""

    giver: str
    taker: str
    reason: str
    made_us: int
    until_us: int
    own: bool


@dataclass(frozen=True, slots=True)
class Delegations:
    """The page. ``why_not``: why the reader has nothing to hand on."""

    title: str
    said: str
    rows: tuple[Given, ...]
    people: tuple[tuple[str, str], ...]
    why_not: str


@page("/approvals/delegations", template="delegations.html")
async def delegations(ask: Ask) -> Delegations:
    """Whose right is whose, and until when."""

    def op(tx: ReadTx) -> tuple[list[Delegation], list[tuple[str, str]], bool]:
        people = [(one.id, one.name) for one in read_people(tx, ask.workspace).values() if one.id != ask.who.id]
        rights = rights_of(tx, ask.who.id, workspace=ask.workspace)
        own = may(rights, Permission.APPROVE, Resource.APPROVAL)
        return in_force(tx, ask.workspace, now_us=ask.now_us), sorted(people), own

    found, people, own = await ask.read(op, resource=Resource.APPROVAL)
    return Delegations(
        title=told(len(found), "right is handed on", "rights are handed on") if found else "No right is handed on",
        said=DONE.get(ask.query.get("done", ""), ""),
        rows=tuple(
            Given(one.giver, one.taker, one.reason, one.given_us, one.until_us, one.giver == ask.who.id)
            for one in found
        ),
        people=tuple(people),
        why_not="" if own else "You have no right to approve of your own, so there is nothing to hand on.",
    )


@form("/approvals/delegations", again=delegations, about={"approval.delegate": "taker"})
async def give(ask: Ask) -> str:
    """Hand the reader's right to somebody."""
    days = ask.form.get("days", "").strip()
    if not days.isdecimal() or len(days) > len(str(MOST_DAYS)) or not 1 <= int(days) <= MOST_DAYS:
        raise InvalidInput("Say for how many days, 1 to 365.", code="approval.days", hint="7")
    taker = ask.form.get("taker", "")
    if not taker:
        raise InvalidInput("Say to whom.", code="approval.taker", hint="choose one of the list")
    await delegate(
        ask.runtime.store,
        taker,
        workspace=ask.workspace,
        by=ask.who,
        until=ask.runtime.clock.now() + timedelta(days=int(days)),
        reason=ask.form.get("reason", ""),
        clock=ask.runtime.clock,
        redactor=ask.runtime.redactor,
    )
    return "/approvals/delegations?done=given"


@form("/approvals/delegations/end", again=delegations)
async def end(ask: Ask) -> str:
    """Take it back."""
    await take_back(
        ask.runtime.store,
        ask.form.get("taker", ""),
        workspace=ask.workspace,
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return "/approvals/delegations?done=ended"


FORMS = (give, end)
