"""Secrets and cards that are parted over texts which a program puts together."""

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.redact.blocks import mask_in_place, mask_joints, runs
from remit.redact.redactor import Redactor

EXAMPLES = 400 if os.environ.get("REMIT_PROVE") == "1" else 40
SECRET = "harbour-quiet-81d7f3a0c2-lantern"
CARD = "4111 1111 1111 1111"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3  # made here, of the right form


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    made = Redactor(b"tests only: 16 bytes or more")
    made.register(SECRET)
    return made


def parts(texts: list[str], kind: str = "text") -> list[dict[str, Any]]:
    return [{"type": kind, "text": text} for text in texts]


def documents(texts: list[str]) -> list[dict[str, Any]]:
    """Prompts and answers of each interface that say these texts in a row."""
    other = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    mixed = [each for part in parts(texts) for each in (part, dict(other))]
    return [
        {"messages": [{"role": "user", "content": parts(texts)}]},
        {"messages": [{"role": "user", "content": mixed}]},
        {"messages": [{"role": "user", "content": text} for text in texts]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": parts(texts)}]}]},
        {"messages": [{"role": "tool", "content": parts(texts)}]},
        {"system": parts(texts), "messages": []},
        {"input": [{"role": "user", "content": parts(texts, "input_text")}]},
        {"input": [{"type": "function_call_output", "output": parts(texts, "input_text")}]},
        {"content": parts(texts)},
        {"content": [{"type": "thinking", "thinking": text} for text in texts]},
        {"choices": [{"message": {"content": parts(texts)}}]},
        {"output": [{"type": "message", "content": parts([text], "output_text")} for text in texts]},
        {"output": [{"type": "reasoning", "summary": parts(texts, "summary_text")}]},
        {"output": [{"type": "reasoning", "summary": parts([text], "summary_text")} for text in texts]},
        {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": text} for text in texts]}]},
        {"instructions": list(texts), "messages": []},
        {"messages": [{"parts": agents("system-prompt", text)} for text in texts]},
        {"messages": [{"parts": [*agents("user-prompt", *texts[:1]), *agents("user-prompt", *texts[1:])]}]},
        {"messages": [{"parts": [{"part_kind": "user-prompt", "content": [*texts]}]}]},
        {"messages": [{"parts": [{"part_kind": "user-prompt", "content": [texts[0], *contents(texts[1:])]}]}]},
        {"messages": [{"parts": [{"part_kind": "tool-return", "content": [*texts]}]}]},
        {"messages": [{"parts": agents("thinking", *texts)}]},
        {"parts": agents("text", *texts)},
    ]


def agents(kind: str, *texts: str) -> list[dict[str, Any]]:
    """Parts of a message of an agent in this process."""
    return [{"part_kind": kind, "content": text} for text in texts]


def contents(texts: list[str]) -> list[dict[str, Any]]:
    return [{"kind": "text-content", "content": text} for text in texts]


def joined(document: dict[str, Any]) -> str:
    return "".join(str(where[key]) for run in runs(document) for where, key in run)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_nothing_passes_wherever_it_is_cut(redactor: Redactor, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from([SECRET, CARD, TOKEN]))
    before, after = data.draw(st.sampled_from([("", ""), ("It is ", "."), ("a\n", "\nb")]))
    text = before + value + after
    cuts = sorted(
        data.draw(st.sets(st.integers(len(before) + 1, len(before) + len(value) - 1), min_size=1, max_size=5))
    )
    texts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for document in documents(texts):
        kept = copy.deepcopy(document)
        made = mask_joints(document, redactor, cards=True)
        assert document == kept, "the prompt itself stays"
        assert made is not None, document
        shown = joined(made)
        assert value not in shown
        assert shown.startswith(before + "[REDACTED:")
        assert shown.endswith("]" + after)
        assert mask_in_place(document, redactor, cards=True)
        assert document == made
        assert mask_joints(made, redactor, cards=True) is None


def test_what_belongs_to_nobody_together_is_left_alone(redactor: Redactor) -> None:
    half, rest = CARD[:10], CARD[10:]
    for document in (
        {"messages": [{"role": "user", "content": half}, {"role": "assistant", "content": rest}]},
        {"messages": [{"role": "tool", "content": half}, {"role": "tool", "content": rest}]},
        {"input": [half, rest]},
        {"content": [{"type": "text", "text": half}, {"type": "thinking", "thinking": rest}]},
        {"messages": [{"role": "user", "content": parts([CARD, "and so on"])}]},  # whole in one: each text's own look
        {"messages": [{"role": "user", "content": parts(["Plain words", " and more of them", ""])}]},
    ):
        assert mask_joints(document, redactor, cards=True) is None, json.dumps(document)


def test_only_registered_values_where_redaction_is_off(redactor: Redactor) -> None:
    for value, masked in ((SECRET, True), (TOKEN, False), (CARD, False)):
        document = {"messages": [{"role": "user", "content": parts([value[:9], value[9:]])}]}
        assert (mask_joints(document, redactor, registered=True) is not None) is masked


def test_long_texts_are_read_around_their_borders_alone(redactor: Redactor) -> None:
    filler = "word " * 40_000
    document = {"content": parts([filler + SECRET[:7], SECRET[7:] + " " + filler, filler])}
    assert mask_in_place(document, redactor)
    first, second, third = (part["text"] for part in document["content"])
    assert first.startswith(filler + "[REDACTED:")
    assert (second, third) == (" " + filler, filler)
