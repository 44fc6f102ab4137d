"""A desk that reserves things: a mission whose step is an agent with two tools and a scripted model, for drills.

Run it as ``remit run remit.testing.desk:PACK FILE``; the input is any JSON object. The agent is registered as ``clerk``
with the effects ``model``, ``tool`` and ``files``. Its tool ``reserve`` tells the witness that ``REMIT_PROBE_WITNESS``
names, with the effect's key as idempotency key; bodies of tools append their name to ``REMIT_PROBE_LOG``.
``{"pause_s": 5}`` makes ``reserve`` take that long after it told the witness.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any, cast

import remit
from remit.adapters.agents.library import (
    Agent,
    AgentInfo,
    FunctionModel,
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from remit.kernel.canonical import Json
from remit.sdk import Mission, Result, ResultHas, StepContext, StepSpec, effect_key

CLERK = "clerk"
PAUSE: dict[str, float] = {}

#: What the script asks for, one answer each.
SCRIPT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("look_up", {"item": "lamp"}),
    ("reserve", {"item": "lamp", "count": 2}),
    ("reserve", {"item": "chair", "count": 1}),
)


def _note(name: str) -> None:
    log = os.environ.get("REMIT_PROBE_LOG")
    if log:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, f"{name} 1\n".encode())
        os.close(handle)


def script(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Ask for the tools one after the other, then say what came back."""
    del info
    _note("model")
    parts = [part for message in messages for part in message.parts]
    returned = [part.content for part in parts if isinstance(part, ToolReturnPart)]
    if len(returned) < len(SCRIPT):
        name, arguments = SCRIPT[len(returned)]
        return ModelResponse(parts=[ToolCallPart(name, arguments, tool_call_id=f"call-{len(returned)}")])
    return ModelResponse(parts=[TextPart(f"done: {json.dumps(returned)}")])


agent = Agent(FunctionModel(script, model_name="clerk-script"), name=CLERK)


@agent.tool_plain
def look_up(item: str) -> dict[str, int]:
    """How many there are."""
    _note("look_up")
    return {item: 3}


@agent.tool_plain
async def reserve(item: str, count: int) -> str:
    """Reserve some."""
    _note(f"reserve-{item}")
    witness = os.environ.get("REMIT_PROBE_WITNESS", "")
    if witness:
        await asyncio.to_thread(_tell, f"{witness}/{item}", effect_key())
    await asyncio.sleep(PAUSE.get("reserve", 0.0))
    return f"{count} {item} reserved"


def _tell(address: str, key: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - the drill's own loopback witness
        address, data=b"{}", method="POST", headers={"Idempotency-Key": key}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        answer.read()


desk = Mission("desk", version="1", summary="An agent reserves two things.")


@desk.step(post=[ResultHas("tool_calls", 3)], agent=CLERK)
async def serve(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Let the agent do it."""
    PAUSE["reserve"] = float(cast("float", params.get("pause_s", 0.0)))
    return await remit.agent_step(ctx, agent, "Reserve two lamps and a chair.")


@desk.planner
def plan(data: bytes, name: str) -> Iterable[StepSpec]:
    """One step."""
    del name
    told = cast("dict[str, Json]", json.loads(data or b"{}"))
    return [desk.use(serve, params={"pause_s": told.get("pause_s", 0.0)})]


PACK = desk.pack()
