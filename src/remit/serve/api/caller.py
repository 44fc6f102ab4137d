"""What routes are given: who asks, and the open Remit that they ask."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from remit.bootstrap import Runtime
from remit.kernel.errors import InternalError
from remit.serve.api.access import Access, admit
from remit.serve.edge.identity import Caller, caller_of


async def admitted(request: Request) -> None:
    """Every route's first dependency: no row in the access table, no answer.

    Raises:
        InternalError: The endpoint has no row.
        Unauthenticated, Denied: As ``access.admit``.
    """
    rows = cast("dict[tuple[str, str], Access]", request.app.state.access)
    path = getattr(request.scope.get("route"), "path_format", "")
    row = rows.get((request.method, path))
    if row is None:
        message = f"{request.method} {path} has no row in the access table."
        raise InternalError(message, code="api.no_row")
    admit(caller_of(request.scope), row)


async def _caller(request: Request) -> Caller:
    return caller_of(request.scope)


async def _runtime(request: Request) -> Runtime:
    return cast("Runtime", request.app.state.runtime)


#: A route's parameter: who asks. Somebody, unless the endpoint's row says ``Who.ANYBODY``.
Asking = Annotated[Caller, Depends(_caller)]
#: A route's parameter: the open Remit, with the store, the clock and the use cases.
Open = Annotated[Runtime, Depends(_runtime)]
