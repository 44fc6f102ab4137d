"""What somebody tries who holds a key, or writes a model's answer, and would like more than they may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from remit.testing.model_server import Behaviour, ModelServer, Reply

from .conftest import SETTINGS
from .running import Gateway, ask, gateway

CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Do it."}]}
MESSAGE: dict[str, Any] = ASKED | {"model": "claude-sonnet-4-6", "max_tokens": 100}
RESPONSE: dict[str, Any] = {"model": "gpt-4o", "input": "Do it."}
JSON, EVENTS = (("content-type", "application/json"),), (("content-type", "text/event-stream"),)


def code(answered: tuple[int, dict[str, str], bytes]) -> str:
    return answered[1].get("x-remit-code", "")


# ------------------------------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    "name",
    ["Model", "MODEL", "me\u017f\u017fages", "Tools", "tool\u017f", "Max_Tokens", "N", "Background", "Service_Tier"],
)
def test_a_name_that_some_provider_reads_as_another(gate: Gateway, name: str) -> None:
    """Programs in Go (Ollama, LocalAI) heed no case: what was judged would not be what is read."""
    answered = ask(gate.url, CHAT, ASKED | {name: "gpt-5-pro"}, token=gate.token)
    assert (answered[0], code(answered)) == (400, "gateway.json")
    assert not gate.provider.requests


@pytest.mark.parametrize("deep", [247, 300, 1000])
@pytest.mark.parametrize("text", [b"x", b"\\u0022"])
def test_what_is_nested_too_deeply_is_refused_and_no_fault(gate: Gateway, deep: int, text: bytes) -> None:
    body = orjson.dumps(ASKED)[:-1] + b',"x":"' + text + b'","y":' + b"[" * deep + b"]" * deep + b"}"
    answered = ask(gate.url, CHAT, body, token=gate.token)
    assert (answered[0], code(answered)) == (400, "gateway.json")


def test_what_is_nested_as_deep_as_may_be_is_judged(gate: Gateway) -> None:
    body = orjson.dumps(ASKED)[:-1] + b',"y":' + b"[" * 240 + b"]" * 240 + b"}"
    assert ask(gate.url, CHAT, body, token=gate.token)[0] == 200


def test_of_two_bounds_the_larger_is_reserved(gate: Gateway) -> None:
    """Some providers heed the one, some the other."""
    token = gate.do(lambda: gate.make_key("bounded"))
    gate.do(lambda: gate.key_budget("bounded", "0.01"))
    two = {"max_tokens": 100_000, "max_completion_tokens": 1}
    answered = ask(gate.url, CHAT, ASKED | two, token=token)
    assert answered[0] == 402, answered
    assert not gate.provider.requests


@pytest.mark.parametrize("name", ["models", "fallbacks", "Models"])
def test_a_request_names_one_model(gate: Gateway, name: str) -> None:
    """Some providers ask others that a request names, whatever the key may ask and was reserved for."""
    answered = ask(gate.url, CHAT, ASKED | {name: ["house/dearest"]}, token=gate.token)
    assert (answered[0], code(answered)) == (400, "gateway.json" if name == "Models" else "model.request")
    assert not gate.provider.requests


def test_an_answer_that_nobody_would_see_is_not_asked_for(gate: Gateway) -> None:
    answered = ask(gate.url, "/v1/responses", RESPONSE | {"background": True}, token=gate.token)
    assert (answered[0], code(answered)) == (400, "model.request")
    assert not gate.provider.requests


def test_no_key_hides_behind_another_and_lists_stay_lists(gate: Gateway) -> None:
    sent = orjson.dumps(MESSAGE)
    two = f"Bearer {gate.token}\r\nauthorization: Bearer {gate.token}"
    answered = ask(gate.url, "/v1/messages", sent, authorization=two)
    assert (answered[0], code(answered)) == (401, "gateway.key")
    betas = "one-2025-01-01\r\nanthropic-beta: two-2025-01-01"
    assert ask(gate.url, "/v1/messages", sent, token=gate.token, anthropic_beta=betas)[0] == 200
    [asked] = gate.provider.requests
    assert asked.headers["anthropic-beta"] == "one-2025-01-01, two-2025-01-01"


HOSTED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/responses", RESPONSE | {"tools": [{"type": "web_search"}]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "mcp", "server_label": "w", "server_url": "https://e.test/"}]}),
    ("/v1/messages", MESSAGE | {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
    ("/v1/messages", MESSAGE | {"mcp_servers": [{"type": "url", "name": "w", "url": "https://e.test/"}]}),
    (CHAT, ASKED | {"web_search_options": {}}),
    (CHAT, ASKED | {"plugins": [{"id": "web"}]}),
    (CHAT, ASKED | {"model": f"{ASKED['model']}:online"}),
    (CHAT, ASKED | {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}),
]


@pytest.mark.parametrize(("path", "body"), HOSTED, ids=lambda each: each if isinstance(each, str) else "")
def test_a_tool_that_the_provider_runs_needs_leave_before_it_runs(
    gate: Gateway, path: str, body: dict[str, Any]
) -> None:
    answered = ask(gate.url, path, body, token=gate.token)
    assert (answered[0], code(answered)) == (403, "guard.tool"), answered
    assert not gate.provider.requests


def test_such_a_tool_with_leave_and_tools_of_the_clients_own_pass(gate: Gateway) -> None:
    tools = [{"type": "weather"}, {"type": "function", "name": "x", "parameters": {}}, {"type": "local_shell"}]
    assert ask(gate.url, "/v1/responses", RESPONSE | {"tools": tools}, token=gate.token)[0] == 200


def parts(*each: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(each)}]


SOURCE = {"type": "file", "file_id": "file_1"}
SEARCHED = {"type": "file_search", "vector_store_ids": ["vs_1"]}
STORED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/responses", RESPONSE | {"input": parts({"type": "input_file", "file_id": "file_1"})}),
    ("/v1/responses", RESPONSE | {"input": parts({"type": "input_image", "file_id": "file_1"})}),
    ("/v1/responses", RESPONSE | {"input": parts({"type": "input_file", "File_ID": "file_1"})}),
    ("/v1/responses", RESPONSE | {"tools": [SEARCHED]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "file_search", "vector_\u017ftore_ids": ["vs_1"]}]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "code_interpreter", "container": {"file_ids": ["file_1"]}}]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "f"}}]}),
    ("/v1/responses", RESPONSE | {"tools": [{"type": "shell", "environment": {"skills": [{"skill_id": "s"}]}}]}),
    ("/v1/responses", RESPONSE | {"prompt": {"id": "pmpt_1"}}),
    ("/v1/responses", RESPONSE | {"type": "x_tool_use", "input": parts({"type": "input_file", "file_id": "f"})}),
    (CHAT, ASKED | {"messages": parts({"type": "file", "file": {"file_id": "file_1"}})}),
    (CHAT, ASKED | {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, *ASKED["messages"]]}),
    ("/v1/messages", MESSAGE | {"messages": parts({"type": "document", "source": SOURCE})}),
    ("/v1/messages", MESSAGE | {"messages": parts({"type": "container_upload", "file_id": "file_1"})}),
    ("/v1/messages", MESSAGE | {"container": {"skills": [{"type": "custom", "skill_id": "skill_1"}]}}),
]


@pytest.fixture
def every_tool(gate: Gateway) -> Iterator[Gateway]:
    gate.do(lambda: gate.tools("*"))
    yield gate
    gate.do(lambda: gate.tools("weather"))


@pytest.mark.parametrize(("path", "body"), STORED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_the_account_keeps_is_not_named_unless_the_workspace_allows_it(
    every_tool: Gateway, path: str, body: dict[str, Any]
) -> None:
    gate = every_tool
    for sent in (orjson.dumps(body), _with_escaped_names(body)):
        answered = ask(gate.url, path, sent, token=gate.token)
        assert (answered[0], code(answered)) == (403, "guard.stored"), answered
    assert not gate.provider.requests
    gate.do(lambda: gate.policy(stored="allow"))
    try:
        assert ask(gate.url, path, orjson.dumps(body), token=gate.token)[0] == 200
    finally:
        gate.do(lambda: gate.policy(stored="refuse"))


def test_what_only_looks_like_it_passes(every_tool: Gateway) -> None:
    gate, schema = (
        every_tool,
        {"type": "object", "properties": {"file_id": {"type": "string"}}, "required": ["file_id"]},
    )
    used = {"type": "tool_use", "id": "t", "name": "open", "input": {"file_id": "of the program's own"}}
    messages = [
        *MESSAGE["messages"],
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": '"file_id": "x"'}]},
    ]
    tools = [{"name": "open", "input_schema": schema}]
    skills = {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}
    for path, body in (
        ("/v1/messages", MESSAGE | {"messages": messages, "tools": tools, "container": skills}),
        (CHAT, ASKED | {"tools": [{"type": "function", "function": {"name": "open", "parameters": schema}}]}),
        (CHAT, ASKED | {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "wav"}}),
        ("/v1/responses", RESPONSE | {"metadata": {"file_id": "x"}, "input": 'what is a "prompt" with a file_id?'}),
    ):
        answered = ask(gate.url, path, orjson.dumps(body), token=gate.token)
        assert answered[0] == 200, answered


def _with_escaped_names(body: dict[str, Any]) -> bytes:
    """The same request, with the first letter of every name of the kind that is looked for written as an escape."""
    sent = orjson.dumps(body)
    for name in (b'"file_id', b'"vector_', b'"skill_id', b'"prompt', b'"audio', b'"File_'):
        sent = sent.replace(name, b'"\\u%04x' % name[1] + name[2:])
    return sent


# ------------------------------------------------------------------------------------------------------------- answers

SHELL = {"id": "a", "type": "local_shell_call", "status": "completed", "call_id": "c"}
WISHES: list[dict[str, Any]] = [
    SHELL | {"action": {"type": "exec", "command": ["rm", "-rf", "/srv/data"], "env": {}}},
    SHELL | {"type": "shell_call", "action": {"commands": ["rm -rf /srv/data"]}},
    SHELL | {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "/srv/data"}},
    SHELL | {"type": "computer_call", "action": {"type": "type", "text": "rm -rf /srv/data"}},
    SHELL | {"type": "mcp_call", "server_label": "evil", "name": "weather", "arguments": '{"path":"/srv/data"}'},
    SHELL | {"type": "custom_tool_call", "name": "shell", "input": "rm -rf /srv/data"},
]


def response(item: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    return {"id": "r", "object": "response", "status": "completed", "output": [item], "usage": usage}


def stream(item: dict[str, Any], *, whole: bool) -> bytes:
    """The events of a response; ``whole``: only its end tells the item."""
    begun = item | {"status": "in_progress"}
    told: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    if not whole:
        told.append({"type": "response.output_item.added", "output_index": 0, "item": begun})
        told.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    told.append({"type": "response.completed", "response": response(item)})
    return b"".join(b"data: " + orjson.dumps(each) + b"\n\n" for each in told)


@pytest.mark.parametrize("wish", WISHES, ids=lambda each: each["type"])
def test_a_wish_for_a_tool_of_the_interfaces_own_is_judged(gate: Gateway, wish: dict[str, Any]) -> None:
    """A client carries out a shell call of responses as it does a function: the agent must be allowed it."""
    gate.provider.behave(Behaviour(headers=JSON, body=orjson.dumps(response(wish))))
    answered = ask(gate.url, "/v1/responses", RESPONSE, token=gate.token)
    assert (answered[0], code(answered)) == (403, "model.tool")
    assert b"/srv/data" not in answered[2]
    for whole in (False, True):
        gate.provider.behave(Behaviour(headers=EVENTS, body=stream(wish, whole=whole)))
        status, _, body = ask(gate.url, "/v1/responses", RESPONSE | {"stream": True}, token=gate.token)
        assert status == 200
        assert b"/srv/data" not in body
        assert b'"error"' in body


def test_a_wish_that_the_agent_may_have_passes_byte_for_byte(gate: Gateway) -> None:
    wish = SHELL | {"type": "weather_call", "action": {"city": "Graz"}}
    custom = SHELL | {"type": "custom_tool_call", "name": "weather", "input": "any text, no JSON"}
    for item in (wish, custom):
        body = orjson.dumps(response(item))
        gate.provider.behave(Behaviour(headers=JSON, body=body))
        assert ask(gate.url, "/v1/responses", RESPONSE, token=gate.token)[2] == body
        body = stream(item, whole=False)
        gate.provider.behave(Behaviour(headers=EVENTS, body=body))
        assert ask(gate.url, "/v1/responses", RESPONSE | {"stream": True}, token=gate.token)[2] == body


def test_no_place_of_an_answer_is_left_unread(gate: Gateway) -> None:
    """A list that begins with a fraction is no embedding, and an image's prompt is a text."""
    card = "4111 1111 1111 1111"
    block = {"type": "tool_use", "id": "t", "name": "weather", "input": {"places": [0.5, card, 4111111111111111]}}
    told = {"id": "m", "type": "message", "role": "assistant", "content": [block], "stop_reason": "tool_use"}
    gate.provider.behave(Behaviour(headers=JSON, body=orjson.dumps(told)))
    status, _, body = ask(gate.url, "/v1/messages", MESSAGE, token=gate.token)
    assert status == 200
    assert b"4111" not in body
    drawn = SHELL | {"type": "image_generation_call", "result": "aGk=", "revised_prompt": f"a card that says {card}"}
    gate.provider.behave(Behaviour(headers=JSON, body=orjson.dumps(response(drawn))))
    gate.do(lambda: gate.policy(tool_calls="off"))
    try:
        status, _, body = ask(gate.url, "/v1/responses", RESPONSE, token=gate.token)
    finally:
        gate.do(lambda: gate.policy(tool_calls="inspect"))
    assert status == 200
    assert b"4111" not in body
    assert b"aGk=" in body


# --------------------------------------------------------------------------------------------------------------- usage

LIES: list[Any] = [
    {},
    {"prompt_tokens": -5, "completion_tokens": -7},
    {"prompt_tokens": "9", "completion_tokens": "8"},
    {"prompt_tokens": 10**18, "completion_tokens": 10**18},
    {"prompt_tokens": True, "completion_tokens": 1e300},
    {"prompt_tokens": 0, "completion_tokens": 0},
    [],
]


@pytest.mark.parametrize("usage", LIES, ids=str)
def test_a_report_that_can_be_none_is_counted_here(gate: Gateway, usage: Any) -> None:
    """Nothing is free because its provider says so, and no number leaves a call unsettled."""
    said = {"index": 0, "message": {"role": "assistant", "content": "word " * 300}, "finish_reason": "stop"}
    told = {"id": "x", "object": "chat.completion", "model": "gpt-4o", "choices": [said], "usage": usage}
    gate.provider.behave(Behaviour(headers=JSON, body=orjson.dumps(told)))
    before = len(gate.rows())
    status, headers, _ = ask(gate.url, CHAT, ASKED, token=gate.token)
    assert status == 200
    row = next(row for row in gate.settled(before + 1) if row["id"] == headers["x-remit-action"])
    assert row["state"] == "ok"
    assert 500 < row["cost_micros"] < 50_000
    assert not any(gate.reserved())


def test_a_report_of_a_stream_that_can_be_none(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=("word ",) * 300, tokens_in=0, tokens_out=0))
    before = len(gate.rows())
    ask(gate.url, "/v1/messages", MESSAGE | {"stream": True}, token=gate.token)
    row = gate.settled(before + 1)[-1]
    assert row["cost_micros"] > 500


def test_a_wait_without_end_is_no_fault(gate: Gateway) -> None:
    for told in ("1e308", "1e300", "nan", "-1"):
        gate.provider.behave(Behaviour(status=429, headers=(("retry-after", told),)))
        status, headers, _ = ask(gate.url, CHAT, ASKED, token=gate.token)
        assert (status, headers["x-remit-code"]) == (429, "model.throttled"), told


# ------------------------------------------------------------------------------------------------------------- proxies


def test_behind_a_proxy_a_key_is_held_to_its_clients_address(tmp_path: Path, provider: ModelServer) -> None:
    """Else every client has the proxy's address: a key that is good from there alone would be good from everywhere."""
    provider.forget()
    with gateway(tmp_path / "home", provider, **SETTINGS, proxies="127.0.0.1") as gate:
        token = gate.do(lambda: gate.make_key("office", addresses=("127.0.0.0/8", "192.0.2.0/24")))
        for told, status in (
            ("192.0.2.7", 200),
            ("198.51.100.9", 401),
            ("192.0.2.7, 198.51.100.9", 401),
            ("198.51.100.9, 192.0.2.7", 200),
        ):
            assert ask(gate.url, CHAT, ASKED, token=token, x_forwarded_for=told)[0] == status, told
        assert ask(gate.url, CHAT, ASKED, token=token, forwarded="for=198.51.100.9")[0] == 401
        assert ask(gate.url, CHAT, ASKED, token=token)[0] == 200


def test_without_a_proxy_nobody_says_that_they_are_elsewhere(gate: Gateway) -> None:
    token = gate.do(lambda: gate.make_key("away", addresses=("192.0.2.0/24",)))
    assert ask(gate.url, CHAT, ASKED, token=token, x_forwarded_for="192.0.2.7")[0] == 401
