"""What goes over the wire, byte for byte: nothing changes but what is documented, and every refusal has its shape."""

import shutil
import subprocess
from typing import Any

import orjson
import pytest

from remit.audit import query
from remit.testing.model_server import Behaviour, Reply, ToolCall

from .running import Gateway, Wire, ask

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How many?"}]}
MESSAGE = {"model": "claude-sonnet-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "How many?"}]}
ODD = '{ "messages" : [ {"content":"h\\u00e9 \\/ \\"q\\"", "role":"user"} ],\n "x_unknown": {"b":1.50,"a":[1e3]},'
#: Bodies as no SDK writes them: spaces, order, escapes, numbers, unknown fields.
BODIES = {
    "/v1/chat/completions": f'{ODD} "stream" : false, "model" :"gpt-4o"}}'.encode(),
    "/v1/messages": f'{ODD} "max_tokens": 50, "model" :"claude-sonnet-4-6"}}'.encode(),
    "/v1/messages/count_tokens": f'{ODD} "model" :"claude-sonnet-4-6"}}'.encode(),
    "/v1/responses": b'{"input" : "hello",  "model":"gpt-4o", "x_unknown":null }',
    "/v1/embeddings": b'{"input" : ["hello" ],  "model":"text-embedding-3-small", "x_unknown":null }',
}
STREAMS = {
    "/v1/chat/completions": f'{ODD} "stream": true, "stream_options":{{"include_usage":true}}, "model" :"gpt-4o"}}',
    "/v1/messages": f'{ODD} "max_tokens": 2000, "stream": true, "thinking": {{"type":"enabled","budget_tokens":1024}},'
    ' "model" :"claude-sonnet-4-6"}',
    "/v1/responses": '{"input" : "hello", "stream":true,  "model":"gpt-4o", "x_unknown":null }',
}
RICH = Reply(
    deltas=("Hé", "llo ", '"you" ', "\\ there"),
    thinking="Let me see.",
    calls=(ToolCall("weather", {"city": "Graz"}),),
    extra={"x_new_field": {"kept": True, "n": 1.50}},
    tokens_in=11,
    tokens_out=7,
    cached=3,
)


@pytest.mark.parametrize("path", BODIES)
def test_an_answer_in_one_piece_is_the_providers_own(gate: Gateway, path: str) -> None:
    gate.provider.say(RICH)
    direct = ask(gate.provider.url, path, BODIES[path], content_type="application/json")
    governed = ask(gate.url, path, BODIES[path], token=gate.token, content_type="application/json")
    assert governed[0] == direct[0] == 200, governed[2]
    assert governed[2] == direct[2]
    there, here = gate.provider.requests
    assert here.body == there.body == BODIES[path]
    assert here.path == there.path


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(piece=7), Behaviour(crlf=True), Behaviour(comments=True)])
def test_a_stream_is_the_providers_own(gate: Gateway, path: str, behaviour: Behaviour) -> None:
    gate.provider.say(RICH)
    gate.provider.behave(behaviour)
    body = STREAMS[path].encode()
    direct = ask(gate.provider.url, path, body)
    governed = ask(gate.url, path, body, token=gate.token)
    assert governed[0] == direct[0] == 200, governed[2]
    assert governed[2] == direct[2]
    assert gate.provider.requests[0].body == gate.provider.requests[1].body == body


def test_usage_that_nobody_asked_for_is_asked_for_and_taken_out(gate: Gateway) -> None:
    gate.provider.say(RICH)
    body = orjson.dumps(CHAT | {"stream": True})
    direct = ask(gate.provider.url, "/v1/chat/completions", body)
    governed = ask(gate.url, "/v1/chat/completions", body, token=gate.token)
    assert governed[2].replace(b',"usage":null', b"") == direct[2], "each chunk says that there is none yet"
    assert gate.provider.requests[1].json["stream_options"] == {"include_usage": True}
    row = next(row for row in gate.rows() if row["id"] == governed[1]["x-remit-action"])
    assert row["cost_micros"] > 0


def test_what_reaches_a_provider_is_its_own_key_and_no_header_of_ours(gate: Gateway) -> None:
    ask(
        gate.url,
        "/v1/messages",
        MESSAGE,
        x_api_key=gate.token,
        cookie="a=b",
        anthropic_version="2023-06-01",
        anthropic_beta="one,two",
        x_remit_timeout="9",
        x_forwarded_for="192.0.2.1",
    )
    seen = gate.provider.requests[-1].headers
    assert (seen["anthropic-version"], seen["anthropic-beta"]) == ("2023-06-01", "one,two")
    assert not {"cookie", "x-remit-timeout", "x-forwarded-for", "authorization"} & set(seen)
    assert gate.token not in str(dict(seen))


def test_what_a_providers_answer_says_of_itself(gate: Gateway) -> None:
    told = (("x-ratelimit-remaining-requests", "9"), ("set-cookie", "a=b"), ("openai-organization", "acme"))
    gate.provider.behave(Behaviour(headers=told))
    _, headers, _ = ask(gate.url, "/v1/chat/completions", CHAT, token=gate.token)
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert not {"set-cookie", "openai-organization", "server"} & set(headers)


# ----------------------------------------------------------------------------------------------------------- refusals


def shape(path: str, body: bytes) -> Any:
    """The error of an answer; fails unless it has the protocol's own shape."""
    told = orjson.loads(body)
    if "messages" in path:
        assert told["type"] == "error"
        assert set(told["error"]) >= {"type", "message"}
    else:
        assert set(told["error"]) >= {"message", "type", "code", "param"}
    return told["error"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"model":"gpt-4o","messages":[{"content":"a","content":"b"}]}', 400),
        (b'{"model":"gpt-4o","messages":[{"content":"\\u0022","content":"b"}]}', 400),
        (b'{"messages":[{"role":"user","content":"a"}]}', 400),
        (b"\xff\xfe", 400),
    ],
)
def test_a_body_that_is_none(gate: Gateway, path: str, body: bytes, status: int) -> None:
    got, headers, told = ask(gate.url, path, body, token=gate.token)
    assert got == status
    assert shape(path, told)["message"]
    assert headers.get("x-request-id") or headers.get("request-id")
    assert gate.provider.count == 0


def test_what_is_turned_away_before_the_guard_is_on_record(gate: Gateway) -> None:
    """Who, what and why; once a minute for each reason, and never what it held."""
    store = gate.runtime.store
    begun = len(gate.audits("gateway.refused"))
    card = "4111 1111 1111 1111"
    body = orjson.dumps(CHAT | {"max_tokens": card})
    for _ in range(3):
        assert ask(gate.url, "/v1/chat/completions", body, token=gate.token)[0] == 400
    assert ask(gate.url, "/v1/responses", b"{}", token=gate.token, content_encoding="gzip")[0] == 400
    store.write("guard.settle", lambda _tx: None)  # what is patient goes with the next
    store.seal()
    wanted = query.Filter(workspace="default", action="gateway.refused", limit=1000)
    found = store.view(lambda tx: query.find(tx, wanted))[begun:]
    told = {record.header["reason"]: record for record in found}
    assert "gateway.encoding" in told
    for record in found:
        assert (record.header["actor"], record.header["result"]) == ("agent:laptop", "blocked")
        assert (record.payload or {})["for"].startswith("user:")
        assert (record.payload or {})["why"]
    assert card not in str([record.payload for record in found])
    assert len(found) == len(told), "each reason once"


def test_names_that_only_look_like_two(gate: Gateway) -> None:
    content = 'he said "x": "x", \\ and "x" again'
    body = orjson.dumps(CHAT | {"messages": [{"role": "user", "content": content}]})
    assert ask(gate.url, "/v1/chat/completions", body, token=gate.token)[0] == 200
    escaped = body.replace(b'\\"', b"\\u0022")
    assert ask(gate.url, "/v1/chat/completions", escaped, token=gate.token)[0] == 200
    assert gate.provider.requests[-1].body == escaped


def test_a_body_that_is_too_large_whatever_its_head_says(gate: Gateway) -> None:
    wire = Wire(gate.url)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: g\r\nx-api-key: {gate.token}\r\ntransfer-encoding: chunked\r\n\r\n"
    wire.socket.sendall(head.encode())
    piece = b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20))
    try:
        for _ in range(40):
            wire.socket.sendall(piece)
    except OSError:
        pass  # it hung up on us, which is as good
    status, headers, body = wire.answer()
    wire.close()
    assert status == 413
    assert headers["connection"] == "close"
    assert shape("/v1/messages", body)["type"] == "request_too_large"


def test_there_is_nothing_elsewhere(gate: Gateway) -> None:
    for path, method, status in (
        ("/", "GET", 404),
        ("/chat/completions", "POST", 404),
        ("/v1/chat/completions", "GET", 405),
        ("/v1/models", "POST", 405),
        ("/a/b/v1/models", "GET", 404),
        ("/nobody/v1/chat/completions", "POST", 404),
    ):
        got, _, told = ask(gate.url, path, CHAT, token=gate.token, method=method)
        assert (path, got) == (path, status)
        assert shape(path, told)["message"]
    told = ask(gate.url, "/v1/completions", CHAT, token=gate.token)[2]
    assert "chat/completions, responses, messages" in shape("", told)["remit"]["hint"]
    for path in ("/v1/v1/messages", "/chat/completions"):  # as of a base URL with, or without, what it should end in
        told = ask(gate.url, path, CHAT, token=gate.token)[2]
        assert "Next: the base URL of OpenAI clients ends in /v1" in shape(path, told)["message"]


def test_no_key_and_a_bad_one_are_told_apart_from_nothing(gate: Gateway) -> None:
    revoked = gate.do(lambda: gate.make_key("gone"))
    assert ask(gate.url, "/v1/models", b"", token=revoked, method="GET")[0] == 200
    gate.do(lambda: gate.revoke("gone"))
    answers = {
        ask(gate.url, "/v1/models", b"", token=token, method="GET")[2]
        for token in (revoked, revoked[:-1] + ("a" if revoked[-1] != "a" else "b"), "rk_live_x", "x" * 5000)
    }
    assert len(answers) == 1
    assert ask(gate.url, "/v1/models", b"", method="GET")[0] == 401
    assert ask(gate.url, "/health", b"", method="GET")[0] == 200


def test_bad_keys_without_end_are_slowed_and_good_ones_are_not(gate: Gateway) -> None:
    said = [ask(gate.url, "/v1/models", b"", token=f"bad{n}", method="GET") for n in range(40)]
    assert {status for status, _, _ in said} == {401, 429}
    assert float(said[-1][1]["retry-after"]) > 0
    assert ask(gate.url, "/v1/models", b"", token=gate.token, method="GET")[0] == 200


def test_a_header_that_says_nothing(gate: Gateway) -> None:
    for name, value in (("x_remit_mission", "m"), ("x_remit_timeout", "soon"), ("x_remit_cache", "-1")):
        status, _, told = ask(gate.url, "/v1/chat/completions", CHAT, token=gate.token, **{name: value})
        assert status == 400
        assert name.replace("_", "-") in shape("/", told)["message"]
    assert gate.provider.count == 0


def test_a_mission_that_is_not_ones_own(gate: Gateway) -> None:
    nobody = "01a20029-1ba7-7fbc-98ee-e6ea4d21bb79"
    status, _, _ = ask(gate.url, "/v1/chat/completions", CHAT, token=gate.token, x_remit_mission=nobody)
    assert status == 403
    assert gate.provider.count == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=("One ", "two.")))
    command = ["curl", "-sSN", f"{gate.url}/v1/chat/completions", "-H", f"authorization: Bearer {gate.token}"]
    command += ["-H", "content-type: application/json", "-d", orjson.dumps(CHAT | {"stream": True}).decode()]
    told = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
    assert told.endswith(b"data: [DONE]\n\n")
    assert b"One " in told
