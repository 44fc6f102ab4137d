"""Health: whether this process lives, whether it is ready for requests, and of what it is made.

``/health/live`` answers as long as the event loop turns. ``/health/ready`` asks the store: readable, its schema this
version's, its audit log writable; what it found is kept for a second, so that probes cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import literal, select
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import rights_of
from remit.accounts.roles import Permission, may
from remit.bootstrap import Runtime
from remit.kernel.action import ActorKind
from remit.kernel.errors import RemitError
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.edge.identity import Caller

KEPT_S = 1.0
_ANYTHING = select(literal(1))
_FRESH = {"cache-control": "no-store"}
PATIENCE_S = 2.0  # a component that does not answer by then is not there

ROUTES = APIRouter(tags=["health"])
ACCESS = tuple(
    Access("GET", path, elsewhere=Elsewhere.SAME, who=Who.ANYBODY)
    for path in ("/health", "/health/live", "/health/ready")
)


class State(StrEnum):
    """How it is."""

    OK = "ok"
    FAILED = "failed"
    DRAINING = "draining"


class Component(Shown):
    """A part of what must work."""

    state: State
    detail: str = Field(default="", description="What is wrong; for administrators only.")


class Health(Shown):
    """How this process is."""

    model_config = example(status="ok", components={"store": {"state": "ok", "detail": ""}})

    status: State
    components: dict[str, Component] = Field(default_factory=dict[str, Component])


@dataclass(slots=True)
class Readiness:
    """What the store said last, at most a second ago. One look serves everybody who asks meanwhile.

    Attributes:
        draining: Whether this process takes no new work: it is being stopped.
    """

    runtime: Runtime
    draining: bool = False
    _found: Mapping[str, str] = field(default_factory=dict[str, str])  # a component and what is wrong with it
    _at: float = -KEPT_S
    _look: asyncio.Task[Mapping[str, str]] | None = None

    async def found(self) -> Mapping[str, str]:
        """Each component and what is wrong with it; nothing when it works."""
        now = self.runtime.clock.monotonic()
        if now - self._at < KEPT_S and self._found:
            return self._found
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._all())
        return await asyncio.shield(self._look)

    async def _all(self) -> Mapping[str, str]:
        store = self.runtime.store
        checks: Mapping[str, Callable[[], Awaitable[None]]] = {
            "store": lambda: store.read(_asked),
            "migrations": lambda: store.read(store.check_schema),
            "audit": store.check_writable,
        }
        results = await asyncio.gather(*(_tried(check) for check in checks.values()))
        self._found = dict(zip(checks, results, strict=True))
        self._at = self.runtime.clock.monotonic()
        return self._found


def _asked(tx: ReadTx) -> None:
    tx.row(_ANYTHING)


async def _tried(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE_S:g} s"
    except RemitError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever it is, the component does not work
        return type(error).__name__
    return ""


@ROUTES.get("/health/live", response_model=Health, summary="Whether the process lives")
async def live() -> Response:
    """Answers as long as the process can."""
    return answer(Health(status=State.OK), headers=_FRESH)


@ROUTES.get(
    "/health/ready", response_model=Health, summary="Whether requests may come", responses={503: {"model": Health}}
)
async def ready(request: Request, caller: Asking, runtime: Open) -> Response:
    """200 while requests may come; 503 while the store can't be used, or the process is being stopped."""
    return await _health(request, caller, runtime)


@ROUTES.get(
    "/health", response_model=Health, summary="Of what it is made, and how it is", responses={503: {"model": Health}}
)
async def health(request: Request, caller: Asking, runtime: Open) -> Response:
    """Every component; what is wrong with one is told to administrators only."""
    return await _health(request, caller, runtime)


async def _health(request: Request, caller: Caller, runtime: Runtime) -> Response:
    readiness: Readiness = request.app.state.readiness
    found = await readiness.found()
    detailed = any(found.values()) and await _administers(caller, runtime)
    components = {
        name: Component(state=State.FAILED if wrong else State.OK, detail=wrong if detailed else "")
        for name, wrong in found.items()
    }
    state = State.FAILED if any(found.values()) else State.DRAINING if readiness.draining else State.OK
    made = Health(status=state, components=components)
    return answer(made, 200 if state is State.OK else 503, headers=_FRESH)


async def _administers(caller: Caller, runtime: Runtime) -> bool:
    """Whether to tell details; who may not is not refused, only told less."""
    if not (caller.known and caller.opens(Permission.ADMIN.value) and caller.principal.kind is ActorKind.USER):
        return False
    try:
        rights = await runtime.store.read(lambda tx: rights_of(tx, caller.principal.id, workspace=caller.workspace))
    except RemitError:
        return False
    return may(rights, Permission.ADMIN)
