"""Preconditions: looked at in what the steps before left; a body never starts when one does not hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remit.kernel.mission import Condition, FileAbsent, FileContains, FileExists


def demand(world: Any, **wanted: Condition) -> None:
    """From now on the named steps have these preconditions."""
    plan = world.pack.plan

    def demanding(data: bytes, *, name: str) -> Any:
        found = plan(data, name=name)
        steps = (replace(step, pre=(wanted[step.name],)) if step.name in wanted else step for step in found.steps)
        return replace(found, steps=tuple(steps))

    world.pack.plan = demanding


@pytest.mark.parametrize(
    "condition", [FileExists("b.txt"), FileAbsent("a.txt"), FileContains("a.txt", "another text")], ids=str
)
async def test_a_step_whose_precondition_does_not_hold_never_starts(world: Any, condition: Condition) -> None:
    demand(world, second=condition)
    first = {"name": "first", "params": {"files": ["a.txt"]}}
    view = await world.run([first, {"name": "second", "needs": ["first"]}])
    assert view.status == "failed"
    assert view.steps[1].error_code == "step.precondition"
    assert "precondition does not hold" in view.steps[1].error
    assert world.pack.begun == {"first": 1}


async def test_a_precondition_sees_what_the_steps_before_it_left(world: Any) -> None:
    demand(world, first=FileAbsent("a.txt"), second=FileExists("a.txt"))
    first = {"name": "first", "params": {"files": ["a.txt"]}}
    view = await world.run([first, {"name": "second", "needs": ["first"]}])
    assert view.status == "succeeded", view.mission.error
