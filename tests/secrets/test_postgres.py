"""The same on Postgres: two workers on one database, uses counted by both at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.guard.secrets_orders import put, read_known, remove
from remit.guard.secrets_tables import SECRET_ANOMALY
from remit.guard.secrets_use import read_statistics
from remit.kernel.errors import Denied

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .conftest import some_value
from .worlds import SCOUT, WORKSPACE, act, command, make_world, process

__all__ = ["postgres_server", "postgres_url"]


async def test_two_workers_on_one_postgres(tmp_path: Path, postgres_url: str) -> None:
    here = await make_world(tmp_path, url=postgres_url)
    store = open_store(tmp_path, url=postgres_url)
    there = await process(store, tmp_path)
    try:
        for name in ("a", "b"):
            await here.set(name)
        await here.allow("*", agent="coder")
        await there.guard.register.refresh(WORKSPACE)
        env = {"A": "secret://a", "B": "secret://b"}
        await asyncio.gather(*(each.guard.run(act(command(**env))) for each in (here, there) for _ in range(10)))
        with pytest.raises(Denied):
            await there.guard.run(act(command(**env), by=SCOUT))
        rows = here.store.view(lambda tx: read_statistics(tx, WORKSPACE))
        assert {(row.secret, row.principal): (row.uses, row.denied) for row in rows} == {
            ("a", "agent:coder"): (20, 0),
            ("b", "agent:coder"): (20, 0),
            ("a", "agent:scout"): (0, 1),
        }
        odd = sorted((row["secret"], row["what"]) for row in here.rows(SECRET_ANOMALY))
        assert odd == [("a", "denied"), ("a", "first_use"), ("b", "first_use")]
        new = some_value()
        await put(here.order(), "a", new, reason="x", rotate=True)
        await asyncio.sleep(0.9)
        await there.guard.run(act(command(**env)))
        assert there.adapter.got[-1]["A"] == new  # type: ignore[index,call-overload]
        await remove(here.order(), "b", reason="x")
        known = {row.name: (row.status, row.revision) for row in here.store.view(lambda tx: read_known(tx, WORKSPACE))}
        assert known == {"a": ("active", 2), "b": ("deleted", 2)}
    finally:
        store.close()
        here.store.close()
