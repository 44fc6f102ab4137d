"""``remit agents``: who runs, what each may touch and spend, and orders about one of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.clock import SystemClock
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.accounts.agents import AgentView
    from remit.settings import Settings

_SCOPES = click.Choice(["agent", "mission", "team", "install"])


@click.group(invoke_without_command=True)
@common
@click.pass_context
def agents(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Which agents run, who owns them, what they may touch, what they may spend, how to stop one.

    Without a command: the list.
    """
    del debug
    if ctx.invoked_subcommand is not None:
        return 0
    return _list(home, as_json=as_json)


@agents.command()
@click.argument("name")
@common
def show(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show one agent."""
    del debug
    from remit.accounts.agents import find_agent
    from remit.bootstrap import open_store

    settings = settings_of(home)
    found = _views(settings)
    view = next((one for one in found if one.agent.name == name), None)
    if view is None:
        with open_store(settings) as store:
            store.view(lambda tx: find_agent(tx, workspace=settings.workspace, name=name))
    assert view is not None  # noqa: S101 - else there is none, and that was told
    if as_json:
        emit(view.as_json())
        return 0
    agent = view.agent
    told = (
        ("agent", f"{agent.name}, {agent.kind}, {view.status.value}, revision {agent.revision}"),
        ("running", "; ".join(view.running) or "nothing"),
        ("owner", agent.owner + (f", team {agent.team}" if agent.team else "")),
        ("effects", " ".join(sorted(agent.effects)) or "none"),
        ("tools", " ".join(sorted(agent.tools)) or "none"),
        ("models", " ".join(sorted(agent.models)) or "none"),
        ("domains", " ".join(sorted(agent.domains)) or "none"),
        ("may spend", _spend(view)),
        ("stopped", view.stopped_because or "no"),
        ("next", view.stop or "nothing: it is retired"),
    )
    for label, text in told:
        say(f"{label:10}{text}")
    return 0


@agents.command()
@click.argument("name")
@click.option("--kind", default="coder", show_default=True, help="coder, trading, research, creative, tester ...")
@click.option("--owner", default="", help="Who answers for it; you when left out.")
@click.option("--team", default="", help="The team that it belongs to.")
@click.option("--effect", multiple=True, help="A kind of effect that it may ask for; may be repeated.")
@click.option("--tool", multiple=True, help="A tool that it may call (*: any); may be repeated.")
@click.option("--model", multiple=True, help="A model: provider/model, provider/prefix* or *; may be repeated.")
@click.option("--domain", multiple=True, help="A host with its subdomains (*: any); may be repeated.")
@click.option("--spend", default="", help="What it may spend in all, in dollars; no limit of its own when left out.")
@common
def register(
    name: str,
    kind: str,
    owner: str,
    team: str,
    effect: tuple[str, ...],
    tool: tuple[str, ...],
    model: tuple[str, ...],
    domain: tuple[str, ...],
    spend: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Register an agent; what isn't listed it may not touch."""
    del debug
    from remit.accounts.agents import Agent, register_agent
    from remit.bootstrap import open_store
    from remit.kernel.money import usd

    settings = settings_of(home)
    agent = Agent(
        workspace=settings.workspace,
        name=name,
        owner=owner or settings.acting,
        kind=kind,
        team=team,
        effects=frozenset(effect),
        tools=frozenset(tool),
        models=frozenset(model),
        domains=frozenset(domain),
    )
    limit = usd(spend) if spend else None
    with open_store(settings) as store:
        asyncio.run(register_agent(store, agent, by=acting(settings), clock=SystemClock(), spend_limit=limit))
        store.seal()
    return _done(settings, name, f"registered {name}", as_json=as_json)


@agents.command()
@click.argument("name")
@click.option("--kind", default=None, help="Its kind from now on.")
@click.option("--owner", default=None, help="Who answers for it from now on.")
@click.option("--team", default=None, help="Its team from now on; empty: none.")
@click.option("--effect", multiple=True, help="All its kinds of effects from now on; none: not one.")
@click.option("--tool", multiple=True, help="All its tools from now on; none: not one.")
@click.option("--model", multiple=True, help="All its models from now on; none: not one.")
@click.option("--domain", multiple=True, help="All its domains from now on; none: not one.")
@click.option("--spend", default="", help="What it may spend in all from now on, in dollars.")
@common
def update(
    name: str,
    kind: str | None,
    owner: str | None,
    team: str | None,
    effect: tuple[str, ...],
    tool: tuple[str, ...],
    model: tuple[str, ...],
    domain: tuple[str, ...],
    spend: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Change what an agent is or may touch; each change is a revision in the audit log."""
    del debug
    from remit.accounts.agent_orders import AgentChange, transfer_agent, update_agent
    from remit.bootstrap import open_store
    from remit.kernel.money import usd

    settings = settings_of(home)
    change = AgentChange(
        kind=kind,
        team=team,
        effects=_given(effect),
        tools=_given(tool),
        models=_given(model),
        domains=_given(domain),
        spend_limit=usd(spend) if spend else None,
    )
    by, of = acting(settings), settings.workspace
    with open_store(settings) as store:
        if change != AgentChange() or owner is None:
            asyncio.run(update_agent(store, name, workspace=of, by=by, change=change))
        if owner is not None:
            asyncio.run(transfer_agent(store, name, workspace=of, owner=owner, by=by))
        store.seal()
    return _done(settings, name, f"changed {name}", as_json=as_json)


@agents.command()
@click.argument("name", required=False, default="")
@click.option("--scope", type=_SCOPES, default=None, help="What NAME is; an agent unless it is a mission's id.")
@click.option("--all", "everything", is_flag=True, help="Pause the whole install.")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def pause(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, debug: bool
) -> int:
    """Let nothing of an agent (mission, team, the install) start; what runs may finish."""
    del debug
    return _switch(name, scope, reason, home, everything=everything, as_json=as_json, stop=True)


@agents.command()
@click.argument("name", required=False, default="")
@click.option("--scope", type=_SCOPES, default=None, help="What NAME is; an agent unless it is a mission's id.")
@click.option("--all", "everything", is_flag=True, help="Lift the pause of the whole install.")
@click.option("--reason", required=True, help="Why it may go on, for the audit log.")
@common
def resume(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, debug: bool
) -> int:
    """Lift a pause; a kill stays."""
    del debug
    return _switch(name, scope, reason, home, everything=everything, as_json=as_json, stop=False)


@agents.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def retire(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End an agent for good; its name stays taken."""
    del debug
    from remit.accounts.agent_orders import retire_agent
    from remit.bootstrap import open_store

    settings = settings_of(home)
    by, of = acting(settings), settings.workspace
    with open_store(settings) as store:
        asyncio.run(retire_agent(store, name, workspace=of, reason=reason, by=by, mask=masking(settings)))
        store.seal()
    return _done(settings, name, f"retired {name}", as_json=as_json)


def _views(settings: Settings) -> list[AgentView]:
    from remit.accounts.access import Permission, Resource, reading, require
    from remit.accounts.agents import list_agents
    from remit.bootstrap import open_store
    from remit.guard.records import running

    of, by = settings.workspace, acting(settings)
    with open_store(settings) as store:
        asyncio.run(
            reading(
                store,
                lambda tx: require(tx, by, workspace=of, permission=Permission.READ, resource=Resource.AGENT),
            )
        )
        return asyncio.run(list_agents(store, workspace=of, activity=running, clock=SystemClock()))


def _list(home: str | None, *, as_json: bool) -> int:
    found = _views(settings_of(home))
    if as_json:
        emit({"agents": [agent.as_json() for agent in found]})
        return 0
    rows = [
        (
            view.agent.name,
            view.status.value,
            "; ".join(view.running) or "-",
            view.agent.owner,
            " ".join([*sorted(view.agent.effects), *sorted(view.agent.tools)]),
            _spend(view),
            view.stop or "-",
        )
        for view in found
    ]
    say(table(rows, head=("agent", "status", "running", "owner", "may touch", "may spend", "stop it with")))
    return 0


def _spend(view: AgentView) -> str:
    words = {"day": " a day", "month": " a month", "total": " in all"}
    told = [f"{each.spent} of {each.limit}{words[each.period.value]}" for each in view.limits]
    return ", ".join(told) or "no limit of its own"


def _given(values: tuple[str, ...]) -> frozenset[str] | None:
    if not values:
        return None
    return frozenset() if values == ("none",) else frozenset(values)


def _done(settings: Settings, name: str, text: str, *, as_json: bool) -> int:
    view = next(view for view in _views(settings) if view.agent.name == name)
    if as_json:
        emit(view.as_json())
        return 0
    say(text)
    if "model" in view.agent.effects and not view.agent.models:
        hint(f"it may ask no model yet: remit agents update {name} --model PROVIDER/MODEL (or '*': any)")
    if "tool" in view.agent.effects and not view.agent.tools:
        hint(f"it may call no tool yet: remit agents update {name} --tool NAME (or '*': any)")
    return 0


def _switch(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, stop: bool
) -> int:
    from remit.accounts import kills
    from remit.bootstrap import open_store
    from remit.kernel.ids import is_id

    if everything == bool(name):
        message = "Say what to pause or resume: a name, or --all."
        raise InvalidInput(message, hint="remit agents")
    settings = settings_of(home)
    kind = "install" if everything else scope or ("mission" if is_id(name) else "agent")
    target = kills.Target(kills.KillScope(kind), name)
    order = kills.pause if stop else kills.resume
    by, of, mask = acting(settings), settings.workspace, masking(settings)
    with open_store(settings) as store:
        asyncio.run(order(store, target, workspace=of, reason=reason, by=by, clock=SystemClock(), mask=mask))
        store.seal()
    verb = "paused" if stop else "resumed"
    emit({verb: {"scope": kind, "name": name}, "reason": mask(reason)}) if as_json else say(f"{verb} {target}")
    return 0


COMMANDS = {"agents": agents}
