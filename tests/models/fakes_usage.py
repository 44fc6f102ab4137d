"""Stores that encrypt, on both databases, and what models answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.keyring import Keyring

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path

__all__ = ["opener", "postgres_server", "postgres_url"]

type Opener = Callable[[], Store]

KEK = bytes(range(32))


@pytest.fixture(params=["sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the store; every call is another handle on it, as another process has."""
    signer = create_key(tmp_path / "audit.key")
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opened: list[Store] = []

    def open_() -> Store:
        if url:
            from remit.adapters.store.postgres import PostgresStore

            keys = Keyring(KEK, shared=True)
            store: Store = PostgresStore(url, [signer], heads=tmp_path / "heads.log", keys=keys)
        else:
            store = SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log", keys=Keyring(KEK))
        store.migrate()
        opened.append(store)
        return store

    yield open_
    for store in reversed(opened):
        store.close()


def explained(store: Store, sql: str, folder: Path) -> str:
    """SQLite's own plan for a statement."""
    import sqlite3

    assert isinstance(store, SqliteStore)
    with closing(sqlite3.connect(folder / "remit.db")) as db:
        return "\n".join(str(row) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))


def chat(text: str = "four", *, finish: str = "stop", **more: Any) -> str:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **more}, "finish_reason": finish}
    return json.dumps({"id": "c1", "object": "chat.completion", "choices": [choice]})


def chat_stream(*pieces: str, finish: str = "stop", done: bool = True) -> str:
    """A chat completion in events."""
    events = [{"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    told = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join(told) + ("data: [DONE]\n\n" if done else "")
