"""docs/recipes.md: what is marked as run is run here as it stands there, and the rest is at least well formed."""

import asyncio
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

import pytest
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from remit.kernel.usage import UnknownPrice
from remit.testing.model_server import ModelServer, Reply

from .world import SOURCE, World, text_of

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^```\w+ recipe=([\w-]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def _running() -> ModuleType:
    """How the gateway's own tests run one."""
    spec = spec_from_file_location("gateway_running", TESTS / "gateway" / "running.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules.setdefault("gateway_running", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    price = {"unknown_price": UnknownPrice.CEILING, "unknown_price_usd": "0.01"}
    home = tmp_path_factory.mktemp("recipes") / "home"
    with ModelServer() as provider, _running().gateway(home, provider, **price) as made:
        made.do(lambda: made.tools("*"))  # as the page registers it
        yield made


def exported(recipe: str, gate: Any) -> dict[str, str]:
    """The variables that a shell recipe sets, for this gateway and key."""
    found: dict[str, str] = {}
    for line in RECIPES[recipe].splitlines():
        word, pair = shlex.split(line)
        assert word == "export"
        name, _, value = pair.partition("=")
        found[name] = value.replace("http://127.0.0.1:4100", gate.url).replace("$REMIT_KEY", gate.token)
    return found


def test_openais_sdk_by_its_variables(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai")
    for name, value in exported("openai", gate).items():
        monkeypatch.setenv(name, value)
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    with openai.OpenAI(max_retries=0) as client:
        messages = [{"role": "user", "content": "Hi"}]
        answer = client.chat.completions.create(model="gpt-4o", messages=messages)
    assert answer.choices[0].message.content == "Hello."


def test_anthropics_sdk_by_its_variables(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    anthropic = pytest.importorskip("anthropic")
    for name, value in exported("anthropic", gate).items():
        monkeypatch.setenv(name, value)
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    with anthropic.Anthropic(max_retries=0) as client:
        messages = [{"role": "user", "content": "Hi"}]
        answer = client.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=messages)
    assert answer.content[0].text == "Hello."


@pytest.mark.parametrize(("recipe", "package"), [("langchain", "langchain_openai"), ("pydantic-ai", "pydantic_ai")])
def test_frameworks_by_base_url(gate: Any, recipe: str, package: str) -> None:
    pytest.importorskip(package)
    names: dict[str, Any] = {"GATEWAY": gate.url, "REMIT_KEY": gate.token, "MODEL": "gpt-4o"}
    exec(compile(RECIPES[recipe], "docs/recipes.md", "exec"), names)  # noqa: S102 - our own page
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    if recipe == "langchain":
        assert names["model"].invoke("Hi").content == "Hello."
    else:
        from pydantic_ai import Agent

        async def asked() -> str:
            answer = await Agent(names["model"]).run("Hi")
            await names["model"].client.close()
            return answer.output

        assert asyncio.run(asked()) == "Hello."


#: What coding agents send: a query, betas, blocks with marks for the provider's cache, tools, what only they use.
AGENTS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "claude-code": (
        "/v1/messages?beta=true",
        {"anthropic-version": "2023-06-01", "anthropic-beta": "interleaved-thinking-2025-05-14", "x-app": "cli"},
        {
            "model": "claude-sonnet-4-5-20250929",
            "max_tokens": 32000,
            "stream": True,
            "metadata": {"user_id": "user_0_account__session_0"},
            "system": [{"type": "text", "text": "You are at work.", "cache_control": {"type": "ephemeral"}}],
            "tools": [
                {"name": "Bash", "description": "Runs it.", "input_schema": {"type": "object", "properties": {}}},
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
            ],
            "thinking": {"type": "enabled", "budget_tokens": 31999},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Mend it."}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmF0dXJl"},
                        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls -la"}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a.py"}]},
            ],
        },
    ),
    "codex": (
        "/v1/responses",
        {"originator": "codex_cli_rs", "session_id": "0", "accept": "text/event-stream"},
        {
            "model": "gpt-5",
            "instructions": "You are at work.",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Mend it."}]},
                {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "Z0FBQUE="},
                {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "call_1"},
                {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
            ],
            "tools": [
                {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object"}},
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark"}},
                {"type": "web_search"},
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "0",
        },
    ),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_requests_as_coding_agents_write_them_arrive_as_they_are(gate: Any, agent: str) -> None:
    path, headers, asked = AGENTS[agent]
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    body = json.dumps(asked, indent=1).encode()
    head = {**headers, "authorization": f"Bearer {gate.token}", "content-type": "application/json"}
    with urlopen(Request(gate.url + path, body, head)) as answer:  # noqa: S310 - our own gateway
        told = answer.read()
    assert b"lo." in told
    assert b"event: error" not in told
    seen = gate.provider.requests[-1]
    assert seen.body == body
    assert seen.path == path.partition("?")[0]
    assert seen.headers.get("anthropic-beta") == headers.get("anthropic-beta")
    assert "originator" not in seen.headers


async def test_the_table_of_servers_works_as_it_stands(world: World) -> None:
    servers = json.loads(RECIPES["mcp"])["mcpServers"]
    for name, called in (("files", "echo"), ("remit", "")):
        told = servers[name]
        assert told["command"] == "remit"
        args = list(told["args"])
        if "SERVER" in args:
            at = args.index("SERVER")
            args[at:] = world.witness()
            args[at - 1 : at - 1] = ["--env", f"PYTHONPATH={SOURCE}"]
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "remit.cli", *args],
            env={**os.environ, "REMIT_HOME": str(world.home)},
        )
        async with stdio_client(server) as (incoming, outgoing), ClientSession(incoming, outgoing) as session:
            await session.initialize()
            names = [tool.name for tool in (await session.list_tools()).tools]
            if called:
                assert called in names
                assert text_of(await session.call_tool(called, {"text": "hello"})) == "hello"
            else:
                assert names == [], "the agent's list has nothing of it"


def test_every_other_recipe_is_well_formed() -> None:
    assert set(RECIPES) == {
        *("openai", "anthropic", "langchain", "pydantic-ai"),
        *("codex", "opencode", "mcp", "mcp-more"),
    }
    assert tomllib.loads(RECIPES["codex"])["model_providers"]["remit"]["base_url"].endswith("/v1")
    assert json.loads(RECIPES["opencode"])["provider"]["remit"]["options"]["baseURL"].endswith("/v1")
    for told in json.loads(RECIPES["mcp-more"])["mcpServers"].values():
        assert told["command"] == "remit"
        assert told["args"][:2] == ["mcp", "proxy"]
