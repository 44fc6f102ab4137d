# ruff: noqa: ARG001 - step bodies have the shape that is called
"""A step that is refused for a rate waits until its moment: no failure of its own; a crash forgets nothing of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from remit.kernel.errors import RateLimited
from remit.missions.service import Missions, Shown
from remit.missions.step import LONGEST_RATE_WAIT
from remit.missions.tables import ATTEMPT, STEP

from .conftest import OWNER, World

STEPS: list[dict[str, Any]] = [{"name": "a", "uses": "limited"}]


def limited(world: World, *waits: float | None) -> None:
    """A body that is refused for its rate once for each of ``waits``, then does it."""
    left = list(waits)

    async def body(ctx: Any, params: Any) -> Any:
        if left:
            wait = left.pop(0)
            message = "The limit of 2 model requests a minute for the agent creative has 0 left."
            raise RateLimited(message, code="guard.rate", retry_after=wait)
        return {"done": True}

    world.pack.bodies["limited"] = body


async def test_the_wait_is_the_one_that_was_told_and_no_attempt_of_the_policy_is_used(world: World) -> None:
    limited(world, 30.0, 7.5)
    view = await world.run(STEPS)
    assert view.status is Shown.SUCCEEDED
    assert world.slept == [30.0, 7.5]
    (step,) = view.steps
    assert (step.attempts, step.failures) == (3, 0)
    rows = await world.journal.read(lambda tx: tx.rows(select(ATTEMPT).order_by(ATTEMPT.c.number)))
    assert [(row["error_code"], row["delay_us"]) for row in rows] == [
        ("guard.rate", 30_000_000), ("guard.rate", 7_500_000), ("", 0),
    ]  # fmt: skip


async def test_a_wait_outlives_the_process(world: World) -> None:
    limited(world, 600.0)
    asleep = asyncio.Event()

    async def forever(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    world.missions.deps = replace(world.deps, sleep=forever)
    mission = await world.create(STEPS)
    run = asyncio.create_task(world.missions.run("w", mission))
    await asyncio.wait_for(asleep.wait(), 60)
    (row,) = await world.journal.read(lambda tx: tx.rows(select(STEP)))
    assert row["not_before_us"] == world.deps.now() + 600_000_000
    await world.engine.stop()
    await asyncio.gather(run, return_exceptions=True)
    world.clock.advance(200)
    again = await world.restarted()
    missions = Missions(again.deps)
    view = await missions.run("w", mission)
    assert view.status is Shown.SUCCEEDED
    assert world.slept == [400.0]


async def test_a_moment_that_is_far_ends_the_run_and_says_when_to_come_back(world: World) -> None:
    for wait in (LONGEST_RATE_WAIT + 1, None):
        limited(world, wait)
        view = await world.run([{**STEPS[0], "retry": {"max_attempts": 3}}])
        assert view.status is Shown.FAILED
        assert (view.mission.error_code, view.steps[0].attempts) == ("guard.rate", 1)
        assert world.slept == []
        resumed = await world.missions.resume("w", view.mission.id, actor=OWNER)
        await world.engine.wait(resumed)
        assert (await world.missions.show("w", view.mission.id)).status is Shown.SUCCEEDED


async def test_who_is_refused_again_and_again_gives_up_in_the_end(world: World) -> None:
    limited(world, *[1.0] * 200)
    view = await world.run(STEPS)
    assert view.status is Shown.FAILED
    assert view.steps[0].attempts == len(world.slept) + 1 == 101
