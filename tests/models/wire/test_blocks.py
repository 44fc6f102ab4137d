"""Streamed answers of several blocks: what is parted over them never passes, and clean ones are as they came."""

import itertools
import json
import os
import re
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.kernel.effects import Wire
from remit.models.wire.answer import AnswerReader
from remit.redact.redactor import Redactor

from .wire_streams import KEY, cut, documents, event, read

EXAMPLES = 3_000 if os.environ.get("REMIT_PROVE") == "1" else 60
SECRET = "hunter2-hunter2-99"
CARD = "4111 1111 1111 1111"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
_LINES = [b64encode(sha256(bytes([at])).digest() * 2)[:64].decode() for at in range(6)]
SUFFIX = re.compile(r":[0-9a-f]{4}\]")
PEM = "-----BEGIN " + "\n".join(["RSA PRIVATE KEY-----", *_LINES, "-----END RSA PRIVATE KEY-----"])
REDACTOR = Redactor(KEY)
REDACTOR.register(SECRET)
REDACTOR.warm()


def sent(document: dict[str, object]) -> bytes:
    return event(document, name=str(document["type"]))


def answer(blocks: list[list[str]], *, key: str = "text", between: bool = False) -> bytes:
    """An answer whose blocks of text (or thinking) come in these pieces; ``between``: a tool is called after each."""
    head = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x", "usage": {}}
    out = [sent({"type": "message_start", "message": head})]
    index = itertools.count()
    for pieces in blocks:
        at = next(index)
        out.append(sent({"type": "content_block_start", "index": at, "content_block": {"type": key, key: ""}}))
        for piece in pieces:
            delta = {"type": f"{key}_delta", key: piece}
            out.append(sent({"type": "content_block_delta", "index": at, "delta": delta}))
        out.append(sent({"type": "content_block_stop", "index": at}))
        if between:
            at = next(index)
            block = {"type": "tool_use", "id": f"toolu_{at}", "name": "look", "input": {}}
            out.append(sent({"type": "content_block_start", "index": at, "content_block": block}))
            delta = {"type": "input_json_delta", "partial_json": '{"a": 1}'}
            out.append(sent({"type": "content_block_delta", "index": at, "delta": delta}))
            out.append(sent({"type": "content_block_stop", "index": at}))
    ends = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    return b"".join([*out, sent(ends), sent({"type": "message_stop"})])


def said(data: bytes, key: str) -> str:
    """What a client joins: every block of the kind, in order."""
    deltas = [each.get("delta") for each in documents(data)]
    return "".join(str(delta[key]) for delta in deltas if isinstance(delta, dict) and key in delta)


#: Of each kind of text of a response: what its deltas begin with, the type of its item, where its parts stand in
#: that, their type and their member.
KINDS = {
    "output_text": ("message", "content", "output_text", "text"),
    "refusal": ("message", "content", "refusal", "refusal"),
    "reasoning_text": ("reasoning", "content", "reasoning_text", "text"),
    "reasoning_summary_text": ("reasoning", "summary", "summary_text", "text"),
}
#: How a provider tells parts: as OpenAI does, with texts in the events that begin a part, without ends, all at its end.
WAYS = ("usual", "begun", "endless", "whole")


def response(  # noqa: C901 - one step of the interface after the other
    parts: list[list[str]], *, kind: str, apart: bool, way: str = "usual"
) -> bytes:
    """A response whose parts come in these pieces; ``apart``: each part is an item, and a tool is called after it."""
    shape, member, of, key = KINDS[kind]
    step = "reasoning_summary_part" if member == "summary" else "content_part"
    number = itertools.count()
    out: list[bytes] = []
    output: list[dict[str, object]] = []

    def tell(name: str, **members: object) -> None:
        out.append(sent({"type": f"response.{name}", "sequence_number": next(number), **members}))

    def item(texts: list[list[str]]) -> None:
        at, said = len(output), [{"type": of, key: "".join(pieces)} for pieces in texts]
        begun = {"type": shape, "id": f"item_{at}", member: []}
        tell("output_item.added", output_index=at, item=begun)
        for index, pieces in enumerate(texts):
            place = {"item_id": f"item_{at}", "output_index": at, f"{member}_index": index}
            first = pieces[0] if pieces and way == "begun" else ""
            if way != "whole":
                tell(f"{step}.added", **place, part={"type": of, key: first})
                for piece in pieces[1:] if way == "begun" else pieces:
                    tell(f"{kind}.delta", **place, delta=piece)
            if way in {"usual", "begun"}:
                tell(f"{kind}.done", **place, **{key: "".join(pieces)})
                tell(f"{step}.done", **place, part=said[index])
        output.append({**begun, member: said})
        if way != "endless":
            tell("output_item.done", output_index=at, item=output[-1])

    def call() -> None:
        at, whole = len(output), {"type": "function_call", "id": "c", "call_id": "c", "name": "look", "arguments": "{}"}
        tell("output_item.added", output_index=at, item={**whole, "arguments": ""})
        tell("function_call_arguments.delta", output_index=at, delta="{}")
        tell("function_call_arguments.done", output_index=at, arguments="{}")
        tell("output_item.done", output_index=at, item=whole)
        output.append(whole)

    tell("created", response={"id": "resp_1", "model": "gpt-x", "output": []})
    for texts in [[each] for each in parts] if apart else [parts]:
        item(texts)
        if apart:
            call()
    tell("completed", response={"id": "resp_1", "model": "gpt-x", "output": output, "usage": {"output_tokens": 3}})
    return b"".join(out)


def views(data: bytes, kind: str) -> dict[str, str]:  # noqa: C901 - a line for each way to read it
    """What each way to read the stream gives: its deltas, its texts, parts and items when they end, and the whole."""
    shape, member, of, key = KINDS[kind]
    found: dict[str, list[str]] = {}

    def items(name: str, *told: object) -> None:
        for one in told:
            if isinstance(one, dict) and one["type"] == shape:
                found.setdefault(name, []).extend(part[key] for part in one[member] if part["type"] == of)

    for each in documents(data):
        name = str(each["type"]).removeprefix("response.")
        part = each.get("part")
        if name == f"{kind}.delta":
            found.setdefault("deltas", []).append(str(each["delta"]))
        elif name == f"{kind}.done":
            found.setdefault("texts", []).append(str(each[key]))
        elif name.endswith("_part.added") and isinstance(part, dict):
            found.setdefault("deltas", []).append(part[key])
        elif name.endswith("_part.done") and isinstance(part, dict):
            found.setdefault("parts", []).append(part[key])
        elif name == "output_item.done":
            items("items", each["item"])
        elif name == "completed":
            items("whole", *each["response"]["output"])  # type: ignore[index]
    return {name: "".join(texts) for name, texts in found.items()}


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.sampled_from([SECRET, CARD, TOKEN, PEM]),
    around=st.sampled_from([("", ""), ("It is ", "."), ("So:\n", "\nand more"), ("(", ")")]),
    splits=st.lists(st.tuples(st.integers(1, 17), st.booleans()), min_size=1, max_size=6),
    places=st.lists(st.integers(1, 6_000), max_size=8),
    kind=st.sampled_from(sorted(KINDS)),
    way=st.sampled_from(WAYS),
    apart=st.booleans(),
)
def test_nothing_passes_wherever_parts_of_a_response_cut_it(
    *,
    value: str,
    around: tuple[str, str],
    splits: list[tuple[int, bool]],
    places: list[int],
    kind: str,
    way: str,
    apart: bool,
) -> None:
    """However often it tells a text, all of its tellings say the same, and none of them the secret."""
    text, before = around[0] + value + around[1], around[0]
    cuts = {len(before) + place * (len(value) // 18): new for place, new in splits}
    parts: list[list[str]] = [[]]
    for low, high in itertools.pairwise([0, *sorted(cuts), len(text)]):
        if cuts.get(low):
            parts.append([])
        parts[-1].append(text[low:high])
    data = response(parts, kind=kind, apart=apart, way=way)
    for options in ({}, {"inspect": lambda _name, _arguments: ""}):
        reader, out = read(Wire.RESPONSES, cut(data, places), REDACTOR, cards=True, **options)
        told = views(out, kind)
        assert reader.complete
        assert told.keys() == views(data, kind).keys()
        # A key that is open at a part's end has its mask there already, named after what was seen of it.
        assert len({SUFFIX.sub("", each) if value == PEM else each for each in told.values()}) == 1, told
        shown = told["whole"]
        assert value[-8:] not in shown
        assert value[len(value) // 2 :][:30] not in shown
        assert before in shown
        assert "[REDACTED:" in shown
        assert [each["type"] for each in documents(out)] == [each["type"] for each in documents(data)]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(
        st.lists(st.sampled_from(["Hello", " world", " 4111 1", "12", "hunter", "- ", "\n", "gh", "."]), max_size=4),
        min_size=2,
        max_size=5,
    ),
    places=st.lists(st.integers(1, 3_000), max_size=8),
    kind=st.sampled_from(sorted(KINDS)),
    way=st.sampled_from(WAYS),
    apart=st.booleans(),
)
def test_clean_parts_of_a_response_go_on_byte_for_byte(
    *, parts: list[list[str]], places: list[int], kind: str, way: str, apart: bool
) -> None:
    data = response(parts, kind=kind, apart=apart, way=way)
    reader, out = read(Wire.RESPONSES, cut(data, places), REDACTOR, cards=True)
    assert out == data
    assert reader.complete


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.sampled_from([SECRET, CARD, TOKEN, PEM]),
    around=st.sampled_from([("", ""), ("It is ", "."), ("So:\n", "\nand more"), ("(", ")")]),
    splits=st.lists(st.tuples(st.integers(1, 17), st.booleans()), min_size=1, max_size=6),
    places=st.lists(st.integers(1, 3_000), max_size=8),
    key=st.sampled_from(["text", "thinking"]),
    between=st.booleans(),
)
def test_nothing_passes_wherever_blocks_and_deltas_cut_it(
    *,
    value: str,
    around: tuple[str, str],
    splits: list[tuple[int, bool]],
    places: list[int],
    key: str,
    between: bool,
) -> None:
    before, after = around
    text = before + value + after
    cuts = {len(before) + place * (len(value) // 18): new for place, new in splits}
    blocks: list[list[str]] = [[]]
    for low, high in itertools.pairwise([0, *sorted(cuts), len(text)]):
        if cuts.get(low):
            blocks.append([])
        blocks[-1].append(text[low:high])
    data = answer(blocks, key=key, between=between)
    reader, out = read(Wire.MESSAGES, cut(data, places), REDACTOR, cards=True)
    shown = said(out, key)
    assert reader.complete
    assert value not in shown
    assert value[-8:] not in shown
    assert before in shown
    assert "[REDACTED:" in shown
    assert [each["type"] for each in documents(out)] == [each["type"] for each in documents(data)]
    _, passed = read(Wire.MESSAGES, cut(data, places), REDACTOR, cards=True, inspect=lambda _name, _arguments: "")
    assert value not in said(passed, key)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    blocks=st.lists(
        st.lists(
            st.sampled_from(["Hello", " world", " 4111 1", "12", "hunter", "- ", "é", "\n", "gh", "."]), max_size=4
        ),
        min_size=2,
        max_size=5,
    ),
    places=st.lists(st.integers(1, 3_000), max_size=8),
    between=st.booleans(),
)
def test_clean_blocks_go_on_byte_for_byte(blocks: list[list[str]], places: list[int], *, between: bool) -> None:
    data = answer(blocks, between=between)
    reader, out = read(Wire.MESSAGES, cut(data, places), REDACTOR, cards=True)
    assert out == data
    assert reader.complete


def test_a_block_that_ends_in_words_holds_nothing_up() -> None:
    """And one that ends in what may be a card's beginning holds what follows, until that is clear."""
    for end, held in (("Done.", False), ("Let me look", False), ("It is 4111 11", True)):
        data = answer([["First"], [end]])
        at = data.index(b"event: message_delta")
        more = sent({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}})
        pieces = [data[:at], more, sent({"type": "content_block_delta", "index": 2, "delta": _text(" and so on. ")})]
        reader = AnswerReader(Wire.MESSAGES, streamed=True, redactor=REDACTOR, cards=True)
        first = reader.feed(pieces[0])
        assert (first == data[:at]) is not held, end
        then = reader.feed(pieces[1]) + reader.feed(pieces[2])
        assert (first + then).startswith(data[:at] + more), end


def _text(text: str) -> dict[str, object]:
    return {"type": "text_delta", "text": text}


@pytest.mark.parametrize("streamed", [True, False])
def test_whole_answers_are_read_as_one_too(*, streamed: bool) -> None:
    halves = [CARD[:7], CARD[7:]]
    if streamed:
        _, out = read(Wire.MESSAGES, [answer([[half] for half in halves])], REDACTOR, cards=True)
        assert CARD[7:] not in said(out, "text")
        return
    whole = {"type": "message", "content": [{"type": "text", "text": half} for half in halves], "usage": {}}
    reader = AnswerReader(Wire.MESSAGES, streamed=False, redactor=REDACTOR, cards=True)
    reader.feed(json.dumps(whole).encode())
    first, second = (block["text"] for block in json.loads(reader.finish())["content"])
    assert first.startswith("[REDACTED:card:")
    assert second == ""
