"""A guard with a provider over a file backend, as ``bootstrap`` wires them; two on one store are two processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from remit.accounts.agents import Agent, read_agents, register_agent
from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.file import FileSecrets
from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.audit import query
from remit.guard.approval_terms import UNASKED, ApprovalTerms
from remit.guard.guard import Guard
from remit.guard.rules.revisions import save
from remit.guard.secrets_orders import Order, add_rule, put
from remit.guard.secrets_provider import Secrets
from remit.guard.secrets_rules import Allows, SecretRule
from remit.guard.secrets_sealing import Sealer
from remit.guard.tables import ACTION
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Command, Effect, Tool
from remit.kernel.errors import Conflict
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.redact.redactor import Redactor
from remit.testing.clock import ManualClock

from .conftest import KEY, some_value

WORKSPACE = "acme"
OWNER = Principal(ActorKind.USER, "ada")
MEMBER = Principal(ActorKind.USER, "mel")
CODER = Principal(ActorKind.AGENT, "coder")
SCOUT = Principal(ActorKind.AGENT, "scout")
KINDS = ("files", "command", "fetch", "model", "tool", "deploy", "order", "publish", "notify")


class Taker:
    """An adapter that resolves what it is asked with, as late as it can, and notes what it got."""

    def __init__(self) -> None:
        self.secrets: Secrets | None = None
        self.got: list[Json] = []
        self.actions: list[Action] = []
        self.text = "done"

    async def perform(self, action: Action) -> Outcome:
        self.actions.append(action)
        assert self.secrets is not None
        match action.effect:
            case Command(env=env):
                self.got.append(self.secrets.resolve_tree(action, dict(env)))
            case Tool(arguments=arguments):
                self.got.append(self.secrets.resolve_tree(action, dict(arguments)))
            case _:
                self.got.append(None)
        return Outcome(ok=True, value={"said": self.text}, text=self.text)


@dataclass
class World:
    """One process: a guard, its provider, the adapter."""

    store: Store
    guard: Guard
    secrets: Secrets
    backend: FileSecrets
    adapter: Taker
    redactor: Redactor
    clock: Any

    def order(self, by: Principal = OWNER) -> Order:
        return Order(self.store, self.secrets, Sealer(KEY), by, self.clock, 365, self.redactor.mask)

    async def set(self, name: str, value: str = "") -> str:
        text = value or some_value()
        await put(self.order(), name, text, reason="test")
        return text

    async def allow(self, secret: str, **patterns: str) -> None:
        await self.rule(Allows.ALLOW, secret, **patterns)

    async def deny(self, secret: str, **patterns: str) -> None:
        await self.rule(Allows.DENY, secret, **patterns)

    async def rule(self, allows: Allows, secret: str, **patterns: str) -> None:
        await add_rule(self.order(), SecretRule(allows, secret, **patterns), reason="test")
        await self.guard.register.refresh(WORKSPACE)

    def rows(self, table: Table = ACTION) -> list[Mapping[str, Any]]:
        return self.store.view(lambda tx: tx.rows(select(table)))

    def audit(self, action: str = "") -> list[query.Record]:
        wanted = query.Filter(workspace=WORKSPACE, action=action, limit=10_000)
        return self.store.view(lambda tx: query.find(tx, wanted))

    def everything(self) -> str:
        """All that the store holds, as text."""
        from remit.adapters.store.schema import metadata

        told = [repr(self.rows(table)) for name, table in metadata().tables.items() if name != "secret_retired"]
        return " ".join(told) + repr([(record.header, record.payload) for record in self.audit()])


async def process(
    store: Store,
    folder: Path,
    *,
    clock: Any = None,
    keep_s: float = 300.0,
    approvals: ApprovalTerms = UNASKED,
) -> World:
    """A process on a store and a file of secrets."""
    clock = clock or SystemClock()
    redactor = Redactor(b"tests only: 16 bytes or more")
    backend = FileSecrets(folder / "secrets.json", KEY, clock=clock)
    cache = CachedSecrets(backend, monotonic=clock.monotonic, keep_s=keep_s)
    taker = Taker()
    guard = Guard(
        store,
        dict.fromkeys(KINDS, taker),
        redactor=redactor,
        clock=clock,
        rand=lambda: 0.0,
        approvals=approvals,
    )
    secrets = Secrets(cache, workspace=WORKSPACE, redactor=redactor, journal=store, clock=clock)
    guard.secrets = taker.secrets = secrets

    def known() -> Any:
        standing = guard.register.known(WORKSPACE)
        assert standing is not None
        return standing.secrets

    secrets.known = known
    return World(store, guard, secrets, backend, taker, redactor, clock)


async def make_world(folder: Path, *, url: str = "", **options: Any) -> World:
    """A store with an owner, a member, two agents and no rules of other kinds; and one process on it."""
    store = open_store(folder, url=url)
    clock = SystemClock()
    await create_local_owner(store, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=clock)
    try:
        await save(store, "use: []\n", workspace=WORKSPACE, name="r.yaml", reason="test", by=OWNER, clock=clock)
        await add_user(store, Person(WORKSPACE, MEMBER.id, "Mel", role=Role.MEMBER), by=OWNER, clock=clock)
    except Conflict:
        pass
    known = await store.read(lambda tx: read_agents(tx, WORKSPACE))
    for agent in (each for each in (CODER, SCOUT) if each.id not in known):
        made = Agent(
            workspace=WORKSPACE, name=agent.id, owner=OWNER.id, effects=frozenset(KINDS), tools=frozenset({"*"})
        )
        await register_agent(store, made, by=OWNER, clock=clock)
    return await process(store, folder, **options)


def command(**env: str) -> Command:
    return Command(("deploy-tool", "--quiet"), env=env)


def act(effect: Effect, *, by: Principal = CODER, mission: str = "m1", key: str = "") -> Action:
    return Action(
        id=new_id(),
        effect=effect,
        principal=by,
        on_behalf_of=OWNER,
        workspace=WORKSPACE,
        mission=mission,
        step="s1",
        effect_key=key,
    )


__all__ = ["ManualClock", "Taker", "World"]
