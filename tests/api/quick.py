"""A pack whose missions end at once: what tests of the API order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.kernel.errors import InvalidInput
from remit.sdk import FileExists, Mission, ResultHas, StepContext, StepSpec, WriteFiles

quick = Mission("tests.api.quick:PACK", version="1", summary="Notes are taken.")


@quick.step(post=[FileExists("note.txt")])
async def note(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write a note."""
    await ctx.do(WriteFiles({"note.txt": f"{params['text']}\n".encode()}))
    ctx.log(f"noted {params['text']}")
    return {"noted": params["text"]}


@quick.step(post=[ResultHas("over", 1)])
async def end(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Say that it is over."""
    del params
    ctx.log("over")
    return {"over": 1}


@quick.step(post=[ResultHas("dry", 1)])
async def fall(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Fail, the first time."""
    del params
    if ctx.attempt == 1:
        ctx.log("it is wet")
        raise InvalidInput("It is wet.", code="quick.wet")
    ctx.log("it is dry")
    return {"dry": 1}


@quick.planner
def plan(data: bytes, name: str) -> list[StepSpec]:
    text = data.decode().strip()
    if not text:
        raise InvalidInput("There is nothing to note.", place=f"{name}:1", problems=("line 1: a word is missing",))
    steps = [
        quick.use(note, params={"text": text}, feature="notes"),
        quick.use(end, needs=["note"]),
    ]
    if text == "fall":
        steps.append(quick.use(fall, needs=["end"]))
    return steps


PACK = quick.pack()
NAME = "tests.api.quick:PACK"
