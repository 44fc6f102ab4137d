"""Break-glass: two persons together lift one stop, rule or policy for somebody, for minutes. Every use is on record.

One asks, another confirms; the grant then holds until its minutes are over or somebody closes it. It lifts exactly what
it names, for exactly whom it names, and nothing else of the guard's list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, insert, select, tuple_, update

from remit.accounts.access import Permission, Resource, reading, refuse, require
from remit.accounts.kills import KillScope, Target, in_force
from remit.accounts.reasons import Mask, given
from remit.accounts.tables import BREAK_GLASS
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Row, Tx

#: A grant holds at most an hour; longer work needs the stop lifted or the rule changed, on record for all.
MOST_MINUTES = 60
#: A request that nobody confirms within this time is void.
CONFIRM_MINUTES = 60
_MINUTE_US = 60 * 1_000_000
_LAST_US = (1 << 63) - 1

_WHAT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/@-]{0,127}")

_INSERT = insert(BREAK_GLASS)
_ONE = select(BREAK_GLASS).where(BREAK_GLASS.c.workspace == bindparam("of"), BREAK_GLASS.c.id == bindparam("which"))
_ALL = select(BREAK_GLASS).where(BREAK_GLASS.c.workspace == bindparam("of")).order_by(BREAK_GLASS.c.requested_us.desc())
_PAGE = (
    select(BREAK_GLASS)
    .where(
        BREAK_GLASS.c.workspace == bindparam("of"),
        tuple_(BREAK_GLASS.c.requested_us, BREAK_GLASS.c.id) < tuple_(bindparam("at"), bindparam("which")),
    )
    .order_by(BREAK_GLASS.c.requested_us.desc(), BREAK_GLASS.c.id.desc())
    .limit(bindparam("most"))
)
_OPEN = select(BREAK_GLASS).where(
    BREAK_GLASS.c.workspace == bindparam("of"),
    BREAK_GLASS.c.expires_us > bindparam("now"),
    BREAK_GLASS.c.confirmed_us.is_not(None),
    BREAK_GLASS.c.closed_us.is_(None),
)
_STANDING = (
    select(BREAK_GLASS)
    .where(
        BREAK_GLASS.c.workspace == bindparam("of"),
        BREAK_GLASS.c.expires_us > bindparam("now"),
        BREAK_GLASS.c.closed_us.is_(None),
    )
    .order_by(BREAK_GLASS.c.expires_us, BREAK_GLASS.c.id)
    .limit(bindparam("most"))
)
_CONFIRM = (
    update(BREAK_GLASS)
    .where(
        BREAK_GLASS.c.id == bindparam("which"),
        BREAK_GLASS.c.confirmed_us.is_(None),
        BREAK_GLASS.c.closed_us.is_(None),
        BREAK_GLASS.c.expires_us > bindparam("at"),
    )
    .values(confirmed_by=bindparam("by"), confirmed_us=bindparam("at"), expires_us=bindparam("until"))
)
_CLOSE = (
    update(BREAK_GLASS)
    .where(BREAK_GLASS.c.id == bindparam("which"), BREAK_GLASS.c.closed_us.is_(None))
    .values(closed_by=bindparam("by"), closed_us=bindparam("at"), closed_reason=bindparam("because"))
)
_USE = (
    update(BREAK_GLASS)
    .where(
        BREAK_GLASS.c.workspace == bindparam("of"),
        BREAK_GLASS.c.id == bindparam("which"),
        BREAK_GLASS.c.confirmed_us.is_not(None),
        BREAK_GLASS.c.closed_us.is_(None),
        BREAK_GLASS.c.expires_us > bindparam("at"),
    )
    .values(uses=BREAK_GLASS.c.uses + 1)
)


class Lifts(StrEnum):
    """What kind of refusal a grant lifts."""

    STOP = "stop"  # a kill or pause: ``install``, ``agent NAME``, ``team SLUG``, ``mission ID``
    RULE = "rule"  # a guardrail rule, by its id
    POLICY = "policy"  # a custom Cedar policy, by its @id


@dataclass(frozen=True, slots=True)
class Lift:
    """One thing that a grant may lift, for one agent, team or mission, for some minutes.

    Raises:
        InvalidInput: It names nothing that can be lifted, the whole install, or more than an hour.
    """

    lifts: Lifts
    what: str
    scope: KillScope
    name: str
    minutes: int

    def __post_init__(self) -> None:
        problems: list[str] = []
        if not _WHAT.fullmatch(self.what):
            problems.append(f"{self.what[:60]!r} names no {self.lifts.value}")
        elif self.lifts is Lifts.STOP:
            scope, _, name = self.what.partition(" ")
            if scope not in set(KillScope) or (scope == KillScope.INSTALL) == bool(name):
                problems.append(f"{self.what[:60]!r} is no stop: install, agent NAME, team SLUG or mission ID")
        if self.scope is KillScope.INSTALL or not self.name:
            problems.append("it must name the agent, team or mission for which it holds, never the whole install")
        if not 1 <= self.minutes <= MOST_MINUTES:
            problems.append(f"it holds 1 to {MOST_MINUTES} minutes, not {self.minutes}")
        if problems:
            message = f"No such break-glass: {'; '.join(problems)}."
            raise InvalidInput(
                message, code="accounts.break_glass", hint="remit breakglass request --help", problems=tuple(problems)
            )

    @property
    def target(self) -> Target | None:
        """The stop that it lifts, when it lifts one."""
        if self.lifts is not Lifts.STOP:
            return None
        scope, _, name = self.what.partition(" ")
        return Target(KillScope(scope), name)

    def __str__(self) -> str:
        return f"{self.lifts.value} {self.what} for {self.scope.value} {self.name}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A request for break-glass, and what became of it. Times are microseconds since the epoch; 0: that never was."""

    id: str
    workspace: str
    lift: Lift
    reason: str
    requested_by: str
    requested_us: int
    confirmed_by: str
    expires_us: int
    closed_by: str
    uses: int
    confirmed_us: int = 0
    closed_us: int = 0
    closed_reason: str = ""

    def status(self, now_us: int) -> str:
        """``requested``, ``open``, ``closed`` or ``expired``."""
        if self.closed_by:
            return "closed"
        if self.expires_us <= now_us:
            return "expired"
        return "open" if self.confirmed_by else "requested"

    def as_json(self, now_us: int) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "grant": self.id,
            "status": self.status(now_us),
            "lifts": self.lift.lifts.value,
            "what": self.lift.what,
            "scope": self.lift.scope.value,
            "name": self.lift.name,
            "minutes": self.lift.minutes,
            "reason": self.reason,
            "requested_by": self.requested_by,
            "confirmed_by": self.confirmed_by,
            "closed_by": self.closed_by,
            "expires_us": self.expires_us,
            "uses": self.uses,
        }


async def request_glass(
    journal: Journal, lift: Lift, *, workspace: str, reason: str, by: Principal, clock: Clock, mask: Mask | None = None
) -> str:
    """Ask for a grant; nothing is lifted until another person confirms it. Audited; the grant's id.

    Raises:
        InvalidInput: No reason.
        Refused: ``by`` is an agent, or may not write in the workspace.
        NotFound: The stop that it would lift isn't in force.
    """
    why = given(reason, mask=mask)
    made = new_id()

    def op(tx: Tx) -> str:
        require(tx, by, workspace=workspace, permission=Permission.WRITE, resource=Resource.APPROVAL)
        stop = lift.target
        if stop is not None and not in_force(tx, stop, workspace):
            message = f"The {stop} is neither killed nor paused: there is nothing to lift."
            raise NotFound(message, code="accounts.not_killed", hint="remit agents")
        at = micros_of(clock.now())
        row: dict[str, object] = {
            "id": made,
            "workspace": workspace,
            "lifts": lift.lifts.value,
            "what": lift.what,
            "scope": lift.scope.value,
            "name": lift.name,
            "reason": why,
            "minutes": lift.minutes,
            "requested_by": str(by),
            "requested_us": at,
            "confirmed_by": "",
            "confirmed_us": None,
            "expires_us": at + CONFIRM_MINUTES * _MINUTE_US,
            "closed_by": "",
            "closed_us": None,
            "closed_reason": "",
            "uses": 0,
        }
        tx.execute(_INSERT, row)
        tx.append(_entry("requested", workspace, made, by, lift), _told(lift) | {"reason": why})
        return made

    return await journal.commit("accounts.glass", op)


async def confirm_glass(journal: Journal, which: str, *, workspace: str, by: Principal, clock: Clock) -> Grant:
    """Open the grant: from now on, for its minutes. Audited.

    Raises:
        Refused: ``by`` may not approve, or is the one who asked: it takes two.
        NotFound: There is no such request.
        Conflict: It was confirmed, closed, or nobody confirmed it within the hour.
    """

    def op(tx: Tx) -> Grant:
        require(tx, by, workspace=workspace, permission=Permission.APPROVE, resource=Resource.APPROVAL)
        grant = _find(tx, which, workspace)
        if grant.requested_by == str(by):
            refuse(
                by,
                f"{by} asked for this break-glass: another person with the approve permission must confirm it.",
                workspace=workspace,
                subject=grant.id,
                code="accounts.same_person",
                hint="remit users",
            )
        at = micros_of(clock.now())
        until = at + grant.lift.minutes * _MINUTE_US
        if tx.execute(_CONFIRM, {"which": grant.id, "by": str(by), "at": at, "until": until}) != 1:
            message = f"The break-glass {grant.id} is {grant.status(at)}, so it can't be confirmed."
            raise Conflict(message, code="accounts.break_glass", hint="remit breakglass list")
        told = _told(grant.lift) | {"requested_by": grant.requested_by, "expires_us": until}
        tx.append(_entry("opened", workspace, grant.id, by, grant.lift), told)
        return _find(tx, grant.id, workspace)

    return await journal.commit("accounts.glass", op)


async def close_glass(
    journal: Journal, which: str, *, workspace: str, reason: str, by: Principal, clock: Clock, mask: Mask | None = None
) -> None:
    """End a grant (or request) before its time; what it let start is stopped again within a second. Audited.

    Raises:
        InvalidInput: No reason.
        Refused: ``by`` may not write in the workspace.
        NotFound: There is no such grant.
        Conflict: It is over.
    """
    why = given(reason, mask=mask)

    def op(tx: Tx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.WRITE, resource=Resource.APPROVAL)
        grant = _find(tx, which, workspace)
        at = micros_of(clock.now())
        over = grant.status(at) in {"expired", "closed"}
        if over or tx.execute(_CLOSE, {"which": grant.id, "by": str(by), "at": at, "because": why}) != 1:
            message = f"The break-glass {grant.id} is {grant.status(at)} already."
            raise Conflict(message, code="accounts.break_glass", hint="remit breakglass list")
        tx.append(_entry("closed", workspace, grant.id, by, grant.lift), {"reason": why, "uses": grant.uses})

    await journal.commit("accounts.glass", op)


async def list_glass(journal: Journal, *, workspace: str, by: Principal) -> list[Grant]:
    """Every request and grant, newest first.

    Raises:
        Refused: ``by`` may not read the workspace.
    """

    def op(tx: ReadTx) -> list[Grant]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.APPROVAL)
        return [_grant(row) for row in tx.rows(_ALL, {"of": workspace})]

    return await reading(journal, op)


def glass_page(tx: ReadTx, workspace: str, *, after: tuple[int, str] | None, limit: int) -> list[Grant]:
    """Requests and grants, newest first: those after the time and id of one of them, or from the start."""
    at, which = after or (_LAST_US, "")
    return [_grant(row) for row in tx.rows(_PAGE, {"of": workspace, "at": at, "which": which, "most": limit})]


def one_grant(tx: ReadTx, which: str, workspace: str) -> Grant:
    """A request, and what became of it.

    Raises:
        NotFound: There is none of that id.
    """
    return _find(tx, which, workspace)


def read_open(tx: ReadTx, workspace: str, *, now_us: int) -> tuple[Grant, ...]:
    """The grants in force."""
    return tuple(_grant(row) for row in tx.rows(_OPEN, {"of": workspace, "now": now_us}))


def standing_glass(tx: ReadTx, workspace: str, *, now_us: int, most: int) -> tuple[Grant, ...]:
    """Requests that can still be confirmed and grants in force, those that end soonest first, at most ``most``."""
    return tuple(_grant(row) for row in tx.rows(_STANDING, {"of": workspace, "now": now_us, "most": most}))


def use(tx: Tx, grant: Grant, *, action: str, who: Principal, now_us: int) -> bool:
    """Use a grant for one action, inside the transaction of its intent; ``False`` when it is over by now. Audited."""
    if tx.execute(_USE, {"of": grant.workspace, "which": grant.id, "at": now_us}) != 1:
        return False
    tx.append(_entry("used", grant.workspace, grant.id, who, grant.lift), _told(grant.lift) | {"action": action})
    return True


def _find(tx: ReadTx, which: str, workspace: str) -> Grant:
    row = tx.row(_ONE, {"of": workspace, "which": which})
    if row is None:
        message = f"There is no break-glass {which[:60]!r}."
        raise NotFound(message, code="accounts.break_glass", hint="remit breakglass list")
    return _grant(row)


def _grant(row: Row) -> Grant:
    lift = Lift(Lifts(row["lifts"]), row["what"], KillScope(row["scope"]), row["name"], row["minutes"])
    return Grant(
        id=row["id"],
        workspace=row["workspace"],
        lift=lift,
        reason=row["reason"],
        requested_by=row["requested_by"],
        requested_us=row["requested_us"],
        confirmed_by=row["confirmed_by"],
        expires_us=row["expires_us"],
        closed_by=row["closed_by"],
        uses=row["uses"],
        confirmed_us=row["confirmed_us"] or 0,
        closed_us=row["closed_us"] or 0,
        closed_reason=row["closed_reason"],
    )


def _told(lift: Lift) -> dict[str, Json]:
    return {
        "lifts": lift.lifts.value,
        "what": lift.what,
        "scope": lift.scope.value,
        "name": lift.name,
        "minutes": lift.minutes,
    }


def _entry(verb: str, workspace: str, which: str, by: Principal, lift: Lift) -> Entry:
    return Entry(
        actor=by,
        action=f"accounts.break_glass.{verb}",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=which,
        mission=lift.name if lift.scope is KillScope.MISSION else "",
    )
