"""The API as an application: its nouns, its access table, its errors; and behind the edge, with the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import cast

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from remit.bootstrap import Runtime
from remit.kernel.errors import InternalError, RemitError
from remit.serve.api import health, openapi, problems
from remit.serve.api.access import Access, table
from remit.serve.api.caller import admitted
from remit.serve.api.documents import Documents
from remit.serve.api.idempotency import Idempotency
from remit.serve.api.routes import (
    about,
    account,
    agents,
    answers_kept,
    approvals,
    audit,
    break_glass,
    breakers,
    cedar,
    deployments,
    events,
    holds,
    keys,
    limits,
    listing,
    log,
    mission_orders,
    missions,
    models,
    objectives,
    packs,
    people,
    plan,
    policy,
    queue,
    secrets,
    settings,
    sign_in,
    spend,
    stops,
    stores,
    teams,
    telemetry,
    tools,
)
from remit.serve.edge.asgi import App, Receive, Scope, Send
from remit.serve.edge.edge import Edge
from remit.serve.edge.rates import EndpointLimit
from remit.serve.edge.recording import Recording
from remit.serve.edge.responses import Responses
from remit.serve.live.hub import Hub
from remit.serve.live.socket import PATH, EventSocket

#: Every noun: a module with ``ROUTES`` (an ``APIRouter``) and ``ACCESS`` (a row for each of its endpoints).
NOUNS: tuple[ModuleType, ...] = (
    health,
    about,
    account,
    agents,
    answers_kept,
    approvals,
    audit,
    break_glass,
    breakers,
    cedar,
    deployments,
    events,
    holds,
    keys,
    limits,
    listing,
    log,
    mission_orders,
    missions,
    models,
    objectives,
    packs,
    people,
    plan,
    policy,
    queue,
    secrets,
    settings,
    sign_in,
    stops,
    spend,
    stores,
    teams,
    telemetry,
    tools,
)


def api_of(runtime: Runtime, *, nouns: tuple[ModuleType, ...] = NOUNS) -> FastAPI:
    """The API over an open runtime, which must stay open as long as it answers.

    Args:
        runtime: The open Remit.
        nouns: What it offers.

    Raises:
        InternalError: An endpoint without a row in the access table, or a row without its endpoint.
    """
    app = described(nouns)
    app.state.runtime = runtime
    app.state.responses = Responses()
    app.state.readiness = health.Readiness(runtime)
    app.state.live = live = Hub(runtime, most=runtime.settings.streams, most_each=runtime.settings.streams_each)
    app.router.routes.append(WebSocketRoute(PATH, EventSocket(live)))
    return app


def described(nouns: tuple[ModuleType, ...] = NOUNS) -> FastAPI:
    """The API without anything behind it: for its description.

    Raises:
        InternalError: As ``api_of``.
    """
    app = FastAPI(
        title=openapi.TITLE,
        version=openapi.VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(admitted)],
    )
    for noun in nouns:
        app.include_router(noun.ROUTES)
    rows = table(row for noun in nouns for row in noun.ACCESS)
    _check(endpoints(nouns), rows)
    app.state.access = rows
    app.openapi = lambda: openapi.describe(app, rows)
    app.add_exception_handler(RemitError, problems.remit_error)
    app.add_exception_handler(RequestValidationError, problems.bad_request)
    app.add_exception_handler(HTTPException, problems.http_error)
    app.add_exception_handler(Exception, problems.fault)
    return app


class Served:
    """The API and the console behind one edge: what a server serves.

    Args:
        runtime: The open Remit, which must stay open as long as this answers.
        console: What answers every path that is not the API's.
        responses: Where the API keeps answers, for a console that shows them.
        tools: What answers ``/mcp``; ``None``: that is the console's too.

    Attributes:
        api: The API.
        edge: What stands before both.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        console: App | None = None,
        tools: App | None = None,
        responses: Responses | None = None,
    ) -> None:
        self.api = api_of(runtime)
        if responses is not None:
            self.api.state.responses = responses
        self._documents = Documents(Idempotency(self.api, runtime))
        self._console = console
        pages = cast("Iterable[tuple[str, str]]", getattr(console, "routes", ()))
        self._recording = Recording(runtime, [*self.api.state.access, *pages])
        self._tools = None if tools is None else Documents(tools)
        rows: Mapping[tuple[str, str], Access] = self.api.state.access
        limits = [EndpointLimit(row.method, row.path, row.limits) for row in rows.values() if row.limits is not None]
        self.edge = Edge(self._switch, runtime, sign_in=runtime.sign_in, limits=limits, pages=console is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self.edge(scope, receive, send)

    def drain(self) -> None:
        """Say that no new work is taken: readiness answers 503 from now on, and streams have their last word."""
        self.api.state.readiness.draining = True
        self.api.state.live.stop()

    async def _switch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not is_api(scope["path"]):
            await send({"type": "websocket.close", "code": 1008, "reason": "api.no_stream"})
        elif self._tools is not None and scope["path"] == "/mcp" and scope["type"] == "http":
            await self._tools(scope, receive, send)
        elif self._console is None or is_api(scope["path"]):
            await self._recording(self._documents, "api", scope, receive, send)
        elif scope["path"].startswith("/static/"):
            await self._console(scope, receive, send)
        else:
            await self._recording(self._console, "console", scope, receive, send)


def is_api(path: str) -> bool:
    """Whether a path is the API's; the others are the console's."""
    return path.startswith(("/api/", "/health", "/.well-known/")) or path == "/openapi.json"


def endpoints(nouns: tuple[ModuleType, ...] = NOUNS) -> set[tuple[str, str]]:
    """Every endpoint by method and path.

    Raises:
        InternalError: A route of another kind, which nothing would ask who reaches it.
    """
    found: set[tuple[str, str]] = set()
    for noun in nouns:
        for route in noun.ROUTES.routes:
            if not isinstance(route, APIRoute):
                message = f"{route!r} of {noun.__name__} is no route of the API's own kind."
                raise InternalError(message, code="api.no_row")
            found |= {(method, route.path_format) for method in route.methods or ()}
    return found


def _check(found: set[tuple[str, str]], rows: Mapping[tuple[str, str], Access]) -> None:
    if bare := sorted(found - rows.keys()):
        message = f"No access row for {', '.join(' '.join(key) for key in bare)}."
        raise InternalError(message, code="api.no_row")
    if idle := sorted(rows.keys() - found):
        message = f"An access row without its endpoint: {', '.join(' '.join(key) for key in idle)}."
        raise InternalError(message, code="api.no_route")
