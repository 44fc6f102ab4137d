"""What a call has used and costs: as its provider reports it, else counted here and said to be so."""

from __future__ import annotations

from remit.kernel.action import Action
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import Usage
from remit.models.prices import Rate
from remit.models.wire.request import BYTES_PER_TOKEN, facts
from remit.models.wire.tokens import Tokens

#: Operations that no provider bills.
FREE = frozenset({Wire.COUNT_TOKENS})


def bill(action: Action, effect: Model, rate: Rate | None, tokens: Tokens) -> tuple[Money, Usage]:
    """The cost of a call and what it is made up of.

    What the provider did not report is counted from the request (its size over ``BYTES_PER_TOKEN``, images as
    ``facts`` say) and from the text that came; ``estimated`` is set then. Without a rate it costs the action's
    estimate, which is what the policy for unknown prices reserved: unknown is never zero by itself.
    """
    if effect.wire in FREE:
        return ZERO, Usage(effect.provider, tokens.model or effect.model)
    tokens_in = tokens.tokens_in
    if not tokens_in and not tokens.reported:
        tokens_in = read_tokens(action, effect)
    if rate is None:
        cost = action.estimate
    else:
        cost = rate.of(tokens_in, tokens.tokens_out, cached_in=tokens.cached_in, cache_write=tokens.cache_write)
    return cost, Usage(
        effect.provider,
        tokens.model or effect.model,
        tokens_in=tokens_in,
        tokens_out=tokens.tokens_out,
        tokens_cost=cost,
        tokens_cached=tokens.cached_in,
        tokens_cache_write=tokens.cache_write,
        estimated=not tokens.reported,
    )


def read_tokens(action: Action, effect: Model) -> int:
    """Tokens of a request, estimated from above."""
    size = len(effect.body) or len(action.payload)
    try:
        return facts(effect.wire, effect.request, size=size).tokens_in
    except InvalidInput:
        return -(-size // BYTES_PER_TOKEN)
