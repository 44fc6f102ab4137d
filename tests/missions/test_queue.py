# ruff: noqa: ARG001, ARG002 - step bodies have the shape that is called
"""The queue as those who give orders meet it: places, waiting, taking, cancelling, a full queue, cleaning up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update

from remit.accounts.tables import WORKSPACE
from remit.guard.gcra import Demand
from remit.guard.rate_store import SqlRates
from remit.guard.rate_tables import RATE
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, Denied, InvalidInput, RateLimited
from remit.missions.drive import run_id
from remit.missions.queue import Place, State
from remit.missions.queue_order import Priority
from remit.missions.queue_tables import QUEUE, SHARE, WORKER
from remit.missions.queue_worker import Worker
from remit.missions.service import Missions, Shown
from remit.missions.tables import MISSION
from remit.testing.inline_engine import InlineEngine

from .conftest import OWNER, World

W = "w"
STEPS = [{"name": "a", "params": {"files": ["a.txt"]}}]
SECOND = 1_000_000


class Gate:
    """Steps that stand still until the test lets them go; the names of those that began, in order."""

    def __init__(self, world: World) -> None:
        self.open = asyncio.Event()
        self.began: list[str] = []
        world.pack.bodies["gate"] = self._step

    async def _step(self, ctx: Any, params: Any) -> Any:
        self.began.append(params["name"])
        await self.open.wait()
        return {}

    async def until(self, number: int) -> None:
        async with asyncio.timeout(60):
            while len(self.began) < number:  # noqa: ASYNC110 - other tasks begin them
                await asyncio.sleep(0.01)


def gated(name: str) -> list[dict[str, Any]]:
    return [{"name": "a", "uses": "gate", "params": {"name": name}, "weight": 40.0}]


async def owned(world: World, workspace: str = W, plan: str = "free") -> None:
    """A workspace with its owner, as ``remit init`` makes one."""
    from remit.accounts.owner import create_local_owner

    await create_local_owner(world.journal, workspace=workspace, user=OWNER.id, name="Owner", clock=world.clock)
    await world.journal.commit(
        "queue.move",
        lambda tx: tx.execute(update(WORKSPACE).where(WORKSPACE.c.workspace == workspace).values(plan=plan)),
    )


async def order(
    world: World, name: str, *, priority: Priority = Priority.NORMAL, queue: bool = True, workspace: str = W
) -> str:
    world.clock.advance(0.001)
    return await world.missions.create(
        workspace,
        "script",
        orjson.dumps(gated(name)),
        name="in.json",
        originator=OWNER,
        queue=queue,
        priority=priority,
    )


def worker_of(world: World, concurrency: int = 1) -> Worker:
    return Worker(world.deps, world.engine, concurrency=concurrency, lease_s=15.0)


async def stopped(worker: Worker, world: World) -> None:
    await worker.halt()
    await world.engine.stop()
    await worker.close()


async def rows(world: World, table: Any = QUEUE) -> list[Any]:
    return await world.journal.read(lambda tx: tx.rows(select(table)))


async def line(world: World) -> list[Place]:
    return await world.missions.queue(W)


async def test_missions_beyond_the_plans_number_wait_for_their_turn(world: World) -> None:
    gate = Gate(world)
    missions = [await order(world, str(number), queue=False) for number in range(4)]
    heard: list[Place] = []
    runs = [asyncio.create_task(world.missions.run(W, mission, told=heard.append)) for mission in missions]
    await gate.until(2)
    async with asyncio.timeout(60):
        while {each.mission for each in heard} != set(missions[2:]):  # noqa: ASYNC110 - other tasks tell
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    assert gate.began == ["0", "1"]
    shown = await world.missions.show(W, missions[3])
    assert shown.status is Shown.QUEUED
    assert shown.place is not None
    assert (shown.place.position, shown.place.wait_us) == (2, 40 * SECOND - 2000)
    assert [(each.position, each.state) for each in await line(world)] == [
        (0, State.TAKEN), (0, State.TAKEN), (1, State.WAITING), (2, State.WAITING),
    ]  # fmt: skip
    gate.open.set()
    ended = await asyncio.gather(*runs)
    assert [view.status for view in ended] == [Shown.SUCCEEDED] * 4
    assert gate.began == ["0", "1", "2", "3"]
    assert await line(world) == []


async def test_a_worker_takes_the_most_urgent_first_and_so_many_at_once(world: World) -> None:
    gate = Gate(world)
    await owned(world, plan="studio")
    gate.open.set()
    for number, priority in enumerate([Priority.LOW, Priority.NORMAL, Priority.CRITICAL, Priority.HIGH, Priority.LOW]):
        await order(world, f"{priority.name}{number}", priority=priority)
    assert [each.priority for each in await line(world)] == sorted(each.priority for each in await line(world))
    assert {each.wait_us for each in await line(world)} == {None}, "nobody is there to take them"
    worker = worker_of(world)
    await worker.start()
    await gate.until(5)
    await stopped(worker, world)
    assert gate.began == ["CRITICAL2", "HIGH3", "NORMAL1", "LOW0", "LOW4"]
    assert await rows(world, WORKER) == []


async def test_a_worker_has_no_more_in_hand_than_it_was_told(world: World) -> None:
    gate = Gate(world)
    await owned(world, plan="studio")
    for number in range(5):
        await order(world, str(number))
    worker = worker_of(world, concurrency=3)
    await worker.start()
    await gate.until(3)
    await asyncio.sleep(0.5)
    assert (len(gate.began), worker.in_hand) == (3, 3)
    places = await line(world)
    assert [(each.position, (each.wait_us or 0) // SECOND) for each in places][-2:] == [(1, 40), (2, 40)]
    gate.open.set()
    await gate.until(5)
    await stopped(worker, world)


async def test_workspaces_share_a_worker_fairly(world: World) -> None:
    gate = Gate(world)
    gate.open.set()
    for workspace in ("w", "v"):
        await owned(world, workspace, plan="free")
    for number in range(4):
        await order(world, f"w{number}")
    for number in range(2):
        await order(world, f"v{number}", workspace="v")
    worker = worker_of(world)
    await worker.start()
    await gate.until(6)
    await stopped(worker, world)
    assert gate.began == ["w0", "v0", "w1", "v1", "w2", "w3"]


async def test_a_full_queue_refuses_clearly_and_writes_nothing_else(world: World) -> None:
    gate = Gate(world)
    await owned(world)
    for number in range(10):
        await order(world, str(number))
    before = {table.name: await rows(world, table) for table in (MISSION, QUEUE, SHARE)}
    with pytest.raises(RateLimited) as caught:
        await order(world, "one more")
    error = caught.value
    assert (error.code, error.row.http, error.row.exit, error.remaining, error.position) == (
        "queue.full",
        429,
        3,
        0,
        11,
    )
    assert error.plan == "pro"
    assert error.limit == "10 missions waiting in the workspace w"
    for part in ("10 of 10 missions wait", "No worker is running", "remit worker", "The plan pro would let more wait"):
        assert part in error.message
    assert {table.name: await rows(world, table) for table in (MISSION, QUEUE, SHARE)} == before
    assert world.journal.entries[-1].fields["action"] == "mission.queue.refused"
    worker = worker_of(world)
    await worker.start()
    await gate.until(1)
    await order(world, "there is room again")
    with pytest.raises(RateLimited) as caught:
        await order(world, "and none")
    assert (caught.value.retry_after or 0) > 0
    assert "The next place is free in about" in caught.value.message
    await stopped(worker, world)


async def test_raising_the_plan_lets_more_run_and_more_wait(world: World) -> None:
    gate = Gate(world)
    await owned(world)
    for number in range(10):
        await order(world, str(number))
    worker = worker_of(world, concurrency=8)
    await worker.start()
    await gate.until(2)
    await asyncio.sleep(0.4)
    assert len(gate.began) == 2
    await world.journal.commit("queue.move", lambda tx: tx.execute(update(WORKSPACE).values(plan="pro")))
    await gate.until(4)
    for number in range(20):
        await order(world, f"more {number}")
    gate.open.set()
    await stopped(worker, world)


async def test_a_waiting_mission_can_be_cancelled_and_never_starts(world: World) -> None:
    gate = Gate(world)
    gate.open.set()
    first, second = await order(world, "first"), await order(world, "second")
    view = await world.missions.cancel(W, first, actor=OWNER)
    assert view.status is Shown.CANCELLED
    assert [each.mission for each in await line(world)] == [second]
    worker = worker_of(world)
    await worker.start()
    await gate.until(1)
    await stopped(worker, world)
    assert gate.began == ["second"]


async def test_who_waits_for_its_turn_hears_of_a_cancel(world: World) -> None:
    gate = Gate(world)
    missions = [await order(world, str(number), queue=False) for number in range(3)]
    runs = [asyncio.create_task(world.missions.run(W, mission)) for mission in missions]
    await gate.until(2)
    await world.missions.cancel(W, missions[2], actor=OWNER)
    assert (await asyncio.wait_for(runs[2], 60)).status is Shown.CANCELLED
    gate.open.set()
    await asyncio.gather(*runs)
    assert gate.began == ["0", "1"]


async def test_cancelling_what_runs_makes_room(world: World) -> None:
    gate = Gate(world)
    missions = [await order(world, str(number), queue=False) for number in range(3)]
    runs = [asyncio.create_task(world.missions.run(W, mission)) for mission in missions]
    await gate.until(2)
    assert (await world.missions.cancel(W, missions[0], actor=OWNER)).status is Shown.CANCELLED
    await gate.until(3)
    gate.open.set()
    assert [view.status for view in await asyncio.gather(*runs)] == [Shown.CANCELLED, Shown.SUCCEEDED, Shown.SUCCEEDED]
    assert list(Path(world.deps.repository_for(missions[0]).workspace).parent.glob("steps/*")) == []


async def test_who_waits_for_what_another_cancelled_hears_how_it_ended(world: World) -> None:
    """Whoever cancels tells the engine last, and the engine may say so before it says that the run has ended."""
    gate = Gate(world)
    mission = await order(world, "cancelled", queue=False)
    run = asyncio.create_task(world.missions.run(W, mission))
    await gate.until(1)
    row = (await world.missions.show(W, mission)).mission
    name = run_id(W, mission, row.run)
    await world.engine.cancel(name)
    await world.missions.cancel(W, mission, actor=OWNER)
    assert (await asyncio.wait_for(run, 60)).status is Shown.CANCELLED
    await asyncio.wait_for(world.missions.wait(name), 60)


async def test_a_failed_mission_makes_room_too(world: World) -> None:
    def steps(name: str) -> bytes:
        return orjson.dumps([{"name": name, "params": {}, "pre": [], "uses": "broken"}])

    async def broken(ctx: Any, params: Any) -> Any:
        message = "no"
        raise ValueError(message)

    world.pack.bodies["broken"] = broken
    for number in range(5):
        mission = await world.missions.create(W, "script", steps(str(number)), name="x", originator=OWNER, queue=False)
        assert (await world.missions.run(W, mission)).status is Shown.FAILED
    assert await line(world) == []
    assert {row["state"] for row in await rows(world)} == {State.ENDED}


async def test_a_person_moves_a_mission_that_waits(world: World) -> None:
    await owned(world)
    first, second = await order(world, "first"), await order(world, "second")
    place = await world.missions.move(W, second, Priority.CRITICAL, actor=OWNER)
    assert (place.position, place.priority) == (1, Priority.CRITICAL)
    assert [each.mission for each in await line(world)] == [second, first]
    told = world.journal.entries[-1].fields
    assert [told[name] for name in ("action", "reason", "mission", "actor")] == [
        "mission.priority", "critical", second, "user:owner",
    ]  # fmt: skip
    for actor in (Principal(ActorKind.AGENT, "coder"), Principal(ActorKind.USER, "eve")):
        with pytest.raises(Denied):
            await world.missions.move(W, first, Priority.HIGH, actor=actor)
    await world.missions.cancel(W, first, actor=OWNER)
    with pytest.raises(Conflict, match="does not wait"):
        await world.missions.move(W, first, Priority.HIGH, actor=OWNER)


async def test_critical_takes_an_administrator(world: World) -> None:
    await owned(world)
    before = await rows(world, MISSION)
    with pytest.raises(Denied):
        await world.missions.create(
            W,
            "script",
            orjson.dumps(STEPS),
            name="x",
            originator=Principal(ActorKind.USER, "eve"),
            queue=True,
            priority=Priority.CRITICAL,
        )
    assert await rows(world, MISSION) == before


async def test_what_a_dead_worker_had_in_hand_keeps_its_place(world: World) -> None:
    gate = Gate(world)
    gate.open.set()
    first, second = await order(world, "first"), await order(world, "second")

    def died(tx: Any) -> None:
        tx.execute(
            update(QUEUE).where(QUEUE.c.mission == first).values(state="taken", taker="dead", taken_us=1, waiter="")
        )
        tx.execute(insert(WORKER).values(workspace="*", executor="dead", concurrency=4, started_us=1))

    await world.journal.commit("queue.take", died)
    assert [each.mission for each in await line(world)] == [first, second]
    worker = worker_of(world)
    await worker.start()
    await gate.until(2)
    await stopped(worker, world)
    assert gate.began == ["first", "second"]
    assert await rows(world, WORKER) == []


async def test_a_worker_that_stops_puts_back_what_it_had(world: World) -> None:
    gate = Gate(world)
    mission = await order(world, "only")
    worker = worker_of(world)
    await worker.start()
    await gate.until(1)
    await stopped(worker, world)
    engine = InlineEngine("next")
    deps = replace(world.deps, engine=engine, hints={}, alive=lambda owner: owner == "next")
    missions = Missions(deps)
    await engine.start(missions.drive, worker=True)
    other = Worker(deps, engine, concurrency=1, lease_s=15.0)
    gate.open.set()
    await other.start()
    await gate.until(2)
    async with asyncio.timeout(60):
        while (await missions.show(W, mission)).status is not Shown.SUCCEEDED:  # noqa: ASYNC110 - a worker runs it
            await asyncio.sleep(0.02)
    await other.halt()
    await engine.stop()
    await other.close()


async def test_a_mission_that_nobody_can_start_is_not_tried_for_ever(world: World) -> None:
    mission = await order(world, "x")
    await world.journal.commit("queue.take", lambda tx: tx.execute(update(MISSION).values(pack_version="0")))
    worker = worker_of(world)
    await worker.start()
    async with asyncio.timeout(60):
        while worker.in_hand or await line(world):  # noqa: ASYNC110 - what the worker did is seen in rows alone
            await asyncio.sleep(0.02)
    await stopped(worker, world)
    assert (await world.missions.show(W, mission)).status is Shown.QUEUED


async def test_resume_and_a_rollback_of_a_feature_wait_too(world: World) -> None:
    gate = Gate(world)
    done = await world.run(STEPS)
    missions = [await order(world, str(number), queue=False) for number in range(2)]
    runs = [asyncio.create_task(world.missions.run(W, mission)) for mission in missions]
    await gate.until(2)
    name = await world.missions.resume(W, done.mission.id, actor=OWNER, from_step="a")
    waiting = asyncio.create_task(world.missions.wait(name))
    await asyncio.sleep(0.4)
    assert (await world.missions.show(W, done.mission.id)).status is Shown.QUEUED
    gate.open.set()
    await asyncio.gather(*runs)
    await asyncio.wait_for(waiting, 60)
    assert (await world.missions.show(W, done.mission.id)).status is Shown.SUCCEEDED
    assert world.pack.ran["a"] == 2


async def test_the_wait_is_estimated_from_the_last_runs_of_the_same_pack(world: World) -> None:
    async def slow(ctx: Any, params: Any) -> Any:
        world.clock.advance(90)
        return {}

    world.pack.bodies["slow"] = slow
    for _ in range(3):
        await world.run([{"name": "a", "uses": "slow", "weight": 1.0}])
    gate = Gate(world)
    runs = [asyncio.create_task(world.missions.run(W, await order(world, str(n), queue=False))) for n in range(2)]
    await gate.until(2)
    world.clock.advance(30)
    third = await order(world, "third", queue=False)
    place = (await world.missions.show(W, third)).place
    assert place is not None
    assert 59 <= (place.wait_us or 0) / SECOND <= 60
    gate.open.set()
    await asyncio.gather(*runs)


async def test_finished_work_is_cleaned_up_and_can_still_be_resumed(world: World) -> None:
    await owned(world)
    done, edited = await world.run(STEPS), await world.run(STEPS)
    Path(edited.workspace, "mine.txt").write_text("by hand")
    demand = Demand("fetch.mission|x", SECOND * 1000, 10, 1, done.mission.id)
    await world.journal.commit("guard.intent", lambda tx: SqlRates(tx, W).take([demand]))
    world.clock.advance(3600)
    late = await world.run(STEPS)
    cleaned = await world.missions.clean(W, older_than=world.clock.now() - timedelta(minutes=30), actor=OWNER)
    assert (cleaned.missions, cleaned.kept) == ((done.mission.id,), (edited.mission.id,))
    assert not any(Path(done.workspace).glob("*"))
    assert Path(edited.workspace, "mine.txt").exists()
    assert Path(late.workspace, "a.txt").exists()
    assert {row["mission"] for row in await rows(world)} == {edited.mission.id, late.mission.id}
    assert await rows(world, RATE) == []
    assert (await world.missions.show(W, done.mission.id)).status is Shown.SUCCEEDED
    assert "mission.cleaned" in [draft.fields["action"] for draft in world.journal.entries]
    again = await world.resume(done.mission.id, from_step="a")
    assert world.files(again) == world.files(late)
    nothing = await world.missions.clean(W, older_than=world.clock.now() - timedelta(days=1), actor=OWNER)
    assert nothing.missions == ()
    with pytest.raises(Denied):
        await world.missions.clean(W, older_than=world.clock.now(), actor=Principal(ActorKind.AGENT, "coder"))


def test_a_worker_takes_at_least_one() -> None:
    with pytest.raises(InvalidInput):
        Worker(None, None, concurrency=0, lease_s=1.0)  # type: ignore[arg-type]
