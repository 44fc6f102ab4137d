"""Only the model's name and the request for usage change in a request's bytes; what else it asks for is read right."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput
from remit.models.wire.request import facts
from remit.models.wire.splice import members, splice

KEYS = st.sampled_from(["model", "mod\\u0065l", "stream_options", "\\u006dodel", "messages", 'n\\"model', "m"])
SPACES = st.text(alphabet=" \t\n\r", max_size=2)
VALUES = st.recursive(
    st.one_of(
        st.sampled_from(['"model"', '"\\"model\\":"', "null", "true", "-1.5e3", '"\\\\"', '"{[\\"}]"', '"é日\\ud83d"']),
        st.text(max_size=6).map(json.dumps),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[" + " , ".join(each) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda each: "{" + ",".join(f'"{key}" :{value}' for key, value in each) + "}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(KEYS, SPACES, SPACES, VALUES), max_size=5),
    model=st.one_of(st.none(), st.sampled_from(["gpt", 'a"b\\', "é"])),
    usage=st.booleans(),
)
def test_every_other_byte_stays(pairs: list[tuple[str, str, str, str]], model: str | None, *, usage: bool) -> None:
    text = " {" + ",".join(f'{a}"{key}"{b}:{a}{value}{b}' for key, a, b, value in pairs) + "} "
    body = text.encode()
    before = json.loads(body)
    out = splice(body, model=model, include_usage=usage)
    after = json.loads(out)
    expected = dict(before)
    if model is not None:
        expected["model"] = model
    if usage:
        known = before.get("stream_options")
        expected["stream_options"] = {**(known if isinstance(known, dict) else {}), "include_usage": True}
    assert after == expected
    pairs_of = {"object_pairs_hook": lambda pairs: pairs}
    once = [pair for pair in json.loads(body, **pairs_of) if pair[0] not in {"model", "stream_options"}]
    again = [pair for pair in json.loads(out, **pairs_of) if pair[0] not in {"model", "stream_options"}]
    assert once == again
    if model is not None:  # readers that take the first of two names read ours as well
        assert {value for key, value in json.loads(out, **pairs_of) if key == "model"} == {model}
    kept = [body[each.start : each.end] for each in members(body) if each.name not in {"model", "stream_options"}]
    assert kept == [out[each.start : each.end] for each in members(out) if each.name not in {"model", "stream_options"}]


def test_what_clients_write_changes_at_one_place() -> None:
    body = b'{"model":"gpt-4o", "messages": [{"role":"user","content":"the \\"model\\" \xc3\xa9"}],"stream":true}'
    assert splice(body, model="x") == body.replace(b'"gpt-4o"', b'"x"')
    assert splice(body, include_usage=True) == b'{"stream_options":{"include_usage":true},' + body[1:]
    assert splice(body) is body
    asked = b'{"model":"m","stream_options":{"include_usage":true,"include_obfuscation":false}}'
    assert splice(asked, include_usage=True) == asked


@pytest.mark.parametrize("body", [b"[]", b"", b'{"a"', b'{"a":[}', b"{a:1}", b'{"a":"', b'{"a" 1}', b'{"a":1 "b":2}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        splice(body, model="x")


ASKED = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_facts_of_chat() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000}}
    body = {
        **ASKED,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "four"}, image]}],
        "max_tokens": 5,
        "max_completion_tokens": 7,
        "n": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "look"}}, {"type": "custom", "custom": {"name": "run"}}],
        "response_format": {"type": "json_schema", "json_schema": {}},
        "reasoning_effort": "low",
    }
    told = facts(Wire.CHAT, body, size=len(json.dumps(body)))
    assert (told.model, told.streamed, told.max_out, told.n, told.usage_asked) == ("m", True, 7, 2, True)
    assert told.needs == {"tools", "vision", "json_schema", "thinking"}
    assert told.tools == ("look", "run")
    assert told.characters == 4
    assert 1_600 < told.tokens_in < 2_000


def test_facts_of_the_other_interfaces() -> None:
    body = {**ASKED, "max_tokens": 9, "system": "be", "thinking": {"type": "enabled", "budget_tokens": 3}}
    told = facts(Wire.MESSAGES, body, size=300)
    assert (told.max_out, told.needs, told.characters, told.tokens_in) == (9, {"thinking"}, 7, 100)
    told = facts(Wire.RESPONSES, {"model": "m", "input": "hi", "max_output_tokens": 4}, size=30)
    assert (told.max_out, told.characters) == (4, 2)
    tool = {"type": "web_search"}
    body = {"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}], "tools": [tool]}
    told = facts(Wire.RESPONSES, {**body, "text": {"format": {"type": "json_schema"}}}, size=30)
    assert told.needs == {"vision", "tools", "json_schema"}
    assert told.tools == ("web_search",)
    assert facts(Wire.EMBEDDINGS, {"model": "m", "input": ["a", "bc"]}, size=30).characters == 3
    assert facts(Wire.COUNT_TOKENS, ASKED, size=30).max_out == 0


@pytest.mark.parametrize(
    ("wire", "change", "place"),
    [
        (Wire.CHAT, {"model": 5}, "model"),
        (Wire.CHAT, {"model": ""}, "model"),
        (Wire.CHAT, {"messages": []}, "messages"),
        (Wire.CHAT, {"messages": ["x"]}, "messages[0]"),
        (Wire.CHAT, {"stream": "yes"}, "stream"),
        (Wire.CHAT, {"max_tokens": -1}, "max_tokens"),
        (Wire.CHAT, {"n": True}, "n"),
        (Wire.CHAT, {"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
        (Wire.CHAT, {"tools": {}}, "tools"),
        (Wire.MESSAGES, {}, "max_tokens"),
        (Wire.EMBEDDINGS, {}, "input"),
    ],
)
def test_what_every_provider_refuses_is_told_at_once(wire: Wire, change: dict[str, object], place: str) -> None:
    body = {**ASKED, **change}
    if place == "tools[0]":
        body["tools"] = [{"function": {"name": 5}}]
    with pytest.raises(InvalidInput) as refused:
        facts(wire, body, size=100)
    assert refused.value.place == place
