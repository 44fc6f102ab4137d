"""The edge as an ASGI application: what a request passes, top to bottom, before the API or the console hears of it."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from functools import partial

from remit.accounts.keys import Keys
from remit.accounts.sealing import derived
from remit.accounts.signing import check_signing, signing_key
from remit.bootstrap import Runtime, payload_key
from remit.kernel import correlation
from remit.kernel.asked_from import asking
from remit.kernel.errors import Denied, RemitError, Timeout
from remit.kernel.plain import plain
from remit.serve.edge.asgi import App, Message, Receive, Scope, Send, joined
from remit.serve.edge.checkpoint import HEADER, Newest
from remit.serve.edge.cors import Cors
from remit.serve.edge.exchange import Exchange
from remit.serve.edge.forms import HEADER as FORM_HEADER
from remit.serve.edge.forms import SAFE, Forms, check_site, form_token, own_page
from remit.serve.edge.identity import Caller, Identity, SignIn
from remit.serve.edge.origin import Origin, Origins
from remit.serve.edge.problems import fault_of
from remit.serve.edge.rates import EndpointLimit, Rates, TooOften
from remit.serve.edge.shares import Shares
from remit.serve.edge.traces import read_trace
from remit.settings import words

#: Bytes that a request may have of whom nobody knows: they sign in, or follow a link.
STRANGERS_BYTES = 64 << 10

_log = logging.getLogger(__name__)
#: A line for each request: address, method, path (without its query), status, milliseconds.
_requests = logging.getLogger("remit.requests")


class Edge:
    """Stands before an application.

    Args:
        app: The API and the console.
        runtime: The open Remit.
        sign_in: Who knows sessions, tokens and keys.
        limits: Endpoints with limits of their own.
        pages: Whether the application has a console, which tells a browser of a refusal (``state["refused"]``).

    Raises:
        InvalidInput: A production install without a good signing secret.
    """

    def __init__(
        self, app: App, runtime: Runtime, *, sign_in: SignIn, limits: Iterable[EndpointLimit] = (), pages: bool = False
    ) -> None:
        settings = runtime.settings
        check_signing(settings)
        self._app = app
        self._pages = pages
        self._settings = settings
        self._production = settings.production
        self._plain_refused = settings.plain_refused
        self._public = settings.public_url.lower()
        public = self._public.partition("://")[2]
        hosts = {*words(settings.hosts), public.partition(":")[0]} - {""}
        proxies = tuple(ipaddress.ip_network(word) for word in words(settings.proxies))
        self._origins = Origins(proxies, frozenset(hosts))
        self._cors = Cors(words(settings.cors_origins))
        several = bool(settings.store_url)  # a file is served by one process
        shares = Shares(runtime.store, settings.workspace, runtime.clock.monotonic) if several else None
        self._rates = Rates(settings, runtime.clock.monotonic, limits, shares=shares)
        key = signing_key(settings, home_key=payload_key(settings))
        self._forms = Forms(derived(key, "forms of the console"), production=settings.production)
        self._identity = Identity(sign_in, Keys(runtime.store, runtime.clock), production=settings.production)
        self._newest = Newest(runtime.store, runtime.clock.monotonic)
        if settings.request_log:
            _requests.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._settings
        headers = joined(scope["headers"])
        trace = read_trace(headers)
        exchange = Exchange(
            scope, receive, send, headers=headers, trace=trace, most=settings.api_body_bytes, idle_s=settings.api_idle_s
        )
        with correlation.bound(request_id=trace.request_id, trace=trace.trace):
            try:
                async with exchange.timed(settings.api_time_s):
                    await self._pass(exchange)
            except TimeoutError:
                message = f"The request was not answered within {settings.api_time_s:g} s."
                await self._refuse(exchange, Timeout(message, code="api.slow", hint="ask again, for less at once"))
            except RemitError as error:
                if isinstance(error, TooOften):
                    exchange.counted = error.counted
                await self._refuse(exchange, error)
            except Exception as error:  # noqa: BLE001 - a fault of ours still answers
                if not exchange.status:
                    _log.error("%s %s failed", scope["method"], plain(exchange.path, limit=200), exc_info=error)
                await self._refuse(exchange, fault_of(error))
            if settings.request_log:
                client = scope.get("client")
                _requests.info(
                    "%s %s %s %d %.1fms",
                    client[0] if client else "-",
                    scope["method"],
                    plain(exchange.path, limit=200),
                    exchange.status,
                    exchange.seconds * 1000,
                )

    async def _refuse(self, exchange: Exchange, error: RemitError) -> None:
        """A problem document; to a browser that asks for a page, the console's page that says the same."""
        if not self._pages or exchange.status or not exchange.wants_page:
            await exchange.refuse(error)
            return
        await exchange.clear(error)
        scope = {**exchange.scope, "state": {**exchange.scope.get("state", {}), "refused": error}}
        try:
            await self._app(scope, _nothing, exchange.send)
        except Exception:  # noqa: BLE001 - whatever it is, the refusal stands
            _log.exception("the page of a refusal could not be made")
        await exchange.refuse(error)  # if nothing was answered

    async def _pass(self, exchange: Exchange) -> None:
        """What a request passes; whatever turns it away raises."""
        scope, headers = exchange.scope, exchange.headers
        method: str = scope["method"]
        origin = self._origin(scope, headers)
        exchange.secure = self._production and origin.scheme == "https"
        exchange.more += self._cors.headers(headers.get(b"origin", b""))
        if self._plain_refused and origin.scheme == "http" and not exchange.path.startswith("/health"):
            await self._to_https(exchange, origin)
            return
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            await self._preflight(exchange)
            return
        exchange.counted = counted = await self._rates.admit(origin.bucket, method, exchange.path)
        if counted is not None:
            exchange.streams = lambda: self._rates.take_back(counted)
        exchange.check_length()
        caller = await self._identity.caller(headers, origin.address)
        if not caller.known:
            exchange.bound(STRANGERS_BYTES)
        if caller.via in {"token", "key"}:
            await self._rates.admit_key(caller.session)
        check_site(method, headers, origin, self._cors, self._public)
        if caller.via == "session":
            caller = await self._with_form(exchange, caller, method)
        state = scope.setdefault("state", {})
        state["caller"] = caller
        state["again"] = partial(self._identity.caller, headers, origin.address)  # for streams, while they are open
        if caller.known and (head := await self._newest.value()):
            exchange.more.append((HEADER, head))
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        with asking(via=caller.via, ip=origin.address, agent=agent):
            await self._app(scope, exchange.receive, exchange.send)

    def _origin(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Origin:
        client = scope.get("client")
        origin = self._origins.find(client[0] if client else "", scope.get("scheme", "http"), headers)
        scope["client"] = (origin.address, 0)
        scope["scheme"] = origin.scheme
        return origin

    async def _with_form(self, exchange: Exchange, caller: Caller, method: str) -> Caller:
        """The caller with the token of their forms; a write must bring it."""
        token = self._forms.token(caller.session)
        if method not in SAFE:
            brought = exchange.headers.get(FORM_HEADER, b"").decode("latin-1")
            if not brought:
                brought, receive = await form_token(exchange.headers, exchange.receive)
                exchange.reading(receive)
            self._forms.check(caller.session, exchange.headers, brought)
        elif self._forms.in_cookie(exchange.headers) != token:
            exchange.more.append(self._forms.cookie(token))
        return Caller(
            caller.principal, caller.workspace, "session", caller.scopes, caller.session, token, caller.address
        )

    async def _to_https(self, exchange: Exchange, origin: Origin) -> None:
        if exchange.scope["method"] not in SAFE:
            raise _plain("https://")
        base = self._public if self._public.startswith("https://") else f"https://{origin.host}"
        query = exchange.scope.get("query_string", b"")
        raw: bytes = exchange.scope.get("raw_path") or exchange.path.encode("latin-1", "replace")
        place = base.encode() + b"/" + raw.lstrip(b"/") + (b"?" + query if query else b"")
        await exchange.answer(308, [(b"location", place)])

    async def _preflight(self, exchange: Exchange) -> None:
        found = self._cors.preflight(exchange.headers)
        if found is None:
            message = "Pages of that origin may not ask this."
            raise Denied(message, code="api.origin", hint="add its origin to the setting cors_origins")
        exchange.more.clear()
        await exchange.answer(204, found)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Browsers send cookies with a WebSocket of any page, and no other sign: so the page must be one of ours."""
        headers = joined(scope["headers"])
        trace = read_trace(headers)
        with correlation.bound(request_id=trace.request_id, trace=trace.trace):
            try:
                origin = self._origin(scope, headers)
                if self._plain_refused and origin.scheme in {"http", "ws"}:
                    raise _plain("wss://")
                check_site("POST", headers, origin, self._cors, self._public)
                again = partial(self._identity.caller, headers, origin.address)
                ours = own_page(headers, origin, self._public)
                scope.setdefault("state", {}).update(caller=await again(), again=again, own_page=ours)
            except RemitError as error:
                _log.info("a WebSocket was refused (%s)", error.code)
                await send({"type": "websocket.close", "code": 1008, "reason": error.code})
                return
            await self._app(scope, receive, send)


def _plain(scheme: str) -> Denied:
    message = "This server is spoken to over HTTPS only."
    return Denied(message, code="api.https", hint=f"ask again with {scheme}")


async def _nothing() -> Message:
    """The body of a request that was turned away."""
    return {"type": "http.request", "body": b"", "more_body": False}
