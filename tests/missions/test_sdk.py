"""Declared missions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import InvalidInput, NotFound
from remit.missions.service import Missions
from remit.sdk import FileContains, FileExists, Mission, ResultHas, StepContext, StepSpec, WriteFiles

OWNER = Principal(ActorKind.USER, "owner")

hello = Mission("hello", version="1", summary="Greets.")


@hello.step(post=[FileExists("hello.txt")])
async def greet(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write a greeting."""
    await ctx.do(WriteFiles({"hello.txt": f"Hello, {params['name']}!\n".encode()}))
    ctx.log(f"greeted {params['name']}")
    return {"greeted": params["name"]}


@hello.step(post=[ResultHas("words", 2)], directory=True)
async def count(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    del params
    return {"words": len(Path(ctx.directory, "hello.txt").read_text().split())}


@hello.planner
def plan(data: bytes, name: str) -> list[StepSpec]:
    if not data.strip():
        raise InvalidInput("There is nobody to greet.", place=f"{name}:1")
    return [
        hello.use(greet, params={"name": data.decode().strip()}, post=[FileContains("hello.txt", "Hello")]),
        hello.use(count, needs=["greet"]),
    ]


async def test_a_declared_mission_runs(world: Any) -> None:
    deps = replace(world.deps, packs={"hello": hello.pack()})
    missions = Missions(deps)
    await world.engine.start(missions.drive, worker=True)
    mission = await missions.create("w", "hello", b"Ada", name="who.txt", originator=OWNER)
    view = await missions.run("w", mission)
    assert view.status == "succeeded", view.mission.error
    assert world.files(view) == {"hello.txt": "Hello, Ada!\n"}
    assert view.steps[1].outcome == {"words": 2}
    assert (await missions.logs("w", mission))[0].log == "greeted Ada"
    with pytest.raises(InvalidInput, match="nobody") as caught:
        await missions.create("w", "hello", b" ", name="who.txt", originator=OWNER)
    assert caught.value.place == "who.txt:1"
    with pytest.raises(NotFound):
        await missions.rollback("w", mission, actor=OWNER, feature="any")


def test_a_declared_function_stays_that_function() -> None:
    assert inspect.iscoroutinefunction(greet)
    assert greet.__doc__ == "Write a greeting."


def test_declarations_that_make_no_sense_are_refused() -> None:
    other = Mission("other", version="1")
    with pytest.raises(InvalidInput, match="no planner"):
        other.pack()
    with pytest.raises(InvalidInput, match="knows no such function"):
        other.use(greet)
    other.step(post=[FileExists("a")], name="x")(greet)
    with pytest.raises(InvalidInput, match="two steps called 'x'"):
        other.step(post=[FileExists("a")], name="x")(count)
    empty = Mission("empty", version="1")
    empty.step(post=[])(greet)
    with pytest.raises(InvalidInput, match="at least one is needed"):
        empty.use(greet)


async def test_a_directory_that_nothing_opened_is_an_error_that_says_how(world: Any) -> None:
    async def careless(ctx: Any, params: Any) -> None:
        del params
        Path(ctx.directory)

    world.pack.bodies["careless"] = careless
    view = await world.run([{"name": "s", "uses": "careless"}])
    assert view.steps[0].error_code == "step.directory"


async def test_the_declaration_in_the_docs_runs(world: Any) -> None:
    text = Path(__file__, "../../../docs/missions.md").resolve().read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], found)  # noqa: S102 - the document as written
    deps = replace(world.deps, packs={"hello": found["PACK"]})
    missions = Missions(deps)
    await world.engine.start(missions.drive, worker=True)
    view = await missions.run("w", await missions.create("w", "hello", b"Ada", name="who.txt", originator=OWNER))
    assert world.files(view) == {"hello.txt": "Hello, Ada!\n"}
