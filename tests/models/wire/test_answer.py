"""Answers on their way to a client: clean ones byte for byte, secrets never, whatever the cuts.

``REMIT_PROVE=1`` tries 3,000 streams and every split, else 60 and some.
"""

import itertools
import json
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidAnswer
from remit.models.wire.answer import AnswerReader
from remit.redact.redactor import Redactor
from remit.redact.stream_deltas import masked_json

from .wire_streams import KEY, STREAMS, chat, cut, documents, event, messages, read, responses, restorer, said

PROVE = os.environ.get("REMIT_PROVE") == "1"
EXAMPLES = 3_000 if PROVE else 60
SECRET = "hunter2-hunter2-99"
CARD = "4111 1111 1111 1111"
REDACTOR = Redactor(KEY)
REDACTOR.register(SECRET)
REDACTOR.warm()  # so that the quick way over clean text is taken, too
WORDS = st.one_of(
    st.sampled_from(
        ["Hello", " world", ", this is", " fine.\n", '{"a": [1, "b"]}', " é日本", "\u2028", " 12", "\\", "["]
    ),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=8),
)
NAMES = sorted(STREAMS)


def masked(name: str, text: str, *, personal: bool = False) -> str:
    if "arguments" in name or "input" in name:
        return masked_json(text, REDACTOR, personal=personal)
    return REDACTOR.mask(text, personal=personal, despaced=True)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(NAMES),
    pieces=st.lists(WORDS, max_size=12),
    places=st.lists(st.integers(1, 4_000), max_size=12),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    kind=st.sampled_from(["masked", "passing", "inspected", "restored"]),
)
def test_a_clean_stream_goes_on_byte_for_byte(
    name: str, pieces: list[str], places: list[int], ends: str, kind: str
) -> None:
    wire, write = STREAMS[name]
    text = "".join(pieces)
    data = write(pieces)
    if masked(name, text) != text:
        return
    data = data.replace(b"\n", ends.encode())
    options = {"inspected": {"inspect": lambda _name, _arguments: ""}, "restored": {"restorer": restorer}}.get(kind, {})
    reader, out = read(wire, cut(data, places), None if kind == "passing" else REDACTOR, **options)
    assert out == data
    assert reader.complete
    assert reader.tokens.reported
    assert not reader.error


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(NAMES),
    before=st.lists(WORDS, max_size=4),
    after=st.lists(WORDS, max_size=4),
    value=st.sampled_from([SECRET, CARD]),
    splits=st.lists(st.integers(0, 40), max_size=5),
    places=st.lists(st.integers(1, 4_000), max_size=8),
    inspected=st.booleans(),
)
def test_a_secret_in_pieces_never_passes(
    *, name: str, before: list[str], after: list[str], value: str, splits: list[int], places: list[int], inspected: bool
) -> None:
    wire, write = STREAMS[name]
    edges = sorted({0, *(split % (len(value) + 1) for split in splits), len(value)})
    parts = [value[low:high] for low, high in itertools.pairwise(edges)]
    pieces = [*before, " ", *parts, " ", *after]
    options = {"inspect": lambda _name, _arguments: ""} if inspected else {}
    _, out = read(wire, cut(write(pieces), places), REDACTOR, personal=True, **options)
    text = "".join(pieces)
    assert said(wire, out) == masked(name, text, personal=True)
    shown = json.dumps(documents(out), ensure_ascii=False)
    assert value not in shown
    assert [len(each) for each in documents(out)] == [len(each) for each in documents(write(pieces))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [SECRET, CARD], ids=["secret", "card"])
def test_at_every_split_of_a_secret_nothing_of_it_passes(name: str, value: str) -> None:
    wire, write = STREAMS[name]
    text = f"it is {value} , all of it"
    whole = masked(name, text, personal=True)
    assert value[:6] not in whole
    for place in range(7, 6 + len(value), 1 if PROVE else 4):
        pieces = [text[:place], text[place:]]
        _, out = read(wire, [write(pieces)], REDACTOR, personal=True)
        assert said(wire, out) == whole
        assert value[:8] not in json.dumps(documents(out))
        assert value[-6:] not in json.dumps(documents(out))


def test_only_the_events_with_the_finding_are_written_anew() -> None:
    data = chat(["One", " two ", SECRET[:9], SECRET[9:], " three", " four"])
    _, out = read(Wire.CHAT, [data], REDACTOR)
    same = [one == other for one, other in zip(data.split(b"\n\n"), out.split(b"\n\n"), strict=True)]
    assert same.count(False) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_stream_is_never_complete(name: str) -> None:
    wire, write = STREAMS[name]
    data = write(["Hello", " world", " and more"])
    for place in range(0, len(data), 1 if PROVE else 17):
        for redactor in (REDACTOR, None):
            reader, out = read(wire, [data[:place]], redactor)
            assert not reader.complete, place
            assert data.startswith(out)
    for place in range(len(data) - 2, len(data)):
        assert not read(wire, [data[:place]], REDACTOR)[0].complete


def test_usage_that_nobody_asked_for_is_left_out_and_counted() -> None:
    reader, out = read(Wire.CHAT, [chat(["Hi"])], REDACTOR, strip_usage=True)
    assert out == chat(["Hi"], usage=False)
    told = reader.tokens
    assert (told.tokens_in, told.tokens_out, told.cached_in, told.reported, told.model) == (12, 7, 4, True, "gpt-x")


def test_usage_of_messages_counts_the_cache_as_read() -> None:
    told = read(Wire.MESSAGES, [messages(["Hi"])], REDACTOR)[0].tokens
    assert (told.tokens_in, told.cached_in, told.cache_write, told.tokens_out) == (17, 5, 2, 9)


def test_usage_of_responses_tells_reasoning() -> None:
    told = read(Wire.RESPONSES, [responses(["Hi"])], REDACTOR)[0].tokens
    assert (told.tokens_in, told.tokens_out, told.reasoning, told.reported) == (12, 7, 3, True)


def test_what_nobody_reports_is_counted_from_what_came() -> None:
    data = chat(["one ", "two ", "three four five "], usage=False, done=False)
    reader, _ = read(Wire.CHAT, [data], REDACTOR)
    assert not reader.tokens.reported
    assert reader.tokens.tokens_out == 8
    assert reader.text_length == 24


@pytest.mark.parametrize("name", ["chat arguments", "messages input", "responses arguments"])
def test_a_refused_tool_call_goes_on_with_nothing_of_it(name: str) -> None:
    wire, write = STREAMS[name]
    data = write(['{"pa', 'th": "/etc/', 'shadow"}'])
    asked: list[tuple[str, str]] = []

    def inspect(tool: str, arguments: str) -> str:
        asked.append((tool, arguments))
        return "not allowed"

    for size in (len(data), 40, 1):
        asked.clear()
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        reader, out = read(wire, chunks, REDACTOR, inspect=inspect)
        assert reader.blocked == "not allowed"
        assert asked == [("look", '{"path": "/etc/shadow"}')]
        assert b"look" not in out
        assert b"shadow" not in out
        assert data.startswith(out)


@pytest.mark.parametrize("name", ["chat arguments", "messages input", "responses arguments"])
def test_tool_calls_are_told_with_and_without_inspection(name: str) -> None:
    wire, write = STREAMS[name]
    data = write(['{"a"', ": 1}"])
    for redactor in (REDACTOR, None):
        for inspect in (None, lambda _name, _arguments: ""):
            reader, out = read(wire, [data], redactor, inspect=inspect)
            assert reader.tool_calls == [("look", '{"a": 1}')]
            assert out == data


def test_an_incomplete_tool_call_that_must_be_inspected_is_not_passed_on() -> None:
    data = messages(['{"a"', ": 1}"], key="partial_json")
    begun = data[: data.index(b"event: content_block_stop")]
    reader, out = read(Wire.MESSAGES, [begun], REDACTOR, inspect=lambda _name, _arguments: "")
    assert b"look" not in out
    assert not reader.complete


def test_interleaved_choices_and_tools_keep_their_texts_apart() -> None:
    def chunk(index: int, delta: object, reason: str | None = None) -> bytes:
        return event({"id": "1", "choices": [{"index": index, "delta": delta, "finish_reason": reason}]})

    half = len(SECRET) // 2
    parts = [
        chunk(0, {"content": f"a {SECRET[:half]}"}),
        chunk(1, {"content": f"b {SECRET[:half]}"}),
        chunk(0, {"content": f"{SECRET[half:]} c"}),
        chunk(1, {"content": " d"}),
        chunk(0, {}, "stop"),
        chunk(1, {}, "stop"),
        b"data: [DONE]\n\n",
    ]
    _, out = read(Wire.CHAT, parts, REDACTOR)
    texts = {0: "", 1: ""}
    for document in documents(out):
        for choice in document["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts[0] == REDACTOR.mask(f"a {SECRET} c")
    assert texts[1] == f"b {SECRET[:half]} d"


def test_tokens_whose_probabilities_are_told_do_not_tell_a_secret() -> None:
    def chunk(piece: str) -> bytes:
        told = {"content": [{"token": piece, "logprob": -1, "bytes": list(piece.encode()), "top_logprobs": []}]}
        return event({"id": "1", "choices": [{"index": 0, "delta": {"content": piece}, "logprobs": told}]})

    data = b"".join([chunk("so "), *(chunk(each) for each in SECRET), chunk(" it"), b"data: [DONE]\n\n"])
    _, out = read(Wire.CHAT, [data], REDACTOR)
    tokens = [
        each["token"]
        for document in documents(out)
        for choice in document["choices"]
        for each in (choice["logprobs"] or {"content": []})["content"]
    ]
    assert "".join(tokens) in {"so  it", "so it", " it", "so "}


def test_a_text_that_goes_on_after_its_end_is_no_answer() -> None:
    half = len(SECRET) // 2
    first = messages([SECRET[:half]])
    late = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SECRET[half:]}}
    data = first[: first.index(b"event: message_delta")] + event(late, name="content_block_delta")
    reader = AnswerReader(Wire.MESSAGES, streamed=True, redactor=REDACTOR)
    with pytest.raises(InvalidAnswer):
        reader.feed(data)


def test_data_that_is_no_json_and_comments_are_masked_too() -> None:
    half = len(SECRET) // 2
    data = f": {SECRET}\n\ndata: oops {SECRET[:half]}\n\ndata: {SECRET[half:]} end\n\n: fine\n\n".encode()
    _, out = read(Wire.CHAT, [data], REDACTOR)
    assert out.decode() == f"data: oops {REDACTOR.mask(SECRET)}\n\ndata:  end\n\n: fine\n\n"


def test_members_that_nobody_knows_are_masked() -> None:
    data = event({"id": "1", "note": f"x {SECRET}", "choices": [{"index": 0, "delta": {"odd": [SECRET]}}]})
    _, out = read(Wire.CHAT, [data], REDACTOR)
    assert SECRET.encode() not in out


@pytest.mark.parametrize("wire", [Wire.CHAT, Wire.MESSAGES, Wire.RESPONSES])
def test_a_providers_error_event_is_told_and_does_not_go_on(wire: Wire) -> None:
    """Whoever passes the stream on tells one error event of its own; what was said before still goes on."""
    before = {Wire.CHAT: chat(["one ", "tw"]), Wire.MESSAGES: messages(["one ", "tw"]), Wire.RESPONSES: b""}[wire]
    before = before.partition(b"event: content_block_stop")[0].partition(b"data: [DONE]")[0]
    data = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, name="error")
    reader, out = read(wire, [before + data + before], REDACTOR)
    assert reader.error == "Overloaded"
    assert out == before
    assert not reader.complete


def test_values_of_tokens_come_back_in_texts_and_not_in_arguments() -> None:
    pieces = ["Dear <NAM", "E_1_abc", "def>, and ", "others"]
    _, out = read(Wire.CHAT, [chat(pieces)], REDACTOR, restorer=restorer)
    assert said(Wire.CHAT, out) == "Dear Alice, and others"
    _, out = read(Wire.MESSAGES, [messages(pieces)], REDACTOR, restorer=restorer)
    assert said(Wire.MESSAGES, out) == "Dear Alice, and others"
    _, out = read(Wire.CHAT, [chat(pieces, key="arguments")], REDACTOR, restorer=restorer)
    assert said(Wire.CHAT, out) == "".join(pieces)
    _, out = read(Wire.RESPONSES, [responses(pieces)], REDACTOR, restorer=restorer)
    assert out.count(b"Dear Alice, and others") == 3, "when it ends, in its item, and in the whole response"
    _, out = read(Wire.RESPONSES, [responses(pieces, key="function_call_arguments")], REDACTOR, restorer=restorer)
    assert said(Wire.RESPONSES, out) == "".join(pieces)
    assert b"Alice" not in out, "nor where the arguments are told whole"


def test_an_event_that_is_too_large_is_refused() -> None:
    reader = AnswerReader(Wire.CHAT, streamed=True, redactor=REDACTOR)
    for _ in range(1_000):
        assert reader.feed(b"x" * 1_000) == b""
    with pytest.raises(InvalidAnswer):
        reader.feed(b"x" * 100_000)


# ------------------------------------------------------------------------------------------------- whole answers

CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello, all."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


def whole(wire: Wire, document: object, **options: object) -> tuple[AnswerReader, bytes, bytes]:
    data = json.dumps(document, indent=1).encode()
    reader = AnswerReader(wire, streamed=False, redactor=REDACTOR, **options)  # type: ignore[arg-type]
    got = b"".join([reader.feed(data[:50]), reader.feed(data[50:]), reader.finish()])
    return reader, got, data


def test_a_clean_document_goes_on_byte_for_byte() -> None:
    reader, out, data = whole(Wire.CHAT, CHAT)
    assert out == data
    assert (reader.complete, reader.text_length) == (True, 11)
    assert (reader.tokens.tokens_in, reader.tokens.tokens_out) == (3, 2)


def test_every_text_of_a_document_is_masked() -> None:
    block = {"type": "tool_use", "id": "t", "name": "look", "input": {"id": SECRET, SECRET: [f"a {SECRET}", 5]}}
    document = {"content": [{"type": "text", "text": SECRET}, block], "usage": {"input_tokens": 1, "output_tokens": 1}}
    reader, out, _ = whole(Wire.MESSAGES, document)
    assert SECRET.encode() not in out
    assert json.loads(out)["content"][1]["input"]["id"].startswith("[REDACTED:")
    assert reader.tool_calls[0][0] == "look"
    assert SECRET not in reader.tool_calls[0][1]


def test_a_refused_call_in_a_document_lets_nothing_pass() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "rm", "arguments": "{}"}}
    document = {"choices": [{"message": {"content": None, "tool_calls": [call]}}]}
    reader, out, _ = whole(Wire.CHAT, document, inspect=lambda name, _arguments: f"no {name}")
    assert (out, reader.blocked) == (b"", "no rm")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b'{"a"', b"[" * 100_000], ids=range(6))
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    reader = AnswerReader(Wire.CHAT, streamed=False, redactor=REDACTOR)
    reader.feed(body)
    with pytest.raises(InvalidAnswer):
        reader.finish()


def test_embeddings_pass_as_they_are() -> None:
    rng = random.Random(1)
    data = {
        "data": [{"embedding": [rng.random() for _ in range(64)]}, {"embedding": "QUJD" * 40}],
        "usage": {"prompt_tokens": 4},
    }
    reader, out, sent = whole(Wire.EMBEDDINGS, data)
    assert out == sent
    assert reader.tokens.tokens_in == 4
