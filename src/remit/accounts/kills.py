"""The kill switch: stop an agent, a mission, a team or the whole install, or only pause it, and let it go again.

A kill cancels what runs within a second; a pause lets it finish and starts nothing more. Both say why, and so does
whoever lifts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.access import Permission, Resource, require
from remit.accounts.reasons import LONGEST_REASON, Mask, given
from remit.accounts.tables import AGENT, EVERYWHERE, KILL
from remit.accounts.teams import find_team
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Tx

__all__ = [
    "LONGEST_REASON",
    "KillScope",
    "Mode",
    "Target",
    "in_force",
    "kill",
    "pause",
    "read_kills",
    "read_stops",
    "resume",
    "unkill",
]

_INSERT = insert(KILL)
_LIFT = (
    update(KILL)
    .where(KILL.c.id == bindparam("which"), KILL.c.lifted_us.is_(None))
    .values(lifted_by=bindparam("by"), lifted_us=bindparam("at"), lifted_reason=bindparam("because"))
)
_ONE = select(KILL.c.id).where(
    KILL.c.workspace == bindparam("of"),
    KILL.c.scope == bindparam("in_scope"),
    KILL.c.name == bindparam("called"),
    KILL.c.mode == bindparam("how"),
    KILL.c.lifted_us.is_(None),
)
_IN_FORCE = select(KILL.c.scope, KILL.c.name, KILL.c.reason, KILL.c.mode).where(
    KILL.c.workspace.in_([bindparam("of"), EVERYWHERE]), KILL.c.lifted_us.is_(None)
)
_AGENT = select(AGENT.c.name, AGENT.c.team, AGENT.c.status).where(
    AGENT.c.workspace == bindparam("of"), AGENT.c.name == bindparam("called")
)
_WAKE = (
    update(AGENT)
    .where(AGENT.c.workspace == bindparam("of"), AGENT.c.name == bindparam("called"), AGENT.c.status == "paused")
    .values(status="active")
)


class KillScope(StrEnum):
    """How much a kill stops."""

    INSTALL = "install"
    TEAM = "team"
    AGENT = "agent"
    MISSION = "mission"


class Mode(StrEnum):
    """Whether what runs is cancelled or may finish."""

    KILL = "kill"
    PAUSE = "pause"


#: What is stopped, by scope and name, and why.
type Stopped = dict[tuple[KillScope, str], str]


@dataclass(frozen=True, slots=True)
class Target:
    """What to stop: a scope and a name in it (none for the install).

    Raises:
        InvalidInput: A scope that needs a name has none, or the install has one.
    """

    scope: KillScope
    name: str = ""

    def __post_init__(self) -> None:
        if (self.scope is KillScope.INSTALL) == bool(self.name):
            message = f"a kill of scope {self.scope.value!r} " + (
                "takes no name" if self.scope is KillScope.INSTALL else "needs a name"
            )
            raise InvalidInput(message, code="accounts.kill", hint="remit kill --help")

    def home(self, workspace: str) -> str:
        """The workspace of the row: the install's kill holds in each."""
        return EVERYWHERE if self.scope is KillScope.INSTALL else workspace

    def __str__(self) -> str:
        return f"{self.scope.value} {self.name}".strip()


async def kill(
    journal: Journal,
    target: Target,
    *,
    workspace: str,
    reason: str,
    by: Principal,
    clock: Clock,
    mask: Mask | None = None,
) -> None:
    """Stop ``target``: nothing of it starts any more, and what runs is cancelled within a second. Audited.

    Whoever may write there may stop there; the whole install takes an owner.

    Raises:
        InvalidInput: No reason.
        Refused: ``by`` is an agent, or may not.
        NotFound: There is no such agent or team.
        Conflict: It is stopped already.
    """
    await _stop(journal, target, Mode.KILL, workspace=workspace, reason=given(reason, mask=mask), by=by, clock=clock)


async def unkill(
    journal: Journal,
    target: Target,
    *,
    workspace: str,
    reason: str,
    by: Principal,
    clock: Clock,
    mask: Mask | None = None,
) -> None:
    """Lift the kill of ``target``. What was cancelled stays cancelled; new work may start. Audited.

    Raises:
        InvalidInput: No reason.
        Refused: ``by`` is an agent, or does not administer there.
        NotFound: It isn't stopped.
    """
    await _lift(journal, target, Mode.KILL, workspace=workspace, reason=given(reason, mask=mask), by=by, clock=clock)


async def pause(
    journal: Journal,
    target: Target,
    *,
    workspace: str,
    reason: str,
    by: Principal,
    clock: Clock,
    mask: Mask | None = None,
) -> None:
    """Let nothing of ``target`` start; what runs may finish. Audited. Raises as ``kill`` does."""
    await _stop(journal, target, Mode.PAUSE, workspace=workspace, reason=given(reason, mask=mask), by=by, clock=clock)


async def resume(
    journal: Journal,
    target: Target,
    *,
    workspace: str,
    reason: str,
    by: Principal,
    clock: Clock,
    mask: Mask | None = None,
) -> None:
    """Lift the pause of ``target``; a kill of it stays. Audited. Raises as ``unkill`` does."""
    await _lift(journal, target, Mode.PAUSE, workspace=workspace, reason=given(reason, mask=mask), by=by, clock=clock)


async def _stop(
    journal: Journal, target: Target, mode: Mode, *, workspace: str, reason: str, by: Principal, clock: Clock
) -> None:
    row = {
        "id": new_id(),
        "workspace": target.home(workspace),
        "scope": target.scope.value,
        "name": target.name,
        "reason": reason,
        "killed_by": str(by),
        "lifted_by": None,
        "lifted_us": None,
        "lifted_reason": None,
        "mode": mode.value,
    }

    def op(tx: Tx) -> None:
        _check(tx, target, workspace, by=by, permission=Permission.WRITE)
        if target.scope is KillScope.AGENT and tx.row(_AGENT, {"of": workspace, "called": target.name}) is None:
            message = f"There is no agent {target.name[:60]!r}."
            raise NotFound(message, code="accounts.agent", hint="remit agents")
        if target.scope is KillScope.TEAM:
            find_team(tx, workspace=workspace, slug=target.name)
        if _open(tx, target, workspace, mode) is not None:
            message = f"The {target} is {'stopped' if mode is Mode.KILL else 'paused'} already."
            raise Conflict(message, code="accounts.killed", hint="remit agents")
        tx.execute(_INSERT, {**row, "killed_us": micros_of(clock.now())})
        tx.append(_entry(f"accounts.{mode.value}.set", target, workspace, by), {"reason": reason})

    await journal.commit("accounts.kill", op)


async def _lift(
    journal: Journal, target: Target, mode: Mode, *, workspace: str, reason: str, by: Principal, clock: Clock
) -> None:
    def op(tx: Tx) -> None:
        _check(tx, target, workspace, by=by, permission=Permission.ADMIN)
        which = _open(tx, target, workspace, mode)
        lifted = which is not None
        if mode is Mode.PAUSE and target.scope is KillScope.AGENT:  # older versions kept a pause in the agent's row
            lifted |= tx.execute(_WAKE, {"of": workspace, "called": target.name}) == 1
        if not lifted:
            message = f"The {target} isn't {'stopped' if mode is Mode.KILL else 'paused'}."
            raise NotFound(message, code="accounts.not_killed", hint="remit agents")
        if which is not None:
            tx.execute(_LIFT, {"which": which, "by": str(by), "at": micros_of(clock.now()), "because": reason})
        tx.append(_entry(f"accounts.{mode.value}.lifted", target, workspace, by), {"reason": reason})

    await journal.commit("accounts.kill", op)


def read_stops(tx: ReadTx, workspace: str) -> tuple[Stopped, Stopped]:
    """The kills and the pauses in force for a workspace, with their reasons."""
    kills: Stopped = {}
    pauses: Stopped = {}
    for row in tx.rows(_IN_FORCE, {"of": workspace}):
        found = kills if row["mode"] == Mode.KILL else pauses
        found[KillScope(row["scope"]), row["name"]] = row["reason"]
    return kills, pauses


def read_kills(tx: ReadTx, workspace: str) -> Stopped:
    """The kills in force for a workspace, with their reasons."""
    return read_stops(tx, workspace)[0]


def in_force(tx: ReadTx, target: Target, workspace: str) -> bool:
    """Whether ``target`` is killed or paused."""
    return any(_open(tx, target, workspace, mode) is not None for mode in Mode)


def _open(tx: ReadTx, target: Target, workspace: str, mode: Mode) -> str | None:
    at = {
        "of": target.home(workspace),
        "in_scope": target.scope.value,
        "called": target.name,
        "how": mode.value,
    }
    row = tx.row(_ONE, at)
    return None if row is None else str(row["id"])


def _check(tx: Tx, target: Target, workspace: str, *, by: Principal, permission: Permission) -> None:
    """Stopping takes little, letting go takes an administrator, and either for the whole install an owner."""
    team = ""
    match target.scope:
        case KillScope.INSTALL:
            require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.INSTALL)
            return
        case KillScope.TEAM:
            team, about = target.name, Resource.TEAM
        case KillScope.MISSION:
            about = Resource.MISSION
        case KillScope.AGENT:
            row = tx.row(_AGENT, {"of": workspace, "called": target.name})
            team, about = ("" if row is None else row["team"]), Resource.AGENT
    require(tx, by, workspace=workspace, permission=permission, resource=about, team=team)


def _entry(action: str, target: Target, workspace: str, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action=action,
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=str(target),
        mission=target.name if target.scope is KillScope.MISSION else "",
    )
