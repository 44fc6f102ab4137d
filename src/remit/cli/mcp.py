"""``remit mcp``: Remit as a tool server, other tool servers behind the guard, and what is known of their tools."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.clock import SystemClock, iso
from remit.kernel.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remit.bootstrap import Runtime
    from remit.guard.mcp_tools import Pinned, Server
    from remit.kernel.action import Principal
    from remit.kernel.canonical import Json
    from remit.serve.mcp.proxy import Tools
    from remit.settings import Settings

_PINNING = click.Choice(["report", "hold", "strict"])
_RAW = {"ignore_unknown_options": True}
_LONGEST_WAIT_S = 86_400.0


@click.group(invoke_without_command=True)
@click.option("--agent", default="", help="Act as this agent, with at most its rights; as yourself when left out.")
@click.option("--pack", default="", metavar="MODULE:ATTRIBUTE", help="A pack to offer beside the shipped ones.")
@common
@click.pass_context
def mcp(ctx: click.Context, agent: str, pack: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Serve missions, approvals (to read), the audit log and budgets to a client, over standard input and output.

    With a command: govern another tool server, or look at what is known of one.
    """
    del debug, as_json
    if ctx.invoked_subcommand is not None:
        return 0
    from remit.serve.mcp.own import serve

    asyncio.run(serve(settings_of(home), agent=agent, pack=pack))
    return 0


@mcp.command(context_settings=_RAW)
@click.option("--agent", default="", help="The agent that calls; you when left out.")
@click.option("--server", default="", help="What the server is called in allow lists: a registered one, or a new name.")
@click.option("--url", default="", help="The address of a server that is reached over HTTP.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable for the program; secret://NAME refers.")
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="A header for the address; secret://NAME refers.")
@click.option("--pinning", type=_PINNING, default="hold", show_default=True, help="What happens when a tool changes.")
@click.option("--tools-only", is_flag=True, help="Pass no resources and no prompts on.")
@click.option("--wait", default=0.0, type=click.FloatRange(0, _LONGEST_WAIT_S), help="Seconds to wait for a person.")
@click.option("--timeout", default=120.0, type=click.FloatRange(0.1, 3600), help="Seconds that a call may take.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common
def proxy(
    agent: str,
    server: str,
    url: str,
    env: tuple[str, ...],
    header: tuple[str, ...],
    pinning: str,
    wait: float,
    timeout: float,
    command: tuple[str, ...],
    home: str | None,
    *,
    tools_only: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Put a tool server behind the guard: a registered one, the program after --, or the one at --url."""
    del debug, as_json
    from remit.guard.mcp_tools import Pinning
    from remit.guard.mcp_tools import Server as Described

    settings = settings_of(home)
    given = None
    if command or url:
        name = server or _name_of(command, url)
        given = Described(
            settings.workspace,
            name,
            command,
            _pairs(env, "--env"),
            url,
            _pairs(header, "--header"),
            Pinning(pinning),
        )
    elif not server:
        message = (
            "Say which server: a registered one (--server NAME), a program (-- COMMAND) or an address (--url URL)."
        )
        raise InvalidInput(message, code="mcp.server", hint="remit mcp proxy --help")
    asyncio.run(_proxy(settings, server, given, agent, tools_only=tools_only, wait_s=wait, timeout_s=timeout))
    return 0


async def _proxy(
    settings: Settings,
    server: str,
    given: Server | None,
    agent: str,
    *,
    tools_only: bool,
    wait_s: float,
    timeout_s: float,
) -> None:
    from remit.serve.mcp.proxy import Proxy, Terms
    from remit.serve.mcp.stdio import serve_stdio

    async with _opened(settings) as (runtime, tools):
        who = await _caller(runtime, agent)
        known = await _known(runtime, server or (given.name if given else ""), given)
        terms = Terms(
            server=known.name,
            start=_start(known),
            pinning=known.pinning,
            principal=who,
            on_behalf_of=runtime.acting,
            by=runtime.acting,
            tools_only=tools_only,
            wait_s=wait_s,
            timeout_s=timeout_s,
        )
        governed = Proxy(runtime, tools, terms)
        await governed.connect()
        await governed.offered()
        await serve_stdio(governed.server(), governed.options())


class _opened:  # noqa: N801 - used as a function
    """A runtime whose tools are those of outside servers, which end with it."""

    def __init__(self, settings: Settings) -> None:
        from remit.bootstrap import McpTools, open_runtime

        self._tools = McpTools()
        self._runtime = open_runtime(settings, adapters={"tool": self._tools})

    async def __aenter__(self) -> tuple[Runtime, Tools]:
        runtime = await self._runtime.__aenter__()
        self._tools.resolve = runtime.secrets.resolve_tree
        await runtime.guard.restore(runtime.settings.workspace)
        return runtime, self._tools

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self._tools.close()
        finally:
            await self._runtime.__aexit__(*raised)  # pyright: ignore[reportArgumentType] - as it was given


async def _caller(runtime: Runtime, agent: str) -> Principal:
    from remit.accounts.agents import find_agent
    from remit.kernel.action import ActorKind, Principal

    if not agent:
        return runtime.acting
    workspace = runtime.settings.workspace
    await runtime.store.read(lambda tx: find_agent(tx, workspace=workspace, name=agent))
    return Principal(ActorKind.AGENT, agent)


async def _known(runtime: Runtime, name: str, given: Server | None) -> Server:
    """The registered server; else the one that was given. A registered name can't be taken by another program."""
    from remit.guard.mcp_tools import find_server, need_server

    workspace = runtime.settings.workspace
    if given is None:
        return await runtime.store.read(lambda tx: need_server(tx, workspace, name))
    found = await runtime.store.read(lambda tx: find_server(tx, workspace, name))
    if found is not None and (found.command, found.url) != (given.command, given.url):
        message = f"The name {name!r} is registered for another program or address."
        raise Conflict(message, code="mcp.taken", hint=f"remit mcp proxy --server {name}, or choose another name")
    return found or given


def _start(server: Server) -> Mapping[str, Json]:
    if server.url:
        return {"url": server.url, "headers": dict(server.headers)}
    return {"command": list(server.command), "env": dict(server.env)}


def _name_of(command: tuple[str, ...], url: str) -> str:
    from remit.kernel.urls import known_url

    if command:
        return Path(command[0]).stem.lower()
    found = known_url(url)
    return "" if found is None else found.host.replace(".", "-")


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (equals and name):
            message = f"{option} takes NAME=VALUE."
            raise InvalidInput(message, code="mcp.option", hint=f"{option} TOKEN=secret://NAME")
        found[name] = value
    return found


# ------------------------------------------------------------------------------------------------------------- servers


@mcp.group(invoke_without_command=True)
@common
@click.pass_context
def servers(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """The registered tool servers. Without a command: the list."""
    del debug
    if ctx.invoked_subcommand is not None:
        return 0
    from remit.bootstrap import open_store
    from remit.guard.mcp_tools import list_servers

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: list_servers(tx, settings.workspace))
    if as_json:
        emit({"servers": [each.as_json() for each in found]})
    elif found:
        rows = [(each.name, each.pinning.value, each.url or " ".join(each.command)) for each in found]
        say(table(rows, head=("server", "pinning", "where")))
    else:
        say("no tool server is registered")
    return 0


@servers.command(context_settings=_RAW)
@click.argument("name")
@click.option("--url", default="", help="The address of a server that is reached over HTTP.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable for the program; secret://NAME refers.")
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="A header for the address; secret://NAME refers.")
@click.option("--pinning", type=_PINNING, default="hold", show_default=True, help="What happens when a tool changes.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common
def add(
    name: str,
    url: str,
    env: tuple[str, ...],
    header: tuple[str, ...],
    pinning: str,
    command: tuple[str, ...],
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Register a server: the program after --, or the address --url. Nothing is started."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.redaction import REDACTOR
    from remit.guard.mcp_tools import Pinning, add_server
    from remit.guard.mcp_tools import Server as Described

    settings = settings_of(home)
    variables, headers = _pairs(env, "--env"), _pairs(header, "--header")
    for value in (*variables.values(), *headers.values(), *command, url):
        if not REDACTOR.clean(value):
            message = "An argument, variable or header holds a secret, and it would stand in the store."
            raise InvalidInput(message, code="mcp.secret", hint="remit secrets set NAME, then NAME=secret://NAME")
    server = Described(settings.workspace, name, command, variables, url, headers, Pinning(pinning))
    with open_store(settings) as store:
        asyncio.run(add_server(store, server, by=acting(settings), clock=SystemClock()))
        store.seal()
    emit({"added": server.as_json()}) if as_json else say(
        f"registered {name}; govern it: remit mcp proxy --server {name}"
    )
    return 0


@servers.command()
@click.argument("name")
@common
def remove(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Forget a server. What is known of its tools stays."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.mcp_tools import remove_server

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(remove_server(store, name, workspace=settings.workspace, by=acting(settings)))
        store.seal()
    emit({"removed": name}) if as_json else say(f"removed {name}")
    return 0


# --------------------------------------------------------------------------------------------------------------- tools


@mcp.group(invoke_without_command=True)
@click.option("--server", default="", help="Only this server's.")
@common
@click.pass_context
def tools(ctx: click.Context, server: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """The tools that servers offered, and which are held because they are not what was accepted."""
    del debug
    if ctx.invoked_subcommand is not None:
        return 0
    from remit.bootstrap import open_store
    from remit.guard.mcp_tools import list_tools

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: list_tools(tx, settings.workspace, server=server))
    if as_json:
        emit({"tools": [each.as_json() for each in found]})
    elif found:
        say(_table(found))
        if any(each.held for each in found):
            hint("read what a held one says now (--json), then: remit mcp tools accept SERVER TOOL")
    else:
        say("no server has offered a tool yet")
    return 0


@tools.command()
@click.argument("server")
@click.argument("names", metavar="[TOOL]...", nargs=-1)
@click.option("--hash", "sha256", default="", metavar="PREFIX", help="What you have read; 8 characters or more.")
@common
def accept(server: str, names: tuple[str, ...], sha256: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Accept tools as they describe themselves now; without TOOL every one of SERVER that is held."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.mcp_tools import accept_tools

    settings = settings_of(home)
    by, workspace = acting(settings), settings.workspace
    with open_store(settings) as store:
        order = accept_tools(store, server, names, workspace=workspace, by=by, clock=SystemClock(), sha256=sha256)
        done = asyncio.run(order)
        store.seal()
    if as_json:
        emit({"accepted": [each.as_json() for each in done]})
    else:
        say(_table(done) if done else "nothing is held")
    return 0


@tools.command()
@click.argument("server")
@common
def check(server: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Start the registered SERVER, or reach it, and compare what it offers with what was accepted."""
    del debug
    settings = settings_of(home)
    found = asyncio.run(_check(settings, server))
    emit({"tools": [each.as_json() for each in found]}) if as_json else say(_table(found))
    held = [each for each in found if each.held]
    if held:
        hint(f"{len(held)} are held; accept them: remit mcp tools accept {server}")
    return 1 if held else 0


async def _check(settings: Settings, server: str) -> list[Pinned]:
    from remit.guard.mcp_tools import list_tools
    from remit.serve.mcp.proxy import Proxy, Terms

    async with _opened(settings) as (runtime, tools):
        known = await _known(runtime, server, None)
        by = runtime.acting
        terms = Terms(known.name, _start(known), known.pinning, principal=by, on_behalf_of=by, by=by)
        offered = {str(each["name"]) for each in await Proxy(runtime, tools, terms).offered()}
        found = await runtime.store.read(lambda tx: list_tools(tx, settings.workspace, server=server))
        await asyncio.to_thread(runtime.store.seal)
    return [each for each in found if each.name in offered]


def _table(found: list[Pinned]) -> str:
    rows = [
        (
            each.server,
            each.name,
            "held" if each.held else "ok",
            each.sha256[:12],
            iso(each.changed_us)[:10],
            each.why or each.signs or "",
        )
        for each in found
    ]
    return table(rows, head=("server", "tool", "state", "hash", "changed", "why"))


COMMANDS = {"mcp": mcp}
