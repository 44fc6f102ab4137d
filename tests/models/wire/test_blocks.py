"""Streamed answers of several blocks: what is parted over them never passes, and clean ones are as they came."""

import itertools
import json
import os

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


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.sampled_from([SECRET, CARD, TOKEN]),
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
    cuts = {len(before) + place: new for place, new in splits}
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
