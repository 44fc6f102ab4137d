"""The router: never to what is not allowed or can't do it, always the cheapest of what fits, weights as they say."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.errors import BudgetExceeded, Denied, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.money import Money
from remit.models.catalogue import Catalogue, Deployment, Provider, ProviderStatus
from remit.models.prices import Rate
from remit.models.router import Router, Want

from .fakes_catalogue import ANTHROPIC, LOCAL, OPENAI, WORKSPACE, catalogue, deployment, router

PROVE = os.environ.get("REMIT_PROVE") == "1"
EXAMPLES = 5000 if PROVE else 150
DRAWS = 100_000 if PROVE else 6000
NEEDS = ("tools", "vision", "json_schema", "thinking")
PROVIDERS = (OPENAI, ANTHROPIC, LOCAL)

SMALL = deployment("small", OPENAI, "gpt-4o-mini")
SMART = deployment("smart", OPENAI, "gpt-4o")
OTHER = deployment("smart", ANTHROPIC, "claude-sonnet-4-5", order=1)
HOUSE = deployment("house", LOCAL, "our-own-7b")


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    provider = draw(st.sampled_from(PROVIDERS))
    price = draw(st.none() | st.integers(0, 50))
    rate = None if price is None else Rate(price * 1_000_000, price * 3_000_000, price * 500_000, price * 1_000_000)
    return Deployment(
        WORKSPACE,
        draw(st.sampled_from(["a", "b", "c", "d"])),
        provider.name,
        draw(st.sampled_from(["m1", "m2", "m3", "m4", "m5"])),
        weight=draw(st.integers(0, 5)),
        order=draw(st.integers(0, 2)),
        capabilities=frozenset({"chat", *draw(st.sets(st.sampled_from(NEEDS)))}),
        quality=draw(st.integers(0, 100)),
        context=draw(st.sampled_from([0, 1000, 100_000])),
        rate=rate,
        known=draw(st.booleans()),
    )


def unique(found: list[Deployment]) -> list[Deployment]:
    return list({(each.name, each.target): each for each in found}.values())


WANTS = st.builds(
    Want,
    name=st.sampled_from(["a", "b", "c", "d", "auto", "auto:fast", "auto:best", "openai/m1", "local/m9"]),
    needs=st.frozensets(st.sampled_from(NEEDS), max_size=2),
    tokens_in=st.integers(0, 2000),
    max_out=st.integers(0, 2000),
    left=st.none() | st.builds(Money, st.integers(0, 500_000)),
    allowed=st.sampled_from([("*",), ("a", "b"), ("openai/*",), ("?",), (), ("*/m1", "c"), ("auto",)]),
    quality=st.sampled_from([0, 0, 50]),
    unpriced=st.booleans(),
)


def fits(at: Deployment, want: Want) -> bool:
    """What the router promises of each candidate, said once more and apart from it."""
    allowed = any(fnmatchcase(at.name, each) or fnmatchcase(at.target, each) for each in want.allowed)
    auto = want.name.startswith("auto")
    able = (want.needs | {"chat"}) <= at.capabilities or (not at.known and not auto)
    room = at.context == 0 or want.tokens_in + want.max_out <= at.context
    price = None if at.rate is None else at.rate.ceiling(want.tokens_in, want.max_out)
    affordable = want.unpriced if price is None else (want.left is None or price <= want.left)
    return allowed and able and room and affordable and (not auto or at.quality >= want.quality)


@settings(max_examples=EXAMPLES, deadline=None)
@given(found=st.lists(deployments(), max_size=12).map(unique), want=WANTS, seed=st.integers(0, 99), data=st.data())
def test_only_what_fits_is_asked_and_the_first_is_the_cheapest(
    found: list[Deployment], want: Want, seed: int, data: st.DataObject
) -> None:
    paused = data.draw(st.sets(st.sampled_from([each.name for each in PROVIDERS]), max_size=2))
    broken = data.draw(st.sets(st.sampled_from([each.target for each in found]))) if found else set[str]()
    providers = tuple(
        replace(each, status=ProviderStatus.PAUSED) if each.name in paused else each for each in PROVIDERS
    )
    shelf = catalogue(*sorted(found, key=lambda each: (each.name, each.order)), providers=providers)
    chooser = Router(rand=random.Random(seed).random, refuses=lambda _of, target: target in broken)
    auto = want.name.startswith("auto")
    resolved = shelf.resolve(want.name)
    pool = list(shelf.listed()) if auto else ([] if resolved is None else [*resolved.groups[0]])
    good = [each for each in pool if fits(each, want) and each.provider not in paused and each.target not in broken]
    if not good:
        with pytest.raises(RemitError):
            chooser.route(shelf, want)
        return
    route = chooser.route(shelf, want)
    assert route.candidates
    assert all(each in good for each in route.candidates)
    assert len({each.target for each in route.candidates}) == len(route.candidates)

    def price(each: Deployment) -> float:
        return float("inf") if each.rate is None else each.rate.ceiling(want.tokens_in, want.max_out).micros

    first = route.candidates[0]
    if want.name == "auto":
        assert price(first) == min(map(price, good))
    elif want.name == "auto:best":
        assert first.quality == max(each.quality for each in good)
        assert price(first) == min(price(each) for each in good if each.quality == first.quality)
    elif not auto:
        assert first.order == min(each.order for each in good)
        tier = [each for each in good if each.order == first.order]
        carried = [each for each in tier if each.weight] or tier
        assert price(first) == min(map(price, carried))
    assert len(route.why) >= 1 + len(route.candidates)


def test_equals_share_calls_by_their_weights() -> None:
    shelf = catalogue(
        *(replace(SMALL, provider=name, weight=weight) for name, weight in (("one", 6), ("two", 3), ("three", 1))),
        replace(SMALL, provider="never", weight=0),
        providers=tuple(replace(OPENAI, name=name) for name in ("one", "two", "three", "never")),
    )
    chooser = router(seed=7)
    routes = [chooser.route(shelf, Want("small")).candidates for _ in range(DRAWS)]
    seen = Counter(route[0].provider for route in routes)
    for name, share in (("one", 0.6), ("two", 0.3), ("three", 0.1)):
        assert abs(seen[name] / DRAWS - share) < 0.03
    assert seen["never"] == 0
    assert all(route[-1].provider == "never" for route in routes)  # it stands in, after all others


def test_the_same_chance_gives_the_same_route() -> None:
    shelf = catalogue(SMALL, replace(SMALL, provider="two"), providers=(OPENAI, replace(OPENAI, name="two")))

    def drawn(seed: int) -> list[str]:
        chooser = router(seed)
        return [chooser.route(shelf, Want("small")).candidates[0].provider for _ in range(40)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("small", ["openai/gpt-4o-mini"]),
        ("smart", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"]),
        ("openai/gpt-4.1", ["openai/gpt-4.1"]),
        ("openai/gpt-4o-mini", ["openai/gpt-4o-mini"]),
        ("local/anything:7b", ["local/anything:7b"]),
        ("claude-haiku-4-5", ["anthropic/claude-haiku-4-5"]),
        ("gpt-4.1-mini", ["openai/gpt-4.1-mini"]),
        ("nick", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"]),
        ("", ["openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-sonnet-4-5"]),
        ("auto:best", ["anthropic/claude-sonnet-4-5", "openai/gpt-4o", "openai/gpt-4o-mini"]),
    ],
)
def test_a_name_leads_where_it_says(name: str, targets: list[str]) -> None:
    shelf = replace(catalogue(SMALL, SMART, OTHER, HOUSE), aliases={"nick": "smart", "default": "auto"})
    route = router().route(shelf, Want(name, frozenset({"tools"}), 1000, 100))
    assert [each.target for each in route.candidates] == targets


def test_fallbacks_come_after_all_of_a_name_and_only_where_they_are_allowed() -> None:
    shelf = replace(catalogue(SMALL, SMART, OTHER, HOUSE), fallbacks={"smart": ("small", "house")})
    route = router().route(shelf, Want("smart"))
    assert [each.name for each in route.candidates] == ["smart", "smart", "small", "house"]
    route = router().route(shelf, Want("smart", allowed=("smart", "house")))
    assert [each.name for each in route.candidates] == ["smart", "smart", "house"]
    assert any("small" in line or "gpt-4o-mini" in line for line in route.why if "may not" in line)


def test_an_allowed_alias_allows_what_it_means_and_auto_allows_nothing() -> None:
    shelf = replace(catalogue(SMALL, SMART), aliases={"nick": "small"}, fallbacks={"small": ("smart",)})
    assert [each.name for each in router().route(shelf, Want("nick", allowed=("nick",))).candidates] == ["small"]
    for name, allowed in (("small", ("nick",)), ("auto", ("auto",)), ("small", ())):
        with pytest.raises(Denied) as refused:
            router().route(shelf, Want(name, allowed=allowed))
        assert refused.value.code == "models.not_allowed"


def test_the_reason_nobody_can_be_asked_is_the_one_to_mend() -> None:
    shelf = catalogue(SMALL, SMART, HOUSE)

    def refusal(want: Want, chooser: Router | None = None, on: Catalogue = shelf) -> RemitError:
        with pytest.raises(RemitError) as refused:
            (chooser or router()).route(on, want)
        return refused.value

    unknown = refusal(Want("smal"))
    assert isinstance(unknown, NotFound)
    assert "'small'" in unknown.message
    assert "smart" not in refusal(Want("smar", allowed=("small",))).message  # what one may not ask is not told
    assert isinstance(refusal(Want("")), NotFound)
    assert isinstance(refusal(Want("auto:cheapest")), NotFound)
    assert isinstance(refusal(Want("auto"), on=catalogue()), NotFound)
    unfit = refusal(Want("small", frozenset({"thinking"})))
    assert isinstance(unfit, InvalidInput)
    assert "thinking" in unfit.message
    assert "128,000" in refusal(Want("small", tokens_in=200_000)).message
    dear = refusal(Want("small", tokens_in=10_000, left=Money(10)))
    assert isinstance(dear, BudgetExceeded)
    assert dear.code == "models.too_dear"
    assert refusal(Want("house", unpriced=False)).code == "models.unpriced"
    closed = refusal(Want("small"), Router(rand=random.random, refuses=lambda _of, _target: True))
    assert isinstance(closed, Unavailable)
    assert "circuit" in closed.message
    assert refusal(Want("small", kinds=frozenset({"anthropic"}))).code == "models.unfit"


def test_an_open_circuit_is_passed_over_and_fast_asks_the_quickest() -> None:
    shelf = catalogue(SMART, OTHER, SMALL)
    slow = {"openai/gpt-4o": 0.9, "anthropic/claude-sonnet-4-5": 0.2}
    chooser = Router(rand=random.random, latency=lambda _of, target: slow.get(target))
    names = [each.target for each in chooser.route(shelf, Want("auto:fast")).candidates]
    assert names == ["anthropic/claude-sonnet-4-5", "openai/gpt-4o", "openai/gpt-4o-mini"]
    chooser = Router(rand=random.random, refuses=lambda _of, target: target == "openai/gpt-4o")
    assert [each.target for each in chooser.route(shelf, Want("smart")).candidates] == ["anthropic/claude-sonnet-4-5"]


def test_embeddings_are_not_chats_and_a_model_nobody_described_is_asked_by_name_alone() -> None:
    vectors = deployment("vectors", OPENAI, "text-embedding-3-small")
    shelf = catalogue(vectors, SMALL, deployment("mystery", LOCAL, "our-own-7b"))
    assert router().route(shelf, Want("auto")).candidates[0] == SMALL
    assert router().route(shelf, Want("auto", frozenset({"embeddings"}))).candidates == (vectors,)
    assert router().route(shelf, Want("mystery", frozenset({"tools"}))).candidates[0].name == "mystery"
    assert all(each.name != "mystery" for each in router().route(shelf, Want("auto")).candidates)


def test_a_provider_that_is_paused_is_not_asked() -> None:
    paused: Provider = replace(OPENAI, status=ProviderStatus.PAUSED)
    shelf = catalogue(SMART, OTHER, providers=(paused, ANTHROPIC, LOCAL))
    assert [each.provider for each in router().route(shelf, Want("smart")).candidates] == ["anthropic"]


def test_names_that_callers_invent_take_no_room_for_ever() -> None:
    shelf = catalogue(SMALL)
    for number in range(5000):
        assert shelf.resolve(f"nobody-{number}") is None
    assert shelf.resolve("x" * 100_000) is None
    assert len(shelf._resolved) <= 2048
