"""A small mission with an agent: two tools, a scripted model that needs no key. ``remit run desk:PACK note.txt``.

Put ``Agent("openai:gpt-5", name="clerk")`` in place of the script, register the provider (``remit providers add``), and
nothing else changes.
"""

# ruff: noqa: INP001 - loaded by name, as a pack of your own is

from collections.abc import Iterable, Mapping

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import remit
from remit.kernel.canonical import Json
from remit.sdk import Mission, Result, ResultHas, StepContext, StepSpec

STOCK = {"lamp": 3, "chair": 1}


def script(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """What the model says: look, then reserve, then tell."""
    back = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if not back:
        return ModelResponse(parts=[ToolCallPart("in_stock", {"item": "lamp"}, tool_call_id="look")])
    if len(back) == 1:
        return ModelResponse(parts=[ToolCallPart("reserve", {"item": "lamp", "count": 2}, tool_call_id="take")])
    return ModelResponse(parts=[TextPart(str(back[-1].content))])


clerk = Agent(FunctionModel(script, model_name="clerk"), name="clerk")


@clerk.tool_plain
def in_stock(item: str) -> int:
    """How many there are."""
    return STOCK[item]


@clerk.tool_plain
def reserve(item: str, count: int) -> str:
    """Put some aside."""
    return f"{count} {item}s are put aside"


desk = Mission("desk", version="1", summary="An agent answers a note.")


@desk.step(post=[ResultHas("tool_calls", 2)], agent="clerk")
async def answer(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Let the agent work; its messages become the step's artefact."""
    return await remit.agent_step(ctx, clerk, str(params["note"]))


@desk.planner
def plan(data: bytes, _: str) -> Iterable[StepSpec]:
    """One step for a note."""
    return [desk.use(answer, params={"note": data.decode().strip()})]


PACK = desk.pack()
