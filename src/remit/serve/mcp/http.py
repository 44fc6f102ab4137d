"""``/mcp`` of ``remit up``: the tool server of ``remit mcp`` over streamable HTTP, behind the edge.

The edge has checked the host that was asked for (a name that somebody pointed here is refused), the page that asks,
the address's and the key's rates, and who it is. Here only keys and tokens count: a browser's cookie opens nothing. No
session is kept: every message shows its key and is judged by it alone, on whatever process it arrives, so there is
nothing that another could take over, and what is revoked ends at once. The protocol lets a server be so.
"""

from __future__ import annotations

import logging

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from remit.bootstrap import Runtime
from remit.kernel.action import ActorKind
from remit.kernel.errors import Unauthenticated
from remit.serve.edge.asgi import Receive, Scope, Send
from remit.serve.edge.identity import Caller as Asker
from remit.serve.edge.identity import caller_of
from remit.serve.mcp.orders import Caller
from remit.serve.mcp.own import OwnTools, server_of

PATH = "/mcp"
MOST_BODY = 4 << 20

logging.getLogger("mcp.server").setLevel(logging.WARNING)  # it tells of every request


class McpEndpoint:
    """The ASGI callable. To be put behind the edge, which says who asks.

    Args:
        runtime: The open Remit, whose guard carries orders out through this from now on.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tools = OwnTools(runtime.guard.adapters.get("tool"))
        runtime.guard.adapters = {**runtime.guard.adapters, "tool": self._tools}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message.

        Raises:
            Unauthenticated: It shows no key or token.
        """
        asker = caller_of(scope)
        if asker.via not in {"key", "token"}:
            message = "Tools are for programs: send Authorization: Bearer with a key or token."
            raise Unauthenticated(message, code="api.credential", hint="remit keys create NAME --agent AGENT")
        if scope["method"] != "POST":
            await _only_post(send)
            return
        server = server_of(await self._caller(asker), self._tools)
        one = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=MOST_BODY)
        async with one.run():
            await one.handle_request(scope, receive, send)

    async def _caller(self, asker: Asker) -> Caller:
        """A person with what their key opens, or an agent with its key, for the key's owner.

        Raises:
            Unauthenticated: The key went away meanwhile.
        """
        runtime, workspace = self._runtime, asker.workspace
        if asker.principal.kind is not ActorKind.AGENT:
            return Caller(runtime, asker.principal, asker.principal, place=workspace, scopes=asker.scopes, served=True)
        register = runtime.guard.register
        standing = register.fresh(workspace)
        key = None if standing is None else standing.gateway.keys.get(asker.session)
        if key is None:  # what is known may be older than the key
            key = (await register.refresh(workspace)).gateway.keys.get(asker.session)
        if key is None:
            message = "There is no such key, or it does not count any more."
            raise Unauthenticated(message, code="api.credential", hint="remit keys list")
        return Caller(runtime, key.principal, key.on_behalf_of, place=workspace, key=key.id, served=True)


async def _only_post(send: Send) -> None:
    """No events come unasked, and no session can be ended: 405, as the protocol has it."""
    headers = [(b"allow", b"POST"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 405, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
