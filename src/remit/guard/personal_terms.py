"""What the policy says about personal data."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.action import Action
from remit.kernel.effects import Model, Tool
from remit.redact.personal.phones import REGIONS


@dataclass(frozen=True, slots=True)
class PersonalTerms:
    """What the policy says about personal data.

    Attributes:
        models: Whether models get tokens instead of it.
        tools: Names of the tools whose arguments get the values back.
        regions: Countries whose national phone numbers are known.
    """

    models: bool = False
    tools: frozenset[str] = frozenset()
    regions: tuple[str, ...] = REGIONS

    def concern(self, action: Action) -> bool:
        """Whether a vault is needed for this action."""
        if isinstance(action.effect, Tool):
            return bool(action.mission) and action.effect.name in self.tools
        return self.models and isinstance(action.effect, Model)
