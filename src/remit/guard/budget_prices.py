"""What an action is checked and charged with when nobody can tell its price."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.kernel.action import Action
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import UnknownPrice


@dataclass(frozen=True, slots=True)
class Pricing:
    """The policy, and the amount that is reserved for an unknown price under ``CEILING``."""

    unknown: UnknownPrice = UnknownPrice.REFUSE
    ceiling: Money = ZERO

    def under(self, said: UnknownPrice | None) -> Pricing:
        """As this, with what a workspace said about unknown prices, if it said anything."""
        return self if said is None or said is self.unknown else replace(self, unknown=said)

    def priced(self, action: Action) -> Action:
        """The action as it is checked and charged: under ``CEILING`` with the ceiling as its estimate."""
        if action.priced or action.estimate or self.unknown is not UnknownPrice.CEILING:
            return action
        return replace(action, estimate=self.ceiling)
