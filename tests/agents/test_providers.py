"""Agents whose models are providers': their own SDK classes, each request through the guard, against a real server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

import remit
from remit.accounts.budgets import BudgetScope, set_limit
from remit.audit import query
from remit.bootstrap import open_store
from remit.kernel.errors import BudgetExceeded, NotFound
from remit.kernel.money import usd
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.testing.model_server import Behaviour, ModelServer, Reply, ToolCall

from .conftest import CLOCK, Place, registered

OPENAI = OpenAIProvider(base_url="http://127.0.0.1:9/v1", api_key="nobody-uses-this")
ANTHROPIC = AnthropicProvider(base_url="http://127.0.0.1:9", api_key="nobody-uses-this")
MODELS: dict[str, Any] = {
    "chat": lambda: OpenAIChatModel("gpt-4o-mini", provider=OPENAI),
    "responses": lambda: OpenAIResponsesModel("gpt-4o-mini", provider=OPENAI),
    "messages": lambda: AnthropicModel("claude-haiku-4-5", provider=ANTHROPIC),
}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as made:
        yield made


@pytest.fixture
async def wired(place: Place, server: ModelServer) -> Place:
    """The workspace has both providers, at a server that counts."""
    with open_store(place.settings) as store:
        for name, kind in (("openai", ProviderKind.OPENAI), ("anthropic", ProviderKind.ANTHROPIC)):
            provider = Provider(place.settings.workspace, name, kind, f"{server.url}/v1")
            change = SetProvider(provider)
            await order(store, [change], workspace=place.settings.workspace, by=place.owner, clock=CLOCK)
    return place


def adder(model: Any) -> Agent[None, str]:
    agent = Agent(model, name="helper")

    @agent.tool_plain
    def add(x: int, y: int) -> int:
        return x + y

    return agent


@pytest.mark.parametrize("wire", MODELS)
async def test_a_run_with_a_tool_goes_through_the_guard_alone(wired: Place, server: ModelServer, wire: str) -> None:
    server.say(Reply(calls=(ToolCall("add", {"x": 2, "y": 3}),)), times=1)
    server.say(Reply(text="Five."))
    async with remit.governed(adder(MODELS[wire]()), home=wired.home) as agent:
        done = await agent.run("add two and three")
    assert done.output == "Five."
    assert server.count == 2
    assert [(kind, state) for kind, _, state in wired.actions()] == [("model", "ok"), ("tool", "ok"), ("model", "ok")]
    assert "nobody-uses-this" not in str([seen.headers for seen in server.requests])
    assert all(row["cost_micros"] > 0 for row in wired.rows() if row["kind"] == "model")


PROGRAMS = {
    "run_sync": "print(agent.run_sync('one').output, agent.run_sync('two').output)",
    "asyncio.run": "print(asyncio.run(agent.run('one')).output, asyncio.run(agent.run('two')).output)",
    "closed between": "print(agent.run_sync('one').output); agent.close_sync(); print(agent.run_sync('two').output)",
    "at once": """
async def both():
    for each in await asyncio.gather(agent.run('one'), agent.run('two')):
        print(each.output)
asyncio.run(both())
""",
}


@pytest.mark.parametrize("how", PROGRAMS)
async def test_a_plain_program_runs_it_again_and_again_and_ends_quietly(
    wired: Place, server: ModelServer, how: str
) -> None:
    code = (
        "import asyncio, remit\nfrom pydantic_ai import Agent\n"
        f"agent = remit.governed(Agent('openai:gpt-4o-mini', name='helper'), home={str(wired.home)!r})\n"
    )
    server.say(Reply(text="Five."))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code + PROGRAMS[how]],
        capture_output=True,
        text=True,
        env=os.environ | {"OPENAI_API_KEY": "its SDK asks for one"},
        timeout=100,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["Five."] * 2, "")
    assert server.count == 2


@pytest.mark.parametrize("wire", MODELS)
async def test_a_stream_passes_on_through_the_guard(wired: Place, server: ModelServer, wire: str) -> None:
    server.say(Reply(text="one two three four five"))
    async with remit.governed(adder(MODELS[wire]()), home=wired.home) as agent, agent.run_stream("count") as stream:
        text = "".join([piece async for piece in stream.stream_text(delta=True, debounce_by=None)])
    assert text == "one two three four five"
    assert wired.actions() == [("model", wired.actions()[0][1], "ok")]


async def test_each_attempt_of_a_chain_is_an_action(wired: Place, server: ModelServer) -> None:
    server.behave(Behaviour(status=400), times=1)
    server.say(Reply(text="Here."))
    chain = FallbackModel(MODELS["chat"](), MODELS["messages"](), fallback_on=(Exception,))
    async with remit.governed(adder(chain), home=wired.home) as agent:
        assert (await agent.run("hi")).output == "Here."
    targets = [(target.partition("/")[0], state) for _, target, state in wired.actions()]
    assert targets == [("openai", "failed"), ("anthropic", "ok")]


async def test_a_budget_ends_the_run_before_anything_is_sent(wired: Place, server: ModelServer) -> None:
    with open_store(wired.settings) as store:
        await set_limit(
            store,
            BudgetScope.AGENT,
            workspace=wired.settings.workspace,
            name="helper",
            limit=usd("0.000001"),
            by=wired.owner,
        )
    async with remit.governed(adder(MODELS["chat"]()), home=wired.home) as agent:
        with pytest.raises(BudgetExceeded):
            await agent.run("hi")
        with pytest.raises(BudgetExceeded):
            async with agent.run_stream("hi"):
                raise AssertionError
    assert server.count == 0


async def test_a_provider_that_the_workspace_lacks_is_said(place: Place) -> None:
    async with remit.governed(adder(MODELS["chat"]()), home=place.home) as agent:
        with pytest.raises(NotFound, match="no provider for the model"):
            await agent.run("hi")
    assert place.actions() == []


KEPT = Reply(text="Four.", extra={"id": "resp_1", "store": True})


def goes_on(model: Any, name: str = "helper", **settings: Any) -> Agent[None, str]:
    return Agent(model, name=name, model_settings=cast("ModelSettings", settings))


@pytest.mark.parametrize("how", ["setting", "extra_body", "conversation"])
async def test_only_the_agent_that_made_a_response_goes_on_from_it(wired: Place, server: ModelServer, how: str) -> None:
    with open_store(wired.settings) as store:
        await registered(store, wired.settings, "stranger", models=frozenset({"*"}))
    server.say(replace(KEPT, extra=dict(KEPT.extra) | {"conversation": {"id": "conv_1"}}))
    settings: dict[str, Any] = {
        "setting": {"openai_previous_response_id": "resp_1"},
        "extra_body": {"extra_body": {"previous_response_id": "resp_1"}},
        "conversation": {"extra_body": {"conversation": {"id": "conv_1"}}},
    }[how]
    model = MODELS["responses"]
    async with remit.governed(goes_on(model()), home=wired.home) as agent:
        await agent.run("how many?")
    async with remit.governed(goes_on(model(), **settings), home=wired.home) as agent:
        assert (await agent.run("and?")).output == "Four."
    asked = server.count
    async with remit.governed(goes_on(model(), "stranger", **settings), home=wired.home) as agent:
        with pytest.raises(NotFound) as refused:
            await agent.run("and?")
        with pytest.raises(NotFound):
            async with agent.run_stream("and?"):
                raise AssertionError
    assert refused.value.code == "gateway.continued"
    assert server.count == asked, "another's conversation was asked for"
    with open_store(wired.settings) as store:
        found = store.view(lambda tx: query.find(tx, query.Filter(wired.settings.workspace, action="agents.refused")))
    assert {(each.header["actor"], each.header["reason"]) for each in found} == {
        ("agent:stranger", "gateway.continued")
    }


async def test_what_never_was_cannot_be_gone_on_from(wired: Place, server: ModelServer) -> None:
    settings = {"openai_previous_response_id": "resp_never"}
    async with remit.governed(goes_on(MODELS["responses"](), **settings), home=wired.home) as agent:
        with pytest.raises(NotFound, match="resp_never"):
            await agent.run("and?")
    assert server.count == 0
