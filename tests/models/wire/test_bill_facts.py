"""What an answer says beside its text for its bill and its owner: the tier, tools that ran, ids that it is kept by."""

from typing import Any

import orjson
import pytest

from remit.kernel.effects import Wire
from remit.models.wire.answer import AnswerReader, Tokens
from remit.models.wire.hosted import USUAL_USES, uses
from remit.models.wire.references import references


def read(wire: Wire, *events: Any, streamed: bool = True) -> Tokens:
    """What is known once all of it came, byte by byte."""
    reader = AnswerReader(wire, streamed=streamed)
    data = (
        b"".join(b"data: " + orjson.dumps(each) + b"\n\n" for each in events) if streamed else orjson.dumps(events[0])
    )
    for at in range(0, len(data), 7):
        reader.feed(data[at : at + 7])
    reader.finish()
    return reader.tokens


def block(name: str) -> Any:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "name": name}}


STARTED = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "speed": "fast", "inference_geo": "us"}}}


def test_a_stream_of_messages_tells_its_tools_in_the_end_or_by_their_blocks() -> None:
    cut = read(Wire.MESSAGES, STARTED, block("web_search"), block("web_search"), block("bash_code_execution"))
    assert (cut.service, cut.raised, dict(cut.uses)) == ("fast", True, {"web_search": 2, "code_execution": 1})
    last = {"output_tokens": 5, "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 4}}
    delta = {"type": "message_delta", "delta": {"container": {"id": "container_1"}}, "usage": last}
    whole = read(Wire.MESSAGES, STARTED, block("web_search"), block("web_search"), delta, {"type": "message_stop"})
    assert dict(whole.uses) == {"web_search": 1}, "one of them failed"
    assert whole.refs == ("container_1",)


@pytest.mark.parametrize("store", [True, False])
def test_a_stream_of_responses_tells_what_it_is_kept_by(*, store: bool) -> None:
    response: dict[str, Any] = {
        "id": "resp_1",
        "store": store,
        "service_tier": "auto",
        "conversation": {"id": "conv_1"},
        "output": [],
    }
    item = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}
    code = {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}
    found = read(
        Wire.RESPONSES,
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 1, "item": code},
        {"type": "response.completed", "response": response | {"service_tier": "flex", "output": [item, code]}},
    )
    assert found.service == "flex"
    assert dict(found.uses) == {"web_search": 1, "code_interpreter": 1}
    kept = ("resp_1", "ws_1", "ci_1") if store else ()
    assert set(found.refs) == {"conv_1", "cntr_1", *kept}


def test_what_a_request_allows_is_what_is_reserved_for() -> None:
    tools = [{"type": "web_search_20250305", "max_uses": 3}, {"type": "function", "name": "web_search"}]
    assert dict(uses(Wire.MESSAGES, {"tools": tools})) == {"web_search": 3}
    tools = [{"type": "web_search_preview"}, {"type": "file_search"}, {"type": "mcp"}, "odd"]
    assert dict(uses(Wire.RESPONSES, {"tools": tools})) == {"web_search": USUAL_USES, "file_search": USUAL_USES}
    assert dict(uses(Wire.RESPONSES, {"tools": tools, "max_tool_calls": 2})) == {"web_search": 2, "file_search": 2}
    assert dict(uses(Wire.CHAT, {"web_search_options": {}})) == {"web_search": 1}


def test_what_a_request_goes_on_from() -> None:
    body: dict[str, Any] = {
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "input": [
            {"type": "item_reference", "id": "msg_1"},
            {"id": "msg_2"},
            {"type": "message", "id": "msg_3", "content": "its text stands here"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "reasoning", "id": "rs_2", "encrypted_content": "its own"},
            {"type": "image_generation_call", "id": "ig_1"},
            {"type": "image_generation_call", "id": "ig_2", "result": "its own"},
            {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "cntr_2"},
        ],
        "tools": [{"type": "code_interpreter", "container": "cntr_1"}, {"type": "x", "container": {"type": "auto"}}],
    }
    place = {"type": "container_reference", "container_id": "cntr_3"}
    body["tools"].append({"type": "shell", "environment": place})
    found = {each.id: each.own for each in references(Wire.RESPONSES, body)}
    assert found == {
        "resp_1": True,
        "conv_1": False,
        "msg_1": True,
        "msg_2": True,
        "rs_1": False,
        "ig_1": True,
        "ig_2": False,
        "cntr_1": False,
        "cntr_2": False,
        "cntr_3": False,
    }
    assert references(Wire.CHAT, body) == ()
    assert [each.id for each in references(Wire.MESSAGES, {"container": {"id": "c_1", "skills": []}})] == ["c_1"]
