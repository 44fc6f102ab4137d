"""A gateway that really listens, in a thread of this process, before a provider that does as it is told."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from sqlalchemy import Table, select

from remit.accounts.agent_orders import AgentChange, update_agent
from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.gateway_policy import set_policy
from remit.accounts.key_orders import create_key, revoke_key
from remit.accounts.keys import Key, read_keys
from remit.accounts.kills import KillScope, Target, kill, unkill
from remit.accounts.tables import BUDGET
from remit.accounts.teams import Team
from remit.accounts.workspaces import create_workspace
from remit.audit import query
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.guard import tables as guard_tables
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import Status, recent
from remit.guard.breakers import Order, move
from remit.guard.permit import Terms
from remit.guard.rate_limits import Limit, Measure, Per
from remit.guard.rate_limits import set_limit as set_rate
from remit.guard.retry import Patience
from remit.guard.rules.revisions import save
from remit.kernel.money import usd
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.models.orders_listing import SetAlias, SetDeployment
from remit.serve.gateway.serving import configured
from remit.serve.gateway.wiring import gateway_of
from remit.serve.listening import listen
from remit.settings import Settings
from remit.testing.model_server import ModelServer

WORKSPACE = "default"
AGENT = "laptop"


class Gateway:
    """What tests have of it: where it listens, a key, the provider behind it, the runtime in it."""

    def __init__(self, settings: Settings, provider: ModelServer, *, limit: str = "1000", token: str = "") -> None:
        self.settings = settings
        self.provider = provider
        self.token = token
        self.url = ""
        self._limit = limit
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self.runtime: Runtime
        self.loop: asyncio.AbstractEventLoop

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"

    def start(self) -> Gateway:
        self._thread.start()
        self._ready.wait(60)
        if self._failed is not None:
            raise self._failed
        assert self.url, "the gateway did not start"
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "the gateway did not stop"

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
        async with open_runtime(self.settings) as self.runtime:
            self.loop = asyncio.get_running_loop()
            self.runtime.guard.terms = Terms(patience=Patience(tries=2, first_s=0.02, cap_s=1.0, cooldown_s=1.0))
            await self._furnish()
            await asyncio.to_thread(self.runtime.redactor.warm)
            listener = listen("127.0.0.1", 0, anywhere=False, command="up")
            self.app = gateway_of(self.runtime)
            self._server = uvicorn.Server(configured(self.app, self.settings))
            serving = asyncio.create_task(self._server.serve(sockets=[listener]))
            while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._ready.set()
            await serving

    async def _furnish(self) -> None:
        """Make a key and what it needs, in a home that has none."""
        runtime = self.runtime
        keys = await runtime.store.read(lambda tx: read_keys(tx, WORKSPACE))
        if keys:
            return
        who, clock, store = runtime.owner, runtime.clock, runtime.store
        agent = Agent(
            WORKSPACE, AGENT, who.id, kind="client", effects=frozenset({"model", "tool"}), tools=frozenset({"weather"})
        )
        await register_agent(store, agent, by=who, clock=clock)
        base = self.provider.url
        changes = (
            SetProvider(Provider(WORKSPACE, "openai", ProviderKind.OPENAI, f"{base}/v1"), plain_key=True),
            SetDeployment("house", "openai", "gpt-4o-mini"),
            SetAlias("quick", "openai/gpt-4o-mini"),
            SetProvider(Provider(WORKSPACE, "anthropic", ProviderKind.ANTHROPIC, f"{base}/v1"), plain_key=True),
        )
        await order(store, changes, workspace=WORKSPACE, by=who, clock=clock)
        await self.lift_tokens()
        self.token = await self.make_key("first")
        await self.budget(self._limit)

    async def make_key(self, name: str, **more: Any) -> str:
        key = Key(WORKSPACE, name, AGENT, self.runtime.owner.id, **more)
        return await create_key(
            self.runtime.store, key, by=self.runtime.owner, clock=self.runtime.clock, rand=secrets.token_bytes
        )

    async def furnish_other(self, workspace: str) -> str:
        """Another workspace with an agent, a provider and limits of its own; its key."""
        runtime = self.runtime
        who, clock, store = runtime.owner, runtime.clock, runtime.store
        team = Team(workspace, "crew", "Crew")
        await create_workspace(store, workspace, home=WORKSPACE, team=team, name=workspace, by=who, clock=clock)
        agent = Agent(workspace, AGENT, who.id, kind="client", effects=frozenset({"model"}))
        await register_agent(store, agent, by=who, clock=clock)
        provider = Provider(workspace, "openai", ProviderKind.OPENAI, f"{self.provider.url}/v1")
        await order(store, [SetProvider(provider, plain_key=True)], workspace=workspace, by=who, clock=clock)
        key = Key(workspace, "theirs", AGENT, who.id)
        return await create_key(store, key, by=who, clock=clock, rand=secrets.token_bytes)

    async def revoke(self, name: str) -> None:
        runtime = self.runtime
        await revoke_key(
            runtime.store, name, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock, reason="a test"
        )
        await asyncio.sleep(0.3)  # until no process knows it any more

    async def tools(self, *names: str) -> None:
        """What its agent may use, a provider's own tools as well."""
        runtime, change = self.runtime, AgentChange(tools=frozenset(names))
        await update_agent(runtime.store, AGENT, workspace=WORKSPACE, by=runtime.owner, change=change)
        await runtime.guard.register.refresh(WORKSPACE)

    async def key_budget(self, name: str, limit: str) -> None:
        await self.budget(limit, BudgetScope.KEY, name)

    async def key_rate(self, name: str, amount: int) -> None:
        runtime = self.runtime
        limit = Limit(f"test.{name}", Per.KEY, amount, 60, key=name)
        await set_rate(runtime.store, limit, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)
        await runtime.guard.register.refresh(WORKSPACE)

    async def lift_tokens(self) -> None:
        """As many tokens as tests need: what is shipped is for one agent's day."""
        runtime = self.runtime
        limit = Limit("model.tokens", Per.AGENT, 100_000_000, 86_400, measure=Measure.TOKENS)
        await set_rate(runtime.store, limit, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)
        await runtime.guard.register.refresh(WORKSPACE)

    async def list_model(self, name: str, *which: tuple[str, str]) -> None:
        """List deployments under a public name, in this order."""
        runtime = self.runtime
        changes = [SetDeployment(name, provider, model, order=at) for at, (provider, model) in enumerate(which)]
        await order(runtime.store, changes, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)
        runtime.models.catalogues.forget(WORKSPACE)

    async def rules(self, *each: str) -> None:
        """Put rules in force, none but these."""
        runtime = self.runtime
        text = "use: []\nrules:\n" + "".join(f"  - {{{rule}, message: 'a rule'}}\n" for rule in each)
        await save(
            runtime.store,
            text if each else "use: []\n",
            workspace=WORKSPACE,
            name="r.yaml",
            reason="a test",
            by=runtime.owner,
            clock=runtime.clock,
        )
        await runtime.guard.register.refresh(WORKSPACE)

    async def kill(self) -> None:
        runtime = self.runtime
        target = Target(KillScope.AGENT, AGENT)
        await kill(runtime.store, target, workspace=WORKSPACE, reason="a test", by=runtime.owner, clock=runtime.clock)

    async def unkill(self) -> None:
        runtime = self.runtime
        target = Target(KillScope.AGENT, AGENT)
        await unkill(runtime.store, target, workspace=WORKSPACE, reason="a test", by=runtime.owner, clock=runtime.clock)
        await runtime.guard.register.refresh(WORKSPACE)

    async def circuit(self, which: Order, *, opened: bool) -> None:
        """Move a circuit as a person does in another process: this one hears of it by reading alone."""
        runtime = self.runtime
        await move(runtime.store, which, opened=opened, reason="a test", by=runtime.owner, clock=runtime.clock)

    async def decide(self, *, approve: bool) -> str:
        """Decide about the one request that waits; its id."""
        runtime = self.runtime
        waiting: list[Any] = []
        while not waiting:
            found = await runtime.store.read(lambda tx: recent(tx, WORKSPACE))
            waiting = [request for request in found if request.status == Status.PENDING]
            await asyncio.sleep(0.02)
        await decide(
            runtime.store,
            waiting[0].id,
            workspace=WORKSPACE,
            by=runtime.owner,
            approve=approve,
            subject_hash=waiting[0].subject_hash,
            reason="a test",
            clock=runtime.clock,
            redactor=runtime.redactor,
        )
        return waiting[0].id

    async def budget(self, limit: str, scope: BudgetScope = BudgetScope.WORKSPACE, name: str = "") -> None:
        store = self.runtime.store
        await set_limit(store, scope, workspace=WORKSPACE, name=name, limit=usd(limit), by=self.runtime.owner)

    async def policy(self, **words: str) -> None:
        runtime = self.runtime
        await set_policy(runtime.store, words, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)
        await runtime.guard.register.refresh(WORKSPACE)

    def do[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in the gateway's own loop."""

        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def rows(self, table: Table = guard_tables.ACTION) -> list[Mapping[str, Any]]:
        self.do(lambda: self.runtime.store.commit("guard.settle", lambda _tx: None))
        return sorted(self.runtime.store.view(lambda tx: tx.rows(select(table))), key=lambda row: str(row.get("id")))

    def reserved(self) -> list[int]:
        return [row["reserved"] for row in self.rows(BUDGET)]

    def audits(self, action: str) -> list[str]:
        """What the entries of an action name are about."""
        wanted = query.Filter(workspace=WORKSPACE, action=action, limit=10_000)
        return [
            str(record.header.get("subject") or record.header.get("action_id") or record.seq)
            for record in self.runtime.store.view(lambda tx: query.find(tx, wanted))
        ]

    def settled(self, count: int, *, timeout_s: float = 10.0) -> list[Mapping[str, Any]]:
        """The actions, once there are so many and none is open."""
        waits = threading.Event()
        for _ in range(int(timeout_s / 0.05)):
            rows = self.rows()
            if len(rows) >= count and all(row["state"] != "open" for row in rows):
                break
            waits.wait(0.05)
        return self.rows()


@contextmanager
def gateway(folder: Path, provider: ModelServer, *, limit: str = "1000", **settings: Any) -> Iterator[Gateway]:
    """A gateway on a home of its own (or one that is there)."""
    made = Gateway(Settings(home=folder, **settings), provider, limit=limit).start()
    try:
        yield made
    finally:
        made.stop()


class Wire:
    """One connection to the gateway, byte by byte."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20)

    def send(
        self,
        path: str,
        body: bytes | dict[str, Any],
        *,
        token: str = "",
        method: str = "POST",
        size: int | None = None,
        **headers: str,
    ) -> Wire:
        """Send a request; names of headers have `_` for `-`. `size`: of the whole body, when this is its beginning."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        told = len(data) if size is None else size
        lines = [f"{method} {path} HTTP/1.1", "host: gateway", f"content-length: {told}"]
        if token:
            lines.append(f"authorization: Bearer {token}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        return self

    def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers."""
        self._file = self.socket.makefile("rb")
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def body(self, headers: Mapping[str, str]) -> bytes:
        """The whole body; fails when it is cut off."""
        if "content-length" in headers:
            data = self._file.read(int(headers["content-length"]))
            assert len(data) == int(headers["content-length"])
            return data
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """The chunks, as they come."""
        while True:
            size = int(self._file.readline(), 16)
            data = self._file.read(size)
            self._file.readline()
            if not size:
                return
            yield data

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = self.head()
        return status, headers, self.body(headers)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if hasattr(self, "_file"):
            self._file.close()
        self.socket.close()


def ask(url: str, path: str, body: bytes | dict[str, Any], **more: str) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    wire = Wire(url)
    try:
        return wire.send(path, body, **more).answer()
    finally:
        wire.close()
