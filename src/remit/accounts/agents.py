"""Agents: who they are, who owns them, what they may touch and spend, and how to stop one.

``agent_orders`` changes, hands over and retires them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import orjson
from sqlalchemy import bindparam, func, insert, select

from remit.accounts.access import Permission, Resource, check_gift, lock, refuse, require, rights_of
from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budgets import BudgetScope, add_limit
from remit.accounts.kills import KillScope, Mode
from remit.accounts.people import find_person
from remit.accounts.plans import lifting, plan_of
from remit.accounts.reach import ANY, domain_problem, model_problem
from remit.accounts.roles import lent
from remit.accounts.tables import AGENT, BUDGET, EVERYWHERE, KILL
from remit.accounts.teams import find_team
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx

EFFECT_KINDS = frozenset({"files", "command", "fetch", "model", "tool", "deploy", "order", "publish", "notify"})

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")

_INSERT = insert(AGENT)
_BY_NAME = select(AGENT).where(AGENT.c.workspace == bindparam("of"), AGENT.c.name == bindparam("called"))
_ALL = select(AGENT).where(AGENT.c.workspace == bindparam("of")).order_by(AGENT.c.name)
_COUNT = (
    select(func.count().label("n"))
    .select_from(AGENT)
    .where(AGENT.c.workspace == bindparam("of"), AGENT.c.status != "retired")
)
_BUDGETS = select(BUDGET).where(BUDGET.c.workspace == bindparam("of"), BUDGET.c.scope == BudgetScope.AGENT.value)
_ORDER = [Period.DAY, Period.MONTH, Period.TOTAL]
_KILLS = (
    select(KILL)
    .where(KILL.c.workspace.in_([bindparam("of"), EVERYWHERE]), KILL.c.lifted_us.is_(None))
    .order_by(KILL.c.killed_us)
)


class AgentStatus(StrEnum):
    """Whether an agent may act. ``KILLED`` is derived from the kills in force, never stored."""

    ACTIVE = "active"
    PAUSED = "paused"
    KILLED = "killed"
    RETIRED = "retired"  # for good; its name stays taken, so that the log stays clear


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as registered.

    ``effects`` are the effect kinds it may ask for, ``tools`` the tools it may call, ``models`` the models it may ask
    (``provider/model`` or ``provider/prefix*``), ``domains`` the hosts it may fetch from (subdomains included); ``*``
    is any. ``owner`` is the id of the user who answers for it, ``team`` a team's slug or empty. ``revision`` counts its
    changes.

    Raises:
        InvalidInput: A name that is no lower-case word, an unknown effect kind, tools without the ``tool`` kind.
    """

    workspace: str
    name: str
    owner: str
    kind: str = "coder"
    team: str = ""
    effects: frozenset[str] = field(default_factory=frozenset[str])
    tools: frozenset[str] = field(default_factory=frozenset[str])
    status: AgentStatus = AgentStatus.ACTIVE
    models: frozenset[str] = frozenset({ANY})
    domains: frozenset[str] = frozenset({ANY})
    revision: int = 1

    def __post_init__(self) -> None:
        problems = [
            f"{what} {text[:60]!r} must be a lower-case word of at most 64 letters, digits, - and _"
            for what, text in (("the name", self.name), ("the kind", self.kind), ("the team", self.team or "none"))
            if not _NAME.fullmatch(text)
        ]
        for unknown in sorted(self.effects - EFFECT_KINDS):
            near = difflib.get_close_matches(unknown, EFFECT_KINDS, 1)
            problems.append(f"{unknown!r} is no effect kind" + (f", did you mean {near[0]!r}?" if near else ""))
        if not self.owner:
            problems.append("an agent needs an owner")
        if self.tools and "tool" not in self.effects:
            problems.append("it lists tools but not the effect kind 'tool'")
        problems += [found for pattern in sorted(self.models) if (found := model_problem(pattern))]
        problems += [found for suffix in sorted(self.domains) if (found := domain_problem(suffix))]
        if self.status is AgentStatus.KILLED:
            problems.append("an agent is stopped by a kill, not by its status")
        if problems:
            message = f"The agent can't be registered: {'; '.join(problems)}."
            raise InvalidInput(message, code="accounts.agent", problems=tuple(problems))


@dataclass(frozen=True, slots=True)
class HeldTo:
    """A limit of an agent's own, with what counts against it in the day or month that it is now (or in all)."""

    period: Period
    limit: Money
    spent: Money
    reserved: Money

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "period": self.period.value,
            "limit_usd": str(self.limit.usd),
            "spent_usd": str(self.spent.usd),
            "reserved_usd": str(self.reserved.usd),
        }


@dataclass(frozen=True, slots=True)
class AgentView:
    """The five questions on one line: what runs, who owns it, what may it touch, what may it spend, how to stop it.

    ``limit``, ``spent`` and ``reserved`` are those of its limit in all; ``limits``: all of its own, a day's before a
    month's before that. ``stopped_what`` is the stop that holds it, as break-glass names it.
    """

    agent: Agent
    status: AgentStatus
    running: tuple[str, ...]
    limit: Money | None
    spent: Money
    reserved: Money
    stopped_because: str
    stop: str
    limits: tuple[HeldTo, ...] = ()
    stopped_what: str = ""
    stopped_by: str = ""
    stopped_us: int = 0

    def as_json(self) -> dict[str, Json]:
        """For ``remit agents --json``."""
        return {
            "name": self.agent.name,
            "kind": self.agent.kind,
            "status": self.status.value,
            "running": list(self.running),
            "owner": self.agent.owner,
            "team": self.agent.team,
            "may_touch": {
                "effects": sorted(self.agent.effects),
                "tools": sorted(self.agent.tools),
                "models": sorted(self.agent.models) if "model" in self.agent.effects else [],
                "domains": sorted(self.agent.domains) if "fetch" in self.agent.effects else [],
            },
            "revision": self.agent.revision,
            "may_spend_usd": None if self.limit is None else str(self.limit.usd),
            "spent_usd": str(self.spent.usd),
            "reserved_usd": str(self.reserved.usd),
            "limits": [each.as_json() for each in self.limits],
            "stopped_because": self.stopped_because,
            "stop": self.stop,
        }


#: What each agent is doing now, by name; ``remit.guard.records.running`` reads it from the open actions.
type Activity = Callable[[ReadTx, str], Mapping[str, tuple[str, ...]]]


async def register_agent(
    journal: Journal, agent: Agent, *, by: Principal, clock: Clock, spend_limit: Money | None = None
) -> None:
    """Register an agent with what it may touch and (unless ``None``: no limit) spend, and audit it.

    Raises:
        Refused: ``by`` is an agent, or may not administer agents there; or the plan holds no more agents.
        NotFound: There is no such owner or team.
        Conflict: The name is taken.
    """
    entry = Entry(
        actor=by,
        action="accounts.agent.registered",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=agent.workspace,
        subject=agent.name,
    )
    payload = told_of(agent) | {"spend_limit_micros": None if spend_limit is None else spend_limit.micros}

    def op(tx: Tx) -> None:
        lock(tx, agent.workspace)
        administer(tx, by, workspace=agent.workspace, team=agent.team)
        check_places(tx, agent)
        check_owner(tx, by, agent.owner, workspace=agent.workspace)
        if tx.row(_BY_NAME, {"of": agent.workspace, "called": agent.name}) is not None:
            message = f"There is an agent {agent.name!r} already."
            raise Conflict(message, code="accounts.taken", hint="remit agents")
        _check_plan(tx, agent, by)
        tx.execute(_INSERT, {**row_of(agent), "created_us": micros_of(clock.now())})
        if spend_limit is not None:
            add_limit(tx, workspace=agent.workspace, scope=BudgetScope.AGENT, name=agent.name, limit=spend_limit)
        tx.append(entry, payload)

    await journal.commit("accounts.agent", op)


async def list_agents(journal: Journal, *, workspace: str, activity: Activity, clock: Clock) -> list[AgentView]:
    """Every agent of a workspace, by name, with the answers to the five questions, read in one snapshot."""

    def op(tx: ReadTx) -> list[AgentView]:
        agents, now_us = list(read_agents(tx, workspace).values()), micros_of(clock.now())
        return read_views(tx, agents, workspace=workspace, activity=activity, now_us=now_us)

    return await journal.read(op)


def read_views(
    tx: ReadTx, agents: Sequence[Agent], *, workspace: str, activity: Activity, now_us: int
) -> list[AgentView]:
    """These agents with the answers to the five questions: three statements, however many there are."""
    limits: dict[str, list[HeldTo]] = {}
    shown = {agent.name for agent in agents}
    for row in tx.rows(_BUDGETS, {"of": workspace}):
        if row["name"] in shown:
            limits.setdefault(row["name"], []).append(_held(row, now_us))
    kills = tx.rows(_KILLS, {"of": workspace})
    busy = activity(tx, workspace)
    return [_view(agent, limits.get(agent.name, ()), kills, busy.get(agent.name, ())) for agent in agents]


def _held(row: Row, now_us: int) -> HeldTo:
    period = Period(row["period"])
    counted = row["starts_us"] >= start_of(period, now_us)  # else its counters are of a day or month that is over
    spent, reserved = (row["spent"], row["reserved"]) if counted else (0, 0)
    return HeldTo(period, Money(row["limit_micros"]), Money(spent), Money(reserved))


def read_agents(tx: ReadTx, workspace: str) -> dict[str, Agent]:
    """The agents of a workspace by name."""
    return {row["name"]: agent_of(row) for row in tx.rows(_ALL, {"of": workspace})}


def find_agent(tx: ReadTx, *, workspace: str, name: str) -> Agent:
    """The agent called ``name``.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    row = tx.row(_BY_NAME, {"of": workspace, "called": name})
    if row is not None:
        return agent_of(row)
    near = difflib.get_close_matches(name, read_agents(tx, workspace), 1)
    message = f"There is no agent {name[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="accounts.agent", hint="remit agents")


def administer(tx: Tx, by: Principal, *, workspace: str, team: str) -> int:
    """Refuse whoever may not say what the agents of a team (or of none) may touch.

    Raises:
        Refused: ``by`` may not.
    """
    return require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.AGENT, team=team)


def check_owner(tx: ReadTx, by: Principal, owner: str, *, workspace: str) -> None:
    """Nobody lets an agent act for somebody who may do more in the workspace than they: it would lend them that.

    Raises:
        Refused: ``owner`` has rights there, of those that agents may use, which ``by`` has not.
    """
    if owner != by.id:
        rights = rights_of(tx, by.id, workspace=workspace)
        check_gift(by, rights=rights, gift=lent(rights_of(tx, owner, workspace=workspace)), workspace=workspace)


def check_places(tx: ReadTx, agent: Agent) -> None:
    """Its owner has an account, and its team is one.

    Raises:
        NotFound: There is no such owner or team.
    """
    find_person(tx, workspace=agent.workspace, user=agent.owner)
    if agent.team:
        find_team(tx, workspace=agent.workspace, slug=agent.team)


def told_of(agent: Agent) -> dict[str, Json]:
    """What the log says of an agent."""
    return {
        "kind": agent.kind,
        "owner": agent.owner,
        "team": agent.team,
        "effects": sorted(agent.effects),
        "tools": sorted(agent.tools),
        "models": sorted(agent.models),
        "domains": sorted(agent.domains),
        "status": agent.status.value,
        "revision": agent.revision,
    }


def _check_plan(tx: Tx, agent: Agent, by: Principal) -> None:
    plan = plan_of(tx, agent.workspace)
    there = int((tx.row(_COUNT, {"of": agent.workspace}) or {"n": 0})["n"])
    if plan.agents is None or there < plan.agents:
        return
    larger = lifting(plan, "agents", there + 1)
    refuse(
        by,
        f"The plan {plan.name.value} holds {plan.agents} agents and there are {there}; "
        + (f"the plan {larger.value} holds more." if larger else "no plan holds more."),
        workspace=agent.workspace,
        subject="admin agent",
        code="accounts.plan_agents",
        hint=f"remit plan set {larger.value}" if larger else "remit agents retire NAME --reason TEXT",
        team=agent.team,
        limit=plan.agents,
    )


def _view(agent: Agent, limits: Sequence[HeldTo], kills: Iterable[Row], running: tuple[str, ...]) -> AgentView:
    stops = [row for row in kills if _stops(row, agent)]
    stopped = next((row for row in stops if row["mode"] == Mode.KILL), stops[0] if stops else None)
    status = agent.status
    if stopped is not None and status is not AgentStatus.RETIRED:
        status = AgentStatus.KILLED if stopped["mode"] == Mode.KILL else AgentStatus.PAUSED
    whole = next((each for each in limits if each.period is Period.TOTAL), None)
    return AgentView(
        agent=agent,
        status=status,
        running=running,
        limit=None if whole is None else whole.limit,
        spent=Money(0) if whole is None else whole.spent,
        reserved=Money(0) if whole is None else whole.reserved,
        limits=tuple(sorted(limits, key=lambda each: _ORDER.index(each.period))),
        stopped_because="" if stopped is None else f"{stopped['scope']}: {stopped['reason']}",
        stopped_what="" if stopped is None else f"{stopped['scope']} {stopped['name']}".strip(),
        stopped_by="" if stopped is None else stopped["killed_by"],
        stopped_us=0 if stopped is None else stopped["killed_us"],
        stop=_how_to(agent, stopped),
    )


def _how_to(agent: Agent, stopped: Row | None) -> str:
    """The command that stops it, or lets it go."""
    if agent.status is AgentStatus.RETIRED:
        return ""
    if stopped is None:
        active = agent.status is AgentStatus.ACTIVE
        return f"remit kill {agent.name}" if active else f"remit agents resume {agent.name} --reason WHY"
    verb = "unkill" if stopped["mode"] == Mode.KILL else "agents resume"
    match KillScope(stopped["scope"]):
        case KillScope.INSTALL:
            return f"remit {verb} --all --reason WHY"
        case KillScope.TEAM:
            return f"remit {verb} {stopped['name']} --scope team --reason WHY"
        case KillScope.AGENT | KillScope.MISSION:
            return f"remit {verb} {stopped['name']} --reason WHY"


def _stops(kill: Row, agent: Agent) -> bool:
    match KillScope(kill["scope"]):
        case KillScope.INSTALL:
            return True
        case KillScope.TEAM:
            return kill["name"] == agent.team
        case KillScope.AGENT:
            return kill["name"] == agent.name
        case KillScope.MISSION:
            return False


def row_of(agent: Agent) -> dict[str, str | int]:
    """An agent as its row has it."""
    return {
        "workspace": agent.workspace,
        "name": agent.name,
        "kind": agent.kind,
        "owner": agent.owner,
        "team": agent.team,
        "effects": orjson.dumps(sorted(agent.effects)).decode(),
        "tools": orjson.dumps(sorted(agent.tools)).decode(),
        "status": agent.status.value,
        "models": orjson.dumps(sorted(agent.models)).decode(),
        "domains": orjson.dumps(sorted(agent.domains)).decode(),
        "revision": agent.revision,
    }


def agent_of(row: Row) -> Agent:
    """An agent as its row says."""
    return Agent(
        workspace=row["workspace"],
        name=row["name"],
        owner=row["owner"],
        kind=row["kind"],
        team=row["team"],
        effects=frozenset(orjson.loads(row["effects"])),
        tools=frozenset(orjson.loads(row["tools"])),
        status=AgentStatus(row["status"]),
        models=frozenset(orjson.loads(row["models"])),
        domains=frozenset(orjson.loads(row["domains"])),
        revision=row["revision"],
    )
