"""One line about a request, by which rows of a list are told apart."""

from __future__ import annotations

import json

import pytest

from remit.guard.approval_gist import LONGEST, gist
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Deploy, Effect, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles

ORDER: dict[str, Json] = {
    "side": "buy",
    "quantity": 420,
    "limit_price_micros": 86_400_000,
    "note": "",
    "sha256": "e2" * 32,
    "legs": [],
}
TALK: dict[str, Json] = {
    "messages": [{"role": "user", "content": "sum it\nup"}, {"role": "tool", "content": [{"text": "no"}]}]
}
TOLD: list[tuple[Effect, str]] = [
    (Command(("make", "deploy", "a b")), "make deploy 'a b'"),
    (WriteFiles({"a.py": b"", "b.py": b""}, delete=("c.py",)), "writes a.py, b.py; deletes c.py"),
    (WriteFiles({"a.py": b""}), "writes a.py"),
    (Fetch("https://a.example/"), ""),
    (Fetch("https://a.example/", method="HEAD"), "HEAD"),
    (Model("acme", "large", TALK), "sum it up"),
    (Model("acme", "large", {"input": [1]}), ""),
    (Notify("mailto:a@b.example", "The report", "text"), "The report"),
    (Order("gateway", ORDER), "side buy, quantity 420, limit price 86.40"),
    (Publish("channel", {"asset": "fog"}), "asset fog"),
    (Deploy("/srv/a", {"keep": 5}), "keep 5"),
    (Tool("render", {"frame": "f-1", "all": True}), "frame f-1, all true"),
]


@pytest.mark.parametrize(("effect", "told"), TOLD)
def test_it_says_what_the_target_does_not(effect: Effect, told: str) -> None:
    shown = json.dumps({"payload": json.dumps(effect.payload())})
    assert gist(effect.trait.kind, shown) == told


def test_it_is_short_and_what_cannot_be_read_says_nothing() -> None:
    long = json.dumps({"payload": json.dumps({"argv": ["x" * 500]})})
    assert len(gist("command", long)) == LONGEST
    assert gist("command", long).endswith("…")
    for shown in ("{}", "[]", "no", '{"payload": "{\\"argv\\": [cut"}', '{"payload": "[]"}', '{"payload": 1}'):
        assert gist("command", shown) == "", shown
    wrong = json.dumps({"payload": json.dumps({"argv": 1, "files": 2, "delete": 3, "request": {"messages": [4]}})})
    assert [gist(kind, wrong) for kind in ("command", "files", "model", "order", "unheard-of")] == [""] * 5
