"""What a model asks its client to do, and what may be said again: refused tool calls, answers that are kept."""

import os
from typing import Any

import anthropic
import openai
import orjson
import pytest

from remit.testing.model_server import Behaviour, Reply, ToolCall

from .running import Gateway, ask

PROVE = os.environ.get("REMIT_PROVE") == "1"
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Do it."}]},
    "/v1/messages": {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Do it."}],
    },
    "/v1/responses": {"model": "gpt-4o", "input": "Do it."},
}
#: The agent may call `weather` and nothing else (`running`).
BAD = Reply(deltas=("I will ", "do it."), calls=(ToolCall("shell", {"command": "rm -rf /srv/data"}),))
BOTH = Reply(
    deltas=("I will ", "do it."),
    calls=(ToolCall("weather", {"city": "Graz"}), ToolCall("shell", {"command": "rm -rf /srv/data"})),
)


def events(body: bytes) -> list[Any]:
    lines = [line[6:] for line in body.splitlines() if line.startswith(b"data: ") and line != b"data: [DONE]"]
    return [orjson.loads(line) for line in lines]


def errors(body: bytes) -> list[Any]:
    return [told for told in events(body) if told.get("error") or told.get("type") == "error"]


# --------------------------------------------------------------------------------------------------------- tool calls


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reply", [BAD, BOTH], ids=["alone", "second"])
def test_a_tool_call_that_the_agent_may_not_make_is_refused_whole(gate: Gateway, path: str, reply: Reply) -> None:
    gate.provider.say(reply)
    before = len(gate.rows())
    status, headers, body = ask(gate.url, path, PATHS[path], token=gate.token)
    assert status == 403
    assert headers["x-remit-code"] == "model.tool"
    assert b"shell" in body, "which one"
    assert b"rm -rf" not in body
    (row,) = gate.settled(before + 1)[before:]
    assert row["cost_micros"] > 0, "the model has answered, and that is paid for"
    assert not any(gate.reserved())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reply", [BAD, BOTH], ids=["alone", "second"])
@pytest.mark.parametrize("piece", [0, 1, 17])
def test_not_a_byte_of_a_refused_call_is_streamed(gate: Gateway, path: str, reply: Reply, piece: int) -> None:
    gate.provider.say(reply)
    gate.provider.behave(Behaviour(piece=piece))
    status, _, body = ask(gate.url, path, PATHS[path] | {"stream": True}, token=gate.token)
    assert status == 200
    assert b"rm -rf" not in body
    assert b"command" not in body
    assert b"do it." in body, "what was said before stays said"
    assert b"[DONE]" not in body
    (told,) = errors(body)
    assert events(body)[-1] == told
    assert "shell" in str(told)
    assert not any(gate.reserved())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_of_a_tool_that_it_may_call_passes(gate: Gateway, path: str, *, streamed: bool) -> None:
    gate.provider.say(Reply(deltas=("I will.",), calls=(ToolCall("weather", {"city": "Graz"}),)))
    asked = PATHS[path] | {"stream": streamed}
    direct = ask(gate.provider.url, path, asked)
    status, _, body = ask(gate.url, path, asked, token=gate.token)
    assert status == 200
    assert b'"weather"' in body
    assert not errors(body)
    if path != "/v1/chat/completions":
        assert body == direct[2]


def test_the_sdks_raise_on_it(gate: Gateway) -> None:
    gate.provider.say(BAD)
    messages: Any = [{"role": "user", "content": "Do it."}]
    with (
        openai.OpenAI(base_url=gate.openai, api_key=gate.token) as one,
        anthropic.Anthropic(base_url=gate.url, api_key=gate.token) as other,
    ):
        with pytest.raises(openai.PermissionDeniedError):
            one.chat.completions.create(model="gpt-4o", messages=messages)
        with pytest.raises(anthropic.PermissionDeniedError):
            other.messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=messages)
        with pytest.raises(openai.APIError):
            list(one.chat.completions.create(model="gpt-4o", messages=messages, stream=True))
        with pytest.raises(anthropic.APIStatusError):
            list(other.messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=messages, stream=True))
    assert gate.provider.count == 4, "none of them asked again"


def test_the_policy_that_looks_at_no_tool_calls_lets_it_pass(gate: Gateway) -> None:
    gate.provider.say(BAD)
    gate.do(lambda: gate.policy(tool_calls="off"))
    try:
        for streamed in (True, False):
            asked = PATHS["/v1/messages"] | {"stream": streamed}
            assert b"shell" in ask(gate.url, "/v1/messages", asked, token=gate.token)[2]
    finally:
        gate.do(lambda: gate.policy(tool_calls="inspect"))


def test_an_argument_that_a_rule_forbids(gate: Gateway) -> None:
    """The tool is the agent's own, what it is called with is not."""
    gate.do(lambda: gate.rules("id: far, on: tool, assert: '!tool.arguments.contains(\"Atlantis\")', else: deny"))
    try:
        for streamed in (True, False):
            gate.provider.say(Reply(deltas=("Now.",), calls=(ToolCall("weather", {"city": "Atlantis"}),)))
            asked = PATHS["/v1/chat/completions"] | {"stream": streamed}
            status, _, body = ask(gate.url, "/v1/chat/completions", asked, token=gate.token)
            assert status == (200 if streamed else 403)
            assert b"Atlantis" not in body
            assert b"far" in body, "which rule"
    finally:
        gate.do(gate.rules)


# ------------------------------------------------------------------------------------------------- a provider's error


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("after", [3, 9])
@pytest.mark.parametrize("drip_s", [0.0, 0.01])
def test_a_providers_own_error_event_is_told_once(gate: Gateway, path: str, after: int, drip_s: float) -> None:
    gate.provider.say(Reply(deltas=tuple(f"word{n} " for n in range(12)), error_after=after))
    gate.provider.behave(Behaviour(drip_s=drip_s))
    name = f"{PATHS[path]['model']}-err{path[-4:]}{after}{drip_s}"
    status, _, body = ask(gate.url, path, PATHS[path] | {"stream": True, "model": name}, token=gate.token)
    assert not any(gate.reserved())
    if status != 200:  # before anything of an answer had come: it was tried again, and told with its own status
        assert status in {503, 529}
        assert not drip_s
        return
    assert b"word" in body or after == 3
    (told,) = errors(body)
    assert events(body)[-1] == told
    assert told["error"] if path != "/v1/responses" else told["message"]


# --------------------------------------------------------------------------------------------------------------- cache


@pytest.fixture
def keeps(gate: Gateway) -> Any:
    """A workspace that keeps answers of its own accord."""
    gate.do(lambda: gate.policy(cache="on"))
    yield gate
    gate.do(lambda: gate.policy(cache="off"))


def twice(gate: Gateway, path: str, asked: dict[str, Any], **more: str) -> int:
    """How often the provider was asked when somebody asked the same twice."""
    before = gate.provider.count
    for _ in range(2):
        assert ask(gate.url, path, asked, token=gate.token, **more)[0] == 200
    return gate.provider.count - before


TOOLS = {
    "/v1/chat/completions": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
    "/v1/messages": [{"name": "weather", "input_schema": {"type": "object"}}],
    "/v1/responses": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streamed", [True, False])
def test_unasked_only_what_has_one_answer_is_kept(keeps: Gateway, path: str, *, streamed: bool) -> None:
    asked = PATHS[path] | {"stream": streamed}
    assert twice(keeps, path, asked) == 2, "a temperature that is left out is not 0"
    assert twice(keeps, path, asked | {"temperature": 0.7}) == 2
    assert twice(keeps, path, asked | {"temperature": 0}) == 1
    assert twice(keeps, path, asked | {"temperature": 0, "tools": TOOLS[path]}) == 2, "tools: not unless asked"
    assert twice(keeps, path, asked | {"temperature": 0.1, "tools": TOOLS[path]}, x_remit_cache="on") == 1
    keeps.provider.say(Reply(text="Now.", calls=(ToolCall("weather", {"city": "Graz"}),)))
    assert twice(keeps, path, asked | {"temperature": 0.2}, x_remit_cache="on") == 2, "a call of a tool is never kept"


def test_nothing_is_kept_where_nobody_wants_it(gate: Gateway) -> None:
    asked = PATHS["/v1/messages"] | {"temperature": 0}
    assert twice(gate, "/v1/messages", asked) == 2, "the workspace does not say so"
    assert twice(gate, "/v1/messages", asked | {"top_p": 0.5}, x_remit_cache="on", cache_control="no-store") == 2


def test_an_answer_never_reaches_another_workspace(keeps: Gateway) -> None:
    """Keys of one workspace share what is kept there; a key of another one gets its own answer."""
    asked = PATHS["/v1/chat/completions"] | {"temperature": 0, "seed": 41}
    keeps.provider.say(Reply(text="for the first only"))
    first = ask(keeps.url, "/v1/chat/completions", asked, token=keeps.token)
    second = keeps.do(lambda: keeps.make_key("second"))
    again = ask(keeps.url, "/v1/chat/completions", asked, token=second)
    assert again[2] == first[2]
    assert again[1]["x-remit-cache"] == "hit"
    other = keeps.do(lambda: keeps.furnish_other("other"))
    keeps.provider.forget()
    keeps.provider.say(Reply(text="for the other only"))
    for more in ({}, {"x_remit_cache": "on"}):
        status, headers, body = ask(keeps.url, "/v1/chat/completions", asked, token=other, **more)
        assert status == 200, body
        assert "x-remit-cache" not in headers or not more
        assert b"for the other only" in body
        assert b"for the first only" not in body
    assert keeps.provider.count >= 1
