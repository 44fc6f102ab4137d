"""What tokens cost: exact integers, worked out once for each model and never while a call waits.

Rates are picodollars a token (one millionth of a micro-dollar): $0.01875 for a million tokens is 18,750 of them, where
nano-dollars would have to round. Sums are exact; what a call costs is rounded up to a whole micro once, at its end.

Prices come from the package genai-prices (MIT, pydantic), the data that it ships and nothing newer: no network. What
depends on the size of a request is part of a rate (``tiers``); of prices that change with the hour the dearest of the
day is taken, and ``models/true_up.py`` reckons the day again, call by call.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Protocol

from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.errors import InvalidInput
from remit.kernel.money import Money
from remit.models.services import CHEAPER, PLAIN, RAISED_PERCENT

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

#: Picodollars of a micro-dollar.
MICRO = 1_000_000
#: Dollars for a million tokens, in picodollars a token.
_MILLION = 1_000_000
#: Picodollars of a dollar.
_DOLLAR = _MILLION * MICRO
#: Kinds of terms that a workspace may price beside a model's tokens, before the name that they are for.
SERVICE, TOOL = "service", "tool"
_DEAREST_USD = 100_000  # for a million tokens; nobody asks that much, and sums stay far below 2^63
_MOST = 4096


class Counted(Protocol):
    """Tokens of one call.

    ``tokens_in`` are all that were read, cached and newly cached ones included; ``tokens_out`` all that were written,
    those of reasoning included.
    """

    @property
    def tokens_in(self) -> int: ...  # noqa: D102
    @property
    def tokens_out(self) -> int: ...  # noqa: D102
    @property
    def cached_in(self) -> int: ...  # noqa: D102
    @property
    def cache_write(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Rate:
    """Picodollars a token, for input, output, input read from the provider's cache, and input written to it.

    ``tiers``: above so many tokens of input another rate holds for all of the call (the highest that applies).
    ``request`` is charged once a call, in picodollars. ``services``: the rates of service tiers that have their own
    (``models/services.py``). ``fees``: picodollars for each use of a tool that the provider runs, by the tool's name.
    """

    tokens_in: int
    tokens_out: int
    cached_in: int
    cache_write: int
    request: int = 0
    tiers: tuple[tuple[int, Rate], ...] = ()
    services: tuple[tuple[str, Rate], ...] = ()
    fees: tuple[tuple[str, int], ...] = ()

    def cost(self, tokens: Counted) -> Money:
        """What a call cost, rounded up to a micro."""
        return self.of(tokens.tokens_in, tokens.tokens_out, cached_in=tokens.cached_in, cache_write=tokens.cache_write)

    def of(self, tokens_in: int, tokens_out: int, *, cached_in: int = 0, cache_write: int = 0) -> Money:
        """As ``cost``, from counts."""
        rate = self
        for start, tier in self.tiers:
            if tokens_in > start:
                rate = tier
        plain = tokens_in - cached_in - cache_write
        picos = (
            max(0, plain) * rate.tokens_in
            + tokens_out * rate.tokens_out
            + cached_in * rate.cached_in
            + cache_write * rate.cache_write
            + rate.request
        )
        return Money(-(-picos // MICRO))

    def ceiling(self, tokens_in: int, max_out: int) -> Money:
        """The most that a call can cost with at most so many tokens of input and of output.

        Each token of input counts as what it costs at the worst: plain, cached, or written to the cache; and no tier
        below makes it cheaper.
        """
        dear_in = max(self.tokens_in, self.cached_in, self.cache_write)
        dear_out, request = self.tokens_out, self.request
        for start, tier in self.tiers:
            if tokens_in > start:
                dear_in = max(dear_in, tier.tokens_in, tier.cached_in, tier.cache_write)
                dear_out = max(dear_out, tier.tokens_out)
                request = max(request, tier.request)
        return Money(-(-(tokens_in * dear_in + max_out * dear_out + request) // MICRO))

    def served(self, service: str) -> Rate | None:
        """The rate of a service tier, or an upper bound of it; ``None``: nobody knows what it costs.

        What is free is free in every tier, and what is cheaper by its nature costs at most the plain price.
        """
        if service in PLAIN:
            return self
        own = next((rate for name, rate in self.services if name == service), None)
        return self if own is None and (self.free or service in CHEAPER) else own

    @property
    def all_services(self) -> tuple[Rate, ...]:
        """This rate and those of its service tiers."""
        return (self, *(rate for _, rate in self.services))

    def fee(self, tool: str) -> int | None:
        """Picodollars for one use of a tool that the provider runs; ``None``: nobody knows."""
        return next((picos for name, picos in self.fees if name == tool), None)

    def raised(self) -> Rate:
        """Every price of a token at ``RAISED_PERCENT``, a fraction of a picodollar rounded up."""
        parts = {name: -(-getattr(self, name) * RAISED_PERCENT // 100) for name in _FIELDS}
        tiers = tuple((start, tier.raised()) for start, tier in self.tiers)
        return replace(
            self, **parts, tiers=tiers, services=tuple((name, rate.raised()) for name, rate in self.services)
        )

    @property
    def free(self) -> bool:
        """Whether it costs nothing, and somebody said so."""
        return not (self.tokens_in or self.tokens_out or self.cached_in or self.cache_write or self.request)

    def as_json(self) -> dict[str, Json]:
        """Dollars for a million tokens, exact, as texts."""
        told: dict[str, Json] = {name: _dollars(getattr(self, name)) for name in _FIELDS}
        if self.request:
            told["request"] = _each(self.request)
        if self.tiers:
            told["tiers"] = [{"above": start, **tier.as_json()} for start, tier in self.tiers]
        if self.services:
            told["services"] = {name: rate.as_json() for name, rate in self.services}
        if self.fees:
            told["tools"] = {name: _each(picos) for name, picos in self.fees}
        return told

    def beside(self) -> tuple[str, ...]:
        """A line for each service tier and tool that has a price of its own."""
        tiers = [f"{name}: {rate}" for name, rate in self.services]
        return (*tiers, *(f"{name}: ${_each(picos)} each" for name, picos in self.fees))

    def __str__(self) -> str:
        """``$0.15 in, $0.60 out a million``."""
        if self.free:
            return "free"
        tail = " (more above a size)" if self.tiers else ""
        return f"${_dollars(self.tokens_in)} in, ${_dollars(self.tokens_out)} out{tail}"


_FIELDS = ("tokens_in", "tokens_out", "cached_in", "cache_write")


def rate_of(tokens_in: str, tokens_out: str, *, cached_in: str = "", cache_write: str = "") -> Rate:
    """A rate from dollars for a million tokens; what is left out of the cache's costs as input. Zero is a price.

    Raises:
        InvalidInput: Not a number from 0 to 100,000, or finer than a picodollar a token.
    """
    whole = _picos(tokens_in, "input")
    return Rate(
        whole,
        _picos(tokens_out, "output"),
        _picos(cached_in, "cached") if cached_in else whole,
        _picos(cache_write, "cache-write") if cache_write else whole,
    )


def read_rate(told: Mapping[str, Json]) -> Rate:
    """The inverse of ``Rate.as_json``, for rates without tiers, services and fees of tools.

    Raises:
        InvalidInput: It is none.
    """
    texts = [told.get(name) for name in _FIELDS]
    if not all(isinstance(text, str) for text in texts):
        message = "A price needs dollars for a million tokens of input, output, cached input and cache writes."
        raise InvalidInput(message, code="models.price", hint="remit models price --help")
    inward, outward, cached, written = (str(text) for text in texts)
    rate = rate_of(inward, outward, cached_in=cached, cache_write=written)
    request = told.get("request")
    return replace(rate, request=fee_of(request).request) if isinstance(request, str) else rate


def fee_of(each: str) -> Rate:
    """What one use of a tool costs, in dollars, as a rate that has nothing but that (``request``). Zero is a price.

    Raises:
        InvalidInput: Not a number from 0 to 100,000, or finer than a picodollar.
    """
    try:
        value = Decimal(each.strip().removeprefix("$"))
        fits = value.is_finite() and 0 <= value <= _DEAREST_USD and value * _DOLLAR % 1 == 0
    except ArithmeticError:
        value, fits = Decimal(0), False
    if not fits:
        message = f"The price {each[:40]!r} of one use is not in dollars: 0 to {_DEAREST_USD:,}."
        raise InvalidInput(message, code="models.price", hint="remit models price --help")
    return Rate(0, 0, 0, 0, int(value * _DOLLAR))


def charged(plain: Rate | None, published: Rate | None, terms: Mapping[str, Rate]) -> Rate | None:
    """The rate of a model: the workspace's own price where it set one, else the published one.

    Args:
        plain: The workspace's own price of tokens, if it set one.
        published: What the shipped prices know.
        terms: The workspace's own prices of service tiers (``service:NAME``) and tools (``tool:NAME``). What it did not
            say is as published, but that who said "free" meant every tier.
    """
    rate = published if plain is None else plain
    if rate is None or (not terms and (rate is published or published is None)):
        return rate
    known = published if published is not None and not rate.free else rate
    services, fees = dict(known.services), dict(known.fees)
    for term, each in terms.items():
        kind, _, name = term.partition(":")
        if kind == SERVICE:
            services[name] = each
        else:
            fees[name] = each.request
    return replace(rate, services=tuple(sorted(services.items(), key=_named)), fees=tuple(sorted(fees.items())))


def _named(each: tuple[str, Rate]) -> str:
    return each[0]


def _each(picos: int) -> str:
    """Dollars for one."""
    text = f"{Decimal(picos) / _DOLLAR:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _picos(text: str, what: str) -> int:
    try:
        value = Decimal(text.strip().removeprefix("$"))
        fits = value.is_finite() and 0 <= value <= _DEAREST_USD and value * _MILLION % 1 == 0
    except ArithmeticError:
        value, fits = Decimal(0), False
    if not fits:
        message = (
            f"The price {what} {text[:40]!r} is not in dollars for a million tokens: 0 to {_DEAREST_USD:,}, with at "
            "most six digits after the point."
        )
        raise InvalidInput(message, code="models.price", hint="remit models price --help")
    return int(value * _MILLION)


def _dollars(picos: int) -> str:
    text = f"{Decimal(picos) / _MILLION:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --------------------------------------------------------------------------------------------- from genai-prices


@dataclass(frozen=True, slots=True)
class Known:
    """What the shipped prices know of a model: its rate, if any, and how many tokens it takes (0: not known)."""

    rate: Rate | None = None
    context: int = 0


_UNKNOWN = Known()


class Rates:
    """Rates of models, each worked out once a day. Any thread may ask.

    The first question imports the data (0.4 s of processor time): a server asks one before it listens.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str, str], Known] = {}
        self._day = 0
        self._lock = threading.Lock()

    def of(self, kind: str, model: str, override: Rate | None = None, *, base_url: str = "") -> Rate | None:
        """What a token costs; ``None``: nobody knows. An override is believed, an explicit zero too."""
        return self.known(kind, model, base_url=base_url).rate if override is None else override

    def known(self, kind: str, model: str, *, base_url: str = "") -> Known:
        """What is known of a model at a provider of that kind; of ``compatible`` ones the address tells whose it is."""
        now = self._clock.now()
        day = now.toordinal()
        key = (kind, base_url if kind == "compatible" else "", model)
        with self._lock:
            if day != self._day or len(self._known) >= _MOST:
                self._known.clear()
                self._day = day
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = _look_up(kind, model, base_url, now)
        return found


def find(kind: str, model: str, base_url: str) -> tuple[Provider, ModelInfo] | None:
    """The provider and model that the shipped prices have for it."""
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot  # noqa: PLC0415 - 0.4 s

    providers = get_snapshot().providers
    provider = _by_address(providers, base_url) if kind == "compatible" else find_provider_by_id(providers, kind)
    if provider is None:
        return None
    info = provider.find_model(model, all_providers=providers)
    return None if info is None else (provider, info)


def _by_address(providers: Sequence[Provider], base_url: str) -> Provider | None:
    import re  # noqa: PLC0415 - beside the import above

    return next((each for each in providers if base_url and re.match(each.api_pattern, base_url)), None)


def _look_up(kind: str, model: str, base_url: str, now: datetime) -> Known:
    found = find(kind, model, base_url)
    if found is None:
        return _UNKNOWN
    info = found[1]
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    priced: list[tuple[datetime, ModelPrice]] = []
    for minute in range(0, 1440, 30):  # prices that change with the hour do so at :00 or :30
        at = midnight.replace(hour=minute // 60, minute=minute % 60)
        price = info.get_prices(at)
        if not any(price is other for _, other in priced):
            priced.append((at, price))
    rate = _dearest([rate for _, price in priced if (rate := _rate(price)) is not None])
    if rate is not None:
        services = {
            name: _dearest([each for at, _ in priced if (each := _rate(info.get_prices(at, context))) is not None])
            for name, context in contexts(found[0], info, midnight).items()
        }
        rate = replace(
            rate,
            services=tuple((name, each) for name, each in sorted(services.items()) if each is not None),
            fees=_fees([price for _, price in priced]),
        )
    return Known(rate, info.context_window or 0)


def contexts(provider: Provider, info: ModelInfo, at: datetime) -> dict[str, dict[str, str]]:
    """The service tiers that have a price of their own then, each as genai-prices asks for it."""
    if not any(info is each for each in provider.models):
        return {}  # another provider's: its tiers are not this one's
    found: dict[str, dict[str, str]] = {}
    for variant in info.price_variants or ():
        tier = next((variant.when[key] for key in _SERVED_BY if key in variant.when), "")
        active = variant.constraint is None or variant.constraint.active(at)
        if tier not in PLAIN and len(variant.when) == 1 and active:
            found[tier] = dict(variant.when)
    return found


_SERVED_BY = ("service_tier", "speed")
#: What genai-prices calls the uses of tools, for a thousand of them.
_FEES = {
    "code_execution": "code_executions_kcount",
    "file_search": "storage_searches_kcount",
    "web_search": "web_searches_kcount",
}


def _fees(prices: Sequence[ModelPrice]) -> tuple[tuple[str, int], ...]:
    """What tools cost that the provider runs, the dearest of the day."""
    found = {
        name: max(
            (_whole(_value(told, 0) * MICRO * 1000) for each in prices if (told := getattr(each, key))), default=0
        )
        for name, key in _FEES.items()
    }
    return tuple((name, picos) for name, picos in found.items() if picos)


def _dearest(rates: Sequence[Rate]) -> Rate | None:
    """Part by part the dearest of several."""
    if len(rates) < 2:  # noqa: PLR2004
        return rates[0] if rates else None
    starts = sorted({start for rate in rates for start, _tier in rate.tiers})

    def worst(above: int) -> Rate:
        parts = [_at(rate, above) for rate in rates]
        return Rate(*(max(getattr(part, name) for part in parts) for name in (*_FIELDS, "request")))

    return replace(worst(0), tiers=tuple((start, worst(start + 1)) for start in starts))


def _at(rate: Rate, tokens_in: int) -> Rate:
    for start, tier in reversed(rate.tiers):
        if tokens_in > start:
            return tier
    return rate


def _rate(price: ModelPrice) -> Rate | None:
    """One price of tokens as integers, a fraction of a picodollar rounded up; ``None``: tokens have none."""
    parts: dict[str, Decimal | TieredPrices | None] = {
        name: getattr(price, key)
        for name, key in (
            ("in", "input_mtok"),
            ("out", "output_mtok"),
            ("reasoning", "output_reasoning_mtok"),
            ("cached", "cache_read_mtok"),
            ("written", "cache_write_mtok"),
        )
    }
    if parts["in"] is None:
        return None
    requests: Decimal | TieredPrices | None = price.requests_kcount
    request = 0 if requests is None else _whole(_value(requests, 0) * MICRO * 1000)
    starts = sorted({tier.start for part in parts.values() if part is not None for tier in getattr(part, "tiers", ())})

    def at(tokens_in: int) -> Rate:
        inward = _whole(_value(parts["in"], tokens_in) * _MILLION)
        outward = max(_value(parts["out"], tokens_in), _value(parts["reasoning"], tokens_in))
        cached, written = (
            inward if parts[name] is None else _whole(_value(parts[name], tokens_in) * _MILLION)
            for name in ("cached", "written")
        )
        return Rate(inward, _whole(outward * _MILLION), cached, written, request)

    return replace(at(0), tiers=tuple((start, at(start + 1)) for start in starts))


def _value(price: Decimal | TieredPrices | None, tokens_in: int) -> Decimal:
    if price is None or isinstance(price, Decimal):
        return price or Decimal(0)
    for tier in reversed(price.tiers):
        if tokens_in > tier.start:
            return tier.price
    return price.base


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))
