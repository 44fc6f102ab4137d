"""Agents: which run, who owns them, what they may touch and spend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.agent_listing import Wanted, agents_page
from remit.accounts.agent_orders import AgentChange, retire_agent, update_agent
from remit.accounts.agents import Agent, AgentStatus, AgentView, find_agent, read_views, register_agent
from remit.accounts.budget_periods import Period
from remit.accounts.kills import LONGEST_REASON
from remit.accounts.roles import Permission, Resource
from remit.guard.records import running
from remit.kernel.clock import micros_of
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, resource, unchanged
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import MOST_INTEGER, AskedPage, Page, cut
from remit.serve.api.reads import read

ROUTES = APIRouter(prefix="/api/v1/agents", tags=["agents"])

_AGENT = "/api/v1/agents/{agent}"
ACCESS = (
    Access("GET", "/api/v1/agents", Permission.READ, Resource.AGENT),
    Access("POST", "/api/v1/agents", Permission.ADMIN, Resource.AGENT),
    Access("GET", _AGENT, Permission.READ, Resource.AGENT),
    Access("PATCH", _AGENT, Permission.ADMIN, Resource.AGENT),
    Access("POST", f"{_AGENT}/retirement", Permission.ADMIN, Resource.AGENT),
)

_WORD = r"^[a-z][a-z0-9_-]{0,63}$"
MANY = 1000

type Name = Annotated[str, Path(min_length=1, max_length=64, pattern=_WORD, examples=["coder"])]
type Words = list[Annotated[str, Field(min_length=1, max_length=256)]]


class MayTouch(Shown):
    """What an agent may reach; what is not listed is out of reach, `*` is any."""

    model_config = example(effects=["fetch", "model"], tools=[], models=["acme/*"], domains=["example.org"])

    effects: list[str] = Field(description="Kinds of effects that it may ask for.")
    tools: list[str]
    models: list[str] = Field(description="`provider/model`, `provider/prefix*` or `*`.")
    domains: list[str] = Field(description="Hosts with their subdomains.")


class AgentLimit(Shown):
    """A limit of an agent's own. Money in micros (millionths) of a US dollar."""

    model_config = example(period="month", limit_micros=5_000_000, spent_micros=120_000, reserved_micros=0)

    period: Period
    limit_micros: int
    spent_micros: int = Field(description="In the day or month that it is now, or in all.")
    reserved_micros: int = Field(description="Held by calls in flight.")


class AgentShown(Shown):
    """An agent, with the answers to the five questions. Money in micros (millionths) of a US dollar."""

    model_config = example(
        name="coder",
        kind="coder",
        status="active",
        revision=1,
        owner="ann",
        team="sales",
        running=["0199f2…: command make"],
        may_touch={"effects": ["command"], "tools": [], "models": [], "domains": []},
        may_spend_micros=5_000_000,
        spent_micros=120_000,
        reserved_micros=0,
        limits=[{"period": "total", "limit_micros": 5_000_000, "spent_micros": 120_000, "reserved_micros": 0}],
        stopped_because="",
        stop="remit kill coder",
    )

    name: str
    kind: str
    status: AgentStatus
    revision: int
    owner: str
    team: str
    running: list[str] = Field(description="What it does now.")
    may_touch: MayTouch
    may_spend_micros: int | None = Field(description="In all; null: no limit of its own in all.")
    spent_micros: int = Field(description="Of that.")
    reserved_micros: int = Field(description="Of that, held by calls in flight.")
    limits: list[AgentLimit] = Field(description="Every limit of its own: a day, a month, in all.")
    stopped_because: str = Field(description="Empty: it is not stopped.")
    stop: str = Field(description="The command that stops it, or lets it go.")


class NewAgent(Asked):
    """An agent to be registered. What isn't listed it may not touch."""

    model_config = example(name="coder", kind="coder", effects=["command", "model"], models=["acme/*"])

    name: str = Field(min_length=1, max_length=64, pattern=_WORD, description="A lower-case word.")
    kind: str = Field(default="coder", min_length=1, max_length=64, pattern=_WORD)
    owner: str = Field(default="", max_length=64, description="Who answers for it; empty: you.")
    team: str = Field(default="", max_length=64)
    effects: Words = Field(default_factory=list[str], max_length=MANY)
    tools: Words = Field(default_factory=list[str], max_length=MANY)
    models: Words = Field(default_factory=list[str], max_length=MANY)
    domains: Words = Field(default_factory=list[str], max_length=MANY)
    may_spend_micros: int | None = Field(default=None, ge=0, le=MOST_INTEGER)


class AgentChanged(Asked):
    """What changes; what is left out or null stays."""

    model_config = example(effects=["model"], may_spend_micros=2_000_000)

    kind: str | None = Field(default=None, min_length=1, max_length=64, pattern=_WORD)
    owner: str | None = Field(default=None, min_length=1, max_length=64)
    team: str | None = Field(default=None, max_length=64, description="Empty: none.")
    effects: Words | None = Field(default=None, max_length=MANY)
    tools: Words | None = Field(default=None, max_length=MANY)
    models: Words | None = Field(default=None, max_length=MANY)
    domains: Words | None = Field(default=None, max_length=MANY)
    may_spend_micros: int | None = Field(default=None, ge=0, le=MOST_INTEGER)


class Why(Asked):
    """Why, for the audit log."""

    model_config = example(reason="its work is done")

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


@ROUTES.get("", response_model=Page[AgentShown], summary="List agents")
async def list_(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    text: Annotated[str, Query(max_length=200, description="In name, owner, tools, models or domains.")] = "",
    kind: Annotated[str, Query(max_length=64)] = "",
    team: Annotated[str, Query(max_length=64)] = "",
    owner: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The agents of the workspace, by name."""
    wanted, after, now_us = Wanted(text, kind, team, owner), paging.text(), micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> list[AgentView]:
        most = paging.limit + 1
        return agents_page(tx, caller.workspace, wanted, after=after, limit=most, activity=running, now_us=now_us)

    shown, following = cut(
        await read(runtime, caller, op, resource=Resource.AGENT), paging, lambda view: (view.agent.name,)
    )
    return answer(Page[AgentShown](items=[_shown(view) for view in shown], next=following))


@ROUTES.post("", response_model=AgentShown, status_code=201, summary="Register an agent")
async def make(caller: Asking, runtime: Open, asked: NewAgent) -> Response:
    """Register an agent with what it may touch and spend."""
    agent = Agent(
        caller.workspace,
        asked.name,
        asked.owner or caller.principal.id,
        kind=asked.kind,
        team=asked.team,
        effects=frozenset(asked.effects),
        tools=frozenset(asked.tools),
        models=frozenset(asked.models),
        domains=frozenset(asked.domains),
    )
    limit = None if asked.may_spend_micros is None else Money(asked.may_spend_micros)
    await register_agent(runtime.store, agent, by=caller.principal, clock=runtime.clock, spend_limit=limit)
    return created(await _one(runtime, caller, asked.name), f"/api/v1/agents/{asked.name}")


@ROUTES.get("/{agent}", response_model=AgentShown, summary="Show an agent")
async def show(request: Request, caller: Asking, runtime: Open, agent: Name) -> Response:
    """One agent."""
    return resource(request, await _one(runtime, caller, agent))


@ROUTES.patch("/{agent}", response_model=AgentShown, summary="Change an agent")
async def change(request: Request, caller: Asking, runtime: Open, agent: Name, asked: AgentChanged) -> Response:
    """Change what it is or may touch; each change is a revision, in force within a quarter of a second."""
    wanted = AgentChange(
        kind=asked.kind,
        owner=asked.owner,
        team=asked.team,
        effects=_set(asked.effects),
        tools=_set(asked.tools),
        models=_set(asked.models),
        domains=_set(asked.domains),
        spend_limit=None if asked.may_spend_micros is None else Money(asked.may_spend_micros),
    )
    now_us = micros_of(runtime.clock.now())
    with unchanged(request, lambda tx: _read(tx, caller, agent, now_us)):
        await update_agent(runtime.store, agent, workspace=caller.workspace, by=caller.principal, change=wanted)
    return resource(request, await _one(runtime, caller, agent))


@ROUTES.post("/{agent}/retirement", response_model=AgentShown, summary="Retire an agent")
async def retire(request: Request, caller: Asking, runtime: Open, agent: Name, asked: Why) -> Response:
    """End an agent for good: nothing of it starts any more, and its name stays taken."""
    await retire_agent(
        runtime.store,
        agent,
        workspace=caller.workspace,
        reason=asked.reason,
        by=caller.principal,
        mask=runtime.redactor.mask,
    )
    return resource(request, await _one(runtime, caller, agent))


async def _one(runtime: Open, caller: Asking, name: str) -> AgentShown:
    now_us = micros_of(runtime.clock.now())
    return await read(runtime, caller, lambda tx: _read(tx, caller, name, now_us), resource=Resource.AGENT)


def _read(tx: ReadTx, caller: Asking, name: str, now_us: int) -> AgentShown:
    found = find_agent(tx, workspace=caller.workspace, name=name)
    return _shown(read_views(tx, [found], workspace=caller.workspace, activity=running, now_us=now_us)[0])


def _set(words: list[str] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)


def _shown(view: AgentView) -> AgentShown:
    agent = view.agent
    return AgentShown(
        name=agent.name,
        kind=agent.kind,
        status=view.status,
        revision=agent.revision,
        owner=agent.owner,
        team=agent.team,
        running=list(view.running),
        may_touch=MayTouch(
            effects=sorted(agent.effects),
            tools=sorted(agent.tools),
            models=sorted(agent.models),
            domains=sorted(agent.domains),
        ),
        may_spend_micros=None if view.limit is None else view.limit.micros,
        spent_micros=view.spent.micros,
        reserved_micros=view.reserved.micros,
        limits=[
            AgentLimit(
                period=each.period,
                limit_micros=each.limit.micros,
                spent_micros=each.spent.micros,
                reserved_micros=each.reserved.micros,
            )
            for each in view.limits
        ],
        stopped_because=view.stopped_because,
        stop=view.stop,
    )
