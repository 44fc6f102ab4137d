# ruff: noqa: ARG001 - step bodies and stand-ins have the shape that is called
"""A run, as its owner sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import ApprovalPending, InvalidInput, Unavailable
from remit.kernel.mission import FileContains, ResultHas
from remit.kernel.money import Money

from ..pace import Pace  # noqa: TID252 - tests are loaded by path

type World = Any

OWNER = Principal(ActorKind.USER, "owner")


def statuses(view: Any) -> dict[str, str]:
    return {step.name: step.status for step in view.steps}


async def test_steps_run_in_order_and_leave_their_files_in_the_workspace(world: World) -> None:
    view = await world.run(
        [
            {"name": "b", "needs": ["a"], "params": {"files": ["b.txt"]}},
            {"name": "a", "params": {"files": ["a.txt"]}},
            {"name": "c", "needs": ["a"], "params": {}},
        ]
    )
    assert view.status == "succeeded"
    assert statuses(view) == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
    assert set(world.files(view)) == {"a.txt", "b.txt"}
    assert "'from': 'a'" in world.files(view)["b.txt"]
    actions = [entry.fields["action"] for entry in world.journal.entries]
    assert actions[0] == "mission.create"
    assert actions.count("step.finish") == 3
    assert actions[-1] == "mission.status"


async def test_steps_without_files_cost_no_git_call(world: World) -> None:
    mission = await world.create([{"name": f"s{i}", "params": {"calls": 1}} for i in range(20)])
    repository = world.repositories.of(mission)
    view = await world.missions.run("w", mission)
    assert view.status == "succeeded"
    assert repository.calls == 0
    assert sum(world.guard.asked.values()) == 20


async def test_never_more_than_the_bound_at_once_and_the_bound_is_used(world: World) -> None:
    now = most = 0

    async def body(ctx: Any, params: Any) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1

    world.pack.bodies["body"] = body
    await world.run([{"name": f"s{i}", "uses": "body"} for i in range(9)])
    assert most == 2


async def test_history_is_in_plan_order_whatever_finishes_first(world: World) -> None:
    async def slow(ctx: Any, params: Any) -> Any:
        await asyncio.sleep(0.03)
        return await world.pack.do(ctx, params)

    world.pack.bodies["slow"] = slow
    view = await world.run(
        [
            {"name": "first", "uses": "slow", "weight": 9, "params": {"files": ["1"]}},
            {"name": "second", "params": {"files": ["2"]}},
            {"name": "third", "params": {"files": ["3"]}},
        ]
    )
    history = await world.repositories.of(view.mission.id).history()
    assert [each.trailers["Remit-Step"] for each in history] == ["first", "second", "third"]
    assert history[0].trailers["Remit-Mission"] == view.mission.id


async def test_retries_follow_the_policy_each_with_its_row(world: World) -> None:
    async def shaky(ctx: Any, params: Any) -> Any:
        if ctx.attempt < 3:
            raise Unavailable("not now")
        return {"attempt": ctx.attempt}

    world.pack.bodies["shaky"] = shaky
    retry = {"max_attempts": 3, "initial_delay": 2.0, "max_delay": 10.0}
    view = await world.run([{"name": "s", "uses": "shaky", "retry": retry}])
    assert view.status == "succeeded"
    assert world.slept == [2.0, 4.0]
    logs = await world.missions.logs("w", view.mission.id)
    assert [(log.number, log.outcome, log.delay_us) for log in logs] == [
        (1, "failed", 2_000_000),
        (2, "failed", 4_000_000),
        (3, "succeeded", 0),
    ]


async def test_retry_after_is_honoured_when_longer(world: World) -> None:
    async def busy(ctx: Any, params: Any) -> None:
        if ctx.attempt == 1:
            raise Unavailable("busy", retry_after=60.0)

    world.pack.bodies["busy"] = busy
    await world.run([{"name": "s", "uses": "busy", "retry": {"max_attempts": 2}}])
    assert world.slept == [60.0]


async def test_an_error_that_no_retry_helps_is_not_retried(world: World) -> None:
    async def wrong(ctx: Any, params: Any) -> None:
        raise ValueError("bad")

    world.pack.bodies["wrong"] = wrong
    view = await world.run([{"name": "s", "uses": "wrong", "retry": {"max_attempts": 5}}])
    assert view.status == "failed"
    assert view.steps[0].attempts == 1
    assert view.steps[0].error == "ValueError: bad"


async def test_a_retry_delay_survives_a_restart(world: World) -> None:
    async def shaky(ctx: Any, params: Any) -> None:
        if ctx.attempt == 1:
            raise Unavailable("not now")

    world.pack.bodies["shaky"] = shaky
    waits, forever = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.set()
        await forever.wait()

    object.__setattr__(world.deps, "sleep", sleep)
    retry = {"max_attempts": 2, "initial_delay": 5.0}
    mission = await world.create([{"name": "s", "uses": "shaky", "retry": retry}])
    await world.missions.submit("w", mission)
    await waits.wait()
    view = await world.missions.show("w", mission)
    assert view.steps[0].status == "pending"
    assert view.steps[0].not_before_us > world.deps.now()
    await world.engine.stop()


async def test_a_step_that_takes_too_long_fails(world: World) -> None:
    ended = False

    async def slow(ctx: Any, params: Any) -> None:
        nonlocal ended
        try:
            await asyncio.sleep(30)
        finally:
            ended = True

    world.pack.bodies["slow"] = slow
    view = await world.run([{"name": "s", "uses": "slow", "timeout_s": 0.5}])
    assert view.status == "failed"
    assert view.steps[0].error_code == "step.timeout"
    assert ended


async def test_a_failed_postcondition_fails_the_step_and_its_files_are_not_kept(world: World) -> None:
    plan = world.pack.plan

    def strict(data: bytes, *, name: str) -> Any:
        from dataclasses import replace

        found = plan(data, name=name)
        steps = tuple(replace(step, post=(FileContains("a.txt", "nowhere"),)) for step in found.steps)
        return replace(found, steps=steps)

    world.pack.plan = strict  # type: ignore[method-assign]
    view = await world.run([{"name": "a", "params": {"files": ["a.txt"]}}])
    assert view.status == "failed"
    assert "a.txt does not contain" in view.mission.error
    assert world.files(view) == {}


async def test_a_secret_in_a_file_fails_the_step_without_telling_it(world: World) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9" * 3

    # The input must not hold it either, so the step makes it from a text that reads backwards.
    view = await world.run([{"name": "a", "params": {"files": ["a.txt"], "text": secret[::-1], "turn": True}}])
    assert view.status == "failed"
    assert secret not in view.mission.error
    assert "secret" in view.mission.error


async def test_an_input_with_a_secret_is_refused_before_anything_is_written(world: World) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9" * 3

    with pytest.raises(InvalidInput) as refused:
        await world.run([{"name": "a", "params": {"text": secret}}])
    assert refused.value.code == "input.secret"
    assert secret not in str(refused.value.problems)
    assert await world.missions.list("w") == []
    (entry,) = [entry for entry in world.journal.entries if entry.fields["action"] == "mission.refused"]
    assert (entry.fields["actor"], entry.fields["result"], entry.fields["reason"]) == (
        str(OWNER),
        "blocked",
        "input.secret",
    )
    assert secret not in str(entry)


async def test_two_steps_that_write_the_same_file_are_refused_by_name(world: World) -> None:
    view = await world.run(
        [{"name": "a", "params": {"files": ["x"]}}, {"name": "b", "params": {"files": ["x"], "text": "other"}}]
    )
    assert view.status == "failed"
    assert view.mission.error_code == "step.overlap"
    assert "'a'" in view.mission.error
    assert "x" in view.mission.error


@pytest.mark.parametrize("parallel", [1, 4])
async def test_the_refusal_does_not_hang_on_timing(world: World, parallel: int) -> None:
    object.__setattr__(world.deps, "parallel", parallel)
    view = await world.run(
        [{"name": "a", "params": {"files": ["x"]}}, {"name": "b", "params": {"files": ["x"], "text": "other"}}]
    )
    assert view.mission.error_code == "step.overlap"


async def test_what_was_finished_behind_a_failed_step_is_kept_and_not_made_again(world: World) -> None:
    broken = True

    async def shaky(ctx: Any, params: Any) -> Any:
        await asyncio.sleep(0.05)
        if broken:
            raise ValueError("bad")
        return await world.pack.do(ctx, params)

    world.pack.bodies["shaky"] = shaky
    view = await world.run(
        [
            {"name": "first", "uses": "shaky", "weight": 9, "params": {"files": ["1"]}},
            {"name": "second", "params": {"files": ["2"]}},
        ]
    )
    assert view.status == "failed"
    assert statuses(view) == {"first": "failed", "second": "succeeded"}
    broken = False
    view = await world.resume(view.mission.id)
    assert view.status == "succeeded"
    assert set(world.files(view)) == {"1", "2"}
    assert world.pack.ran == {"first": 1, "second": 1}


async def test_continue_goes_on_and_leaves_out_what_needs_the_failed_step(world: World) -> None:
    async def wrong(ctx: Any, params: Any) -> None:
        raise ValueError("bad")

    world.pack.bodies["wrong"] = wrong
    view = await world.run([{"name": "a", "uses": "wrong", "on_failure": "continue"}, {"name": "b"}])
    assert view.status == "succeeded"
    assert statuses(view) == {"a": "failed", "b": "succeeded"}
    view = await world.run(
        [{"name": "a", "uses": "wrong", "on_failure": "continue"}, {"name": "b", "needs": ["a"]}, {"name": "c"}]
    )
    assert view.status == "failed"
    assert statuses(view) == {"a": "failed", "b": "pending", "c": "succeeded"}
    assert view.mission.error_code == "step.blocked"


async def test_cancel_ends_a_running_mission_within_a_second(world: World) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def slow(ctx: Any, params: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            stopped.set()

    world.pack.bodies["slow"] = slow
    mission = await world.create([{"name": "s", "uses": "slow"}, {"name": "t", "needs": ["s"]}])
    await world.missions.submit("w", mission)
    await begun.wait()
    pace = Pace()
    view = await world.missions.cancel("w", mission, actor=OWNER)
    assert pace.spent() < 1
    assert stopped.is_set()
    assert view.status == "cancelled"
    assert statuses(view) == {"s": "cancelled", "t": "pending"}
    assert "mission.control" in [entry.fields["action"] for entry in world.journal.entries]
    world.pack.bodies.clear()
    assert (await world.resume(mission)).status == "succeeded"


async def test_a_cancel_from_another_process_is_seen_in_the_row(world: World) -> None:
    begun = asyncio.Event()

    async def slow(ctx: Any, params: Any) -> None:
        begun.set()
        await asyncio.sleep(600)

    world.pack.bodies["slow"] = slow
    mission = await world.create([{"name": "s", "uses": "slow"}])
    await world.missions.submit("w", mission)
    await begun.wait()
    hints = dict(world.deps.hints)
    world.deps.hints.clear()
    pace = Pace()
    view = await world.missions.cancel("w", mission, actor=OWNER)
    world.deps.hints.update(hints)
    assert view.status == "cancelled"
    assert pace.spent() < 1


async def test_waiting_for_a_person_parks_the_mission_and_it_goes_on_later(world: World) -> None:
    approved = False

    async def ask(ctx: Any, params: Any) -> None:
        if not approved:
            raise ApprovalPending("somebody must look at this")

    world.pack.bodies["ask"] = ask
    view = await world.run([{"name": "a", "uses": "ask"}, {"name": "b"}, {"name": "c", "needs": ["a"]}])
    assert view.status == "waiting"
    assert statuses(view)["a"] == "pending"
    approved = True
    view = await world.resume(view.mission.id)
    assert view.status == "succeeded"


async def test_the_second_claimer_wins_and_the_first_writes_nothing_more(world: World) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def body(ctx: Any, params: Any) -> Any:
        if not arrived.is_set():
            arrived.set()
            await go.wait()
        return await world.pack.do(ctx, params)

    world.pack.bodies["body"] = body
    mission = await world.create([{"name": "s", "uses": "body", "params": {"files": ["f"], "calls": 1}}])
    await world.missions.submit("w", mission)
    await arrived.wait()
    other = await world.restarted()
    view = await other.resume(mission)
    assert view.status == "succeeded"
    before = (len(world.journal.entries), view.mission.head_commit, dict(world.guard.asked))
    go.set()
    await asyncio.gather(*world.engine.runs.values(), return_exceptions=True)
    after = await other.missions.show("w", mission)
    assert (len(world.journal.entries), after.mission.head_commit, dict(world.guard.asked)) == before
    assert world.pack.ran["s"] == 1


async def test_bad_input_writes_nothing(world: World) -> None:
    for steps in (
        [{"name": "a", "needs": ["b"]}, {"name": "b", "needs": ["a"]}],
        [{"name": "alpha"}, {"name": "b", "needs": ["alhpa"]}],
        [{"name": "a"}, {"name": "a"}],
        [{"name": "../a"}],
        [],
    ):
        with pytest.raises(InvalidInput):
            await world.create(steps)
    assert world.journal.entries == []
    assert await world.missions.list("w") == []


async def test_conditions_that_can_never_be_judged_are_refused_before_the_run(world: World) -> None:
    plan = world.pack.plan

    def odd(data: bytes, *, name: str) -> Any:
        from dataclasses import replace

        found = plan(data, name=name)
        return replace(found, steps=tuple(replace(step, pre=(ResultHas("a", 1),)) for step in found.steps))

    world.pack.plan = odd  # type: ignore[method-assign]
    with pytest.raises(InvalidInput, match="can only be a postcondition"):
        await world.create([{"name": "a"}])


async def test_progress_tells_the_plan_the_steps_and_the_end(world: World) -> None:
    mission = await world.create([{"name": "a", "weight": 2}, {"name": "b", "needs": ["a"], "weight": 3}])
    with world.deps.progress.watch(mission) as watch:
        await world.missions.run("w", mission)
        events = watch.drain()
    names = [type(event).__name__ for event in events]
    assert names == ["Planned", "StepStarted", "StepFinished", "StepStarted", "StepFinished", "MissionEnded"]
    assert events[0].critical_seconds == 5
    assert events[2].seconds_left == 3
    assert events[4].seconds_left == 0


async def test_listing_pages_by_key_newest_first(world: World) -> None:
    made = []
    for _ in range(5):
        made.append(await world.create([{"name": "a"}]))
        world.clock.advance(1)
    first = await world.missions.list("w", limit=3)
    rest = await world.missions.list("w", limit=3, after=first[-1].cursor)
    assert [each.id for each in (*first, *rest)] == made[::-1]
    assert await world.missions.list("other") == []


async def test_a_missions_budget_is_a_limit_that_the_guard_finds(world: World) -> None:
    from remit.accounts.tables import BUDGET

    mission = await world.create([{"name": "a"}], budget=Money(500_000))
    rows = await world.journal.read(lambda tx: tx.rows(BUDGET.select()))
    assert [(row["scope"], row["name"], row["limit_micros"]) for row in rows] == [("mission", mission, 500_000)]
