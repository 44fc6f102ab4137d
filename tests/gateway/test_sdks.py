"""The official SDKs, unchanged but for base URL and key: what they ask arrives, what is answered comes back."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from remit.testing.model_server import Behaviour, Reply, ToolCall

from .running import Gateway

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ASK: list[Any] = [{"role": "user", "content": "How many?"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Number(BaseModel):
    number: int


@pytest.fixture
def chat(gate: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gate.openai, api_key=gate.token, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gate: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gate.url, api_key=gate.token, max_retries=0) as client:
        yield client


# ------------------------------------------------------------------------------------------------------------- OpenAI


def test_a_chat(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(text="Four.", tokens_in=9, tokens_out=2))
    told = chat.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASK)
    answer = told.parse()
    assert answer.choices[0].message.content == "Four."
    assert answer.usage is not None
    assert answer.usage.total_tokens == 11
    (row,) = [row for row in gate.rows() if row["id"] == told.headers["x-remit-action"]]
    assert (row["state"], row["target"], row["principal"]) == ("ok", "openai/gpt-4o", "agent:laptop")
    cost = f"{row['cost_micros'] / 1e6:.6f}"
    assert float(cost) > 0
    assert told.headers["x-remit-cost-usd"] == cost


def test_a_chat_as_it_comes(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(deltas=("One ", "and ", "two.")))
    stream = chat.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "One and two."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "the caller did not ask for it"


def test_usage_is_told_to_who_asks(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(deltas=("One ", "two."), tokens_in=7, tokens_out=3))
    stream = chat.chat.completions.create(
        model="gpt-4o", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    usage = list(stream)[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)


def test_tools_of_a_chat(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": "Graz"}),)))
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    answer = chat.chat.completions.create(model="gpt-4o", messages=ASK, tools=tools)
    (call,) = answer.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Graz"}')  # type: ignore[union-attr]
    with chat.chat.completions.stream(model="gpt-4o", messages=ASK, tools=tools) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert call.function.arguments == '{"city":"Graz"}'


def test_an_answer_of_a_schema(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(text='{"number":4}'))
    parsed = chat.chat.completions.parse(model="gpt-4o", messages=ASK, response_format=Number)
    assert parsed.choices[0].message.parsed == Number(number=4)
    assert gate.provider.requests[-1].json["response_format"]["type"] == "json_schema"


def test_an_image_in_a_chat(gate: Gateway, chat: openai.OpenAI) -> None:
    content: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    chat.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])
    assert gate.provider.requests[-1].json["messages"][0]["content"] == content


def test_responses(gate: Gateway, chat: openai.OpenAI) -> None:
    gate.provider.say(Reply(deltas=("Four", ".")))
    assert chat.responses.create(model="gpt-4o", input="How many?").output_text == "Four."
    with chat.responses.stream(model="gpt-4o", input="How many?") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == "Four."
    assert kinds[0] == "response.created"


def test_embeddings(chat: openai.OpenAI) -> None:
    answer = chat.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert len(answer.data) == 2
    assert answer.data[0].embedding


async def test_both_sdks_without_blocking(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=("Hel", "lo.")))
    async with openai.AsyncOpenAI(base_url=gate.openai, api_key=gate.token) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hello."
    async with anthropic.AsyncAnthropic(base_url=gate.url, api_key=gate.token) as other:
        async with other.messages.stream(model="claude-sonnet-4-6", max_tokens=20, messages=ASK) as said:
            assert [text async for text in said.text_stream] == ["Hel", "lo."]
        answer = await other.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
        assert answer.content[0].text == "Hello."  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------------------- Anthropic


def test_a_message(gate: Gateway, claude: anthropic.Anthropic) -> None:
    gate.provider.say(Reply(text="Four.", tokens_in=9, tokens_out=2))
    told = claude.messages.with_raw_response.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
    answer = told.parse()
    assert answer.content[0].text == "Four."  # type: ignore[union-attr]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (9, 2)
    assert told.headers["request-id"]
    seen = gate.provider.requests[-1]
    assert seen.headers["anthropic-version"] == anthropic.Anthropic(api_key="x").default_headers["anthropic-version"]
    assert gate.token not in str(dict(seen.headers)), "the client's key is nobody else's business"


def test_thinking_and_its_signature(gate: Gateway, claude: anthropic.Anthropic) -> None:
    gate.provider.say(Reply(text="Four.", thinking="Two and two."))
    with claude.messages.stream(
        model="claude-sonnet-4-6",
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=ASK,
    ) as stream:
        final = stream.get_final_message()
    thought = final.content[0]
    assert thought.type == "thinking"
    assert thought.thinking == "Two and two."
    direct = gate.provider.requests[-1]
    assert direct.json["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert thought.signature


def test_tools_of_a_message(gate: Gateway, claude: anthropic.Anthropic) -> None:
    gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": "Graz"}),)))
    tools: Any = [{"name": "weather", "input_schema": WEATHER}]
    answer = claude.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK, tools=tools)
    used = next(block for block in answer.content if block.type == "tool_use")
    assert (used.name, used.input) == ("weather", {"city": "Graz"})
    with claude.messages.stream(model="claude-sonnet-4-6", max_tokens=20, messages=ASK, tools=tools) as stream:
        final = stream.get_final_message()
    used = next(block for block in final.content if block.type == "tool_use")
    assert used.input == {"city": "Graz"}


def test_an_image_in_a_message(gate: Gateway, claude: anthropic.Anthropic) -> None:
    content: Any = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "text", "text": "What is it?"},
    ]
    claude.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=[{"role": "user", "content": content}])
    assert gate.provider.requests[-1].json["messages"][0]["content"] == content


def test_counting_is_free(claude: anthropic.Anthropic) -> None:
    told = claude.messages.with_raw_response.count_tokens(model="claude-sonnet-4-6", messages=ASK)
    assert told.parse().input_tokens > 0
    assert told.headers["x-remit-cost-usd"] == "0.000000"


def test_both_ways_of_sending_a_key(gate: Gateway) -> None:
    for given in ({"api_key": gate.token}, {"auth_token": gate.token}):
        with anthropic.Anthropic(base_url=gate.url, **given) as client:  # type: ignore[arg-type]
            assert client.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK).content


# ------------------------------------------------------------------------------------------------------------- models


def test_models_in_both_shapes(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    names = [model.id for model in chat.models.list()]
    assert names == [model.id for model in claude.models.list()] == sorted(names)
    assert "house" in names
    assert chat.models.retrieve("house").owned_by == "openai"
    assert claude.models.retrieve("house").display_name == "house"
    assert "quick" in names, "aliases too"
    assert chat.models.retrieve("gpt-4o").owned_by == "openai", "by any name by which it may be asked"
    assert claude.models.retrieve("anthropic/claude-sonnet-4-6").id == "anthropic/claude-sonnet-4-6"
    for name in ("nobody/has-it", "nonsense"):
        with pytest.raises(openai.NotFoundError):
            chat.models.retrieve(name)


def test_a_name_of_the_house_and_a_provider_in_the_path(gate: Gateway, chat: openai.OpenAI) -> None:
    chat.chat.completions.create(model="house", messages=ASK)
    assert gate.provider.requests[-1].model == "gpt-4o-mini"
    chat.chat.completions.create(model="openai/gpt-4o", messages=ASK)
    assert gate.provider.requests[-1].model == "gpt-4o"
    with openai.OpenAI(base_url=f"{gate.url}/openai/v1", api_key=gate.token) as client:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert gate.provider.requests[-1].model == "gpt-4o"


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (429, openai.RateLimitError),
        (500, openai.APIStatusError),
        (503, openai.InternalServerError),
    ],
)
def test_what_a_provider_refuses(gate: Gateway, status: int, raised: type[Exception]) -> None:
    with gateway_client(gate, retries=0) as client:
        gate.provider.behave(Behaviour(status=status, headers=(("retry-after", "0"),)))
        with pytest.raises(raised):
            client.chat.completions.create(model=f"gpt-4o-{status}", messages=ASK)


def gateway_client(gate: Gateway, *, retries: int) -> openai.OpenAI:
    return openai.OpenAI(base_url=gate.openai, api_key=gate.token, max_retries=retries)


def test_an_unknown_key(gate: Gateway) -> None:
    with (
        openai.OpenAI(base_url=gate.openai, api_key="rk_live_nothing") as one,
        anthropic.Anthropic(base_url=gate.url, api_key="nothing") as other,
    ):
        with pytest.raises(openai.AuthenticationError):
            one.chat.completions.create(model="gpt-4o", messages=ASK)
        with pytest.raises(anthropic.AuthenticationError) as told:
            other.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
    body: Any = told.value.body
    assert body["error"]["type"] == "authentication_error"
    assert gate.provider.count == 0


def test_a_spent_budget(gate: Gateway) -> None:
    token = gate.do(lambda: gate.make_key("poor"))
    gate.do(lambda: gate.key_budget("poor", "0.000001"))
    with (
        openai.OpenAI(base_url=gate.openai, api_key=token) as one,
        anthropic.Anthropic(base_url=gate.url, api_key=token) as other,
    ):
        with pytest.raises(openai.APIStatusError) as told:
            one.chat.completions.create(model="gpt-4o", messages=ASK)
        assert told.value.status_code == 402
        with pytest.raises(anthropic.APIStatusError) as heard:
            other.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
        assert heard.value.status_code == 402
    assert gate.provider.count == 0


def test_a_key_that_may_not_ask_the_model(gate: Gateway) -> None:
    token = gate.do(lambda: gate.make_key("narrow", models=frozenset({"openai/gpt-4o-mini"})))
    with openai.OpenAI(base_url=gate.openai, api_key=token) as client:
        assert client.chat.completions.create(model="gpt-4o-mini", messages=ASK).choices
        with pytest.raises(openai.PermissionDeniedError) as told:
            client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert told.value.response.headers["x-remit-action"], "the refusal can be asked about"
    assert gate.provider.count == 1


def test_a_rate_says_when_to_come_back(gate: Gateway) -> None:
    token = gate.do(lambda: gate.make_key("quick"))
    gate.do(lambda: gate.key_rate("quick", 1))
    with anthropic.Anthropic(base_url=gate.url, api_key=token, max_retries=0) as client:
        client.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
        with pytest.raises(anthropic.RateLimitError) as told:
            client.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=ASK)
    assert float(told.value.response.headers["retry-after"]) > 0


def test_a_stream_that_is_cut_raises(gate: Gateway, chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    gate.provider.say(Reply(deltas=("One ", "two ", "three ", "four")))
    gate.provider.behave(Behaviour(close_at=700))
    with pytest.raises(openai.APIError):
        list(chat.chat.completions.create(model="gpt-4o-cut", messages=ASK, stream=True))
    with (
        pytest.raises(anthropic.APIStatusError),
        claude.messages.stream(model="claude-cut", max_tokens=20, messages=ASK) as stream,
    ):
        list(stream.text_stream)
