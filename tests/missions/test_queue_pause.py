"""A paused queue: nothing is taken up in any process, what runs goes on, and the order outlives whoever gave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.audit.tables import ENTRY
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Denied, InvalidInput
from remit.missions import queue
from remit.missions.lines import read_line
from remit.missions.queue_pause import pause
from remit.settings import Settings

PACK = "tests.api.quick:PACK"
WORKSPACE = "default"


async def able(runtime: Runtime) -> bool:
    deps = runtime.missions.deps
    return await runtime.store.read(lambda tx: queue.able(tx, alive=deps.alive, now_us=deps.now()))


async def order(runtime: Runtime) -> str:
    return await runtime.missions.create(
        WORKSPACE, PACK, b"rain", name="note.txt", originator=runtime.owner, queue=True
    )


@pytest.mark.parametrize("home_wide", [False, True])
async def test_nothing_is_taken_while_it_is_paused_by_any_process(tmp_path: Path, *, home_wide: bool) -> None:
    settings = Settings(tmp_path / "home")
    await prepare_home(settings)
    async with open_runtime(settings, pack=PACK) as runtime:
        mission = await order(runtime)
        assert await able(runtime)
        said = await pause(
            runtime.missions.deps, WORKSPACE, by=runtime.owner, reason="the model is down", paused=True, home=home_wide
        )
        assert said
        runtime.store.seal()
    async with open_runtime(settings, pack=PACK) as runtime:  # another process, later
        deps = runtime.missions.deps
        assert not await able(runtime)
        for only in (None, (WORKSPACE, mission)):
            taken = await runtime.store.commit(
                "queue.take",
                lambda tx, only=only: queue.take(tx, "me", alive=lambda _: True, now_us=deps.now(), only=only),
            )
            assert taken is None
        line = await read_line(deps, WORKSPACE, by=runtime.owner)
        assert line.paused_us
        assert line.paused_home == home_wide
        assert [each.reason for each in line.waiting] == ["the queue is paused"]
        again = await pause(deps, WORKSPACE, by=runtime.owner, reason="again", paused=True, home=home_wide)
        assert not again
        assert await pause(deps, WORKSPACE, by=runtime.owner, reason="it is back", paused=False, home=home_wide)
        taken = await runtime.store.commit(
            "queue.take", lambda tx: queue.take(tx, "me", alive=lambda _: True, now_us=deps.now())
        )
        assert taken is not None
        assert taken.mission == mission
        actions = await runtime.store.read(lambda tx: [row["action"] for row in tx.rows(ENTRY.select())])
        assert [word for word in actions if word.startswith("mission.queue.")] == [
            "mission.queue.paused",
            "mission.queue.resumed",
        ]
        runtime.store.seal()


async def test_only_an_administrator_pauses_and_says_why(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home")
    await prepare_home(settings)
    async with open_runtime(settings, pack=PACK) as runtime:
        deps = runtime.missions.deps
        await add_user(
            runtime.store, Person(WORKSPACE, "tom", "Tom", role=Role.MEMBER), by=runtime.owner, clock=runtime.clock
        )
        with pytest.raises(Denied):
            await pause(deps, WORKSPACE, by=Principal(ActorKind.USER, "tom"), reason="tired", paused=True)
        with pytest.raises(InvalidInput, match="Say why"):
            await pause(deps, WORKSPACE, by=runtime.owner, reason=" ", paused=True)
        await order(runtime)
        assert await able(runtime)
        runtime.store.seal()
