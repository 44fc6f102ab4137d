"""What is kept of robots.txt, on each database: by workspace and origin, for a day, and no longer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.guard.fetching_robots import (
    KEPT_US,
    UNREACHABLE_US,
    Robots,
    RobotsFile,
    State,
    keep_robots,
    of_status,
    read_robots,
)
from remit.guard.fetching_tables import FETCH_ROBOTS
from remit.kernel.urls import read_url

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .world import store_in

__all__ = ["postgres_server", "postgres_url"]

NOW = 1_000_000_000_000_000


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        with store_in(tmp_path) as made:
            yield made
        return
    url: str = request.getfixturevalue("postgres_url")
    made = PostgresStore(url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    made.migrate()
    yield made
    made.close()


def says(store: Store, url: str, *, workspace: str = "acme", at: int = NOW) -> Robots:
    return store.view(lambda tx: read_robots(tx, read_url(url), workspace=workspace, agent="Remit", now_us=at))


def keep(store: Store, found: RobotsFile, *, at: int = NOW) -> None:
    asyncio.run(
        store.commit(
            "fetch.request", lambda tx: keep_robots(tx, "https://example.org", found, workspace="acme", now_us=at)
        )
    )


def test_it_is_kept_for_a_day_by_workspace_and_origin(store: Store) -> None:
    assert says(store, "https://example.org/a") is Robots.UNKNOWN
    keep(store, RobotsFile(State.FOUND, 200, b"User-agent: *\nDisallow: /a\n"))
    assert says(store, "https://example.org/a") is Robots.DISALLOWED
    assert says(store, "https://example.org/b") is Robots.ALLOWED
    assert says(store, "https://example.org/robots.txt") is Robots.ALLOWED
    for url in ("http://example.org/a", "https://www.example.org/a", "https://example.org:8443/a"):
        assert says(store, url) is Robots.UNKNOWN
    assert says(store, "https://example.org/a", workspace="other") is Robots.UNKNOWN
    assert says(store, "https://example.org/a", at=NOW + KEPT_US) is Robots.UNKNOWN
    keep(store, of_status(503, b""), at=NOW + 1)
    assert says(store, "https://example.org/b", at=NOW + 2) is Robots.UNREACHABLE
    assert says(store, "https://example.org/b", at=NOW + 1 + UNREACHABLE_US) is Robots.UNKNOWN
    keep(store, of_status(404, b"Disallow: /"), at=NOW + 2 * UNREACHABLE_US)
    assert says(store, "https://example.org/a", at=NOW + 2 * UNREACHABLE_US) is Robots.ALLOWED
    rows = store.view(lambda tx: tx.rows(select(FETCH_ROBOTS)))
    assert [(row["status"], row["body"]) for row in rows] == [(404, b"")]
