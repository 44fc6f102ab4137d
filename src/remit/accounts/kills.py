"""The kill switch: stop an agent, a mission, a team or the whole install, and let it go again, both with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, insert, select, update

from remit.accounts.tables import AGENT, EVERYWHERE, KILL
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Tx

LONGEST_REASON = 2000

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
    KILL.c.lifted_us.is_(None),
)
_IN_FORCE = select(KILL.c.scope, KILL.c.name, KILL.c.reason).where(
    KILL.c.workspace.in_([bindparam("of"), EVERYWHERE]), KILL.c.lifted_us.is_(None)
)
_AGENT = select(AGENT.c.name).where(AGENT.c.workspace == bindparam("of"), AGENT.c.name == bindparam("called"))


class KillScope(StrEnum):
    """How much a kill stops."""

    INSTALL = "install"
    TEAM = "team"
    AGENT = "agent"
    MISSION = "mission"


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


async def kill(journal: Journal, target: Target, *, workspace: str, reason: str, by: Principal, clock: Clock) -> None:
    """Stop ``target``: nothing of it starts any more, and what runs is cancelled within a second. Audited.

    Raises:
        InvalidInput: No reason.
        Denied: ``by`` is an agent.
        NotFound: There is no such agent.
        Conflict: It is stopped already.
    """
    _check(reason, by)
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
    }

    def op(tx: Tx) -> None:
        if target.scope is KillScope.AGENT and tx.row(_AGENT, {"of": workspace, "called": target.name}) is None:
            message = f"There is no agent {target.name[:60]!r}."
            raise NotFound(message, code="accounts.agent", hint="remit agents")
        if _open(tx, target, workspace) is not None:
            message = f"The {target} is stopped already."
            raise Conflict(message, code="accounts.killed", hint="remit agents")
        tx.execute(_INSERT, {**row, "killed_us": micros_of(clock.now())})
        tx.append(_entry("accounts.kill.set", target, workspace, by), {"reason": reason})

    await journal.commit("accounts.kill", op)


async def unkill(journal: Journal, target: Target, *, workspace: str, reason: str, by: Principal, clock: Clock) -> None:
    """Lift the kill of ``target``. What was cancelled stays cancelled; new work may start. Audited.

    Raises:
        InvalidInput: No reason.
        Denied: ``by`` is an agent.
        NotFound: It isn't stopped.
    """
    _check(reason, by)

    def op(tx: Tx) -> None:
        which = _open(tx, target, workspace)
        if which is None:
            message = f"The {target} isn't stopped."
            raise NotFound(message, code="accounts.not_killed", hint="remit agents")
        tx.execute(_LIFT, {"which": which, "by": str(by), "at": micros_of(clock.now()), "because": reason})
        tx.append(_entry("accounts.kill.lifted", target, workspace, by), {"reason": reason})

    await journal.commit("accounts.kill", op)


def read_kills(tx: ReadTx, workspace: str) -> dict[tuple[KillScope, str], str]:
    """The kills in force for a workspace, with their reasons."""
    return {(KillScope(row["scope"]), row["name"]): row["reason"] for row in tx.rows(_IN_FORCE, {"of": workspace})}


def _open(tx: ReadTx, target: Target, workspace: str) -> str | None:
    row = tx.row(_ONE, {"of": target.home(workspace), "in_scope": target.scope.value, "called": target.name})
    return None if row is None else str(row["id"])


def _check(reason: str, by: Principal) -> None:
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"A kill switch is moved with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="accounts.reason", hint="add --reason TEXT")
    if by.kind is ActorKind.AGENT:
        message = f"{by} is an agent: agents neither stop nor release anything."
        raise Denied(message, code="accounts.agent_administers", hint="run the command as a person")


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
