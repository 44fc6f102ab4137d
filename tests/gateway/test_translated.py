"""Clients of one interface before providers of the other, through the gateway's socket, with their official SDKs."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import orjson
import pytest

from remit.accounts.budget_tables import USAGE
from remit.testing.model_server import Behaviour, Reply, ToolCall

from .running import Gateway, ask

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SAID = Reply(
    deltas=("In Graz ", "it is ", "warm."),
    thinking="Let me see.",
    calls=(ToolCall("weather", {"city": "Graz"}), ToolCall("weather", {"city": "Linz", "n": 1.5})),
    tokens_in=31,
    tokens_out=17,
    cached=5,
)
CHAT: dict[str, Any] = {
    "model": "far-messages",
    "max_completion_tokens": 4000,
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": WEATHER}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Wien"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ],
}
MESSAGE: dict[str, Any] = {
    "model": "far-chat",
    "max_tokens": 4000,
    "system": "Be brief.",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [{"name": "weather", "description": "Tells it.", "input_schema": WEATHER}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Wien"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
    ],
}


@pytest.fixture
def far(gate: Gateway) -> Gateway:
    """Two public names: each stands for a model of the interface that its clients do not speak."""
    gate.do(lambda: gate.list_model("far-messages", ("anthropic", "claude-sonnet-4-6")))
    gate.do(lambda: gate.list_model("far-chat", ("openai", "gpt-5")))
    return gate


@pytest.fixture
def chat(far: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=far.openai, api_key=far.token, max_retries=0) as client:
        yield client


@pytest.fixture
def messages(far: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=far.url, api_key=far.token, max_retries=0) as client:
        yield client


def billed(far: Gateway) -> Any:
    """What the newest call used and cost, as it stands on record."""

    far.settled(0)
    return max(far.rows(USAGE), key=lambda row: str(row["action"]))


# ------------------------------------------------------------------------------------ OpenAI's SDK, Anthropic's model


def asked_in_messages(far: Gateway) -> Any:
    (seen,) = far.provider.requests
    assert seen.path == "/v1/messages"
    asked = seen.json
    assert asked["model"] == "claude-sonnet-4-6"
    assert asked["system"] == "Be brief."
    assert asked["max_tokens"] == 4000, "no more than was asked for, and reserved"
    assert asked["thinking"]["budget_tokens"] < 4000
    assert asked["tools"][0]["input_schema"] == WEATHER
    person, model, tool = asked["messages"]
    assert person["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert model["content"] == [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Wien"}}]
    assert tool["content"][0]["tool_use_id"] == "call_1"
    return asked


def calls_of(message: Any) -> list[tuple[str, Any]]:
    return [(each.function.name, orjson.loads(each.function.arguments)) for each in message.tool_calls]


WANTED = [("weather", {"city": "Graz"}), ("weather", {"city": "Linz", "n": 1.5})]


def test_a_chat_with_a_model_of_messages(far: Gateway, chat: openai.OpenAI) -> None:
    far.provider.say(SAID)
    told = chat.chat.completions.create(**CHAT)
    asked_in_messages(far)
    (choice,) = told.choices
    assert choice.message.content == "In Graz it is warm."
    assert choice.finish_reason == "tool_calls"
    assert calls_of(choice.message) == WANTED
    assert len({each.id for each in choice.message.tool_calls or ()}) == 2
    assert told.usage is not None
    assert told.usage.completion_tokens == 17
    assert billed(far)["tokens_out"] == 17
    assert billed(far)["cost_micros"] > 0


def test_a_streamed_chat_with_a_model_of_messages(far: Gateway, chat: openai.OpenAI) -> None:
    far.provider.say(SAID)
    text, arguments, names, ends, usage = "", dict[int, str](), dict[int, str](), list[str](), None
    for chunk in chat.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            ends += [choice.finish_reason] if choice.finish_reason else []
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                names[call.index] = names.get(call.index, "") + (call.function.name or "")
                arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    asked_in_messages(far)
    assert text == "In Graz it is warm."
    assert [(names[at], orjson.loads(arguments[at])) for at in sorted(names)] == WANTED
    assert ends == ["tool_calls"]
    assert usage is not None
    assert usage.completion_tokens == billed(far)["tokens_out"] == 17


# ------------------------------------------------------------------------------------ Anthropic's SDK, OpenAI's model


def asked_in_chat(far: Gateway) -> Any:
    (seen,) = far.provider.requests
    assert seen.path == "/v1/chat/completions"
    asked = seen.json
    assert asked["model"] == "gpt-5"
    assert asked["max_completion_tokens"] == 4000
    assert asked["reasoning_effort"] == "low"
    assert asked["tools"][0]["function"]["parameters"] == WEATHER
    system, person, model, tool = asked["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert person["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    assert orjson.loads(model["tool_calls"][0]["function"]["arguments"]) == {"city": "Wien"}
    assert (tool["role"], tool["tool_call_id"], tool["content"]) == ("tool", "toolu_1", "rain")
    return asked


def test_messages_to_a_model_of_chat(far: Gateway, messages: anthropic.Anthropic) -> None:
    far.provider.say(SAID)
    told = messages.messages.create(**MESSAGE)
    asked_in_chat(far)
    assert told.stop_reason == "tool_use"
    assert "".join(each.text for each in told.content if each.type == "text") == "In Graz it is warm."
    assert [(each.name, each.input) for each in told.content if each.type == "tool_use"] == WANTED
    assert told.usage.output_tokens == billed(far)["tokens_out"] == 17


def test_streamed_messages_to_a_model_of_chat(far: Gateway, messages: anthropic.Anthropic) -> None:
    far.provider.say(SAID)
    with messages.messages.stream(**MESSAGE) as stream:
        text = "".join(stream.text_stream)
        told = stream.get_final_message()
    asked_in_chat(far)
    assert text == "In Graz it is warm."
    assert told.stop_reason == "tool_use"
    assert [(each.name, each.input) for each in told.content if each.type == "tool_use"] == WANTED
    assert told.usage.output_tokens == billed(far)["tokens_out"] == 17


# ------------------------------------------------------------------------------------------------- what goes wrong

ASKED = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGE,
}


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(("status", "ours"), [(400, {400}), (429, {429}), (500, {502, 503, 500}), (529, {503, 529})])
def test_a_refusal_comes_in_the_clients_own_shape(far: Gateway, path: str, status: int, ours: set[int]) -> None:
    far.provider.behave(Behaviour(status=status, headers=(("retry-after", "1"),)))
    name = f"far-{path[-8:]}-{status}".replace("/", "-")
    which = ("anthropic", f"claude-{status}") if "chat" in path else ("openai", f"gpt-5-{status}")
    far.do(lambda: far.list_model(name, which))
    got, _, body = ask(far.url, path, ASKED[path] | {"model": name}, token=far.token)
    assert got in ours
    told = orjson.loads(body)
    assert told["error"]["message"]
    assert ("type" in told) == ("messages" in path), "Anthropic's has a type around it"


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("ends", [Behaviour(close_at=3000), Behaviour(stall_at=3000)])
def test_a_stream_that_ends_early_is_one_error_event(far: Gateway, path: str, ends: Behaviour) -> None:
    far.provider.say(Reply(deltas=tuple(f"word{n} " for n in range(40))))
    far.provider.behave(ends)
    name = f"early-{path[-8:]}-{ends.stall_at}".replace("/", "-")
    which = ("anthropic", "claude-early") if "chat" in path else ("openai", "gpt-5-early")
    far.do(lambda: far.list_model(name, which))
    asked = ASKED[path] | {"model": name, "stream": True}
    status, _, body = ask(far.url, path, asked, token=far.token, x_remit_timeout="1")
    assert status == 200
    lines = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    assert b"[DONE]" not in lines
    told = [orjson.loads(line) for line in lines]
    failed = [each for each in told if each.get("error")]
    assert len(failed) == 1
    assert told[-1] is failed[0]
    assert b"word0" in body
    assert not any(far.reserved())


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("streamed", [True, False])
def test_secrets_and_cards_are_masked_across_interfaces(far: Gateway, path: str, *, streamed: bool) -> None:
    token = "ghp_" + "x9K2" * 9
    far.provider.say(Reply(deltas=("Take ", token[:11], token[11:], " and 4242 42", "42 4242 4242.")))
    asked = orjson.loads(orjson.dumps(ASKED[path] | {"stream": streamed}).replace(b"Be brief.", token.encode()))
    status, _, body = ask(far.url, path, asked, token=far.token)
    assert status == 200
    assert token.encode() not in far.provider.requests[-1].body
    assert token.encode() not in body
    assert body.count(b"[REDACTED:") == 2
    assert b"4242 4242" not in body
