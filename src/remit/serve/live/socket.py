"""A stream over WebSocket: the same messages, one JSON text each, ``{"id", "event", "data"}``.

A page of another origin can open a WebSocket with our cookies, so a session is believed only when the edge found that
the request comes from our own pages (``serve.edge.forms.own_page``).
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

from remit.kernel.errors import Denied, InvalidInput, RemitError, Unauthenticated
from remit.serve.edge.identity import Caller, caller_of
from remit.serve.live.asked import asked_of, still_of
from remit.serve.live.hub import Hub
from remit.serve.live.stream import LAST, LAST_WORD_S, Stream

PATH = "/api/v1/events/ws"
BEAT = '{"event":"beat","data":{}}'
#: Close codes of RFC 6455, 7.4.1.
NORMAL = 1000
POLICY = 1008

type Scope = MutableMapping[str, Any]


class EventSocket:
    """The ASGI application at ``PATH``.

    Args:
        hub: All streams of the process.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
        """One connection."""
        await receive()  # websocket.connect
        try:
            caller = caller_of(scope)
            _admit(caller, scope)
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            watcher = asked_of(
                caller,
                mission=query.get("mission", [""])[0],
                kinds=query.get("kinds", [""])[0],
                after=query.get("after", [""])[0],
                follow=_follows(query.get("follow", ["true"])[0]),
            )
            async with self._hub.watch(watcher, still=still_of(scope, caller)) as stream:
                await send({"type": "websocket.accept"})
                await _serve(stream, receive, send)
        except RemitError as error:
            await _refuse(send, error)


async def _serve(stream: Stream, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
    async def sending() -> None:
        async for batch in stream.messages():
            for each in batch:
                await send({"type": "websocket.send", "text": each.text})
            if not batch:
                await send({"type": "websocket.send", "text": BEAT})
            elif batch[-1].kind in LAST:
                break
        await send({"type": "websocket.close", "code": NORMAL})

    async def leaving() -> None:
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def late() -> None:
        await stream.slow.wait()
        await asyncio.sleep(LAST_WORD_S)

    tasks = [asyncio.create_task(each()) for each in (sending, leaving, late)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _follows(word: str) -> bool:
    if word not in {"true", "false"}:
        message = f"follow must be true or false, not {word[:40]!r}."
        raise InvalidInput(message, code="live.follow", place="follow", hint="leave it out to go on with what comes")
    return word == "true"


def _admit(caller: Caller, scope: Scope) -> None:
    if not caller.known:
        message = "Nobody is signed in: send Authorization: Bearer with a token or key."
        raise Unauthenticated(message, code="api.credential", hint="remit apikeys create NAME --scope read")
    if not caller.opens("read"):
        message = "What was shown does not open 'read': its scopes do not hold it."
        raise Denied(message, code="api.scope", hint="remit apikeys create NAME --scope SCOPE")
    if caller.via == "session" and scope["state"].get("own_page") is not True:
        message = "A session watches from its own pages only."
        raise Denied(message, code="api.csrf", hint="open the console itself")


async def _refuse(send: Any, error: RemitError) -> None:  # noqa: ANN401 - ASGI's own
    """Before it was accepted: the server answers 403, and nothing is told to a page that may not know."""
    await send({"type": "websocket.close", "code": POLICY, "reason": error.code[:100]})
