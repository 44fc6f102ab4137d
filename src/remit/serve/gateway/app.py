"""The gateway as an ASGI application: match the path, know who asks, read the request, answer in its own protocol.

No framework stands on this path: a request is a few dictionary look-ups before it reaches the guard, and each of them
can be read below, top to bottom.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Mapping
from typing import Any

import orjson

from remit.accounts.keys import SCOPE_OF, Key, Keys, KeyScope
from remit.kernel import correlation
from remit.kernel.effects import Wire
from remit.kernel.errors import Denied, InternalError, InvalidInput, NotFound, RemitError, Unauthenticated
from remit.kernel.ids import new_id
from remit.models.wire.errors import status_of
from remit.serve.edge.asgi import joined
from remit.serve.edge.origin import Origins
from remit.serve.gateway.answers import failed, ours
from remit.serve.gateway.asgi import Body, ClientGoneError, Receive, Room, Send, read_body, send_whole
from remit.serve.gateway.calls import Call, Host, answer, reaches
from remit.serve.gateway.clients import Strangers, key_in
from remit.serve.gateway.counted import MODELS
from remit.serve.gateway.listing import Reachable, one_model, some_models
from remit.serve.gateway.paths import PLACES, Ask, Place, find, shape_of
from remit.settings import words

_log = logging.getLogger(__name__)

#: Requests of the largest size whose bytes are held at once: what is made of one while it is judged is some times that.
LARGE_AT_ONCE = 8
_HEALTHY = orjson.dumps({"status": "ok"})


class Gateway:
    """The ASGI callable.

    Args:
        host: What calls need.
        keys: Who knows keys.

    Attributes:
        answered: Set once a call has been answered, however that went.
    """

    def __init__(self, host: Host, keys: Keys) -> None:
        self.answered = threading.Event()
        self._host = host
        self._keys = keys
        self._strangers = Strangers(host.clock.monotonic)
        self._room = Room(LARGE_AT_ONCE * host.settings.gateway_body_bytes)
        proxies = tuple(ipaddress.ip_network(word) for word in words(host.settings.proxies))
        self._origins = Origins(proxies, frozenset()) if proxies else None
        self._plain_refused = host.settings.plain_refused

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            headers = joined(scope["headers"])  # one that stands twice is a list, and no key is hidden behind another
        path: str = scope["path"]
        place = find(path)
        wire = shape_of(path, anthropic=b"anthropic-version" in headers) if place is None else place.wire
        request_id = new_id()
        try:
            with correlation.bound(request_id=request_id):
                address = self._asked_from(scope, headers, place)
                if place is None:
                    await failed(send, wire, _nothing_there(path), request_id=request_id)
                elif scope["method"] != place.method:
                    await _wrong_method(send, place, request_id)
                elif place.ask is Ask.HEALTH:
                    await send_whole(send, 200, [(b"content-type", b"application/json")], _HEALTHY)
                else:
                    key = await self._key(headers, address)
                    try:
                        if place.ask is Ask.CALL:
                            await self._call(key, place, headers, receive, send, request_id=request_id)
                        else:
                            await self._models(key, place, headers, send, request_id)
                            self._count(key, place, 200)
                    except RemitError as error:
                        self._host.turned_away.note(key, place.wire.value, error)
                        self._count(key, place, status_of(place.wire, error))
                        raise
        except ClientGoneError:
            return
        except RemitError as error:
            await failed(send, wire, error, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - a fault of ours still answers in the client's protocol
            _log.error("the gateway failed: %s", type(error).__name__, exc_info=error)
            fault = InternalError(f"The gateway failed: {type(error).__name__}.", code="gateway.fault")
            await failed(send, wire, fault, request_id=request_id)

    def _asked_from(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], place: Place | None) -> str:
        """From which address, behind the proxies that settings name: a key may be good from some addresses alone.

        Raises:
            Denied: It came in the clear, and that is turned away for all but health.
        """
        client: tuple[str, int] | None = scope.get("client")
        address, scheme = client[0] if client else "", scope.get("scheme", "http")
        if self._origins is not None:
            origin = self._origins.asked(address, scheme, headers)
            address, scheme = origin.address, origin.scheme
        if self._plain_refused and scheme == "http" and (place is None or place.ask is not Ask.HEALTH):
            raise _plain()
        return address

    def stopped(self) -> None:
        """Write what was counted: no call comes any more."""
        self._host.counted.flush()

    def _count(self, key: Key, place: Place, status: int) -> None:
        """What ends here took no time that says anything."""
        if place.ask is Ask.CALL:
            self._host.counted.call(key.workspace, place.wire, status, 0.0)
        else:
            self._host.counted.note(key.workspace, MODELS, status, 0.0)

    async def _key(self, headers: Mapping[bytes, bytes], address: str) -> Key:
        """Whose request it is.

        Raises:
            Unauthenticated: Nobody's.
            RateLimited: Nobody's, as too often from there.
            Unavailable: Keys can't be read.
        """
        token = key_in(headers)
        if not token:
            told = "The request brings no key: send it as Authorization: Bearer, or as x-api-key."
            raise Unauthenticated(told, code="gateway.key", hint="remit keys create NAME --agent AGENT")
        key = self._keys.known(token, address=address) or await self._keys.find(token, address=address)
        if key is None:
            error, first = self._strangers.refusal(address)
            if first:
                _log.warning("a key that does not count came from %s", address)
            raise error
        return key

    async def _call(
        self, key: Key, place: Place, headers: Mapping[bytes, bytes], receive: Receive, send: Send, *, request_id: str
    ) -> None:
        scope = SCOPE_OF[place.wire]
        if not key.opens(scope):
            raise _closed(key, scope)
        settings = self._host.settings
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding != b"identity":
            told = "The body of the request is compressed, and the gateway reads none that is."
            raise _refused(told, "gateway.encoding", "send it without content-encoding")
        room = Body(self._room)
        try:
            body = await read_body(
                receive, most=settings.gateway_body_bytes, seconds=settings.gateway_body_s, room=room
            )
            await answer(self._host, Call(key, place, headers, body, request_id), receive, send)
        finally:
            room.give()
            if not self.answered.is_set():
                self.answered.set()

    async def _models(
        self, key: Key, place: Place, headers: Mapping[bytes, bytes], send: Send, request_id: str
    ) -> None:
        if not key.opens(KeyScope.MODELS):
            raise _closed(key, KeyScope.MODELS)
        catalogue = await self._host.models.catalogue(key.workspace)
        anthropic = b"anthropic-version" in headers
        found = Reachable(catalogue, reaches(self._host.guard, key), provider=place.provider)
        if place.model:
            told = one_model(found, place.model, anthropic=anthropic)
        else:
            told = some_models(found, anthropic=anthropic)
        wire = Wire.MESSAGES if anthropic else Wire.CHAT
        await send_whole(send, 200, [*ours(wire, request_id), (b"content-type", b"application/json")], told)


def _refused(told: str, code: str, hint: str) -> RemitError:
    return InvalidInput(told, code=code, hint=hint)


def _closed(key: Key, scope: KeyScope) -> Denied:
    told = f"The key {key.id!r} does not open {scope.value!r}."
    return Denied(told, code="gateway.scope", hint=f"remit keys show {key.id}")


def _plain() -> RemitError:
    told = "This gateway is spoken to over HTTPS only: a key that came in the clear may have been read on its way."
    return Denied(told, code="gateway.https", hint="ask with https://, and make a new key: remit keys rotate NAME")


def _nothing_there(path: str) -> NotFound:
    told = f"There is nothing at {path[:200]}."
    hint = "the base URL of OpenAI clients ends in /v1, that of Anthropic clients does not"
    if "/v1/" in path and "/v1/v1/" not in path:
        served = ", ".join(each.removeprefix("/v1/") for each in PLACES if each.startswith("/v1/"))
        hint = f"what the gateway serves under /v1: {served}"
    return NotFound(told, code="gateway.path", hint=hint)


async def _wrong_method(send: Send, place: Place, request_id: str) -> None:
    told = f"This is asked with {place.method}."
    error = InvalidInput(told, code="gateway.method", hint=f"use {place.method}")
    await failed(send, place.wire, error, request_id=request_id, status=405, more=[(b"allow", place.method.encode())])
