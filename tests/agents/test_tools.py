"""Tools that a mission declares, and tools of MCP servers inside agents: one by one through the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from mcp.server import MCPServer
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

import remit
from remit.adapters.agents.tools import ToolAdapter
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Tool
from remit.kernel.errors import Failed, InvalidInput, NotFound, Timeout, Unavailable
from remit.kernel.ids import new_id
from remit.sdk import Mission, effect_key
from remit.sdk.tools import ToolFunction

from .conftest import Place
from .test_governed import scripted

RULES = """
use: []
rules:
  - id: team.readonly
    on: tool
    assert: tool.name != "delete"
    else: deny
    message: nothing is deleted here
"""


def act(name: str, arguments: Mapping[str, Any]) -> Action:
    who = Principal(ActorKind.AGENT, "helper")
    return Action(new_id(), Tool(name, dict(arguments)), who, who, "default", effect_key="m/s/k/0/1")


def adapter(**functions: ToolFunction) -> ToolAdapter:
    return ToolAdapter(find=functions.get)


async def test_a_declared_tool_gets_its_arguments_and_its_key() -> None:
    seen: list[str] = []

    def plain(x: int) -> dict[str, int]:
        seen.append(effect_key())
        return {"double": 2 * x}

    async def later(x: int) -> str:
        return f"got {x}"

    tools = adapter(plain=ToolFunction("plain", plain), later=ToolFunction("later", later))
    assert (await tools.perform(act("plain", {"x": 4}))).value == {"result": {"double": 8}}
    assert (await tools.perform(act("later", {"x": 4}))).text == "got 4"
    assert seen == ["m/s/k/0/1"]
    assert effect_key() == ""
    with pytest.raises(NotFound, match="No tool 'other'"):
        await tools.perform(act("other", {}))


async def test_only_an_idempotent_tool_fails_in_a_way_that_is_tried_again() -> None:
    async def slow() -> None:
        await asyncio.sleep(600)

    def cut() -> None:
        raise ConnectionError("gone")

    for idempotent, errors in ((True, (Timeout, Unavailable)), (False, (Failed, Failed))):
        tools = adapter(
            slow=ToolFunction("slow", slow, timeout_s=0.01, idempotent=idempotent),
            cut=ToolFunction("cut", cut, idempotent=idempotent),
        )
        for name, error in zip(("slow", "cut"), errors, strict=True):
            with pytest.raises(error):
                await tools.perform(act(name, {}))


def test_two_tools_of_one_name_are_refused() -> None:
    mission = Mission("m", version="1")
    mission.tool(name="look")(lambda: None)
    with pytest.raises(InvalidInput, match="two tools called 'look'"):
        mission.tool(name="look")(lambda: None)


async def test_tools_of_an_mcp_server_are_governed_one_by_one(place: Place) -> None:
    await place.rules(RULES)
    server = MCPServer("files")
    done: list[str] = []

    @server.tool()
    def read(path: str) -> str:
        """Read."""
        done.append(f"read {path}")
        return "text"

    @server.tool()
    def delete(path: str) -> str:
        """Delete."""
        done.append(f"delete {path}")
        return "gone"

    model = scripted(("read", {"path": "a"}), ("delete", {"path": "a"}))
    agent = Agent(model, name="helper", toolsets=[MCPToolset(server)])
    async with remit.governed(agent, home=place.home) as governed:
        answer = await governed.run("go")
    assert done == ["read a"]
    assert "nothing is deleted here" in answer.output
    assert [(target, state) for _, target, state in place.actions("tool")] == [("read", "ok"), ("delete", "refused")]


async def test_cards_in_what_a_server_answers_are_masked_before_the_agent_has_them(place: Place) -> None:
    card, seen = "4242 4242 4242 4242", dict[str, Any]()
    server = MCPServer("files")

    @server.tool()
    def read(path: str) -> str:
        """Read."""
        return f"{path}: {card}"

    def own() -> str:
        """A function of the agent's own."""
        return card

    def model(messages: list[Any], _info: Any) -> ModelResponse:
        returned = {part.tool_name: part.content for part in messages[-1].parts if part.part_kind == "tool-return"}
        if not returned:
            return ModelResponse(parts=[ToolCallPart("read", {"path": "a"}), ToolCallPart("own", {})])
        return ModelResponse(parts=[TextPart("done")])

    agent = Agent(FunctionModel(model), name="helper", toolsets=[MCPToolset(server)], tools=[own])
    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go")
    for message in done.all_messages():
        seen |= {part.tool_name: part.content for part in message.parts if part.part_kind == "tool-return"}
    assert str(seen["read"]).startswith("a: [REDACTED:card:")
    assert seen["own"] == card, "its own function's result is its own, until a model is asked"
