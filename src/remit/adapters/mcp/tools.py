"""The adapter of the kind ``tool`` for the tools of outside servers: ``server/tool``.

Starting a server is a call too, ``mcp/start``: so a program that is started, and the secrets that it is given, pass the
guard like everything else. What else a server offers is asked for as ``server/resources:read`` and the like: a colon
can't stand in a tool's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import orjson

from remit.adapters.mcp.upstream import Target, Upstream
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Tool
from remit.kernel.errors import Failed, InternalError, Unavailable
from remit.kernel.mission import Outcome

START = "mcp/start"
READ, PROMPT = "resources:read", "prompts:get"
#: Bytes of one answer; more is refused.
MOST_ANSWER = 4 << 20
_REFERENCE = b"secret://"

type Resolve = Callable[[Action, Json], Json]


class McpTools:
    """Calls the tools of servers that were started through it.

    Args:
        changed: Called with a server's name and ``tools``, ``resources`` or ``prompts`` when it says that they changed.
    """

    def __init__(self, *, changed: Callable[[str, str], None] = lambda _server, _what: None) -> None:
        self.resolve: Resolve | None = None  # puts values in the place of references, in a thread
        self.changed = changed
        self.upstreams: dict[str, Upstream] = {}

    def alive(self, server: str) -> bool:
        """Whether a server is there to be asked."""
        upstream = self.upstreams.get(server)
        return upstream is not None and upstream.alive

    def info(self, server: str) -> Mapping[str, Json]:
        """What a server said of itself when it was reached."""
        upstream = self.upstreams.get(server)
        return {} if upstream is None else upstream.info

    async def perform(self, action: Action) -> Outcome:
        """Start a server, or ask it once. A tool's own error is an outcome that is not ok.

        Raises:
            Unavailable: The server is not there.
            Failed: It answers with an error, with garbage, or with too much.
        """
        effect = action.effect
        if not isinstance(effect, Tool):
            message = f"Tool servers perform calls of tools, not effects of kind {action.kind!r}."
            raise InternalError(message)
        arguments = await self._resolved(action, effect.arguments)
        if effect.name == START:
            return await self._start(arguments)
        server, _, what = effect.name.partition("/")
        upstream = self._there(server)
        answer = await self._ask(upstream, what, arguments)
        size = len(orjson.dumps(answer))
        if size > MOST_ANSWER:
            message = f"The tool {effect.name!r} answered with {size} bytes; {MOST_ANSWER} are the most."
            raise Failed(message, code="mcp.size", hint="ask it for less at once")
        return Outcome(ok=answer.get("isError") is not True, value={"result": answer})

    async def close(self) -> None:
        """End every server."""
        upstreams, self.upstreams = list(self.upstreams.values()), {}
        await asyncio.gather(*(each.close() for each in upstreams), return_exceptions=True)

    def _there(self, server: str) -> Upstream:
        upstream = self.upstreams.get(server)
        if upstream is None or not upstream.alive:
            message = f"The tool server {server!r} is not connected."
            raise Unavailable(message, code="mcp.gone", hint="call again: it is started anew")
        return upstream

    async def _ask(self, upstream: Upstream, what: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        lists: dict[str, tuple[str, Callable[[], Awaitable[list[dict[str, Json]]]]]] = {
            "tools:list": ("tools", upstream.tools),
            "resources:list": ("resources", upstream.resources),
            "templates:list": ("resourceTemplates", upstream.templates),
            "prompts:list": ("prompts", upstream.prompts),
        }
        if what in lists:
            key, ask = lists[what]
            return {key: cast("Json", await ask())}
        if what == READ:
            return await upstream.read(str(arguments.get("uri", "")))
        if what == PROMPT:
            given = cast("Mapping[str, str]", arguments.get("arguments") or {})
            return await upstream.prompt(str(arguments.get("name", "")), given)
        return await upstream.call(what, arguments)

    async def _start(self, arguments: Mapping[str, Json]) -> Outcome:
        name = str(arguments["server"])
        old = self.upstreams.pop(name, None)
        if old is not None:
            await old.close()
        target = Target(
            name=name,
            command=tuple(cast("list[str]", arguments.get("command") or [])),
            env=cast("dict[str, str]", arguments.get("env") or {}),
            cwd=str(arguments.get("cwd") or ""),
            url=str(arguments.get("url") or ""),
            headers=cast("dict[str, str]", arguments.get("headers") or {}),
        )
        upstream = Upstream(target, changed=lambda what: self.changed(name, what))
        await upstream.open()
        self.upstreams[name] = upstream
        return Outcome(ok=True, value={"server": name, "protocol": str(upstream.info.get("protocolVersion", ""))})

    async def _resolved(self, action: Action, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
        if _REFERENCE not in action.payload:
            return arguments
        if self.resolve is None:
            message = "The arguments refer to a secret, and no source of secrets is set up."
            raise Unavailable(message, code="mcp.secret", hint="remit secrets list")
        return cast("Mapping[str, Json]", await asyncio.to_thread(self.resolve, action, dict(arguments)))
