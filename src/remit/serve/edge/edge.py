"""The edge as an ASGI application: what a request passes, top to bottom, before the API or the console hears of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from remit.accounts.keys import Keys
from remit.bootstrap import Runtime
from remit.kernel import correlation
from remit.kernel.errors import RemitError
from remit.kernel.ids import new_id
from remit.serve.api.problems import body_of, fault_of, headers_of, status_of
from remit.serve.edge.identity import Identity, SignIn

_log = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Edge:
    """Stands before an application.

    Args:
        app: The API and the console.
        runtime: The open Remit.
        sign_in: Who knows sessions, tokens and keys.
    """

    def __init__(self, app: App, runtime: Runtime, *, sign_in: SignIn | None) -> None:
        self._app = app
        production = runtime.settings.production
        self._identity = Identity(sign_in, Keys(runtime.store, runtime.clock), production=production)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        address = client[0] if client else ""
        request_id = new_id()
        started = False

        async def told(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with correlation.bound(request_id=request_id):
            try:
                caller = await self._identity.caller(headers, address)
                scope.setdefault("state", {})["caller"] = caller
                await self._app(scope, receive, told)
            except RemitError as error:
                await refuse(told, error, scope["path"])
            except Exception as error:  # noqa: BLE001 - a fault of ours still answers
                if started:
                    return
                _log.error("%s %s failed: %s", scope["method"], scope["path"], type(error).__name__, exc_info=error)
                await refuse(told, fault_of(error), scope["path"])


async def refuse(send: Send, error: RemitError, path: str) -> None:
    """Answer with a problem document, before any application is asked."""
    body = body_of(error, path=path)
    headers = [*headers_of(error), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})
