"""What a call can cost at most: what is reserved for it before it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remit.kernel.effects import Wire
from remit.kernel.money import ZERO, Money
from remit.models.catalogue import Deployment, Provider, ProviderKind
from remit.models.prices import MICRO, Rate
from remit.models.wire.request import Request

_PLAIN: tuple[str, bool] = ("", False)


def most(
    candidates: Sequence[Deployment], asked: Request, *, max_out: int, providers: Mapping[str, Provider]
) -> Money | None:
    """The most that any of them can cost; ``None``: nobody knows, of one of them at least.

    A call that asks for a service tier may be served by it or as others are. Tools that the provider runs count with
    what the request allows (``wire.hosted.uses``); of one without a price, only the usage tells.

    Args:
        candidates: Who may be asked.
        asked: The request.
        max_out: Tokens that all its answers may have together.
        providers: By name, as the catalogue has them.
    """
    dearest = ZERO
    for each in candidates:
        rate = each.rate
        if rate is None:
            return None
        bound = rate.ceiling(asked.tokens_in, max_out)
        wishes = (asked.service, asked.raised)
        if wishes != _PLAIN and _reaches(providers.get(each.provider), asked.wire):
            served = rate.served(asked.service)
            if served is None:
                return None
            bound = max(
                (one.raised() if asked.raised else one).ceiling(asked.tokens_in, max_out) for one in (rate, served)
            )
        dearest = max(dearest, bound + _fees(rate, asked) if asked.uses else bound)
    return dearest


def _fees(rate: Rate, asked: Request) -> Money:
    return Money(-(-sum((rate.fee(name) or 0) * times for name, times in asked.uses) // MICRO))


def _reaches(provider: Provider | None, wire: Wire) -> bool:
    """Whether a wish about the service is told: a request that is turned into another interface loses it."""
    return provider is None or (provider.kind is ProviderKind.ANTHROPIC) is (wire is Wire.MESSAGES)
