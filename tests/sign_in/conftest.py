import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from remit.accounts.entrance import Entrance, Visit
from remit.accounts.links import make_link, use_link
from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.accounts.sessions import SessionKind
from remit.accounts.sign_in_tables import SESSION
from remit.accounts.signing_in import Challenge, Signed, sign_in
from remit.adapters.identity.hashing import ArgonHasher
from remit.adapters.identity.wiring import make_entrance
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import RateLimited
from remit.settings import Settings, load

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

OWNER = Principal(ActorKind.USER, "ada")
HOME_KEY = secrets.token_bytes(32)
GOOD = "three quiet lanterns drift"
OTHER = "seven loud kettles dance"
HERE = Visit("192.0.2.7", "Firefox on a test")
THERE = Visit("198.51.100.9", "curl")


class HandClock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class CountingHasher(ArgonHasher):
    """The real one with little memory, that tells how much it worked."""

    def __init__(self) -> None:
        super().__init__(memory_kib=64)
        self.done = 0

    def hold(self) -> threading.Event:
        """Keep every thread busy until the event is set."""
        over = threading.Event()
        self._pool = self._pool or ThreadPoolExecutor(self._threads)
        for _ in range(self._threads):
            self._pool.submit(over.wait, 60)
        return over

    async def hash(self, password: str) -> str:
        self.done += 1
        return await super().hash(password)

    async def verify(self, stored: str, password: str) -> bool:
        self.done += 1
        return await super().verify(stored, password)


def settings_for(tmp_path: Path, **flags: object) -> Settings:
    home = {"home": str(tmp_path), "workspace": "acme", "owner": "ada"}
    return load(flags={**home, **flags}, environ={}, folder=tmp_path, user_file=tmp_path / "none.toml")[0]


@dataclass
class Gate:
    """A workspace ``acme`` that Ada owns, with Bob (admin), Mia (member), Vera (viewer), and the way in."""

    entrance: Entrance
    store: Any
    clock: HandClock
    hasher: CountingHasher
    settings: Settings

    def other(self, store: Any = None, **flags: object) -> Entrance:
        """The same gate in another process, or under other settings."""
        settings = settings_for(self.settings.home, **flags)
        journal = store or self.store
        return make_entrance(settings, journal, home_key=HOME_KEY, clock=self.clock, hasher=self.hasher)

    async def password(self, user: str, password: str = GOOD) -> None:
        """Give somebody a password, as people get theirs."""
        link = await make_link(self.entrance, user, workspace="acme", by=OWNER, own=True)
        await use_link(self.entrance, link.token, password, visit=HERE)
        self.hasher.done = 0

    async def enter(
        self,
        user: str = "mia",
        password: str = GOOD,
        *,
        visit: Visit = HERE,
        kind: SessionKind = SessionKind.CONSOLE,
        entrance: Entrance | None = None,
    ) -> Signed:
        signed = await sign_in(entrance or self.entrance, user, password, workspace="acme", visit=visit, kind=kind)
        assert isinstance(signed, Signed), signed
        return signed

    async def challenge(self, user: str = "mia", password: str = GOOD) -> Challenge:
        found = await sign_in(self.entrance, user, password, workspace="acme", visit=HERE, kind=SessionKind.CONSOLE)
        assert isinstance(found, Challenge)
        return found

    async def outcome(self, user: str, password: str, *, visit: Visit = HERE) -> str:
        """``in``, or the code of the refusal."""
        try:
            await self.enter(user, password, visit=visit)
        except RateLimited as error:
            return error.code
        except Exception as error:  # noqa: BLE001 - told apart by its code
            return str(getattr(error, "code", repr(error)))
        return "in"

    def log(self, action: str) -> list[query.Record]:
        wanted = query.Filter("acme", action=action, limit=10_000)
        self.store.seal()
        return self.store.view(lambda tx: query.find(tx, wanted))

    def sessions(self, person: str) -> list[Any]:
        return self.store.view(lambda tx: tx.rows(select(SESSION).where(SESSION.c.person == person)))


async def furnish(store: Any, tmp_path: Path) -> Gate:
    clock, hasher = HandClock(), CountingHasher()
    await create_local_owner(store, workspace="acme", user="ada", name="Ada", clock=clock)
    for name, role in (("bob", Role.ADMIN), ("mia", Role.MEMBER), ("vera", Role.VIEWER)):
        await add_user(store, Person("acme", name, name.title(), f"{name}@example.com", role), by=OWNER, clock=clock)
    settings = settings_for(tmp_path)
    entrance = make_entrance(settings, store, home_key=HOME_KEY, clock=clock, hasher=hasher)
    return Gate(entrance, store, clock, hasher, settings)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    with SqliteStore(tmp_path / "x.db", [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log") as made:
        made.migrate()
        yield made


@pytest.fixture
async def gate(sqlite: Store, tmp_path: Path) -> Any:
    """On SQLite."""
    made = await furnish(sqlite, tmp_path)
    yield made
    made.hasher.close()


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    signer = create_key(tmp_path / "audit.key")
    first, second = (PostgresStore(postgres_url, [signer], heads=tmp_path / "heads.log") for _ in range(2))
    first.migrate()
    yield first, second
    second.close()
    first.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def gates(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A gate with a second process beside it, on each database."""
    if request.param == "sqlite":
        first = second = request.getfixturevalue("sqlite")
    else:
        first, second = request.getfixturevalue("pair")
    made = await furnish(first, tmp_path)
    yield made, made.other(second)
    made.hasher.close()
