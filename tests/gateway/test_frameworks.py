"""Frameworks that know nothing of Remit, given its base URL and a key: LangChain and Pydantic AI."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from remit.testing.model_server import Reply, ToolCall

from .running import Gateway


class Weather(BaseModel):
    """The weather somewhere."""

    city: str


def test_langchain_with_openais_models(gate: Gateway) -> None:
    chat_models = pytest.importorskip("langchain_openai")
    chat = chat_models.ChatOpenAI(model="gpt-4o", base_url=gate.openai, api_key=gate.token, max_retries=0)
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    assert chat.invoke("Hi").content == "Hello."
    assert "".join(str(piece.content) for piece in chat.stream("Hi")) == "Hello."
    gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": "Graz"}),)))
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": Weather.model_json_schema()}}
    (call,) = chat.bind_tools([tool]).invoke("Hi").tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Graz"})


def test_langchain_with_anthropics_models(gate: Gateway) -> None:
    chat_models = pytest.importorskip("langchain_anthropic")
    chat = chat_models.ChatAnthropic(
        model="claude-sonnet-4-6", base_url=gate.url, api_key=gate.token, max_retries=0, max_tokens=50
    )
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    assert chat.invoke("Hi").content == "Hello."
    assert "".join(piece.text for piece in chat.stream("Hi")) == "Hello."
    gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": "Graz"}),)))
    (call,) = chat.bind_tools([Weather.model_json_schema() | {"title": "weather"}]).invoke("Hi").tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Graz"})


def test_pydantic_ai_over_http(gate: Gateway) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    one = OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=gate.openai, api_key=gate.token))
    other = AnthropicModel("claude-sonnet-4-6", provider=AnthropicProvider(base_url=gate.url, api_key=gate.token))

    asked: list[str] = []

    def weather(city: str) -> str:
        """How it is there."""
        asked.append(city)
        return "sunny"

    async def both() -> None:
        for model in (one, other):
            asked.clear()
            agent = pydantic_ai.Agent(model, tools=[weather])
            gate.provider.forget()
            gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": "Graz"}),)), times=1)
            gate.provider.say(Reply(text="It is sunny."))
            done = await agent.run("How is it in Graz?")
            assert done.output == "It is sunny."
            assert asked == ["Graz"]
            assert done.usage.requests == 2
            await model.client.close()

    asyncio.run(both())
