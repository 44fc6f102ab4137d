"""Answers that are kept for a few seconds: for reads that cost much and may be a little old (API-8).

What is kept belongs to one caller with the rights that they have: a role that was changed finds nothing kept, so it
holds at once. Memory is bounded; what was used longest ago goes first. Each process keeps its own.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import rights_of
from remit.bootstrap import Runtime
from remit.kernel.action import ActorKind
from remit.serve.edge.identity import Caller, caller_of

MOST_BYTES = 16 << 20

type Route = Callable[..., Awaitable[Response]]
type Key = tuple[str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer."""

    body: bytes
    media_type: str
    made_s: float
    until_s: float


@dataclass(slots=True)
class Responses:
    """What an application keeps.

    Attributes:
        hits: How often an endpoint's answer was there, by its path.
        misses: How often it was not.
    """

    most_bytes: int = MOST_BYTES
    bytes: int = 0
    hits: Counter[str] = field(default_factory=Counter[str])
    misses: Counter[str] = field(default_factory=Counter[str])
    _kept: OrderedDict[Key, Kept] = field(default_factory=OrderedDict[Key, Kept])

    def find(self, key: Key, now_s: float) -> Kept | None:
        """The answer, while it holds."""
        kept = self._kept.get(key)
        if kept is not None and kept.until_s > now_s:
            self._kept.move_to_end(key)
            self.hits[key[0]] += 1
            return kept
        if kept is not None:
            self._drop(key)
        self.misses[key[0]] += 1
        return None

    def keep(self, key: Key, kept: Kept) -> None:
        """Keep an answer, unless it is larger than all that is kept may be."""
        if key in self._kept:
            self._drop(key)
        if len(kept.body) > self.most_bytes:
            return
        self._kept[key] = kept
        self.bytes += len(kept.body)
        while self.bytes > self.most_bytes:
            self._drop(next(iter(self._kept)))

    def clear(self, endpoint: str = "") -> int:
        """Forget the answers of an endpoint, or all; how many."""
        gone = [key for key in self._kept if not endpoint or key[0] == endpoint]
        for key in gone:
            self._drop(key)
        return len(gone)

    def entries(self) -> Counter[str]:
        """How many answers are kept, by endpoint."""
        return Counter(key[0] for key in self._kept)

    def _drop(self, key: Key) -> None:
        self.bytes -= len(self._kept.pop(key).body)


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
