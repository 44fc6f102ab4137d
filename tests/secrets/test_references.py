"""References: how they are written, and the declared secrets of a plan against those that it refers to."""

from __future__ import annotations

from typing import Any

import pytest

from remit.kernel.channels import read_channels
from remit.kernel.errors import InvalidInput
from remit.kernel.mission import ResultHas
from remit.kernel.references import Placed, Reference, parse, references_in
from remit.missions.intake import planned
from remit.sdk.mission import Mission


def test_how_a_reference_is_written() -> None:
    assert parse("secret://db") == Placed(Reference("db"))
    assert parse("secret://prod/db.key#12") == Placed(Reference("prod/db.key", "12"))
    assert parse("Bearer secret://api") == Placed(Reference("api"), "Bearer")
    assert Placed(Reference("api"), "Bearer").filled("x") == "Bearer x"
    assert str(Reference("a", "2")) == "secret://a#2"
    for text in ("", "plain", "write secret://db into it", "x=secret://db", "a b secret://db"):
        assert parse(text) is None
    for text in (
        "secret://",
        "secret://a b",
        "secret:///a",
        "secret://a/",
        "secret://a//b",
        "secret://.a",
        "secret://a#",
    ):
        with pytest.raises(InvalidInput):
            parse(text)
    with pytest.raises(InvalidInput):
        parse("secret://" + "a" * 129)
    found = references_in({"a": ["secret://x", {"b": "Basic secret://y"}], "secret://key": 1})
    assert [each.name for each in found] == ["x", "y"]


def test_a_channel_may_refer_to_a_secret() -> None:
    [channel] = read_channels([{"name": "ops", "kind": "webhook", "url": "secret://hook", "secret": "secret://key#1"}])
    assert channel.url == "secret://hook"
    with pytest.raises(InvalidInput):
        read_channels([{"name": "ops", "kind": "webhook", "url": "https://x.example.org/", "secret": "written-out"}])


def shop(params: dict[str, Any], declared: tuple[str, ...] | None) -> Any:
    mission = Mission("shop", version="1", secrets=declared)

    @mission.step(post=[ResultHas("done", value=True)])
    async def pay(ctx: Any, params: Any) -> Any:
        del ctx, params
        return {"done": True}

    @mission.planner
    def plan(data: bytes, name: str) -> list[Any]:
        del data, name
        return [mission.use(pay, params=params)]

    return mission.pack()


def test_a_reference_to_an_undeclared_secret_is_refused_when_it_is_planned() -> None:
    params = {"env": {"KEY": "secret://stripe_key"}}
    with pytest.raises(InvalidInput) as caught:
        planned(shop(params, ("strip_key",)), b"", "in.json")
    assert "refers to the secret 'stripe_key', which the input does not declare: did you mean 'strip_key'?" in str(
        caught.value
    )
    with pytest.raises(InvalidInput, match="it declares none"):
        planned(shop(params, ()), b"", "in.json")
    with pytest.raises(InvalidInput, match="no reference to a secret"):
        planned(shop({"key": "secret://a b"}, None), b"", "in.json")
    assert planned(shop(params, None), b"", "in.json").plan.notes == ()


def test_a_declared_secret_that_nothing_refers_to_is_noted() -> None:
    plan = planned(shop({"env": {"KEY": "secret://stripe_key"}}, ("stripe_key", "mail")), b"", "in.json").plan
    assert plan.notes == ("the secret 'mail' is declared, and no step refers to it",)
