"""How what only this process can perform reaches its adapter: a model object, a tool's function with its arguments.

The guard passes an adapter an action, which is data. Whoever asks the guard for something of its own process offers it
in a context variable, and the adapters of the kinds ``model`` and ``tool`` take it, inside the permit and nowhere else.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from remit.kernel.action import Action
from remit.kernel.errors import NotFound
from remit.kernel.mission import Outcome
from remit.kernel.ports import Adapter


class Call(Protocol):
    """One thing that this process can do."""

    @property
    def kind(self) -> str:
        """The effect's kind."""
        ...

    @property
    def target(self) -> str:
        """The effect's target."""
        ...

    async def perform(self, action: Action) -> Outcome:
        """Do it, as an adapter would."""
        ...


@dataclass(slots=True)
class _Offer:
    call: Call
    running: bool = False


_OFFERED: ContextVar[_Offer | None] = ContextVar("remit_offered", default=None)


@contextmanager
def offered(call: Call) -> Generator[None]:
    """Offer ``call`` to the adapter of its kind for as long as the block lasts."""
    token = _OFFERED.set(_Offer(call))
    try:
        yield
    finally:
        _OFFERED.reset(token)


def may_be_offered() -> bool:
    """Whether anything was: without, ``perform_offered`` has nothing to perform."""
    return _OFFERED.get() is not None


async def perform_offered(action: Action) -> Outcome | None:
    """Perform the action with what was offered for it; ``None``: nothing was.

    What runs inside sees no offer: an effect that a tool's own function asks for is another one.
    """
    offer = _OFFERED.get()
    if offer is None or offer.running or (offer.call.kind, offer.call.target) != (action.kind, action.target):
        return None
    offer.running = True
    try:
        return await offer.call.perform(action)
    finally:
        offer.running = False


class ModelsInside:
    """The adapter of the kind ``model``: models of this process when one is offered, providers otherwise.

    Args:
        outside: The adapter of registered providers; without one, only models of this process can be asked.
    """

    def __init__(self, outside: Adapter | None = None) -> None:
        self._outside = outside

    async def perform(self, action: Action) -> Outcome:
        """Ask the model.

        Raises:
            NotFound: It is none of this process, and there are no providers here.
        """
        done = await perform_offered(action) if may_be_offered() else None
        if done is not None:
            return done
        if self._outside is None:
            message = f"Nothing here can ask the model {action.target[:80]!r}: no providers are wired."
            raise NotFound(message, code="models.no_providers", hint="remit doctor")
        return await self._outside.perform(action)
