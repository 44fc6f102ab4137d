"""Messages and chat into each other: the official libraries read what comes out, and round trips lose nothing."""

import json

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidAnswer, InvalidInput
from remit.models.wire.answer import AnswerReader
from remit.models.wire.translate import (
    ChatStream,
    MessagesStream,
    chat_answer,
    chat_request,
    messages_answer,
    messages_request,
)

from .wire_streams import chat, documents, event, messages, said

EVENTS = TypeAdapter(RawMessageStreamEvent)
NAMES = st.sampled_from(["look", "read_file", "sum"])
TEXT = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12)
JSON = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-9, 9), st.none(), st.lists(TEXT, max_size=2)), max_size=3)

TEXT_BLOCK = st.builds(lambda text: {"type": "text", "text": text}, TEXT)
IMAGE = st.sampled_from(
    [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
    ]
)
RESULT = st.builds(lambda text: {"type": "tool_result", "tool_use_id": "t1", "content": text}, TEXT)
CALL = st.builds(lambda name, given: {"type": "tool_use", "id": "t1", "name": name, "input": given}, NAMES, JSON)
USER = st.tuples(st.lists(RESULT, max_size=2), st.lists(st.one_of(TEXT_BLOCK, IMAGE), min_size=1, max_size=3)).map(
    lambda parts: {"role": "user", "content": parts[0] + parts[1]}
)
ASSISTANT = st.tuples(st.lists(TEXT_BLOCK, max_size=1), st.lists(CALL, min_size=1, max_size=2)).map(
    lambda parts: {"role": "assistant", "content": parts[0] + parts[1]}
)
TURNS = st.lists(st.tuples(USER, ASSISTANT), min_size=1, max_size=3).map(
    lambda pairs: [turn for pair in pairs for turn in pair]
)


@settings(max_examples=60, deadline=None)
@given(turns=TURNS, system=st.one_of(st.none(), TEXT), most=st.integers(1, 9_000), tool=NAMES)
def test_a_request_of_messages_comes_back_from_chat_as_it_was(
    turns: list[object], system: str | None, most: int, tool: str
) -> None:
    asked = {
        "model": "m",
        "max_tokens": most,
        "messages": turns,
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "tools": [{"name": tool, "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": tool, "disable_parallel_tool_use": True},
        "metadata": {"user_id": "u1"},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    if system:
        asked["system"] = system
    assert messages_request(chat_request(asked)) == asked


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("top_k", 5),
        ("container", "x"),
        ("mcp_servers", [{}]),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tool_choice", {"type": "odd"}),
        ("messages", [{"role": "user", "content": [{"type": "document", "source": {}}]}]),
        ("messages", [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "1"}}]}]),
        ("system", [{"type": "image"}]),
    ],
)
def test_what_chat_cannot_say_is_refused(member: str, value: object) -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], member: value}
    with pytest.raises(InvalidInput) as refused:
        chat_request(asked)
    assert refused.value.code == "model.untranslatable"
    assert str(refused.value.place).startswith(member)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2),
        ("seed", 7),
        ("logprobs", True),
        ("presence_penalty", 0.5),
        ("logit_bias", {"1": 1}),
        ("audio", {}),
        ("response_format", {"type": "json_object"}),
        ("reasoning_effort", "odd"),
        ("tools", [{"type": "custom", "custom": {"name": "x"}}]),
        ("messages", [{"role": "user", "content": [{"type": "input_audio"}]}]),
        ("messages", [{"role": "user", "content": "a"}, {"role": "system", "content": "late"}]),
    ],
)
def test_what_messages_cannot_say_is_refused(member: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        messages_request({"model": "m", "messages": [{"role": "user", "content": "hi"}], member: value})
    assert refused.value.code == "model.untranslatable"
    assert str(refused.value.place).startswith(member)


def test_thinking_is_asked_for_either_way() -> None:
    base = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for bound, budget in ((9_000, 4096), (4_000, 3_000), (100, 0)):
        asked = messages_request({**base, "reasoning_effort": "medium", "max_completion_tokens": bound})
        assert asked["max_tokens"] == bound, "what was reserved"
        assert asked.get("thinking", {}).get("budget_tokens", 0) == budget
    asked = messages_request({**base, "reasoning_effort": "medium"})
    assert (asked["thinking"]["budget_tokens"], asked["max_tokens"]) == (4096, 8192)
    asked = chat_request({**base, "max_tokens": 9_000, "thinking": {"type": "enabled", "budget_tokens": 5_000}})
    assert asked["reasoning_effort"] == "high"


CONTENT = st.tuples(st.lists(TEXT_BLOCK, max_size=1), st.lists(CALL, max_size=2)).map(lambda parts: parts[0] + parts[1])


@settings(max_examples=60, deadline=None)
@given(content=CONTENT, reason=st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal"]))
def test_an_answer_comes_back_as_it_was(content: list[object], reason: str) -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0, "output_tokens": 3}
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }
    other = chat_answer(answer, created=1)
    ChatCompletion.model_validate(other, strict=True)
    assert other["usage"]["prompt_tokens"] == 7
    again = messages_answer(other)
    Message.model_validate(again)
    assert again == answer


def test_reasoning_becomes_thinking_and_back() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}
    answer = messages_answer({"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})
    assert answer["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}
    assert chat_answer(answer)["choices"][0]["message"]["reasoning_content"] == "hm"


def test_what_is_no_answer_is_refused() -> None:
    for broken in ({}, {"choices": []}, {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{"}}]}}]}):
        with pytest.raises(InvalidAnswer):
            messages_answer(broken)
    with pytest.raises(InvalidAnswer):
        chat_answer({"content": [{"type": "server_tool_use"}]})


def fed(translator: ChatStream | MessagesStream, data: bytes, size: int) -> bytes:
    chunks = [translator.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*chunks, translator.finish()])


@pytest.mark.parametrize("size", [1, 33, 100_000])
@pytest.mark.parametrize("key", ["content", "reasoning_content", "arguments"])
def test_a_stream_of_chat_reads_as_messages(key: str, size: int) -> None:
    pieces = ['{"a"', ": 1", "}"]
    out = fed(MessagesStream(model="shown"), chat(pieces, key=key), size)
    for document in documents(out):
        EVENTS.validate_python(document)
    assert said(Wire.MESSAGES, out) == "".join(pieces)
    reader = AnswerReader(Wire.MESSAGES, streamed=True)
    reader.feed(out)
    assert reader.complete
    assert (reader.tokens.tokens_in, reader.tokens.cached_in, reader.tokens.tokens_out) == (12, 4, 7)
    assert reader.tokens.model == "shown"
    if key == "arguments":
        assert reader.tool_calls == [("look", '{"a": 1}')]


@pytest.mark.parametrize("size", [1, 33, 100_000])
@pytest.mark.parametrize("key", ["text", "thinking", "partial_json"])
def test_a_stream_of_messages_reads_as_chat(key: str, size: int) -> None:
    pieces = ['{"a"', ": 1", "}"]
    out = fed(ChatStream(include_usage=True, created=1), messages(pieces, key=key), size)
    for document in documents(out):
        ChatCompletionChunk.model_validate(document, strict=True)
    assert said(Wire.CHAT, out) == "".join(pieces)
    reader = AnswerReader(Wire.CHAT, streamed=True)
    reader.feed(out)
    assert reader.complete
    assert (reader.tokens.tokens_in, reader.tokens.cached_in, reader.tokens.tokens_out) == (17, 5, 9)
    if key == "partial_json":
        assert reader.tool_calls == [("look", '{"a": 1}')]


def test_interleaved_calls_become_blocks_one_after_the_other() -> None:
    def call(index: int, text: str, name: str | None = None) -> bytes:
        function = {"arguments": text} | ({"name": name} if name else {})
        return event(
            {"id": "1", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, "function": function}]}}]}
        )

    data = call(0, "{", "one") + call(1, "[", "two") + call(0, "}") + call(1, "]") + b"data: [DONE]\n\n"
    reader = AnswerReader(Wire.MESSAGES, streamed=True)
    reader.feed(fed(MessagesStream(), data, 1_000))
    assert reader.tool_calls == [("one", "{}"), ("two", "[]")]


def test_a_stream_that_breaks_off_has_no_end_in_the_other_interface_either() -> None:
    assert b"message_stop" not in fed(MessagesStream(), chat(["a", "b"], done=False), 50)
    begun = messages(["a"])
    assert b"[DONE]" not in fed(ChatStream(), begun[: begun.index(b"event: message_stop")], 50)


def test_errors_in_streams_are_translated() -> None:
    out = fed(MessagesStream(), event({"error": {"message": "boom"}}), 1_000)
    assert json.loads(out.split(b"data: ")[1])["error"]["message"] == "boom"
    out = fed(ChatStream(), event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), 1_000)
    assert documents(out)[0]["error"]["message"] == "busy"
