"""Agents: five questions on one screen, one row an agent; and one of them, with what it may touch and spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from remit.accounts.agent_listing import StopRow, Wanted, agents_page, kinds_of, stops_page, teams_with_agents
from remit.accounts.agent_orders import AgentChange, retire_agent, update_agent
from remit.accounts.agents import (
    EFFECT_KINDS,
    Agent,
    AgentStatus,
    AgentView,
    HeldTo,
    find_agent,
    read_views,
    register_agent,
)
from remit.accounts.budget_periods import DAY_US
from remit.accounts.roles import Resource
from remit.guard.budget_rollup import spent_by
from remit.guard.records import running
from remit.kernel.errors import Conflict, InvalidInput
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

SIZE = 50
STOPS_SHOWN = 20
_MARKS = {
    AgentStatus.ACTIVE: ("queued", "idle"),
    AgentStatus.PAUSED: ("paused", "paused"),
    AgentStatus.KILLED: ("denied", "stopped"),
    AgentStatus.RETIRED: ("cancelled", "retired"),
}


_FOR = {"day": "today", "month": "this month", "total": "in all"}


@dataclass(frozen=True, slots=True)
class Held:
    """A limit of an agent's own, in micros; ``used`` and ``held`` are percent of it, ``words`` say for how long."""

    period: str
    words: str
    limit_micros: int
    spent_micros: int
    reserved_micros: int
    used: float
    held: float


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent: which runs, whose it is, what it may touch, what it may spend, how to stop it.

    ``mark`` and ``word`` are its status. ``limits`` are those of its own, the one that most is used of first; without
    any the workspace's hold. ``today_micros`` is what it has spent since midnight. ``stopped`` says why it is stopped,
    ``stopped_by`` by whose order; ``stopped_what`` is the stop that holds it, as break-glass names it.
    """

    name: str
    kind: str
    status: AgentStatus
    mark: str
    word: str
    doing: tuple[str, ...]
    owner: str
    team: str
    effects: tuple[str, ...]
    tools: tuple[str, ...]
    models: tuple[str, ...]
    domains: tuple[str, ...]
    limits: tuple[Held, ...]
    today_micros: int
    stopped: str
    stopped_what: str
    stopped_by: str
    stopped_us: int
    revision: int


@dataclass(frozen=True, slots=True)
class Agents:
    """The page."""

    title: str
    rows: tuple[AgentRow, ...]
    kinds: dict[str, int]
    teams: tuple[str, ...]
    text: str
    kind: str
    team: str
    next: str
    stops: tuple[StopRow, ...]
    filtered: bool


@dataclass(frozen=True, slots=True)
class One:
    """One agent, or (``row`` is ``None``) the form of a new one."""

    title: str
    row: AgentRow | None
    known: tuple[str, ...]
    values: dict[str, str]
    decided: bool = False


@page("/agents", template="agents.html", group="Control", label="Agents", live=True)
async def agents(ask: Ask) -> Agents:
    """Which run, who owns them, what may they touch, what may they spend, how do I stop one."""
    query = ask.query
    wanted = Wanted(query.get("q", "").strip()[:200], query.get("kind", ""), query.get("team", ""))

    def op(tx: ReadTx) -> Agents:
        after = query.get("after", "")
        found = agents_page(tx, ask.workspace, wanted, after=after, limit=SIZE + 1, activity=running, now_us=ask.now_us)
        kinds = kinds_of(tx, ask.workspace)
        rows = _rows(tx, found[:SIZE], ask=ask)
        busy = sum(bool(row.doing) for row in rows)
        there = sum(kinds.values())
        filters = {"q": wanted.text, "kind": wanted.kind, "team": wanted.team}
        filtered = any(filters.values())
        more = ""
        if len(found) > SIZE:
            more = "/agents?" + urlencode({**{k: v for k, v in filters.items() if v}, "after": rows[-1].name})
        return Agents(
            title=told(busy, "agent runs", "agents run") if busy else "No agent runs" if there else "Agents",
            rows=rows,
            kinds=kinds,
            teams=tuple(teams_with_agents(tx, ask.workspace)),
            text=wanted.text,
            kind=wanted.kind,
            team=wanted.team,
            next=more,
            stops=tuple(stops_page(tx, ask.workspace, limit=STOPS_SHOWN)),
            filtered=filtered,
        )

    return await ask.read(op, resource=Resource.AGENT)


@page("/agents/new", template="agent.html")
async def new(ask: Ask) -> One:
    """The form of a new agent."""
    await ask.read(lambda _tx: None, resource=Resource.AGENT)
    return One("Register an agent", None, tuple(sorted(EFFECT_KINDS)), {"kind": "coder", "models": "*"})


@page("/agents/{name}", template="agent.html")
async def agent(ask: Ask) -> One:
    """One agent."""
    name = ask.path["name"]

    def op(tx: ReadTx) -> AgentRow:
        found = find_agent(tx, workspace=ask.workspace, name=name)
        return _rows(tx, [_view(tx, found, ask)], ask=ask)[0]

    row = await ask.read(op, resource=Resource.AGENT)
    in_all = next((one for one in row.limits if one.period == "total"), None)
    values = {
        "kind": row.kind,
        "owner": row.owner,
        "team": row.team,
        "effects": " ".join(row.effects),
        "tools": " ".join(row.tools),
        "models": " ".join(row.models),
        "domains": " ".join(row.domains),
        "spend": "" if in_all is None else str(Money(in_all.limit_micros).usd),
    }
    done = ask.query.get("done", "")
    title = f"Agent {row.name} {done}" if done in {"changed", "registered", "retired"} else f"Agent {row.name}"
    return One(title, row, tuple(sorted(EFFECT_KINDS)), values, decided=bool(done))


@form("/agents/register", again=new, about={"accounts.user": "owner"})
async def register(ask: Ask) -> str:
    """Register an agent."""
    given = ask.form
    made = Agent(
        ask.workspace,
        given.get("name", "").strip(),
        given.get("owner", "").strip() or ask.who.id,
        kind=given.get("kind", "").strip(),
        team=given.get("team", "").strip(),
        effects=_words(given, "effects"),
        tools=_words(given, "tools"),
        models=_words(given, "models"),
        domains=_words(given, "domains"),
    )
    await register_agent(
        ask.runtime.store, made, by=ask.who, clock=ask.runtime.clock, spend_limit=_dollars(given.get("spend", ""))
    )
    return f"/agents/{quote(made.name)}?done=registered"


@form("/agents/{name}/change", again=agent, about={"accounts.user": "owner"})
async def change(ask: Ask) -> str:
    """Change what an agent is, or may touch or spend."""
    name, given = ask.path["name"], ask.form

    def op(tx: ReadTx) -> AgentView:
        found = find_agent(tx, workspace=ask.workspace, name=name)
        return _view(tx, found, ask)

    view = await ask.read(op, resource=Resource.AGENT)
    before = view.agent
    if given.get("revision") != str(before.revision):
        message = f"Somebody changed the agent {name!r} since you opened it (revision {before.revision})."
        raise Conflict(message, code="accounts.agent_changed", hint="look at it again, then change it")
    limit = _dollars(given.get("spend", ""))
    await update_agent(
        ask.runtime.store,
        name,
        workspace=ask.workspace,
        by=ask.who,
        change=AgentChange(
            kind=_other(given.get("kind", "").strip(), before.kind),
            owner=_other(given.get("owner", "").strip(), before.owner),
            team=_other(given.get("team", "").strip(), before.team),
            effects=_other(_words(given, "effects"), before.effects),
            tools=_other(_words(given, "tools"), before.tools),
            models=_other(_words(given, "models"), before.models),
            domains=_other(_words(given, "domains"), before.domains),
            spend_limit=None if limit == view.limit else limit,
        ),
    )
    return f"/agents/{quote(name)}?done=changed"


@form("/agents/{name}/retire", again=agent)
async def retire(ask: Ask) -> str:
    """End an agent for good."""
    name = ask.path["name"]
    await retire_agent(
        ask.runtime.store,
        name,
        workspace=ask.workspace,
        reason=ask.form.get("reason", ""),
        by=ask.who,
        mask=ask.runtime.redactor.mask,
    )
    return f"/agents/{quote(name)}?done=retired"


def _view(tx: ReadTx, found: Agent, ask: Ask) -> AgentView:
    return read_views(tx, [found], workspace=ask.workspace, activity=running, now_us=ask.now_us)[0]


def _rows(tx: ReadTx, views: Sequence[AgentView], *, ask: Ask) -> tuple[AgentRow, ...]:
    named = [f"agent:{view.agent.name}" for view in views]
    spent = spent_by(tx, ask.workspace, principals=named, since_us=ask.now_us - ask.now_us % DAY_US)
    return tuple(_row(view, spent.get(name, 0)) for name, view in zip(named, views, strict=True))


def _held(one: HeldTo) -> Held:
    whole, spent, reserved = one.limit.micros, one.spent.micros, one.reserved.micros
    used = 100 * spent / whole if whole else 100.0
    held = 100 * reserved / whole if whole else 0.0
    return Held(one.period.value, _FOR[one.period.value], whole, spent, reserved, used, held)


def _row(view: AgentView, today_micros: int) -> AgentRow:
    one = view.agent
    mark, word = _MARKS[view.status]
    if view.running and view.status is AgentStatus.ACTIVE:
        mark, word = "running", told(len(view.running), "call", "calls")
    return AgentRow(
        name=one.name,
        kind=one.kind,
        status=view.status,
        mark=mark,
        word=word,
        doing=view.running,
        owner=one.owner,
        team=one.team,
        effects=tuple(sorted(one.effects)),
        tools=tuple(sorted(one.tools)),
        models=tuple(sorted(one.models)) if "model" in one.effects else (),
        domains=tuple(sorted(one.domains)) if "fetch" in one.effects else (),
        limits=tuple(sorted(map(_held, view.limits), key=lambda one: -one.used - one.held)),
        today_micros=today_micros,
        stopped=_why(view.stopped_because),
        stopped_what=view.stopped_what,
        stopped_by=view.stopped_by,
        stopped_us=view.stopped_us,
        revision=one.revision,
    )


def _why(told_: str) -> str:
    """Why it is stopped, and with what, unless it was stopped by name."""
    scope, _, reason = told_.partition(": ")
    return {"": "", "agent": reason, "install": f"with the whole install: {reason}"}.get(scope, f"with its {told_}")


def _other[T](new: T, old: T) -> T | None:
    """What is new, or ``None`` when nothing is."""
    return None if new == old else new


def _words(given: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(given.get(name, "").replace(",", " ").split())


def _dollars(text: str) -> Money | None:
    try:
        return usd(text) if text.strip() else None
    except InvalidInput as error:
        raise InvalidInput(error.message, code="accounts.spend", hint="write dollars, as in 50 or 0.50") from error


PAGES = (agents, new, agent)
FORMS = (register, change, retire)
