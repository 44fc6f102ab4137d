"""Tool servers, custom policies, evidence, rules of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.guard.mcp_tools import Offered, Pinning, Server, add_server, see_tools

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

MCP = "/api/v1/mcp"


async def a_server(api: Api) -> Params:
    """One whose tool has changed since it was accepted."""
    name, runtime, who = api.name("files"), api.runtime, api.runtime.owner
    server = Server("default", name, command=("mcp-files",), env={"TOKEN": "secret://files"})
    await add_server(runtime.store, server, by=who, clock=runtime.clock)
    for text in ("Reads a file.", "Reads and writes a file."):
        told = [Offered("read", {"name": "read", "description": text})]
        await see_tools(
            runtime.store,
            told,
            workspace="default",
            server=name,
            pinning=Pinning.HOLD,
            by=who,
            clock=runtime.clock,
            redactor=runtime.redactor,
        )
    return {"server": name}


FORBID = '@id("no-search") forbid(principal, action == Action::"tool", resource == Tool::"search");'
SAMPLES = {
    ("GET", f"{MCP}/servers"): Sample(a_server),
    ("GET", f"{MCP}/tools"): Sample(a_server, query="?server={server}"),
    ("POST", f"{MCP}/tools/accept"): Sample(a_server, lambda made: {"server": made["server"], "tools": ["read"]}),
    ("GET", "/api/v1/policy/cedar"): Sample(),
    ("POST", "/api/v1/policy/cedar"): Sample(body=lambda _made: {"text": FORBID}),
    ("GET", "/api/v1/policy/evidence"): Sample(),
    ("GET", "/api/v1/secrets/rules"): Sample(),
}
