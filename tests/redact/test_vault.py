"""The reversible vault: what goes out comes back to its owner, and to nobody else."""

from __future__ import annotations

import html
import json
import os

from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.redact.personal import find
from remit.redact.vault import NONCE_SIZE, Kept, Vault

NONCE = bytes(range(NONCE_SIZE))
MANY = 10_000 if os.environ.get("REMIT_PROVE") else 200
TEXT = "Ada <ada@example.org> and Bob: bob@example.org, +49 89 1234567; again ada@example.org."


def test_values_leave_as_tokens_and_come_back() -> None:
    vault = Vault(NONCE)
    masked, kept = vault.mask(TEXT)
    assert "example.org" not in masked
    assert "1234567" not in masked
    assert not find(masked)
    assert len(kept) == 3
    assert masked.count(kept[0].token) == 2
    assert vault.restore(masked) == TEXT


def test_one_value_has_one_number_however_it_is_written() -> None:
    vault = Vault(NONCE)
    masked, kept = vault.mask(
        "+49 89 1234567 or +49-89-1234567; a@EXAMPLE.org, a@example.org; a@b\u00fccher.de a@xn--bcher-kva.de"
    )
    assert [(each.label, each.number) for each in kept] == [
        *(("PHONE", 1), ("PHONE", 1), ("EMAIL", 1), ("EMAIL", 1), ("EMAIL", 2), ("EMAIL", 2))
    ]
    assert len({each.tag for each in kept}) == 6
    assert vault.restore(masked).startswith("+49 89 1234567 or +49-89-1234567; a@EXAMPLE.org, a@example.org")


def test_outside_text_cannot_forge_a_token() -> None:
    vault = Vault(NONCE)
    token = vault.keep("email", "ada@example.org").token
    for forged in ("<EMAIL_1>", "<EMAIL_1_aaaaaa>", token.replace("EMAIL", "PHONE"), token.replace("_1_", "_2_")):
        assert vault.restore(forged) == forged
    assert Vault(bytes(NONCE_SIZE)).keep("email", "ada@example.org").token != token


def test_tokens_come_back_as_models_write_them() -> None:
    vault = Vault(NONCE)
    token = vault.keep("email", "ada@example.org").token
    bare = token[1:-1]
    for written in (
        *(
            token,
            bare,
            token.lower(),
            bare.lower(),
            html.escape(token),
            token.replace("_", "\\_"),
            f"\\{token[:-1]}\\>",
        ),
        *(json.dumps(token)[1:-1], token.replace("<", "\\u003c").replace(">", "\\u003e"), f"{token[:-1]}"),
    ):
        assert vault.restore(f"to {written}, now") == "to ada@example.org, now", written
    assert vault.restore(f"**{token}**") == "**ada@example.org**"
    assert vault.restore(f"x{bare}") == f"x{bare}"


def test_what_was_masked_once_is_not_masked_again() -> None:
    vault = Vault(NONCE)
    masked, _ = vault.mask(TEXT)
    assert vault.mask(masked) == (masked, [])


def test_a_vault_is_rebuilt_from_what_was_kept() -> None:
    vault = Vault(NONCE)
    masked, kept = vault.mask(TEXT)
    again = Vault(NONCE, kept)
    assert again.restore(masked) == TEXT
    assert again.mask(TEXT)[0] == masked
    assert again.keep("email", "new@example.org").number == 3


def test_nested_data_keeps_its_shape() -> None:
    vault = Vault(NONCE)
    asked = {"messages": [{"role": "user", "content": TEXT}], "temperature": 0.5, "n": 1, "none": None}
    masked, kept = vault.mask_tree(asked)
    assert "example.org" not in json.dumps(masked)
    assert len(kept) == 3
    assert vault.restore_tree(masked) == asked


PIECES = st.sampled_from(
    [
        *(
            "<EMAIL_1_",
            "EMAIL_1_",
            "email\\_1\\_",
            "<",
            ">",
            "&lt;",
            "&gt;",
            "&l",
            "\\",
            "\\<",
            "_",
            "x",
            " ",
            "9",
            "\u00fc",
        ),
        *("<PHONE_2_", "\\u003c", "\\u003e", "lorem", "ID_1_", "TAG", "\n"),
    ]
)


@settings(max_examples=MANY)
@given(st.lists(PIECES, max_size=30), st.lists(st.integers(0, 12), max_size=40))
@example(["<EMAIL_1_", "TAG", ">"], [1] * 40)
@example(["&lt;", "EMAIL_1_", "TAG", "&gt;"], [3] * 20)
@example(["lorem"] * 20 + ["<EMAIL_1_", "TAG", "\\", ">"], [0, 7, 1, 90])
def test_a_stream_restores_as_the_whole_wherever_it_is_cut(pieces: list[str], cuts: list[int]) -> None:
    vault = Vault(NONCE)
    tag = vault.keep("email", "ada@example.org").tag
    vault.add(Kept("ID", 1, tag, "PESEL"))
    text = "".join(tag if each == "TAG" else each for each in pieces)
    stream = vault.restorer()
    given_out: list[str] = []
    at = 0
    for cut in cuts:
        given_out.append(stream.feed(text[at : at + cut]))
        at += cut
        assert at - len(text[:at]) >= 0
    given_out += (stream.feed(text[at:]), stream.close())
    assert "".join(given_out) == vault.restore(text)


def test_every_split_of_an_answer_in_two_and_in_characters() -> None:
    vault = Vault(NONCE)
    masked, kept = vault.mask(TEXT)
    text = f"{masked} {html.escape(kept[0].token)} {kept[1].token.lower()[1:-1]}\\> <EMAIL_ <b>{kept[2].token}</b>"
    whole = vault.restore(text)
    for cut in range(len(text) + 1):
        stream = vault.restorer()
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.close() == whole
    stream = vault.restorer()
    assert "".join([*(stream.feed(each) for each in text), stream.close()]) == whole


def test_a_stream_holds_back_no_more_than_a_token() -> None:
    stream = Vault(NONCE).restorer()
    assert stream.feed("Dear customer ") == "Dear customer "
    assert len(stream.feed("A" * 1000)) >= 960
