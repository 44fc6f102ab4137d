from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

CLOCK = SystemClock()
OWNER = Principal(ActorKind.USER, "ada")


def person(name: str) -> Principal:
    return Principal(ActorKind.USER, name)


@dataclass
class Place:
    """A workspace ``acme`` that Ada owns, with Bob (admin), Mia (member), Vera (viewer) and Zoe (no role)."""

    store: Store
    others: list[Store]

    def log(self, action: str) -> list[query.Record]:
        wanted = query.Filter("acme", action=action, limit=10_000)
        self.store.seal()
        return self.store.view(lambda tx: query.find(tx, wanted))


async def furnish(store: Store) -> None:
    await create_local_owner(store, workspace="acme", user="ada", name="Ada", clock=CLOCK)
    for name, role in (("bob", Role.ADMIN), ("mia", Role.MEMBER), ("vera", Role.VIEWER), ("zoe", None)):
        await add_user(store, Person("acme", name, name.title(), f"{name}@example.com", role), by=OWNER, clock=CLOCK)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    with SqliteStore(tmp_path / "x.db", [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log") as made:
        made.migrate()
        yield made


@pytest.fixture
async def here(sqlite: Store) -> Place:
    """On SQLite."""
    await furnish(sqlite)
    return Place(sqlite, [])


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    signer = create_key(tmp_path / "audit.key")
    first, second = (PostgresStore(postgres_url, [signer], heads=tmp_path / "heads.log") for _ in range(2))
    first.migrate()
    yield first, second
    second.close()
    first.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest) -> Place:
    """On each database; on Postgres with a second worker."""
    if request.param == "sqlite":
        store: Store = request.getfixturevalue("sqlite")
        await furnish(store)
        return Place(store, [store])
    first, second = request.getfixturevalue("pair")
    await furnish(first)
    return Place(first, [second])
