"""A console that really listens, in a thread of this process, over a real home that use cases have filled."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from remit.accounts.agents import Agent, register_agent
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.guard.approval_rows import unfinished
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Effect, Fetch, Order, Publish, Tool
from remit.kernel.errors import ApprovalPending
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money, usd
from remit.kernel.ports import Preview
from remit.serve.api.app import api_of
from remit.serve.console.app import console_of
from remit.serve.console.page import Page
from remit.serve.console.pages import PAGES
from remit.serve.edge.edge import Edge
from remit.serve.edge.identity import EVERY_SCOPE
from remit.settings import Settings

WORKSPACE = "harbour"
PACK = "tests.console.works:PACK"
PEOPLE = {"ada": Role.OWNER, "ines": Role.ADMIN, "priya": Role.ADMIN, "tomas": Role.MEMBER, "vera": Role.VIEWER}


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom sign-in knows."""

    principal: Principal
    workspace: str
    scopes: frozenset[str]
    session: str


class Sessions:
    """Sign-in by session tokens that name whose they are: everything else of the edge is the real one."""

    async def session(self, token: str, *, address: str) -> Known | None:
        del address
        name = token.removeprefix("session-of-")
        known = name in PEOPLE and name != token
        return Known(Principal(ActorKind.USER, name), WORKSPACE, EVERY_SCOPE, token) if known else None

    async def key(self, token: str, *, address: str) -> Known | None:
        """``key-of-NAME-to-SCOPE``: a key that opens that one scope."""
        del address
        name, _, scope = token.removeprefix("key-of-").partition("-to-")
        known = name in PEOPLE and scope in EVERY_SCOPE
        return Known(Principal(ActorKind.USER, name), WORKSPACE, frozenset({scope}), token) if known else None

    async def access(self, token: str, *, address: str) -> Known | None:
        del token, address
        return None


class Both:
    """The API and the console behind one edge, by path."""

    def __init__(self, api: Any, console: Any) -> None:
        self._api, self._console = api, console

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        which = self._api if scope["path"].startswith("/api/") else self._console
        await which(scope, receive, send)


#: As much as tests ask for.
PLENTY: Mapping[str, Any] = dict.fromkeys(
    ("api_per_minute", "api_per_hour", "console_per_minute", "console_per_hour"), 1_000_000
)


@dataclass
class Looking:
    """An adapter of a test that can be looked ahead of: what it would do is given, and it does nothing."""

    seen: Preview
    calls: list[Action] = field(default_factory=list)
    cost: Money = ZERO

    async def perform(self, action: Action) -> Outcome:
        self.calls.append(action)
        return Outcome(ok=True, value={"done": True}, text="done", cost=self.cost)

    async def preview(self, action: Action) -> Preview:
        del action
        return self.seen


DIFF = """--- a/strategy.yaml
+++ b/strategy.yaml
@@ -17,6 +17,6 @@ risk:
   max_leverage: 1.0
-  position_pct: 12.0
+  position_pct: 8.4
   stop_loss_pct: 4.05
-mode: paper
+mode: real
"""
ORDER = Preview(
    diff=DIFF,
    summary="Buys 420 IDX-EU50 at no more than 86.40, good for today.\nA stop at 82.90 is placed with it.",
    simulation={"paths": 5000, "days": 20, "seed": 11, "p05_pct": -3.5, "median_pct": 1.1, "p95_pct": 5.7},
    links=("reports/walk-forward.html",),
)


class Served:
    """What tests have of it: its address, the runtime in it, and a way to ask things of agents."""

    pages: Sequence[Page] = PAGES

    def __init__(self, home: Path, furnish: Callable[[Served], Awaitable[None]] | None = None, **more: Any) -> None:
        self.settings = Settings(home=home, workspace=WORKSPACE, owner="ada", **{**PLENTY, **more})
        self.order = Looking(ORDER)
        self.publish = Looking(Preview(summary="Harbour fog, teaser, 24 s", links=("assets/fog.mp4",)))
        self.deploy = Looking(Preview(summary="Replaces release 7 by release 8.", diff=DIFF))
        self.tool = Looking(Preview(), cost=usd("1.37"))
        self.url = ""
        self._furnish = furnish
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self.runtime: Runtime
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> Served:
        self._thread.start()
        self._ready.wait(90)
        if self._failed is not None:
            raise self._failed
        assert self.url, "the console did not start"
        return self

    def stop(self) -> None:
        self.run(lambda _: self.hub.close())
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "the console did not stop"

    def run[T](self, work: Callable[[Runtime], Awaitable[T]]) -> T:
        """Do something in the console's own loop."""

        async def done() -> T:
            return await work(self.runtime)

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(60)

    def waiting(self) -> list[str]:
        """The ids of requests that wait, oldest first."""
        found = self.run(lambda runtime: runtime.store.read(lambda tx: unfinished(tx, WORKSPACE)))
        return [one.id for one in found if one.status == "pending"]

    def ask_something(self) -> str:
        """Have an agent ask for something new."""
        return self.ask(Fetch(f"https://records.health-board.gov/list?{new_id()}"), agent="quill", by="priya")

    def ask(self, effect: Effect, **more: Any) -> str:
        """Have an agent ask for an effect that needs a person; the request's id."""
        return self.run(lambda _: self.asked(effect, **more))

    async def asked(
        self,
        effect: Effect,
        *,
        agent: str = "broker",
        by: str = "tomas",
        mission: str = "",
        step: str = "",
        estimate: Money | None = None,
    ) -> str:
        action = Action(
            id=new_id(),
            effect=effect,
            principal=Principal(ActorKind.AGENT, agent),
            on_behalf_of=Principal(ActorKind.USER, by),
            workspace=WORKSPACE,
            mission=mission,
            step=step,
            effect_key=f"test/{new_id()}",
            estimate=usd("0.74") if estimate is None else estimate,
        )
        try:
            await self.runtime.guard.run(action)
        except ApprovalPending as pending:
            return pending.approval_id
        message = "nobody was asked"
        raise AssertionError(message)

    async def mission(self, how: str, *, by: str = "tomas", run: bool = True) -> str:
        """A mission that ends as ``how`` says (``works``), run here and now, or left in the queue; its id."""
        runtime, who = self.runtime, Principal(ActorKind.USER, by)
        queue = None if run else True
        made = await runtime.missions.create(
            WORKSPACE, PACK, how.encode(), name=f"{how}.txt", originator=who, queue=queue
        )
        if run:
            await runtime.missions.run(WORKSPACE, made)
        return made

    async def spend(self, *, agent: str = "lantern", by: str = "ines") -> None:
        """Have an agent do something that costs $1.37."""
        action = Action(
            id=new_id(),
            effect=Tool("render", {"frame": new_id()}),
            principal=Principal(ActorKind.AGENT, agent),
            on_behalf_of=Principal(ActorKind.USER, by),
            workspace=WORKSPACE,
            estimate=usd("1.37"),
        )
        await self.runtime.guard.run(action)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._failed = error
            raise
        finally:
            self._ready.set()

    async def _main(self) -> None:
        await prepare_home(self.settings)
        async with open_runtime(self.settings, adapters=self.adapters(), pack=PACK) as runtime:
            self.runtime = runtime
            self.loop = asyncio.get_running_loop()
            await self.people()
            await runtime.start()
            if self._furnish is not None:
                await self._furnish(self)
            await asyncio.to_thread(runtime.store.seal)
            # Named TCP: else asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            api = api_of(runtime)
            self.hub = api.state.live
            console = console_of(runtime, pages=self.pages, responses=api.state.responses)
            app = Edge(Both(api, console), runtime, sign_in=Sessions(), pages=True)
            self._server = uvicorn.Server(
                uvicorn.Config(
                    app, http="httptools", lifespan="off", loop="none", log_config=None, access_log=False, ws="none"
                )
            )
            serving = asyncio.create_task(self._server.serve(sockets=[listener]))
            while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._ready.set()
            await serving

    def adapters(self) -> dict[str, Any]:
        """What stands in for the outside world."""
        return {"order": self.order, "publish": self.publish, "deploy": self.deploy, "tool": self.tool}

    async def people(self) -> None:
        """The people and agents of the house, and no rules that would want evidence."""
        runtime = self.runtime
        who, clock, store = runtime.owner, runtime.clock, runtime.store
        for name, role in PEOPLE.items():
            if name != who.id:
                await add_user(store, Person(WORKSPACE, name, name, role=role), by=who, clock=clock)
        text = "use: []\n"
        await save(store, text, workspace=WORKSPACE, name="rules.yaml", reason="test", by=who, clock=clock)
        kinds = frozenset({"order", "publish", "fetch", "deploy", "model", "tool"})
        for name in ("broker", "lantern", "quill", "mason"):
            agent = Agent(WORKSPACE, name, who.id, kind="worker", effects=kinds, tools=frozenset({"render"}))
            await register_agent(store, agent, by=who, clock=clock)
        await runtime.guard.register.refresh(WORKSPACE)


async def three_requests(served: Served) -> None:
    """An order, an asset and a fetch that wait."""
    await served.asked(
        Order(
            "broker-gateway",
            {
                "mode": "real", "instrument": "IDX-EU50", "side": "buy", "quantity": 420, "account": "4417",
                "limit_price_micros": 86_400_000, "stop_price_micros": 82_900_000, "time_in_force": "day",
            },
        )
    )  # fmt: skip
    await served.asked(
        Publish("film-channel", {"asset": "harbour-fog", "sha256": "e2" * 32}),
        agent="lantern", by="ines", estimate=usd("6.42"),
    )  # fmt: skip
    await served.asked(Fetch("https://health-board.gov/register"), agent="quill", by="priya", estimate=usd("0.12"))
