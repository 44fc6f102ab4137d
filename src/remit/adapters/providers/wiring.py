"""What models need, wired: the catalogue, who is asked in which order, and the way to providers.

Nothing heavy is imported before a model is asked: a command that opens a runtime for something else pays nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.guard.breaker import Phase
from remit.guard.circuits import Circuits
from remit.guard.trials import Key
from remit.kernel.action import Action
from remit.kernel.clock import Clock
from remit.kernel.effects import Model
from remit.kernel.errors import RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, ModelUpstream, UpstreamAnswer, UpstreamCall
from remit.models.catalogue import Catalogue, Models
from remit.models.health import Health
from remit.models.prices import Rates
from remit.models.router import Route, Router, Want
from remit.redact.redactor import Redactor

if TYPE_CHECKING:
    from remit.adapters.providers.keys import Source
    from remit.adapters.providers.model import ModelAdapter


@dataclass(frozen=True, slots=True)
class ModelRoom:
    """What a runtime has of models.

    Attributes:
        catalogues: Each workspace's, as a snapshot.
        health: How deployments do, as this process sees it.
        router: Who is asked, and why.
        asking: The adapter of the kind ``model``.
        catch_up: Reads what the guard knows of a workspace anew if it is old; whether it was.
    """

    catalogues: Models
    health: Health
    router: Router
    asking: ModelCalls
    catch_up: Callable[[str], Awaitable[bool]]

    async def route(self, catalogue: Catalogue, want: Want) -> Route:
        """As ``Router.route``; before it says that nobody can be asked, it reads which circuits were closed meanwhile.

        While calls end here the guard, which reads that with each call, is not asked.
        """
        try:
            return self.router.route(catalogue, want)
        except Unavailable:
            if not await self.catch_up(catalogue.workspace):
                raise
            return self.router.route(catalogue, want)


class ModelCalls:
    """The adapter of the kind ``model``, made when it is first asked, with what it sees of deployments' health.

    Args:
        catalogues: Who is known.
        health: Told of each call.
        secrets: Resolves the references that providers' keys are.
        redactor: Masks answers.
        clock: Monotonic.
        personal: Whether personal data in the answer to an action is masked too.
    """

    def __init__(
        self,
        catalogues: Models,
        health: Health,
        *,
        secrets: Source,
        redactor: Redactor,
        clock: Clock,
        personal: Callable[[Action], bool],
    ) -> None:
        self.catalogues = catalogues
        self.health = health
        self._secrets = secrets
        self._redactor = redactor
        self._clock = clock
        self._personal = personal
        self._adapter: ModelAdapter | None = None

    async def perform(self, action: Action) -> Outcome:
        """Ask once, and count how it went."""
        adapter = self._adapter or self._made()
        clock = self._clock
        began = clock.monotonic()
        seen = [0.0]
        _HEAD_AT.set(seen)
        code = ""
        try:
            return await adapter.perform(action)
        except RemitError as error:
            code = error.code
            raise
        finally:
            first = seen[0] - began if seen[0] else None
            if first is not None or code:  # who went away before an answer says nothing about the deployment
                self.health.observe(action.workspace, action.target, first, clock.monotonic() - began, code)

    async def close(self) -> None:
        """Close the connections of this loop."""
        if self._adapter is not None:
            await self._adapter.close()

    def _made(self) -> ModelAdapter:
        from remit.adapters.providers.model import make_adapter
        from remit.adapters.providers.upstream import HttpUpstream

        self._adapter = make_adapter(
            _Timed(HttpUpstream(), self._clock),
            models=self.catalogues,
            secrets=self._secrets,
            redactor=self._redactor,
            clock=self._clock,
            personal=self._personal,
        )
        return self._adapter


_HEAD_AT: ContextVar[list[float]] = ContextVar("remit_model_head_at")


class _Timed:
    """Notes when an answer's head was there."""

    def __init__(self, upstream: ModelUpstream, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock

    async def send(self, call: UpstreamCall) -> UpstreamAnswer:
        """As ``ModelUpstream``."""
        answer = await self._upstream.send(call)
        _HEAD_AT.get()[0] = self._clock.monotonic()
        return answer

    async def close(self) -> None:
        """As ``ModelUpstream``."""
        await self._upstream.close()


def model_calls(
    journal: Journal,
    clock: Clock,
    *,
    process: str,
    secrets: Source,
    redactor: Redactor,
    personal: Callable[[Action], bool],
) -> ModelCalls:
    """The adapter, before there is a guard; ``personal`` as for ``ModelCalls``."""
    catalogues, health = Models(journal, clock, Rates(clock)), Health(clock, process=process)
    return ModelCalls(catalogues, health, secrets=secrets, redactor=redactor, clock=clock, personal=personal)


def model_room(
    calls: ModelCalls,
    circuits: Circuits,
    *,
    rand: Callable[[], float],
    catch_up: Callable[[str], Awaitable[bool]],
) -> ModelRoom:
    """The whole room: a router that knows which circuits are open and who was quick lately."""

    def refuses(workspace: str, target: str) -> bool:
        key = Key(workspace, Model.trait.kind, target[:200])
        return circuits.phase(key) is Phase.OPEN and circuits.wait(key) > 1.0  # it tells a second at least

    router = Router(refuses=refuses, latency=calls.health.latency, rand=rand)
    return ModelRoom(calls.catalogues, calls.health, router, calls, catch_up)
