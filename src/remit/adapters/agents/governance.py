"""The capability that puts an agent behind the guard: every model attempt and every tool call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remit.adapters.agents.gate import Gate, Names
from remit.adapters.agents.library import (
    AbstractCapability,
    AbstractToolset,
    CapabilityOrdering,
    Model,
    RunContext,
)
from remit.adapters.agents.model import Governed, govern_model, scripted
from remit.adapters.agents.toolset import GovernedToolset
from remit.kernel.errors import InvalidInput

type Outside = Callable[[Model, Gate, Names], Model | None]


@dataclass
class Governance(AbstractCapability[Any]):
    """Gates one run of an agent.

    Attributes:
        gate: The way to the guard.
        names: What the run's effects are called.
        outside: Makes a model of a provider ask through the guard; ``None`` where it can't.
        defers: Whether the run may end with what waits for a person.
        own_clients: Whether other models may be asked by the client that the user gave them, inside the permit.
    """

    gate: Gate
    names: Names
    outside: Outside | None = None
    defers: bool = False
    own_clients: bool = False

    def get_ordering(self) -> CapabilityOrdering:
        """Next to the model and the tools, inside every other capability."""
        return CapabilityOrdering(position="innermost")

    def get_wrapper_model(self, model: Model) -> Model:
        """The model of one attempt behind the guard; a router's models one by one."""
        return govern_model(model, self._govern)

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """All tools behind the guard."""
        return GovernedToolset(toolset, gate=self.gate, names=self.names, defers=self.defers)

    async def for_run(self, ctx: RunContext[Any]) -> Governance:
        """The same: it was made for this run."""
        del ctx
        return self

    def _govern(self, model: Model) -> Model:
        if scripted(model):
            return Governed(model, gate=self.gate, names=self.names)
        if self.outside is not None:
            made = self.outside(model, self.gate, self.names)
            if made is not None:
                return made
        if self.own_clients:
            return Governed(model, gate=self.gate, names=self.names)
        message = (
            f"The model {model.model_id} can't be asked through the guard: it speaks neither OpenAI's nor Anthropic's "
            "interface."
        )
        raise InvalidInput(
            message, code="agents.model", hint="reach it by a compatible base URL, or allow own_clients=True"
        )
