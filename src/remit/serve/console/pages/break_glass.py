"""Break-glass: what is lifted now and for whom, what waits for a second person, what was lifted before; ask for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.accounts.access import rights_of
from remit.accounts.agents import AgentStatus, read_agents
from remit.accounts.break_glass import (
    MOST_MINUTES,
    Grant,
    Lift,
    Lifts,
    close_glass,
    confirm_glass,
    glass_page,
    request_glass,
    standing_glass,
)
from remit.accounts.cedar_revisions import read_policies
from remit.accounts.kills import KillScope, read_stops
from remit.accounts.roles import Permission, Resource, may
from remit.guard.rules import revisions
from remit.kernel.errors import InvalidInput
from remit.missions.listing import Wanted, find_missions
from remit.missions.shown import Shown
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

if TYPE_CHECKING:
    from remit.kernel.ports import ReadTx
    from remit.missions.listing import Summary

SIZE = 20
MOST = 50  # that stand at once; more wait their turn
MINUTES = (5, 10, 15, 30, MOST_MINUTES)
USUAL = 15
MARKS = {
    "requested": ("waiting", "waits for a second person"),
    "open": ("open", "lifted now"),
    "closed": ("cancelled", "ended early"),
    "expired": ("skipped", "over"),
}
DONE = {
    "asked": "Asked: it waits for a second person",
    "opened": "It is lifted from now on",
    "ended": "It is ended: nothing is lifted by it any more",
}
_GOING = (Shown.QUEUED, Shown.RUNNING, Shown.WAITING, Shown.INTERRUPTED)
_NAMED = re.compile(r'@id\(\s*"([^"\n]{1,128})"\s*\)')
#: What stands in a form for one of something, and its words.
type Choice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lifted:
    """A request or grant.

    Attributes:
        status: ``requested``, ``open``, ``closed``, ``expired``; ``mark`` is that as a mark and its word.
        thing: What it lifts, ``whom``: for whom, in words.
        means: What happens while it holds, in a sentence.
        expires_us: Until when it can be confirmed; once it was, until when it holds.
        why_not: Why the one who looks may not confirm it; empty: they may.
        may_end: Whether they may end it.
    """

    id: str
    status: str
    mark: tuple[str, str]
    lifts: str
    what: str
    scope: str
    name: str
    minutes: int
    thing: str
    whom: str
    means: str
    reason: str
    requested_by: str
    requested_us: int
    confirmed_by: str
    confirmed_us: int
    closed_by: str
    closed_us: int
    closed_reason: str
    expires_us: int
    uses: int
    why_not: str
    may_end: bool


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """The page.

    Attributes:
        title: What is lifted, and what waits.
        said: What an order has done; empty: none was given.
        open: In force now. ``waiting``: for a second person.
        rows: A page of all there ever were, newest first. ``next``, ``first``: addresses; empty: there is none.
        things: What can be lifted, in groups. ``whom``: for whom.
        asked: What the address names of both, and the minutes that are usual.
        why_not: Why the one who looks may ask for none; empty: they may.
    """

    title: str
    said: str
    open: tuple[Lifted, ...]
    waiting: tuple[Lifted, ...]
    rows: tuple[Lifted, ...]
    next: str
    first: str
    things: tuple[tuple[str, tuple[Choice, ...]], ...]
    whom: tuple[tuple[str, tuple[Choice, ...]], ...]
    asked: tuple[str, str, int]
    why_not: str
    minutes: tuple[int, ...] = MINUTES


@page(
    "/break-glass",
    template="break_glass.html",
    group="Control",
    label="Break-glass",
    live=True,
    topics="accounts",
)
async def break_glass(ask: Ask) -> BreakGlass:
    """What two people lifted, for whom and until when; and what one of them asks for."""
    after = ask.after
    what, whom = ask.query.get("what", "")[:140], ask.query.get("whom", "")[:80]
    alive = ask.runtime.missions.deps.alive

    def op(tx: ReadTx) -> BreakGlass:
        rights = rights_of(tx, ask.who.id, workspace=ask.workspace)
        seat = _Seat(ask, may(rights, Permission.APPROVE, Resource.APPROVAL))
        writes = may(rights, Permission.WRITE, Resource.APPROVAL)

        def shown(grants: Sequence[Grant]) -> tuple[Lifted, ...]:
            return tuple(_lifted(each, seat, writes=writes) for each in grants)

        standing = shown(standing_glass(tx, ask.workspace, now_us=ask.now_us, most=MOST))
        found = glass_page(tx, ask.workspace, after=after, limit=SIZE + 1)
        going = find_missions(tx, ask.workspace, Wanted(_GOING), size=SIZE, alive=alive, now_us=ask.now_us)
        opened = tuple(each for each in standing if each.status == "open")
        waiting = tuple(each for each in standing if each.status == "requested")
        last = found[SIZE - 1] if len(found) > SIZE else None
        return BreakGlass(
            title=_title(opened, waiting),
            said=DONE.get(ask.query.get("done", ""), ""),
            open=opened,
            waiting=waiting,
            rows=shown(found[:SIZE]),
            next=f"/break-glass?after={last.requested_us}.{last.id}" if last else "",
            first="/break-glass" if after else "",
            things=_things(tx, ask.workspace),
            whom=_whom(tx, ask.workspace, going.missions, asked=whom),
            asked=(what, whom, USUAL),
            why_not="" if writes else "Asking takes the write permission, which you don't have here.",
        )

    return await ask.read(op, resource=Resource.APPROVAL)


@form("/break-glass", again=break_glass, about={"accounts.not_killed": "what", "accounts.break_glass": "what"})
async def request(ask: Ask) -> str:
    """Ask for it: nothing is lifted until another person confirms."""
    lifts, _, what = ask.form.get("what", "").partition(":")
    scope, _, name = ask.form.get("whom", "").partition(":")
    minutes = ask.form.get("minutes", "").strip()
    if lifts not in set(Lifts) or not what:
        raise InvalidInput("Say what is to be lifted.", code="glass.what", hint="choose from the list")
    if scope not in set(KillScope) or not name:
        raise InvalidInput("Say for whom it is lifted.", code="glass.whom", hint="choose from the list")
    if minutes not in {str(each) for each in range(1, MOST_MINUTES + 1)}:
        message = f"Say for how many minutes, 1 to {MOST_MINUTES}."
        raise InvalidInput(message, code="glass.minutes", hint=f"{USUAL}")
    await request_glass(
        ask.runtime.store,
        Lift(Lifts(lifts), what, KillScope(scope), name, int(minutes)),
        workspace=ask.workspace,
        reason=ask.form.get("reason", ""),
        by=ask.who,
        clock=ask.runtime.clock,
        mask=ask.runtime.redactor.mask,
    )
    return "/break-glass?done=asked"


@form("/break-glass/{id}/confirm", again=break_glass, about={"accounts.same_person": "seen"})
async def confirm(ask: Ask) -> str:
    """Open it, as the second person."""
    if not ask.form.get("seen"):
        message = "Say that you have read what it lifts: from your click on it holds."
        raise InvalidInput(message, code="glass.seen", hint="tick the box above the button")
    await confirm_glass(ask.runtime.store, ask.path["id"], workspace=ask.workspace, by=ask.who, clock=ask.runtime.clock)
    return "/break-glass?done=opened"


@form("/break-glass/{id}/close", again=break_glass)
async def close(ask: Ask) -> str:
    """End it before its time, or withdraw it."""
    await close_glass(
        ask.runtime.store,
        ask.path["id"],
        workspace=ask.workspace,
        reason=ask.form.get("reason", ""),
        by=ask.who,
        clock=ask.runtime.clock,
        mask=ask.runtime.redactor.mask,
    )
    return "/break-glass?done=ended"


@dataclass(frozen=True, slots=True)
class _Seat:
    """Who looks, and whether they may confirm at all."""

    ask: Ask
    approves: bool

    def why_not(self, grant: Grant) -> str:
        if grant.requested_by == str(self.ask.who):
            return "You asked for it: another person who may approve must confirm it."
        return "" if self.approves else "You have no right to approve here. An owner could grant it."


def _title(opened: Sequence[Lifted], waiting: Sequence[Lifted]) -> str:
    waits = told(len(waiting), "request waits for a second person", "requests wait for a second person")
    if not opened:
        return waits if waiting else "Nothing is lifted"
    lifted = told(len(opened), "refusal is lifted now", "refusals are lifted now")
    return f"{lifted}, {waits[0].lower()}{waits[1:]}" if waiting else lifted


def _lifted(grant: Grant, seat: _Seat, *, writes: bool) -> Lifted:
    lift, status = grant.lift, grant.status(seat.ask.now_us)
    whom = f"{lift.scope.value} {lift.name}"
    kind = "the stop of" if lift.lifts is Lifts.STOP else f"the {lift.lifts.value}"
    return Lifted(
        id=grant.id,
        status=status,
        mark=MARKS[status],
        lifts=lift.lifts.value,
        what=lift.what,
        scope=lift.scope.value,
        name=lift.name,
        minutes=lift.minutes,
        thing=f"{kind} {_what(lift)}",
        whom=whom,
        means=_means(lift, whom),
        reason=grant.reason,
        requested_by=grant.requested_by,
        requested_us=grant.requested_us,
        confirmed_by=grant.confirmed_by,
        confirmed_us=grant.confirmed_us,
        closed_by=grant.closed_by,
        closed_us=grant.closed_us,
        closed_reason=grant.closed_reason,
        expires_us=grant.expires_us,
        uses=grant.uses,
        why_not=seat.why_not(grant) if status == "requested" else "",
        may_end=writes and status in {"requested", "open"},
    )


def _what(lift: Lift) -> str:
    """What is lifted, without its kind: ``agent coder``, ``every agent of this install``, a rule's id."""
    return "every agent of this install" if lift.what == KillScope.INSTALL else lift.what


def _means(lift: Lift, whom: str) -> str:
    match lift.lifts:
        case Lifts.STOP:
            return f"What {whom} asks for is let through although {_what(lift)} is stopped."
        case Lifts.RULE:
            return (
                f"The rule {lift.what} does not hold for {whom}: what it refuses, or has a person decide, goes through."
            )
        case Lifts.POLICY:
            return f"The policy {lift.what} does not hold for {whom}: what it forbids goes through."


def _things(tx: ReadTx, workspace: str) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """What refuses now and can be lifted: stops, rules, custom policies."""
    killed, paused = read_stops(tx, workspace)
    stops = [
        (str(scope if scope is KillScope.INSTALL else f"{scope.value} {name}"), word)
        for each, word in ((killed, "stopped"), (paused, "paused"))
        for scope, name in each
    ]
    rules = [rule.id for rule in revisions.in_force(tx, workspace).book.resolved.rules]
    named = {name for each in read_policies(tx, workspace) for name in _NAMED.findall(each.text)}
    groups = (
        ("Stops in force", tuple((f"stop:{what}", f"{what}, {word}") for what, word in dict(stops).items())),
        ("Rules", tuple((f"rule:{which}", which) for which in rules)),
        ("Policies", tuple((f"policy:{name}", name) for name in sorted(named))),
    )
    return tuple((label, choices) for label, choices in groups if choices)


def _whom(
    tx: ReadTx, workspace: str, going: Sequence[Summary], *, asked: str
) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """For whom something can be lifted; of missions those that go on, and the one that the address names."""
    there = {name: each for name, each in read_agents(tx, workspace).items() if each.status is not AgentStatus.RETIRED}
    teams = sorted({each.team for each in there.values()} - {""})
    missions = {f"mission:{one.id}": f"{one.name} …{one.id[-8:]}" for one in going}
    if asked.startswith("mission:") and len(asked) > len("mission:"):
        missions.setdefault(asked, asked.partition(":")[2])
    groups = (
        ("Agents", tuple((f"agent:{name}", name) for name in there)),
        ("Teams", tuple((f"team:{name}", name) for name in teams)),
        ("Missions", tuple(missions.items())),
    )
    return tuple((label, choices) for label, choices in groups if choices)


FORMS = (request, confirm, close)
