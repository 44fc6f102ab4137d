"""What tokens cost: exact integers, worked out once for each model and never while a call waits.

Rates are picodollars a token (one millionth of a micro-dollar): $0.01875 for a million tokens is 18,750 of them, where
nano-dollars would have to round. Sums are exact; what a call costs is rounded up to a whole micro once, at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from remit.kernel.money import Money

#: Picodollars of a micro-dollar.
MICRO = 1_000_000


class Counted(Protocol):
    """Tokens of one call, as ``wire.answer.Tokens`` counts them.

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
    ``request`` is charged once a call, in picodollars.
    """

    tokens_in: int
    tokens_out: int
    cached_in: int
    cache_write: int
    request: int = 0
    tiers: tuple[tuple[int, Rate], ...] = ()

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
        sum_ = (
            (plain if plain > 0 else 0) * rate.tokens_in
            + tokens_out * rate.tokens_out
            + cached_in * rate.cached_in
            + cache_write * rate.cache_write
            + rate.request
        )
        return Money(-(-sum_ // MICRO))

    def ceiling(self, tokens_in: int, max_out: int) -> Money:
        """The most that a call with so many tokens of input and at most so many of output can cost: nothing cached,
        and all of it written to the cache where that costs more.
        """
        rate = self
        dearest_in, dearest_out, request = max(rate.tokens_in, rate.cache_write), rate.tokens_out, rate.request
        for start, tier in self.tiers:
            if tokens_in > start:
                dearest_in = max(dearest_in, tier.tokens_in, tier.cache_write)
                dearest_out = max(dearest_out, tier.tokens_out)
                request = max(request, tier.request)
        return Money(-(-(tokens_in * dearest_in + max_out * dearest_out + request) // MICRO))
