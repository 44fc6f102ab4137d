"""Answers that are kept for a few seconds: for reads that cost much and may be a little old (API-8).

What is kept belongs to one caller with the rights that they have: a role that was changed finds nothing kept, so it
holds at once. Memory is bounded; what was used longest ago goes first. Each process keeps its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import rights_of
from remit.bootstrap import Runtime
from remit.kernel.action import ActorKind
from remit.serve.edge.identity import Caller, caller_of
from remit.serve.edge.responses import Kept, Key, Responses

type Route = Callable[..., Awaitable[Response]]


def cached(*, seconds: float) -> Callable[[Route], Route]:
    """Keep a route's successful answers for so many seconds. The route must take ``request``.

    Raises:
        TypeError: It does not.
    """

    def around(route: Route) -> Route:
        if "request" not in inspect.signature(route).parameters:
            message = f"{route.__name__} must take `request` to be kept"
            raise TypeError(message)

        @functools.wraps(route)
        async def kept_or_made(*args: object, **kwargs: object) -> Response:
            request = cast("Request", kwargs["request"])
            responses = cast("Responses", request.app.state.responses)
            runtime = cast("Runtime", request.app.state.runtime)
            key = await _key(request, runtime)
            now = runtime.clock.monotonic()
            kept = responses.find(key, now)
            if kept is not None:
                headers = {"x-cache": "hit", "age": str(int(now - kept.made_s)), "cache-control": "private, no-cache"}
                return Response(kept.body, media_type=kept.media_type, headers=headers)
            made = await route(*args, **kwargs)
            if made.status_code == 200:  # noqa: PLR2004 - whole answers only
                responses.keep(key, Kept(bytes(made.body), made.media_type or "", now, now + seconds))
            made.headers["x-cache"] = "miss"
            return made

        return kept_or_made

    return around


async def _key(request: Request, runtime: Runtime) -> Key:
    caller = caller_of(request.scope)
    path = cast("str", getattr(request.scope.get("route"), "path_format", request.url.path))
    asked = f"{request.url.path}?{request.url.query}"
    return (
        path,
        asked,
        f"{caller.workspace} {caller.principal}",
        ",".join(sorted(caller.scopes)),
        await _rights(caller, runtime),
    )


async def _rights(caller: Caller, runtime: Runtime) -> int:
    if caller.principal.kind is not ActorKind.USER:
        return 0
    return await runtime.store.read(lambda tx: rights_of(tx, caller.principal.id, workspace=caller.workspace))
