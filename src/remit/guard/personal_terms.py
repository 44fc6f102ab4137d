"""What the policy says about personal data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from remit.kernel.action import Action
from remit.kernel.effects import Model, Tool
from remit.redact.personal.kinds import Personal
from remit.redact.personal.phones import REGIONS


@dataclass(frozen=True, slots=True)
class PersonalTerms:
    """What the policy says about personal data.

    Attributes:
        models: Whether models get tokens instead of it.
        tools: Names of the tools whose arguments get the values back.
        regions: Countries whose national phone numbers are known.
        also: Finds more in a text free of secrets (names, for instance); it may take its time.
    """

    models: bool = False
    tools: frozenset[str] = frozenset()
    regions: tuple[str, ...] = REGIONS
    also: Callable[[str], Sequence[Personal]] | None = None

    def concern(self, action: Action) -> bool:
        """Whether a vault is needed for this action."""
        if isinstance(action.effect, Tool):
            return bool(action.mission) and action.effect.name in self.tools
        return self.models and isinstance(action.effect, Model)
