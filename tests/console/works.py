"""A pack whose missions end as their input says: what the pages show of missions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from remit.kernel.errors import InvalidInput
from remit.sdk import Mission, Order, ResultHas, StepContext, StepSpec, WriteFiles

#: What a model and its tools may say to whoever reads along: markup, an escape of terminals, text that hides itself.
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script><b hx-get='/stop' hx-trigger='load'>b</b>"
    "<svg onload=alert(3)> [click](javascript:alert(4)) \x1b[31mred\x1b[0m \u202etxt.exe\u202c \u200bhidden {{ 7 * 7 }}"
)

works = Mission("tests.console.works:PACK", version="1", summary="Ends as it is told.")


@works.step(post=[ResultHas("done", 1)], agent="broker")
async def work(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Do as the input says."""
    if params["how"] == "fail":
        raise InvalidInput("postcondition: tenant_id has no foreign key <b>at all</b>", code="works.failed")
    if params["how"] == "order":
        await ctx.do(Order("broker-gateway", {"mode": "real", "instrument": "IDX-US", "quantity": 3}))
    ctx.log("worked")
    return {"done": 1}


@works.step(post=[ResultHas("done", 1)], agent="broker")
async def begin(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """The first step."""
    del params
    ctx.log("began")
    return {"done": 1}


@works.step(post=[ResultHas("done", 1)], agent="scribe")
async def talk(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what was said as an agent's run does."""
    del params
    said = [
        {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": HOSTILE}]},
        {
            "kind": "response",
            "model_name": HOSTILE,
            "parts": [
                {"part_kind": "tool-call", "tool_name": HOSTILE, "args": {HOSTILE: HOSTILE}},
                {"part_kind": HOSTILE, "content": HOSTILE + " and more of it" * 2000},
            ],
        },
    ]
    await ctx.do(WriteFiles({f"agents/{ctx.step}-scribe.json": json.dumps(said).encode()}))
    return {"done": 1}


@works.planner
def plan(data: bytes, name: str) -> list[StepSpec]:
    del name
    how = data.decode().strip()
    return [
        works.use(begin),
        works.use(talk, needs=["begin"]) if how == "talk" else works.use(work, params={"how": how}, needs=["begin"]),
    ]


PACK = works.pack()
