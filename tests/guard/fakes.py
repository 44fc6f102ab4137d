"""Small stand-ins round the guard: adapters that do as told, a clock moved by hand, a journal that fails."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Table, create_engine, select

from remit.accounts import tables as accounts_tables
from remit.accounts.owner import create_local_owner
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.guard import tables as guard_tables
from remit.guard.approval_terms import UNASKED, ApprovalTerms
from remit.guard.breaker import Numbers
from remit.guard.guard import Guard
from remit.guard.permit import Terms
from remit.guard.retry import Patience
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, SystemClock
from remit.kernel.effects import Deploy, Durability, Effect, Tool
from remit.kernel.errors import Conflict, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.permits import CURRENT
from remit.kernel.tables import METADATA
from remit.redact.redactor import Redactor

WORKSPACE = "acme"
NO_RULES = "use: []\n"  # so that tests of other checks need no evidence; SHIPPED puts the shipped sets in force
OWNER = Principal(ActorKind.USER, "ada")
CODER = Principal(ActorKind.AGENT, "coder")
KINDS = ("files", "command", "fetch", "model", "tool", "deploy", "order", "publish", "notify")

type Move = Outcome | BaseException | Callable[[Action], Awaitable[Outcome]]


class HandClock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Script:
    """An adapter that makes the given moves, one for each call, and the last one for ever."""

    moves: list[Move] = field(default_factory=lambda: [Outcome(ok=True, value={"done": True}, text="done")])
    calls: list[Action] = field(default_factory=list)
    permits: list[str | None] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def perform(self, action: Action) -> Outcome:
        self.calls.append(action)
        self.called.set()
        self.permits.append(CURRENT.get())
        move = self.moves.pop(0) if len(self.moves) > 1 else self.moves[0]
        if isinstance(move, BaseException):
            raise move
        if isinstance(move, Outcome):
            return move
        return await move(action)


class FailingJournal:
    """The real store, but operations of the names in ``failing`` (and reads, as ``read``) fail as a lost disk would."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failing: set[str] = set()
        self.lost: set[str] = set()  # of those that run ahead of their commit: it fails when they have run
        self.commit_s = 0.0  # what such a commit takes longer
        self.names: list[str] = []

    def _check(self, name: str) -> None:
        if name in self.failing:
            message = "the disk is gone"
            raise Unavailable(message, code="store.gone")

    def submit[T](
        self, name: str, op: Callable[[Any], T], *, durable: Durability = Durability.COMMIT, patient: bool = False
    ) -> Future[T]:
        self.names.append(name)
        self._check(name)
        return self.store.submit(name, op, durable=durable, patient=patient)

    async def commit[T](self, name: str, op: Callable[[Any], T], *, durable: Durability = Durability.COMMIT) -> T:
        self.names.append(name)
        self._check(name)
        return await self.store.commit(name, op, durable=durable)

    async def ahead[T](self, name: str, op: Callable[[Any], T]) -> asyncio.Future[T]:
        self.names.append(name)
        self._check(name)
        told: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if name in self.lost:
            told.set_exception(Unavailable("the disk is gone", code="store.gone"))
            return told
        committed = await self.store.ahead(name, op)
        tell = partial(committed.add_done_callback, lambda done: told.set_result(done.result()))
        told.get_loop().call_later(self.commit_s, tell)
        return told

    async def read[T](self, op: Callable[[Any], T]) -> T:
        self._check("read")
        return await self.store.read(op)


@dataclass
class World:
    """A store with an owner, and a guard over scripted adapters."""

    store: Store
    journal: FailingJournal
    adapter: Script
    redactor: Redactor
    clock: Clock
    guard: Guard
    waits: list[float]

    def rows(self, table: Table = guard_tables.ACTION) -> list[Mapping[str, Any]]:
        """Every row of a table."""
        return self.store.view(lambda tx: tx.rows(select(table)))

    def states(self) -> list[str]:
        """The states of all actions, oldest first."""
        return [row["state"] for row in sorted(self.rows(), key=lambda row: row["id"])]

    def audit(self, action: str = "") -> list[query.Record]:
        """The audit entries of the workspace, all or those of one action name."""
        wanted = query.Filter(workspace=WORKSPACE, action=action, limit=10_000)
        return self.store.view(lambda tx: query.find(tx, wanted))

    async def settled(self) -> None:
        """Wait until everything queued is committed."""
        await self.store.commit("guard.settle", lambda _tx: None)


def make_store(folder: Path) -> SqliteStore:
    """A migrated store with every table of the rooms under test."""
    path = folder / "remit.db"
    signer = create_key(folder / "audit.key")
    store = SqliteStore(path, [signer], heads=folder / "heads.log")
    store.migrate()
    assert accounts_tables.AGENT.metadata is METADATA is guard_tables.ACTION.metadata
    engine = create_engine(f"sqlite:///{path}")
    METADATA.create_all(engine)
    engine.dispose()
    return store


async def make_world(
    store: Store,
    *,
    clock: Clock | None = None,
    numbers: Numbers | None = None,
    patience: Patience | None = None,
    kinds: tuple[str, ...] = KINDS,
    rules: str = NO_RULES,
    approvals: ApprovalTerms = UNASKED,
) -> World:
    """A world on ``store``; waits between tries are noted, not slept; a person is asked only when the terms say so."""
    clock = clock or SystemClock()
    journal = FailingJournal(store)
    adapter = Script()
    redactor = Redactor(b"tests only: 16 bytes or more")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    guard = Guard(
        journal,
        dict.fromkeys(kinds, adapter),
        redactor=redactor,
        clock=clock,
        rand=lambda: 0.0,
        terms=Terms(patience=patience or Patience(), sleep=sleep),
        numbers=numbers,
        approvals=approvals,
    )
    await create_local_owner(journal, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=clock)
    with suppress(Conflict):  # a second world on the same store
        await save(store, rules, workspace=WORKSPACE, name="rules.yaml", reason="test", by=OWNER, clock=SystemClock())
    journal.names.clear()
    return World(store, journal, adapter, redactor, clock, guard, waits)


def act(
    effect: Effect | None = None,
    *,
    principal: Principal = OWNER,
    origin: Principal = OWNER,
    mission: str = "m1",
    key: str = "",
    estimate: Money = ZERO,
) -> Action:
    """An action with an id of its own."""
    return Action(
        id=new_id(),
        effect=effect or Tool("echo", {"text": "hello"}),
        principal=principal,
        on_behalf_of=origin,
        workspace=WORKSPACE,
        mission=mission,
        step="s1",
        effect_key=key,
        estimate=estimate,
    )


def deploy() -> Deploy:
    """An effect that can't be repeated."""
    return Deploy("production", {"image": "app:1"})
