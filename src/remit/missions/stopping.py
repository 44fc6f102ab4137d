"""What a stop would do, counted before it is given: missions that go on or wait in line, calls, open requests, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.accounts.agents import Agent, AgentStatus, read_agents
from remit.accounts.key_tables import VIRTUAL_KEY
from remit.accounts.kills import KillScope, Target
from remit.guard.approval_rows import Status
from remit.guard.approval_tables import APPROVAL
from remit.guard.tables import ACTION, IS_OPEN
from remit.kernel.action import ActorKind
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import ReadTx, Row
from remit.missions.labels import agents_in
from remit.missions.tables import MISSION

MOST = 2000

_UNDER_WAY = [status.value for status in MissionStatus if not status.over]
_MISSIONS = (
    select(MISSION.c.id, MISSION.c.status, MISSION.c.agents)
    .where(MISSION.c.workspace == bindparam("of"), MISSION.c.status.in_(_UNDER_WAY))
    .limit(MOST + 1)
)
_REQUESTS = (
    select(APPROVAL.c.mission, APPROVAL.c.principal)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.status == Status.PENDING.value,
        APPROVAL.c.expires_us > bindparam("now"),
    )
    .limit(MOST + 1)
)
_CALLS = (
    select(ACTION.c.mission, ACTION.c.principal).where(ACTION.c.workspace == bindparam("of"), IS_OPEN).limit(MOST + 1)
)
_KEYS = (
    select(VIRTUAL_KEY.c.agent)
    .where(
        VIRTUAL_KEY.c.workspace == bindparam("of"),
        VIRTUAL_KEY.c.revoked_us.is_(None),
        (VIRTUAL_KEY.c.expires_us.is_(None)) | (VIRTUAL_KEY.c.expires_us > bindparam("now")),
    )
    .limit(MOST + 1)
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What one stop would reach.

    Attributes:
        agents: Agents that start nothing more.
        running: Missions that go on or wait for a person, in which such an agent has a step.
        queued: Missions that wait in line and would go on waiting.
        calls: Effects under way: a kill cuts them off, a pause lets them finish.
        requests: Open requests for approval, of no use until the stop is lifted.
        keys: Keys of the gateway that are answered 503.
        more: Whether there is more than was counted (2,000 of each).
    """

    agents: int = 0
    running: int = 0
    queued: int = 0
    calls: int = 0
    requests: int = 0
    keys: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Under:
    """What is under way in a workspace now, as far as a stop reaches it."""

    agents: Mapping[str, Agent]
    missions: tuple[Row, ...]
    requests: tuple[Row, ...]
    calls: tuple[Row, ...]
    keys: tuple[str, ...]

    def reach(self, target: Target) -> Reach:
        """What stopping ``target`` would reach."""
        full = any(len(found) > MOST for found in (self.missions, self.requests, self.calls, self.keys))
        if target.scope is KillScope.MISSION:
            mine = [row for row in self.missions if row["id"] == target.name]
            return Reach(
                running=_count(mine, queued=False),
                queued=_count(mine, queued=True),
                calls=sum(row["mission"] == target.name for row in self.calls),
                requests=sum(row["mission"] == target.name for row in self.requests),
                more=full,
            )
        names = self._names(target)
        whole = target.scope is KillScope.INSTALL
        theirs = [row for row in self.missions if whole or names.intersection(agents_in(row["agents"]))]
        return Reach(
            agents=sum(self.agents[name].status is not AgentStatus.RETIRED for name in names),
            running=_count(theirs, queued=False),
            queued=_count(theirs, queued=True),
            calls=sum(whole or _agent(row) in names for row in self.calls),
            requests=sum(whole or _agent(row) in names for row in self.requests),
            keys=sum(whole or name in names for name in self.keys),
            more=full,
        )

    def _names(self, target: Target) -> set[str]:
        match target.scope:
            case KillScope.TEAM:
                return {name for name, agent in self.agents.items() if agent.team == target.name}
            case KillScope.AGENT:
                return {target.name} & self.agents.keys()
            case KillScope.INSTALL | KillScope.MISSION:
                return set(self.agents)


def under_way(tx: ReadTx, workspace: str, *, now_us: int) -> Under:
    """What a stop could reach now: five statements, however many stops are asked about."""
    at = {"of": workspace, "now": now_us}
    of = {"of": workspace}
    return Under(
        read_agents(tx, workspace),
        tuple(tx.rows(_MISSIONS, of)),
        tuple(tx.rows(_REQUESTS, at)),
        tuple(tx.rows(_CALLS, of)),
        tuple(row["agent"] for row in tx.rows(_KEYS, at)),
    )


def _count(rows: Iterable[Row], *, queued: bool) -> int:
    return sum((row["status"] == MissionStatus.QUEUED.value) == queued for row in rows)


def _agent(row: Row) -> str:
    kind, _, name = str(row["principal"]).partition(":")
    return name if kind == ActorKind.AGENT.value else ""
