"""``remit mcp``: Remit as a tool server. An order is the use case behind a command; an agent's passes the guard first.

A person acts as at the command line, or over HTTP (``http``) as over the API. An agent acts for a person, and each of
its orders is an action of kind ``tool`` with the target ``remit/ORDER``: it needs that in its allow list, and rules,
rates, budgets and kill switches hold.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import mcp_types
import orjson
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server

from remit import __version__
from remit.accounts.access import reading, require
from remit.accounts.agents import find_agent
from remit.bootstrap import open_runtime
from remit.guard.mcp_tools import REMIT
from remit.guard.retry import Profile
from remit.guard.tool_rules import may_list
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.effects import Tool
from remit.kernel.errors import Denied, InternalError, InvalidInput, RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.ports import Adapter, ReadTx
from remit.serve.mcp.errors import told, unexpected
from remit.serve.mcp.orders import ORDERS, Caller, Order
from remit.serve.mcp.stdio import serve_stdio
from remit.settings import Settings

type Context = ServerRequestContext[Any]

TIMEOUT_S = 120.0

_log = logging.getLogger(__name__)


class OwnTools:
    """The adapter of ``tool`` for Remit's own orders.

    Args:
        otherwise: The adapter of all other tools; ``None``: there are none.
    """

    def __init__(self, otherwise: Adapter | None = None) -> None:
        self._otherwise = otherwise
        self._waiting: dict[str, Caller] = {}  # by action: who gave the order that is before the guard

    async def run(self, action: Action, caller: Caller) -> Outcome:
        """Have the guard decide about an order, and carry it out for its caller.

        Raises:
            RemitError: The guard or the use case refused.
        """
        self._waiting[action.id] = caller
        try:
            return await caller.runtime.guard.run(action, timeout_s=TIMEOUT_S, profile=Profile.ONCE)
        finally:
            del self._waiting[action.id]

    async def perform(self, action: Action) -> Outcome:
        """Carry an order out."""
        caller = self._waiting.get(action.id)
        if caller is None or not isinstance(action.effect, Tool):
            if self._otherwise is not None:
                return await self._otherwise.perform(action)
            message = "An order came that nobody gave here."
            raise InternalError(message, code="mcp.order")
        name = action.effect.name.removeprefix(f"{REMIT}/")
        return Outcome(ok=True, value=await _carried_out(ORDERS[name], caller, action.effect.arguments))


async def serve(settings: Settings, *, agent: str = "", pack: str = "") -> None:
    """Serve one client over standard input and output, until it closes our input.

    Raises:
        NotFound: There is no home, or no such agent.
    """
    tools = OwnTools()
    async with open_runtime(settings, adapters={"tool": tools}, pack=pack) as runtime:
        principal = runtime.acting
        if agent:
            await runtime.store.read(lambda tx: find_agent(tx, workspace=settings.workspace, name=agent))
            principal = Principal(ActorKind.AGENT, agent)
        await serve_stdio(server_of(Caller(runtime, principal, runtime.acting, pack), tools))


def server_of(caller: Caller, tools: OwnTools) -> Server[dict[str, Any]]:
    """The protocol's server for one caller; ``tools`` is the adapter of ``tool`` in the caller's runtime."""
    mask = caller.runtime.redactor.mask

    async def list_tools(_context: Context, _params: object) -> mcp_types.ListToolsResult:
        names = [name for name in ORDERS if await _listed(caller, name)]
        return mcp_types.ListToolsResult(tools=[_tool(name) for name in names])

    async def call_tool(_context: Context, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        try:
            return _result(caller, await order(caller, tools, params.name, dict(params.arguments or {})))
        except RemitError as error:
            raise told(error, mask) from error
        except Exception as error:
            _log.exception("the order %s failed", mask(params.name)[:60])
            raise unexpected(error, mask) from error

    return Server(REMIT, version=__version__, on_list_tools=list_tools, on_call_tool=call_tool)


async def order(caller: Caller, tools: OwnTools, name: str, given: Mapping[str, Json]) -> Mapping[str, Json]:
    """Carry an order out for its caller.

    Raises:
        InvalidInput: There is no such order, or its arguments are wrong.
        RemitError: The guard or the use case refused.
    """
    known = ORDERS.get(name)
    if known is None:
        message = f"There is no order {caller.runtime.redactor.mask(name)[:60]!r}; there are {', '.join(ORDERS)}."
        raise InvalidInput(message, code="mcp.order", hint="list the tools")
    known.check(given)
    if caller.principal.kind is not ActorKind.AGENT:
        return await _carried_out(known, caller, given)
    return (await tools.run(_action(caller, name, given), caller)).value


async def _carried_out(known: Order, caller: Caller, given: Mapping[str, Json]) -> dict[str, Json]:
    """Carry an order out if the person may, as over the API; a refusal is on record."""
    if caller.scopes is not None and known.permission.value not in caller.scopes:
        message = f"What was shown does not open {known.permission.value!r}: its scopes do not hold it."
        raise Denied(message, code="api.scope", hint="remit apikeys create NAME --scope SCOPE")

    def may(tx: ReadTx) -> None:
        workspace, person = caller.workspace, caller.person
        require(tx, person, workspace=workspace, permission=known.permission, resource=known.about_what)

    await reading(caller.runtime.store, may)
    return await known.act(caller, given)


async def _listed(caller: Caller, name: str) -> bool:
    workspace, register = caller.workspace, caller.runtime.guard.register
    standing = await register.current(workspace)
    return may_list(standing, _action(caller, name, {}), f"{REMIT}/{name}")


def _action(caller: Caller, name: str, given: Mapping[str, Json]) -> Action:
    return Action(
        id=new_id(),
        effect=Tool(f"{REMIT}/{name}", dict(given)),
        principal=caller.principal,
        on_behalf_of=caller.person,
        workspace=caller.workspace,
        key=caller.key,
    )


def _tool(name: str) -> mcp_types.Tool:
    order = ORDERS[name]
    return mcp_types.Tool(
        name=name,
        description=order.about,
        input_schema=order.schema,
        annotations=mcp_types.ToolAnnotations(
            read_only_hint=order.reads, destructive_hint=name == "missions_cancel", open_world_hint=False
        ),
    )


def _result(caller: Caller, answer: Mapping[str, Json]) -> mcp_types.CallToolResult:
    masked = caller.runtime.redactor.mask_tree(dict(answer), names=False)
    text = caller.runtime.redactor.mask(orjson.dumps(masked, default=str).decode())
    try:
        structured = orjson.loads(text)
    except orjson.JSONDecodeError:  # a mask took a quote with it
        structured = None
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=text)], structured_content=structured
    )
