"""Service tiers: whether a call asks to be served faster or cheaper than others, and what that may change in its price.

OpenAI's interface has ``service_tier`` (``flex``, ``priority``, ``fast`` ...) in request and answer, Anthropic's
``speed`` and ``service_tier``. Which tier served a call only its answer tells: a project may set one for all its calls,
and a provider may take one back (https://developers.openai.com/api/docs/guides/fast-mode).

    asked                                        reserved for
    nothing, auto, default, standard(_only)      the plain price
    flex, batch                                  the plain price, which is never below theirs
    any other                                    that tier's price; where nobody knows it, the price is unknown
"""

from __future__ import annotations

from collections.abc import Mapping

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput

#: Words for being served as everybody is; ``on_demand`` is Groq's. Each has the plain price.
PLAIN = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})
#: Tiers that cost less than the plain price, never more: OpenAI bills ``flex`` like its batches
#: (https://developers.openai.com/api/docs/guides/flex-processing), Anthropic batches at half of it.
CHEAPER = frozenset({"flex", "batch"})
#: Capacity that was bought ahead: OpenAI's ``scale``, and what Anthropic calls ``priority``, which draws down tokens in
#: proportion to the plain price (https://platform.claude.com/docs/en/api/service-tiers). The plain price is booked.
_AHEAD = frozenset({(Wire.MESSAGES, "priority"), (Wire.CHAT, "scale"), (Wire.RESPONSES, "scale")})
#: Anthropic bills inference in the United States alone at 1.1 times every price of a token
#: (https://platform.claude.com/docs/en/build-with-claude/data-residency); older models know no such wish.
HERE = "us"
RAISED_PERCENT = 110

_LONGEST = 64


def asked(wire: Wire, body: Mapping[str, object]) -> str:
    """The tier that a request asks for; empty: to be served as everybody is.

    Raises:
        InvalidInput: It is no text (``model.request``).
    """
    tier = body.get("service_tier")
    speed = body.get("speed") if wire is Wire.MESSAGES else None
    if tier is None and speed is None:
        return ""
    for name, value in (("service_tier", tier), ("speed", speed)):
        if value is not None and (not isinstance(value, str) or len(value) > _LONGEST):
            message = f"In the request, {name} is no name of a tier."
            raise InvalidInput(message, place=name, code="model.request", hint=f"leave {name} out")
    return next((str(each) for each in (speed, tier) if each is not None and each not in PLAIN), "")


def ahead(wire: Wire, tier: str) -> bool:
    """Whether a tier that served a call is capacity bought ahead."""
    return (wire, tier) in _AHEAD


def raised(body: Mapping[str, object]) -> bool:
    """Whether a request asks for inference where it costs more."""
    return body.get("inference_geo") == HERE
