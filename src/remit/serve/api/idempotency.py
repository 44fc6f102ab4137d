"""Writes that are sent again (``Idempotency-Key``): carried out once, answered alike. See ``accounts.repeated``.

Stands between the edge and the routes, which know nothing of it. Kept for a day are answers that will not change: what
was done, and what was wrong with the request. A refusal that may be lifted (401, 403, 408, 409, 412, 429) and a fault
of ours are not kept: the key is free again. Unless something was written, be it only that it was refused: then who asks
again is told the same refusal (a limit's and a fault excepted: that the answer is lost).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import cast

import orjson

from remit.accounts.repeated import Given, Order, answered, carried, claim, release
from remit.accounts.sealing import derived
from remit.accounts.signing import signing_key
from remit.bootstrap import Runtime, payload_key
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict
from remit.kernel.ports import Tx
from remit.kernel.within import Within, within
from remit.serve.api.documents import whole
from remit.serve.edge.asgi import App, Headers, Message, Receive, Scope, Send, joined
from remit.serve.edge.identity import caller_of

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADER = b"idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
MOST_ANSWER = 1 << 20
_MAY_CHANGE = frozenset({401, 403, 408, 409, 412, 425, 429})
_LATER = frozenset({408, 425, 429})  # of these, those that ask to come back
_FAULT = 500
#: Headers of an answer that belong to what was done; the others belong to the request that asks.
_KEPT = frozenset({b"content-type", b"location", b"etag", b"cache-control", b"link"})


class Idempotency:
    """Stands before the API.

    Args:
        app: The API.
        runtime: The open Remit.
    """

    def __init__(self, app: App, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._key = derived(signing_key(runtime.settings, home_key=payload_key(runtime.settings)), "answers to orders")
        self._now: set[tuple[str, str]] = set()  # what this process carries out at this moment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] not in WRITES:
            await self._app(scope, receive, send)
            return
        headers = joined(scope["headers"])
        key = headers.get(HEADER)
        caller = caller_of(scope)
        if key is None or not caller.known:
            await self._app(scope, receive, send)
            return
        runtime = self._runtime
        body = await whole(receive)
        order = Order(
            caller.workspace,
            caller.principal,
            key.decode("latin-1"),
            _asked(scope, headers, body, caller.scopes),
            runtime.engine.executor,
            micros_of(runtime.clock.now()),
        )
        given = await self._claim(order)
        if given is not None:
            await self._again(order, given, send)
            return
        try:
            await self._carry_out(order, scope, body, send)
        finally:
            self._now.discard(_name(order))

    async def _claim(self, order: Order) -> Given | None:
        """The answer that was given, or ``None``: the order is ours to carry out.

        Raises:
            InvalidInput, Conflict: As ``repeated.claim``.
        """
        name = _name(order)
        if name in self._now:
            message = "The order with this key is being carried out."
            raise Conflict(message, code="api.in_flight", hint="ask again in a second")
        self._now.add(name)
        try:
            given = await self._runtime.store.commit("api.repeat", lambda tx: claim(tx, order, alive=self._alive))
        except BaseException:
            self._now.discard(name)
            raise
        if given is not None:
            self._now.discard(name)
        return given

    def _alive(self, owner: str) -> bool:
        """Whether another process may still carry it out. What this one does stands in ``_now``."""
        return owner != self._runtime.engine.executor and self._runtime.locks.alive(owner) is True

    async def _carry_out(self, order: Order, scope: Scope, body: bytes, send: Send) -> None:
        kept: list[Message] = []
        size = 0

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            nonlocal size
            kept.append(message)
            size += len(cast("bytes", message.get("body", b"")))

        mark = Within(written=lambda tx: carried(tx, order))
        try:
            with within(mark):
                await self._app(scope, again, keep)
        except BaseException:
            await self._let_go(order)
            raise
        status = cast("int", kept[0]["status"]) if kept else _FAULT
        if status >= _FAULT or status in _LATER or size > MOST_ANSWER:
            await self._let_go(order)
        elif status in _MAY_CHANGE:
            await self._let_go(order, self._given(order, status, kept))
        else:
            given = self._given(order, status, kept)
            await self._runtime.store.commit("api.answer", lambda tx: answered(tx, order, given))
        for message in kept:
            await send(message)

    async def _let_go(self, order: Order, given: Given | None = None) -> None:
        """Free the key; where something was written, keep the answer, if there is one."""

        def op(tx: Tx) -> None:
            release(tx, order)
            if given is not None:
                answered(tx, order, given)  # of a key that is still there

        await self._runtime.store.commit("api.answer", op)

    def _given(self, order: Order, status: int, kept: list[Message]) -> Given:
        headers = [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in cast("Headers", kept[0].get("headers", []))
            if name.lower() in _KEPT
        ]
        body = b"".join(cast("bytes", message.get("body", b"")) for message in kept[1:])
        told = orjson.dumps({"headers": headers, "body": b64encode(body).decode()})
        return Given(status, order.box(self._key).seal(told, str(order.principal)))

    async def _again(self, order: Order, given: Given, send: Send) -> None:
        told = orjson.loads(order.box(self._key).open(given.sealed, str(order.principal)))
        headers: Headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told["headers"]]
        body = b64decode(told["body"])
        if given.status != 204:  # noqa: PLR2004 - no content, so no length of it
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": given.status, "headers": [*headers, REPLAYED]})
        await send({"type": "http.response.body", "body": body})


def _name(order: Order) -> tuple[str, str]:
    return f"{order.workspace} {order.principal}", order.key


def _asked(scope: Scope, headers: Mapping[bytes, bytes], body: bytes, scopes: frozenset[str]) -> bytes:
    """All that was asked, as one text of bytes; and by what right: a lesser key is not given a greater one's answer."""
    parts = [
        cast("str", scope["method"]).encode(),
        cast("str", scope["path"]).encode("utf-8", "replace"),
        cast("bytes", scope.get("query_string", b"")),
        headers.get(b"if-match", b""),
        ",".join(sorted(scopes)).encode(),
        body,
    ]
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)
