"""What models need, wired: the catalogue, who is asked in which order, and the way to providers.

Nothing heavy is imported before a model is asked: a command that opens a runtime for something else pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.guard.breaker import Phase
from remit.guard.circuits import Circuits
from remit.guard.trials import Key
from remit.kernel.clock import Clock
from remit.kernel.effects import Model
from remit.kernel.ports import Journal
from remit.models.catalogue import Models
from remit.models.health import Health
from remit.models.prices import Rates
from remit.models.router import Router


@dataclass(frozen=True, slots=True)
class ModelRoom:
    """What a runtime has of models.

    Attributes:
        catalogues: Each workspace's, as a snapshot.
        health: How deployments do.
        router: Who is asked, and why.
    """

    catalogues: Models
    health: Health
    router: Router


def model_room(journal: Journal, clock: Clock, circuits: Circuits, *, process: str, rand: Callable[[], float]) -> ModelRoom:
    """The catalogues, and a router that knows which circuits are open and who was quick lately."""
    health = Health(clock, process=process)

    def refuses(workspace: str, target: str) -> bool:
        key = Key(workspace, Model.trait.kind, target[:200])
        return circuits.phase(key) is Phase.OPEN and circuits.wait(key) > 1.0  # it tells a second at least

    return ModelRoom(
        Models(journal, clock, Rates(clock)), health, Router(refuses=refuses, latency=health.latency, rand=rand)
    )
