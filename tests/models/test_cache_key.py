"""Which requests may be answered by an earlier answer, which are the same, and which answers are good enough."""

import json
from typing import Any

import pytest

from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput
from remit.models.cache_answer import is_whole
from remit.models.cache_key import Wish, subject_hash, wish

from ..guard.fakes import CODER, act  # noqa: TID252 - tests are loaded by path
from .fakes_usage import chat, chat_stream

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "2+2?"}], "temperature": 0}


def hashed(request: dict[str, Any], *, wire: Wire = Wire.CHAT, tapped: bool = False, **more: Any) -> str | None:
    return subject_hash(act(Model("acme", "large", request, wire=wire), **more), tapped=tapped)


@pytest.mark.parametrize(
    "same",
    [
        {"temperature": 0.0},
        {"user": "ada"},
        {"metadata": {"trace": "1"}},
        {"safety_identifier": "x"},
        {"store": True},
        {"model": "an alias of it"},
        {"stream": False},
    ],
)
def test_what_cannot_change_the_answer_is_no_part_of_the_key(same: dict[str, Any]) -> None:
    assert hashed({**ASKED, **same}) == hashed(dict(reversed(ASKED.items())))
    assert hashed(ASKED, principal=CODER) == hashed(ASKED)


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 1},
        {"stream": True},
        {"seed": 1},
        {"max_tokens": 5},
        {"n": 2},
        {"messages": []},
        {"response_format": {"type": "json_object"}},
        {"something_new": 1},
    ],
)
def test_everything_else_is(other: dict[str, Any]) -> None:
    assert hashed({**ASKED, **other}) != hashed(ASKED)


def test_so_are_model_wire_headers_and_how_it_is_delivered() -> None:
    plain = hashed(ASKED)
    assert subject_hash(act(Model("acme", "small", ASKED)), tapped=False) != plain
    assert subject_hash(act(Model("other", "large", ASKED)), tapped=False) != plain
    assert subject_hash(act(Model("acme", "large", ASKED, headers=(("anthropic-beta", "x"),))), tapped=False) != plain
    assert hashed(ASKED, wire=Wire.MESSAGES) != plain
    assert hashed(ASKED, tapped=True) != plain
    assert hashed(ASKED, wire=Wire.COUNT_TOKENS) is None


def test_a_response_that_repeats_its_metadata_is_given_only_to_the_same() -> None:
    assert hashed({**ASKED, "metadata": {"a": "1"}}, wire=Wire.RESPONSES) != hashed(ASKED, wire=Wire.RESPONSES)


def test_without_being_asked_only_what_has_one_answer_is_kept() -> None:
    assert wish(ASKED, wire=Wire.CHAT, keeps=True) == Wish(3600.0)
    assert wish(ASKED, wire=Wire.CHAT).why == "not kept here"
    assert wish({**ASKED, "temperature": 0.7}, wire=Wire.CHAT, keeps=True).why == "temperature"
    without = {name: value for name, value in ASKED.items() if name != "temperature"}
    assert wish(without, wire=Wire.CHAT, keeps=True).why == "temperature"
    assert wish({"input": "text"}, wire=Wire.EMBEDDINGS, keeps=True).keep_s == 3600.0
    assert wish(without, wire=Wire.CHAT, asked="on").keep_s == 3600.0


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function"}]},
        {"functions": [{"name": "f"}]},
        {"mcp_servers": [{"url": "https://example.com"}]},
        {"web_search_options": {"search_context_size": "low"}},
        {"messages": [{"role": "tool", "content": "4", "tool_call_id": "1"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "4"}]}]},
        {"input": [{"type": "function_call_output", "output": "4"}]},
        {"input": [{"type": "computer_call", "id": "1"}]},
    ],
)
def test_calls_that_bear_tools_are_kept_only_when_asked(more: dict[str, Any]) -> None:
    assert wish({**ASKED, **more}, wire=Wire.CHAT, keeps=True).why == "tools"
    assert wish({**ASKED, **more}, wire=Wire.CHAT, keeps=True, asked="on").keep_s == 3600.0


def test_what_goes_on_at_the_provider_is_never_kept() -> None:
    for name in ("conversation", "background", "previous_response_id"):
        assert not wish({**ASKED, name: "x"}, wire=Wire.RESPONSES, keeps=True, asked="on").keep_s
    assert not wish(ASKED, wire=Wire.COUNT_TOKENS, asked="on").keep_s


def test_headers_say_otherwise() -> None:
    def told(**more: str) -> Wish:
        return wish(ASKED, wire=Wire.CHAT, keeps=True, **more)

    assert not told(asked="off").keep_s
    assert not told(asked="0").keep_s
    assert not told(control="no-store, no-cache").keep_s
    assert told(asked="refresh") == told(control="no-cache") == told(control="max-age=0") == Wish(3600.0, refresh=True)
    assert told(asked="60") == told(control="max-age=60") == Wish(60.0)
    for wrong in ("yes", "-1", "86401", "1e3"):
        with pytest.raises(InvalidInput, match="x-remit-cache"):
            told(asked=wrong)


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (chat(), True),
        (chat(finish="length"), False),
        (chat(finish="content_filter"), False),
        (chat(refusal="I can't"), False),
        (chat(finish="tool_calls", tool_calls=[{"id": "1"}]), False),
        (chat(tool_calls=[{"id": "1"}]), False),
        ('{"error": {"message": "x"}}', False),
        (chat()[:-5], False),
        ("", False),
        ("[]", False),
        ('{"choices": []}', False),
    ],
)
def test_a_chat_answer_is_kept_when_it_is_whole(body: str, *, good: bool) -> None:
    assert is_whole(body, wire=Wire.CHAT, streamed=False) is good


def test_a_stream_is_kept_when_its_end_was_seen() -> None:
    whole = chat_stream("fo", "ur")
    assert is_whole(whole, wire=Wire.CHAT, streamed=True)
    assert is_whole(whole.replace("\n", "\r\n"), wire=Wire.CHAT, streamed=True)
    for cut in range(len(whole.rstrip())):
        assert not is_whole(whole[:cut], wire=Wire.CHAT, streamed=True), cut
    assert not is_whole(chat_stream("fo", finish="length"), wire=Wire.CHAT, streamed=True)
    broken = 'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\ndata: {"error": {}}\n\ndata: [DONE]\n\n'
    assert not is_whole(broken, wire=Wire.CHAT, streamed=True)


def messages_stream(reason: str, *, block: str = "text", last: str = "message_stop") -> str:
    events = [
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": block}},
        {"type": "message_delta", "delta": {"stop_reason": reason}},
        {"type": last},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def test_messages_and_responses_and_embeddings_have_their_own_ends() -> None:
    def whole(body: str, wire: Wire, *, streamed: bool = True) -> bool:
        return is_whole(body, wire=wire, streamed=streamed)

    assert whole(messages_stream("end_turn"), Wire.MESSAGES)
    assert not whole(messages_stream("max_tokens"), Wire.MESSAGES)
    assert not whole(messages_stream("refusal"), Wire.MESSAGES)
    assert not whole(messages_stream("end_turn", block="tool_use"), Wire.MESSAGES)
    assert not whole(messages_stream("end_turn", last="error"), Wire.MESSAGES)
    one = {"type": "message", "stop_reason": "end_turn", "content": [{"type": "text", "text": "four"}]}
    assert whole(json.dumps(one), Wire.MESSAGES, streamed=False)
    assert not whole(json.dumps({**one, "content": [{"type": "server_tool_use"}]}), Wire.MESSAGES, streamed=False)
    done = {"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text"}]}]}
    assert whole(json.dumps(done), Wire.RESPONSES, streamed=False)
    assert not whole(json.dumps({**done, "status": "incomplete"}), Wire.RESPONSES, streamed=False)
    assert not whole(json.dumps({**done, "output": [{"type": "mcp_call"}]}), Wire.RESPONSES, streamed=False)
    refusal = {"type": "message", "content": [{"type": "refusal"}]}
    assert not whole(json.dumps({**done, "output": [refusal]}), Wire.RESPONSES, streamed=False)
    ended = f"data: {json.dumps({'type': 'response.completed', 'response': done})}\n\n"
    assert whole(ended, Wire.RESPONSES)
    assert not whole(ended.replace("response.completed", "response.incomplete"), Wire.RESPONSES)
    assert whole('{"data": [{"embedding": [0.1]}]}', Wire.EMBEDDINGS, streamed=False)
    assert not whole('{"data": []}', Wire.EMBEDDINGS, streamed=False)
