"""The nightly true-up: what a day's calls cost by the published prices, call by call, with tiers and times of day.

While a call waits, a rate answers that was worked out once. It is exact but for prices that change within a day (the
dearest is charged then) and for published prices that began or ended since the process looked. ``true_up`` reckons
each call again with genai-prices' own ``calc_price``, at the moment it was made, and tells the difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal

from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import ZERO, Money
from remit.models.prices import Rate, contexts, find
from remit.models.services import RAISED_PERCENT


@dataclass(frozen=True, slots=True)
class Used:
    """One call as it was charged. ``tokens_in`` includes what was cached and written; ``own``: the workspace's rate.

    ``service``: the tier that served it; ``raised``: it ran where every token costs more; ``fees``: what it was charged
    for beside its tokens, which stays.
    """

    kind: str
    provider: str
    model: str
    base_url: str
    at_us: int
    tokens_in: int
    tokens_out: int
    cached_in: int = 0
    cache_write: int = 0
    charged: Money = ZERO
    own: Rate | None = None
    service: str = ""
    raised: bool = False
    fees: Money = ZERO


@dataclass(frozen=True, slots=True)
class Difference:
    """A model's day: what was charged and what it costs; ``unknown`` calls have no price and count in neither."""

    provider: str
    model: str
    calls: int
    charged: Money
    exact: Money
    unknown: int = 0

    @property
    def over(self) -> int:
        """Micros charged too much; negative: too little."""
        return self.charged.micros - self.exact.micros

    @property
    def over_usd(self) -> Decimal:
        """The same in dollars."""
        return Decimal(self.over) / 1_000_000

    def as_json(self) -> dict[str, Json]:
        """For programs; dollars as texts."""
        return {
            "provider": self.provider,
            "model": self.model,
            "calls": self.calls,
            "charged_usd": str(self.charged.usd),
            "exact_usd": str(self.exact.usd),
            "over_usd": str(self.over_usd),
            "unknown": self.unknown,
        }


def true_up(rows: Iterable[Used], day: date) -> tuple[Difference, ...]:
    """Every model's day (UTC), by provider and model; each call is rounded up to a micro, as it was when charged.

    Some 130 µs a call: for the night, not for the way of a call.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if iso(row.at_us)[:10] != day.isoformat():
            continue
        sums = found.setdefault((row.provider, row.model), [0, 0, 0, 0])
        right = exact(row)
        sums[0] += 1
        if right is None:
            sums[3] += 1
        else:
            sums[1] += row.charged.micros
            sums[2] += right
    return tuple(
        Difference(provider, model, calls, Money(charged), Money(right), unknown)
        for (provider, model), (calls, charged, right, unknown) in sorted(found.items())
    )


def exact(row: Used) -> int | None:
    """What a call costs, in micros, by the workspace's own rate or the price of its moment; ``None``: nobody knows."""
    tokens = _own(row, row.own) if row.own is not None else _published(row)
    return None if tokens is None else tokens + row.fees.micros


def _own(row: Used, own: Rate) -> int | None:
    rate = own.served(row.service) if own.free else own  # it is the tier's already, where that has one
    if rate is None:
        return None
    rate = rate.raised() if row.raised else rate
    return rate.of(row.tokens_in, row.tokens_out, cached_in=row.cached_in, cache_write=row.cache_write).micros


def _published(row: Used) -> int | None:
    known = find(row.kind, row.model, row.base_url)
    if known is None:
        return None
    from genai_prices import Usage  # noqa: PLC0415 - 0.3 s

    provider, model = known
    at = datetime.fromtimestamp(row.at_us / 1_000_000, UTC)
    context = contexts(provider, model, at).get(row.service) if row.service else None
    if row.service and context is None:
        return None  # what it was charged by is an upper bound, and stays
    price = model.get_prices(at, context)
    told = {"input_tokens": row.tokens_in, "output_tokens": row.tokens_out, "cache_read_tokens": row.cached_in}
    # A unit without a price of its own costs as plain input does; asked for it, genai-prices would leave it out.
    told = {name: count for name, count in told.items() if count}
    if row.cache_write and price.cache_write_mtok is not None:
        told["cache_write_tokens"] = row.cache_write
    if price.cache_read_mtok is None:
        told.pop("cache_read_tokens", None)
    usage = Usage(**told)
    total = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=context).total_price
    if row.raised:
        total = total * RAISED_PERCENT / 100
    return int((total * 1_000_000).to_integral_value(ROUND_CEILING))
