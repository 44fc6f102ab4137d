"""Serving the protocol over this process's standard input and output, to the one client that started it."""

from __future__ import annotations

from typing import Any

from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.stdio import stdio_server


async def serve_stdio(server: Server[dict[str, Any]], options: NotificationOptions | None = None) -> None:
    """Serve until the client closes our input. Whatever else prints goes to standard error."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options(options))
