"""What this process knows of models, for agents that ask providers."""

from __future__ import annotations

from typing import Protocol

from remit.models.catalogue import Catalogue, Models
from remit.models.router import Route, Want


class Room(Protocol):
    """What is known of models: ``adapters.providers.wiring.ModelRoom``."""

    @property
    def catalogues(self) -> Models:
        """Each workspace's snapshot."""
        ...

    async def route(self, catalogue: Catalogue, want: Want) -> Route:
        """Who is asked; raises as ``Router.route``."""
        ...


#: At most one: a process has one home open; the newest counts.
ROOM: list[Room] = []


def set_room(room: Room) -> None:
    """Said by whoever wires a home."""
    ROOM[:] = [room]
