"""Events of telemetry about requests: which endpoint or page was asked, how that ended, how long it took. By nobody.

Costs nothing while the switch is off but to look whether it is, once a second. While it is on, an event goes with the
store's next batch, and nobody waits for it. An address is told by its route, never by what it names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress

from remit.accounts.telemetry import Switch, read_switches
from remit.accounts.telemetry_events import Event, Kind, record
from remit.bootstrap import Runtime
from remit.kernel.clock import micros_of
from remit.kernel.errors import RemitError
from remit.kernel.ports import Tx
from remit.serve.edge.asgi import App, Message, Receive, Scope, Send
from remit.serve.edge.identity import Caller

LOOK_S = 1.0
MOST_WORKSPACES = 1000
NOWHERE = "(no such address)"
_FAULT = 400  # and above: an error
_NAMED = re.compile(r"\{(\w+)(:path)?\}")


class Routes:
    """Routes by their method and how many parts they have: what finds the one that an address is of."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self._by: dict[tuple[str, int], list[tuple[re.Pattern[str], str]]] = {}
        for method, path in routes:
            pattern = re.compile(
                "".join(
                    re.escape(part) if place % 3 == 0 else ("" if place % 3 == 2 else "[^/]+")  # noqa: PLR2004
                    for place, part in enumerate(_NAMED.split(path))
                )
            )
            self._by.setdefault((method, path.count("/")), []).append((pattern, f"{method} {path}"))

    def name(self, method: str, path: str) -> str:
        """The route's name; ``NOWHERE``: it is of none."""
        path = path.removesuffix(".json") or "/"
        found = [name for pattern, name in self._by.get((method, path.count("/")), ()) if pattern.fullmatch(path)]
        # /missions/new is a page of its own, though /missions/{id} would have it too.
        return min(found, key=lambda name: name.count("{"), default=NOWHERE)


class Recording:
    """Passes requests on, and records what came of them while the switch is on.

    Args:
        runtime: The open Remit.
        routes: What can be asked, by method and path.
    """

    def __init__(self, runtime: Runtime, routes: Iterable[tuple[str, str]]) -> None:
        self._runtime = runtime
        self._routes = Routes(routes)
        self._on: dict[str, tuple[bool, float]] = {}

    async def __call__(self, app: App, surface: str, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        caller: Caller | None = scope.get("state", {}).get("caller")
        known = scope["type"] == "http" and caller is not None and caller.known
        if caller is None or not known or not await self._is_on(caller.workspace):
            await app(scope, receive, send)
            return
        began, first, status = time.perf_counter(), 0.0, 500

        async def told(message: Message) -> None:
            nonlocal first, status
            if message["type"] == "http.response.start":
                first, status = time.perf_counter(), message["status"]
            await send(message)

        method, path = scope["method"], scope["path"]
        try:
            await app(scope, receive, told)
        finally:
            took = (first or time.perf_counter()) - began
            self._note(caller.workspace, surface, self._routes.name(method, path), status, took)

    def _note(self, workspace: str, surface: str, name: str, status: int, took: float) -> None:
        runtime = self._runtime
        kind = Kind.ERROR if status >= _FAULT else Kind.FEATURE
        event = Event(
            kind, surface, name, str(status), round(took * 1_000_000), at_us=micros_of(runtime.clock.now())
        )  # fmt: skip

        def op(tx: Tx) -> None:
            record(tx, workspace, event, runtime.settings)

        with suppress(RemitError):  # the store is being closed: no request fails for its event
            runtime.store.submit("telemetry.event", op, patient=True)

    async def _is_on(self, workspace: str) -> bool:
        now = self._runtime.clock.monotonic()
        on, until = self._on.get(workspace, (False, 0.0))
        if now < until:
            return on
        settings = self._runtime.settings
        try:
            switches = await self._runtime.store.read(lambda tx: read_switches(tx, workspace, settings))
        except RemitError:
            return False
        if len(self._on) >= MOST_WORKSPACES:
            self._on.clear()
        self._on[workspace] = switches[Switch.TELEMETRY].on, now + LOOK_S
        return switches[Switch.TELEMETRY].on
