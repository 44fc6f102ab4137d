"""Live events on Postgres: whoever commits, on whichever machine, is heard of here, once and in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

from remit.bootstrap import make_store
from remit.missions.events import read_events

from ..pace import Pace  # noqa: TID252 - tests are no package to name
from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .serving import serving
from .watching import append, watching

__all__ = ["postgres_server", "postgres_url"]


async def test_what_another_process_commits_is_told_here(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path / "home", store_url=postgres_url) as api:
        token = api.key("viewer")
        other = await asyncio.to_thread(make_store, api.settings)
        try:
            async with watching(api.url, token) as watch:
                ready = await anext(aiter(watch.events()))
                pace = Pace()
                for batch in range(5):
                    await append(other, 10, start=batch * 10)
                    await asyncio.to_thread(api.do, lambda batch=batch: append(api.runtime.store, 10, start=batch))
                found = await watch.until(
                    lambda seen: sum(one.data["action"] == "mission.status" for one in seen) == 100
                )
                took = pace.spent()
            there = other.view(lambda tx: read_events(tx, "default", after=ready.seq, upto=1 << 40, most=1 << 20))
            assert [one.seq for one in found] == [event.seq for event in there][: len(found)]
            assert took < 15, f"it took {took:.1f} s"
            async with watching(api.url, token, last=found[40].seq) as back:
                assert [one.seq for one in await back.take(len(found) - 41)] == [one.seq for one in found[41:]]
        finally:
            await asyncio.to_thread(other.close)
