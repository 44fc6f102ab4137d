"""The client of a Presidio analyzer, against a server that speaks its interface."""

from __future__ import annotations

import json

import pytest

from remit.adapters.personal.presidio import STRENGTH, Presidio
from remit.kernel.errors import InvalidInput, Unavailable
from remit.redact.personal import find
from remit.redact.personal.kinds import STRENGTH as OURS
from remit.redact.vault import Vault
from remit.testing.presidio import analyzer

TEXT = "Gr\u00fc\u00dfe von Ada Lovelace, ada@example.org"


def test_findings_come_with_our_kinds_and_offsets_in_characters() -> None:
    with analyzer({"Ada Lovelace": "PERSON", "ada@example.org": "EMAIL_ADDRESS"}) as server:
        found = Presidio(server.address, entities=()).find(TEXT)
        assert [(each.kind, TEXT[each.start : each.end]) for each in found] == [
            ("person", "Ada Lovelace"),
            ("email", "ada@example.org"),
        ]
        assert server.asked == [{"text": TEXT, "language": "en", "score_threshold": 0.5}]


def test_only_what_is_asked_for_and_sure_enough_comes_back() -> None:
    with analyzer({"Ada Lovelace": "PERSON", "ada@example.org": "EMAIL_ADDRESS"}) as server:
        assert [each.kind for each in Presidio(server.address).find(TEXT)] == ["person"]
        assert Presidio(server.address, threshold=0.9).find(TEXT) == []
        assert Presidio(server.address).find("  ") == []
        assert len(server.asked) == 2, "nothing is asked about nothing"


def test_what_it_finds_goes_into_the_vault_and_takes_nothing_of_ours_apart() -> None:
    assert min(OURS.values()) > STRENGTH
    with analyzer({"Ada Lovelace": "PERSON", "example": "LOCATION"}) as server:
        vault = Vault(bytes(16))
        masked, kept = vault.mask(TEXT, also=Presidio(server.address).find(TEXT))
    assert [each.label for each in kept] == ["PERSON", "EMAIL"]
    assert find(masked) == []
    assert vault.restore(masked) == TEXT


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"[]"),
        (200, b"no JSON"),
        (200, b"{}x"),
        (200, b"7"),
        (200, json.dumps([{"entity_type": "PERSON", "start": 0}]).encode()),
        (200, json.dumps([{"entity_type": "PERSON", "start": 3, "end": 999}]).encode()),
        (200, json.dumps([{"entity_type": "PERSON", "start": 3, "end": 3}]).encode()),
        (200, json.dumps([{"entity_type": "a]b", "start": 0, "end": 3}]).encode()),
        (200, b"[" + b" " * (5 << 20) + b"]"),
    ],
)
def test_no_answer_never_passes_for_a_clean_text(answer: tuple[int, bytes]) -> None:
    with analyzer({}) as server:
        server.answer = answer
        with pytest.raises(Unavailable, match="Presidio"):
            Presidio(server.address).find(TEXT)


def test_nobody_there() -> None:
    with analyzer({}) as server:
        gone = server.address
    with pytest.raises(Unavailable, match="does not answer"):
        Presidio(gone, timeout_s=2).find(TEXT)
    with pytest.raises(InvalidInput):
        Presidio("ftp://127.0.0.1").find(TEXT)
