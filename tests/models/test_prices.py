"""Prices: exact, the dearest that can be, and those of genai-prices to the last micro."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.money import Money
from remit.models.prices import Rate, Rates, rate_of, read_rate
from remit.models.true_up import Used, true_up

RATES = Rates(SystemClock())
EXAMPLES = 2000 if os.environ.get("REMIT_PROVE") == "1" else 60
#: With plain prices, with tiers, with prices of cache writes, embeddings.
KNOWN = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "gpt-5.4"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-3-5-haiku-latest"),
)


@dataclass(frozen=True)
class Tokens:
    tokens_in: int
    tokens_out: int
    cached_in: int = 0
    cache_write: int = 0


def micros(dollars: Decimal) -> int:
    return int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    which=st.sampled_from(KNOWN),
    plain=st.integers(0, 500_000),
    cached=st.integers(0, 300_000),
    written=st.integers(0, 300_000),
    out=st.integers(0, 100_000),
)
def test_a_call_costs_what_the_published_prices_say_to_the_micro(
    *, which: tuple[str, str], plain: int, cached: int, written: int, out: int
) -> None:
    kind, model = which
    rate = RATES.of(kind, model)
    assert rate is not None
    if kind == "openai":
        written = 0  # nobody pays for it there, and genai-prices knows no such unit for most of its models
    if model.startswith("text-embedding"):
        out = cached = 0
    whole = plain + cached + written
    told = {"input_tokens": whole, "output_tokens": out, "cache_read_tokens": cached, "cache_write_tokens": written}
    usage = Usage(**{name: count for name, count in told.items() if count})
    exact = calc_price(usage, model, provider_id=kind).total_price
    assert rate.cost(Tokens(whole, out, cached, written)).micros == micros(exact)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    which=st.sampled_from(KNOWN),
    tokens_in=st.integers(0, 400_000),
    out=st.integers(0, 50_000),
    cached=st.floats(0, 1),
    written=st.floats(0, 1),
    fewer=st.floats(0, 1),
)
def test_no_call_within_its_bounds_costs_more_than_its_ceiling(
    *, which: tuple[str, str], tokens_in: int, out: int, cached: float, written: float, fewer: float
) -> None:
    rate = RATES.of(*which)
    assert rate is not None
    real = int(tokens_in * fewer)
    hit = int(real * cached)
    made = int((real - hit) * written)
    assert rate.cost(Tokens(real, out, hit, made)) <= rate.ceiling(tokens_in, out)


def test_less_than_a_micro_costs_a_micro_once_a_call() -> None:
    rate = RATES.of("openai", "gpt-4o-mini")  # $0.15 a million: 0.15 micros a token
    assert rate is not None
    assert rate.of(1, 0) == Money(1)
    assert rate.of(7, 0) == Money(2)
    assert rate.of(0, 0) == Money(0)


def test_what_nobody_knows_has_no_price_and_zero_is_one() -> None:
    assert RATES.of("openai", "no-such-model-at-all") is None
    assert RATES.of("compatible", "gpt-4o", base_url="http://127.0.0.1:11434/v1") is None
    free = rate_of("0", "0")
    assert RATES.of("compatible", "llama3", free, base_url="http://127.0.0.1/v1") is free
    assert free.free
    assert free.ceiling(100_000, 100_000) == Money(0)


def test_an_own_price_is_believed_before_the_published_one() -> None:
    own = rate_of("1", "2", cached_in="0.5")
    assert RATES.of("openai", "gpt-4o", own) == Rate(1_000_000, 2_000_000, 500_000, 1_000_000)


def test_a_compatible_provider_is_known_by_its_address() -> None:
    assert RATES.of("compatible", "deepseek-chat", base_url="https://api.deepseek.com/v1") is not None
    assert RATES.of("compatible", "deepseek-chat", base_url="https://elsewhere.example/v1") is None


def test_a_price_that_changes_with_the_hour_is_the_dearest_of_the_day() -> None:
    night = calc_price(
        Usage(input_tokens=1_000_000),
        "deepseek-chat",
        provider_id="deepseek",
        genai_request_timestamp=datetime(2025, 7, 1, 18, tzinfo=UTC),
    ).total_price
    day = calc_price(
        Usage(input_tokens=1_000_000),
        "deepseek-chat",
        provider_id="deepseek",
        genai_request_timestamp=datetime(2025, 7, 1, 9, tzinfo=UTC),
    ).total_price
    assert night != day

    class July:
        def now(self) -> datetime:
            return datetime(2025, 7, 1, 18, tzinfo=UTC)

        def monotonic(self) -> float:
            return 0.0

    rate = Rates(July()).of("compatible", "deepseek-chat", base_url="https://api.deepseek.com/v1")
    assert rate is not None
    assert rate.of(1_000_000, 0).usd == max(night, day)


def test_above_a_size_all_tokens_cost_what_that_size_costs() -> None:
    rate = RATES.of("openai", "gpt-5.4")
    assert rate is not None
    start = rate.tiers[0][0]
    below, above = rate.of(start, 0), rate.of(start + 1, 0)
    assert above.micros > 1.5 * below.micros


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e9", "abc", "0.0000001", "1" * 40, "100001"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rate_of(text, "1")
    assert refused.value.code == "models.price"


def test_a_price_comes_back_from_its_json() -> None:
    rate = rate_of("0.01875", "$3", cached_in="0", cache_write="2.5")
    assert rate.tokens_in == 18_750
    assert read_rate(rate.as_json()) == rate
    assert str(rate) == "$0.01875 in, $3 out"


def test_the_true_up_reckons_each_call_at_its_own_hour_and_tier() -> None:
    def used(kind: str, model: str, at: datetime, tokens: int, charged: int, **more: object) -> Used:
        base_url = "https://api.deepseek.com/v1" if kind == "compatible" else ""
        return Used(kind, kind, model, base_url, micros_of(at), tokens, 0, charged=Money(charged), **more)  # type: ignore[arg-type]

    day, night = datetime(2025, 7, 1, 9, tzinfo=UTC), datetime(2025, 7, 1, 18, tzinfo=UTC)

    def price(at: datetime) -> int:
        usage = Usage(input_tokens=1_000_000)
        found = calc_price(usage, "deepseek-chat", provider_id="deepseek", genai_request_timestamp=at)
        return micros(found.total_price)

    rows = [
        used("compatible", "deepseek-chat", day, 1_000_000, price(day)),
        used("compatible", "deepseek-chat", night, 1_000_000, price(day)),  # charged as the dearest of the day
        used("compatible", "deepseek-chat", day.replace(day=2), 1_000_000, 1),  # another day
        used("openai", "gpt-5.4", day, 300_000, 1_500_000),
        used("openai", "gpt-5.4", day, 1000, 2500),
        used("openai", "no-such-model-at-all", day, 1000, 7),
        used("openai", "gpt-4o", day, 1000, 5, own=rate_of("1", "1")),
    ]
    found = {each.model: each for each in true_up(rows, day.date())}
    cheap = found["deepseek-chat"]
    assert (cheap.calls, cheap.over) == (2, price(day) - price(night))
    assert cheap.over > 0
    assert found["gpt-5.4"].over == 0
    assert (found["no-such-model-at-all"].unknown, found["no-such-model-at-all"].over) == (1, 0)
    assert (found["gpt-4o"].exact, found["gpt-4o"].over) == (Money(1000), -995)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    which=st.sampled_from(KNOWN[:5]),
    plain=st.integers(0, 300_000),
    cached=st.integers(0, 300_000),
    written=st.integers(0, 100_000),
)
def test_where_no_price_changed_within_the_day_there_is_nothing_to_true_up(
    *, which: tuple[str, str], plain: int, cached: int, written: int
) -> None:
    kind, model = which
    rate = RATES.of(kind, model)
    assert rate is not None
    if model.startswith("text-embedding"):
        cached = written = 0
    now = SystemClock().now()
    whole = plain + cached + written
    charged = rate.of(whole, 100, cached_in=cached, cache_write=written)
    row = Used(kind, kind, model, "", micros_of(now), whole, 100, cached, written, charged)
    if model.startswith("text-embedding"):
        row = Used(kind, kind, model, "", micros_of(now), whole, 0, charged=rate.of(whole, 0))
    (found,) = true_up([row], now.date())
    assert found.over == 0
