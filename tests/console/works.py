"""A pack whose missions end as their input says: what the pages show of missions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.kernel.errors import InvalidInput
from remit.sdk import Mission, Order, ResultHas, StepContext, StepSpec

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


@works.planner
def plan(data: bytes, name: str) -> list[StepSpec]:
    del name
    how = data.decode().strip()
    return [
        works.use(begin),
        works.use(work, params={"how": how}, needs=["begin"]),
    ]


PACK = works.pack()
