"""What a call has used and costs: as its provider reports it, else counted here and said to be so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from remit.guard.continuing import reference
from remit.kernel.action import Action
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import Usage
from remit.models.prices import MICRO, Rate
from remit.models.services import CHEAPER, PLAIN, ahead
from remit.models.wire.request import BYTES_PER_TOKEN, facts
from remit.models.wire.tokens import Tokens

#: What a chat of a model that searches is billed for beside its tokens; its answer does not tell.
_SEARCH = "web_search"
#: Operations that no provider bills.
FREE = frozenset({Wire.COUNT_TOKENS})


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider was told beside the request.

    Attributes:
        service: The service tier that was asked for, in the interface that is spoken with it.
        spoken: That interface.
        account: Where it keeps what it keeps: its address.
    """

    service: str = ""
    spoken: Wire = Wire.CHAT
    account: str = ""


NOBODY = Told()


def bill(
    action: Action, effect: Model, rate: Rate | None, tokens: Tokens, *, told: Told = NOBODY
) -> tuple[Money, Usage]:
    """The cost of a call and what it is made up of.

    What the provider did not report is counted from the request (its size over ``BYTES_PER_TOKEN``, images as
    ``facts`` say) and from the text that came; ``estimated`` is set then. Without a rate it costs the action's
    estimate, which is what the policy for unknown prices reserved: unknown is never zero by itself.
    """
    if effect.wire in FREE:
        return ZERO, Usage(effect.provider, tokens.model or effect.model)
    tokens_in, reported = tokens.tokens_in, tokens.reported
    if not tokens_in:  # no request has none: a provider that says so tells nothing
        tokens_in, reported = read_tokens(action, effect), False
    fees, terms = ZERO, ""
    if rate is None:
        cost = action.estimate
    else:
        rates, sure = _rates(rate, tokens, told)
        reported = reported and sure
        cost = max(
            each.of(tokens_in, tokens.tokens_out, cached_in=tokens.cached_in, cache_write=tokens.cache_write)
            for each in rates
        )
        if not sure:
            cost = max(cost, action.estimate if told.service else ZERO)
    uses = tokens.uses or ((_SEARCH, 1),) * bool(tokens.tokens_out and _searches(effect))
    if uses or told.service or tokens.raised or tokens.service not in PLAIN:
        service = tokens.service or (told.service if told.service not in CHEAPER else "")
        fees, terms = _terms(rate, tokens, uses, service=service)
    return cost + fees, Usage(
        effect.provider,
        tokens.model or effect.model,
        tokens_in=tokens_in,
        tokens_out=tokens.tokens_out,
        tokens_cost=cost,
        tokens_cached=tokens.cached_in,
        tokens_cache_write=tokens.cache_write,
        estimated=not reported,
        terms=terms,
        refs=tuple([reference(told.account, each) for each in tokens.refs]),
    )


def _rates(rate: Rate, tokens: Tokens, told: Told) -> tuple[Iterable[Rate], bool]:
    """The rates of which the dearest is booked, and whether that is certain.

    The answer says by which tier it was served; one whose price nobody knows costs at most what the dearest known tier
    does. An answer that says nothing may have been served as it was asked, or as everybody is.
    """
    raised = rate.raised() if tokens.raised else rate
    if tokens.service:
        served = raised.served(tokens.service)
        if served is not None:
            return (served,), True
        bought = ahead(told.spoken, tokens.service)
        return ((raised,) if bought else raised.all_services), False
    if not told.service:
        return (raised,), True
    asked = raised.served(told.service)
    return ((raised, asked), True) if asked is not None else (raised.all_services, False)


def _terms(rate: Rate | None, tokens: Tokens, uses: tuple[tuple[str, int], ...], *, service: str) -> tuple[Money, str]:
    """What tools cost that the provider ran, and what beside tokens the price depends on, as ``Usage.terms``."""
    picos, unpriced = 0, list[str]()
    for name, times in uses:
        fee = None if rate is None else rate.fee(name)
        picos += (fee or 0) * times
        if fee is None:
            unpriced.append(name)
    terms: dict[str, object] = {} if service in PLAIN else {"service": service}
    terms |= {"raised": True} if tokens.raised else {}
    terms |= {"tools": dict(uses)} if uses else {}
    terms |= {"unpriced": unpriced} if unpriced else {}
    return Money(-(-picos // MICRO)), orjson.dumps(terms).decode() if terms else ""


def _searches(effect: Model) -> bool:
    return effect.wire is Wire.CHAT and effect.request.get("web_search_options") is not None


def read_tokens(action: Action, effect: Model) -> int:
    """Tokens of a request, estimated from above."""
    size = len(effect.body) or len(action.payload)
    try:
        return facts(effect.wire, effect.request, size=size).tokens_in
    except InvalidInput:
        return -(-size // BYTES_PER_TOKEN)
