"""The tool server over HTTP for processes that may never be asked for it: loaded with its first message."""

from __future__ import annotations

import asyncio

from remit.bootstrap import Runtime
from remit.serve.edge.asgi import App, Receive, Scope, Send


class LateTools:
    """The ASGI callable behind the edge: ``http.McpEndpoint``, made with its first message.

    Args:
        runtime: The open Remit.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._endpoint: App | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message."""
        if self._endpoint is None:
            async with self._making:
                if self._endpoint is None:
                    self._endpoint = await asyncio.to_thread(_made, self._runtime)
        await self._endpoint(scope, receive, send)


def _made(runtime: Runtime) -> App:
    from remit.serve.mcp.http import McpEndpoint  # noqa: PLC0415 - half a second, on a thread of its own

    return McpEndpoint(runtime)
