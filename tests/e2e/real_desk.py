"""A mission in which a real model chooses tools: each choice is an answer bound to a schema, each tool an effect."""

# ruff: noqa: ARG001 - signatures are given

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import remit
from remit.kernel.canonical import Json
from remit.sdk import Mission, Result, ResultHas, StepContext, StepSpec, Tool

City = Annotated[str, StringConstraints(pattern="^[A-Z][a-z]{2,11}$")]


class Weather(BaseModel):
    """A call of the tool weather."""

    tool: Literal["weather"]
    city: City


class Clock(BaseModel):
    """A call of the tool clock."""

    tool: Literal["clock"]
    city: City


def model() -> OpenAIChatModel:
    """Its own address leads nowhere: only the guard knows the way."""
    return OpenAIChatModel(
        "gemma-3-270m",
        provider=OpenAIProvider(base_url="http://127.0.0.1:9/v1", api_key="none"),
        settings={"max_tokens": 40, "temperature": 0.0},
    )


desk = Mission("real-desk", version="1", summary="A real model calls two tools.")


@desk.tool(idempotent=True)
def weather(city: str) -> str:
    """What the sky looks like."""
    return f"clear in {city}"


@desk.tool(idempotent=True)
async def clock(city: str) -> str:
    """What time it is."""
    return f"noon in {city}"


@desk.step(post=[ResultHas("called", 2)], agent="clerk")
async def choose(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Let the model write two calls, and make them."""
    told: list[Json] = []
    for kind in (Weather, Clock):
        agent = Agent(model(), name=kind.__name__.lower(), output_type=NativeOutput(kind))
        ran = await remit.agent_step(ctx, agent, f"Ask the {kind.__name__.lower()} about Paris. JSON:")
        call = kind.model_validate(ran["output"])
        told.append((await ctx.do(Tool(call.tool, {"city": call.city}))).value["result"])
    return {"called": len(told), "told": told}


@desk.planner
def plan(data: bytes, name: str) -> Iterable[StepSpec]:
    """One step."""
    return [desk.use(choose)]


PACK = desk.pack()
