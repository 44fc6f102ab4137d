"""The API as it really listens: on loopback, over a real store, with clients for everybody whom it knows."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import select
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from remit.accounts.agents import Agent, register_agent
from remit.accounts.api_keys import create_api_key, list_api_keys, revoke_api_key
from remit.accounts.entrance import Visit
from remit.accounts.key_orders import create_key
from remit.accounts.keys import Key
from remit.accounts.people import Person, add_user, read_people
from remit.accounts.plans import PlanName
from remit.accounts.roles import Permission, Role
from remit.accounts.sessions import Begun, How, SessionKind, begin_session, new_cookie
from remit.accounts.sign_in_tokens import digest_of
from remit.accounts.teams import Team, create_team, set_member
from remit.accounts.workspaces import set_plan
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.kernel.action import ActorKind, Principal
from remit.serve.api.app import Served
from remit.serve.edge.asgi import App
from remit.serve.listening import listen
from remit.serve.live.hub import Hub
from remit.serve.mcp.late import LateTools
from remit.settings import Settings

WORKSPACE = "default"
EVERY = frozenset(permission.value for permission in Permission)

#: Everybody, and their role in the workspace. `stranger` has none: they are of the team `other` alone.
PEOPLE: Mapping[str, Role | None] = {
    "owner": Role.OWNER,
    "admin": Role.ADMIN,
    "member": Role.MEMBER,
    "viewer": Role.VIEWER,
    "stranger": None,
}


#: An end of waiting for what a busy machine takes its time with, and no limit to keep.
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def __str__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body[:2000]!r}"


class Client:
    """Asks as somebody. One connection, kept open; not for several threads at once."""

    def __init__(self, url: str, token: str = "", **headers: str) -> None:
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.port = int(port)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            self.headers["authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, json: object = None, *, body: bytes = b"", **headers: str) -> Reply:
        """One request. Names of headers have `_` for `-`."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        if json is not None:
            body = orjson.dumps(json)
            more.setdefault("content-type", "application/json")
        if self._was_let_go():
            self.close()
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            self._connection.request(method, path, body=body or None, headers=self.headers | more)
            answer = self._connection.getresponse()
        except OSError:
            self.close()
            raise
        reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        if answer.will_close:
            self.close()
        return reply

    def _was_let_go(self) -> bool:
        """Whether the server has closed the connection, as it does with one on which nothing is asked for seconds."""
        kept = self._connection.sock if self._connection is not None else None
        return kept is not None and bool(select.select([kept], [], [], 0)[0])

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, json: object = None, **headers: str) -> Reply:
        return self.ask("POST", path, json, **headers)

    def patch(self, path: str, json: object = None, **headers: str) -> Reply:
        return self.ask("PATCH", path, json, **headers)

    def put(self, path: str, json: object = None, **headers: str) -> Reply:
        return self.ask("PUT", path, json, **headers)

    def delete(self, path: str, **headers: str) -> Reply:
        return self.ask("DELETE", path, **headers)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Api:
    """What tests have of it: where it listens, the runtime in it, a client for everybody."""

    def __init__(
        self,
        settings: Settings,
        *,
        console: App | None = None,
        pack: str = "tests.api.quick:PACK",
        engine: bool = False,
        worker: bool = False,
    ) -> None:
        self.settings = settings
        self.console = console
        self.pack = pack
        self.engine = engine or worker  # one in a process: DBOS allows no more
        self.worker = worker
        self.finished = ""
        self._keys: dict[tuple[str, frozenset[str]], str] = {}
        self.url = ""
        self.agent_key = ""
        self.runtime: Runtime
        self.served: Served
        self.loop: asyncio.AbstractEventLoop
        self._clients: dict[str, Client] = {}
        self._opened: list[Client] = []
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._made = 0

    # ------------------------------------------------------------------------------------------------------ clients

    def client(self, who: str) -> Client:
        """`owner`, `admin`, `member`, `viewer`, `stranger`, `agent` (by its virtual key) or `nobody`."""
        if who not in self._clients:
            token = {"nobody": "", "agent": self.agent_key}.get(who)
            self._clients[who] = self.open(self.key(who) if token is None else token)
        return self._clients[who]

    def open(self, token: str = "", **headers: str) -> Client:
        """A client with a connection of its own, closed at the end."""
        made = Client(self.url, token, **headers)
        self._opened.append(made)
        return made

    @property
    def owner(self) -> Client:
        return self.client("owner")

    def limited(self, who: str, *scopes: str) -> Client:
        """Somebody with a key that opens only this."""
        return self.open(self.key(who, frozenset(scopes)))

    def key(self, who: str, scopes: frozenset[str] = EVERY) -> str:
        """Somebody's API key."""
        if (who, scopes) not in self._keys:
            by = Principal(ActorKind.USER, who)
            made = self.do(
                lambda: create_api_key(self.runtime.entrance, "of a test", workspace=WORKSPACE, by=by, scopes=scopes)
            )
            self._keys[who, scopes] = made.token
        return self._keys[who, scopes]

    def revoke(self, token: str) -> None:
        """End a key."""
        (who, scopes) = next(held for held, known in self._keys.items() if known == token)
        del self._keys[who, scopes]
        by = Principal(ActorKind.USER, who)
        entrance = self.runtime.entrance
        there = self.do(lambda: list_api_keys(entrance, workspace=WORKSPACE, by=by))
        (which,) = [each.id for each in there if each.begins in token and each.revoked_us is None]
        self.do(lambda: revoke_api_key(entrance, which, workspace=WORKSPACE, by=by))

    def session(self, who: str) -> str:
        """The cookie of a new console session of somebody who signed in."""
        entrance = self.runtime.entrance
        cookie = new_cookie(entrance)
        begun = Begun(WORKSPACE, who, SessionKind.CONSOLE, How.PASSWORD, strong=False, limited=False, visit=Visit())
        now = entrance.now_us()

        async def begin() -> None:
            await self.runtime.store.commit(
                "sign_in.session",
                lambda tx: begin_session(
                    tx, begun, token_hash=digest_of(cookie), at_us=now, expires_us=now + 3_600_000_000
                ),
            )

        self.do(begin)
        return cookie

    def name(self, word: str) -> str:
        """A name that was not used yet."""
        self._made += 1
        return f"{word}-{self._made}"

    def do[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in the server's own loop."""

        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE_S)

    # ------------------------------------------------------------------------------------------------------ running

    def start(self) -> Api:
        self._thread.start()
        self._ready.wait(PATIENCE_S)
        if self._failed is not None:
            raise self._failed
        assert self.url, "the API did not start"
        return self

    def stop(self) -> None:
        for client in self._opened:
            client.close()
        self.do(self.hub.close)
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the API did not stop"

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - told to who waits for the start
            self._failed = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        await prepare_home(self.settings)
        async with open_runtime(self.settings, pack=self.pack) as self.runtime:
            self.loop = asyncio.get_running_loop()
            await self._furnish()
            if self.engine:
                await self.runtime.start(worker=self.worker)
            app = self.served = Served(self.runtime, console=self.console, tools=LateTools(self.runtime))
            self.hub: Hub = app.api.state.live
            listener = listen("127.0.0.1", 0, anywhere=False, command="up")
            self._server = uvicorn.Server(
                uvicorn.Config(
                    app,  # pyright: ignore[reportArgumentType]
                    http="httptools",
                    ws="websockets-sansio",
                    timeout_keep_alive=60,  # a busy machine may take its time between two requests
                    lifespan="off",
                    log_config=None,
                    server_header=False,
                    proxy_headers=False,
                )
            )
            serving = asyncio.create_task(self._server.serve(sockets=[listener]))
            while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._ready.set()
            await serving

    async def _furnish(self) -> None:
        """People of every role, a team of theirs and one that is not, an agent with a key."""
        runtime = self.runtime
        who, clock, store = runtime.owner, runtime.clock, runtime.store
        if "admin" in await store.read(lambda tx: read_people(tx, WORKSPACE)):
            return  # a home that is there
        await set_plan(store, PlanName.ENTERPRISE, workspace=WORKSPACE, by=who)  # as many people as tests make
        for user, role in PEOPLE.items():
            if user != "owner":
                person = Person(WORKSPACE, user, user.title(), f"{user}@example.org", role)
                await add_user(store, person, by=who, clock=clock)
        await create_team(store, Team(WORKSPACE, "house", "The house"), by=who, clock=clock)
        for user in ("admin", "member", "viewer"):
            role = PEOPLE[user]
            assert role is not None
            await set_member(store, user, team="house", workspace=WORKSPACE, by=who, role=role, clock=clock)
        await create_team(store, Team(WORKSPACE, "other", "The others"), by=who, clock=clock, owner="stranger")
        agent = Agent(WORKSPACE, "laptop", who.id, kind="client", effects=frozenset({"model"}))
        await register_agent(store, agent, by=who, clock=clock)
        key = Key(WORKSPACE, "first", "laptop", who.id)
        self.agent_key = await create_key(store, key, by=who, clock=clock, rand=secrets.token_bytes)


#: As much as tests ask for; those about limits set their own.
PLENTY: Mapping[str, Any] = {
    "api_per_minute": 1_000_000,
    "api_per_hour": 1_000_000,
    "key_per_minute": 1_000_000,
    "key_per_hour": 1_000_000,
}


@contextmanager
def serving(
    home: Path, *, console: App | None = None, engine: bool = False, worker: bool = False, **settings: Any
) -> Iterator[Api]:
    """The API on a home of its own (or one that is there)."""
    wanted = Settings(home=home, **{**PLENTY, "deploy_roots": str(home.parent), **settings})
    made = Api(wanted, console=console, engine=engine, worker=worker).start()
    try:
        yield made
    finally:
        made.stop()
