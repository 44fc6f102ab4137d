"""Agents: five questions on one screen, one row an agent; and one of them, with what it may touch and spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from remit.accounts.agent_listing import StopRow, Wanted, agents_page, kinds_of, stops_page
from remit.accounts.agent_orders import AgentChange, retire_agent, update_agent
from remit.accounts.agents import EFFECT_KINDS, Agent, AgentStatus, AgentView, find_agent, read_views, register_agent
from remit.accounts.roles import Resource
from remit.guard.records import running
from remit.kernel.errors import Conflict
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


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent: which runs, whose it is, what it may touch, what it may spend, how to stop it.

    ``mark`` and ``word`` are its status; ``used`` and ``held`` are percent of its limit; a limit of ``None``: it has
    none of its own. ``stopped`` says why it is stopped.
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
    limit_micros: int | None
    spent_micros: int
    reserved_micros: int
    used: float
    held: float
    stopped: str
    revision: int


@dataclass(frozen=True, slots=True)
class Agents:
    """The page."""

    title: str
    rows: tuple[AgentRow, ...]
    kinds: dict[str, int]
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
        found = agents_page(tx, ask.workspace, wanted, after=query.get("after", ""), limit=SIZE + 1, activity=running)
        kinds = kinds_of(tx, ask.workspace)
        rows = tuple(_row(view) for view in found[:SIZE])
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
    return One("Register an agent", None, tuple(sorted(EFFECT_KINDS)), {"kind": "coder", "models": "*"} | _typed(ask))


@page("/agents/{name}", template="agent.html")
async def agent(ask: Ask) -> One:
    """One agent."""
    name = ask.path["name"]

    def op(tx: ReadTx) -> AgentView:
        found = find_agent(tx, workspace=ask.workspace, name=name)
        return read_views(tx, [found], workspace=ask.workspace, activity=running)[0]

    row = _row(await ask.read(op, resource=Resource.AGENT))
    values = {
        "kind": row.kind,
        "owner": row.owner,
        "team": row.team,
        "effects": " ".join(row.effects),
        "tools": " ".join(row.tools),
        "models": " ".join(row.models),
        "domains": " ".join(row.domains),
        "spend": "" if row.limit_micros is None else str(Money(row.limit_micros).usd),
    }
    done = ask.query.get("done", "")
    title = f"Agent {row.name} {done}" if done in {"changed", "registered", "retired"} else f"Agent {row.name}"
    return One(title, row, tuple(sorted(EFFECT_KINDS)), values | _typed(ask), decided=bool(done))


@form("/agents/register", again=new)
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


@form("/agents/{name}/change", again=agent)
async def change(ask: Ask) -> str:
    """Change what an agent is, or may touch or spend."""
    name, given = ask.path["name"], ask.form

    def op(tx: ReadTx) -> AgentView:
        found = find_agent(tx, workspace=ask.workspace, name=name)
        return read_views(tx, [found], workspace=ask.workspace, activity=running)[0]

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


def _row(view: AgentView) -> AgentRow:
    one = view.agent
    mark, word = _MARKS[view.status]
    if view.running and view.status is AgentStatus.ACTIVE:
        mark, word = "running", told(len(view.running), "call", "calls")
    limit = None if view.limit is None else view.limit.micros
    whole = limit or 0
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
        limit_micros=limit,
        spent_micros=view.spent.micros,
        reserved_micros=view.reserved.micros,
        used=100 * view.spent.micros / whole if whole else 0,
        held=100 * view.reserved.micros / whole if whole else 0,
        stopped=view.stopped_because,
        revision=one.revision,
    )


def _typed(ask: Ask) -> dict[str, str]:
    return dict(ask.form) if ask.problem else {}


def _other[T](new: T, old: T) -> T | None:
    """What is new, or ``None`` when nothing is."""
    return None if new == old else new


def _words(given: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(given.get(name, "").replace(",", " ").split())


def _dollars(text: str) -> Money | None:
    return usd(text) if text.strip() else None


PAGES = (agents, new, agent)
FORMS = (register, change, retire)
