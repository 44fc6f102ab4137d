"""Asks models: one call to a provider, within its permit, its answer passed on while it comes and its use counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import orjson

from remit.adapters.providers.asking import LIST, Asking, asking
from remit.adapters.providers.bill import Told
from remit.adapters.providers.exchange import Exchange, Stage
from remit.adapters.providers.headers import is_stream, outward
from remit.adapters.providers.keys import ProviderKeys, Source
from remit.adapters.providers.reading import Way, read_stream, read_whole
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InternalError, InvalidAnswer, KeyRefused, NotFound, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.ports import ModelUpstream, UpstreamAnswer, UpstreamCall
from remit.models import services
from remit.models.catalogue import Catalogue, Provider
from remit.models.wire.answer import AnswerReader
from remit.models.wire.errors import typed
from remit.redact.redactor import Redactor

if TYPE_CHECKING:
    from remit.adapters.providers.turning import Turn

CONNECT_S = 10.0
SILENCE_S = 60.0
MOST_ERROR = 64 << 10  # bytes of an error that are read
MOST_LIST = 8 << 20  # bytes of a list of models
_OK, _REDIRECT = 200, 300

#: Hears of each call that went out: workspace, ``provider/model``, seconds to the first byte (``None``: none came) and
#: to the end, the code of what it failed with (empty: it succeeded). ``models.health.Health.observe`` is one.
type Observed = Callable[[str, str, float | None, float, str], None]


class Catalogues(Protocol):
    """Who is known: ``models.catalogue.Models``."""

    def fresh(self, workspace: str) -> Catalogue | None:
        """See there."""
        ...

    async def catalogue(self, workspace: str) -> Catalogue:
        """See there."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a connection must stand, and seconds of silence after which an answer is given up."""

    connect_s: float = CONNECT_S
    silence_s: float = SILENCE_S


class ModelAdapter:
    """Performs effects of the kind ``model``; made by ``make_adapter``."""

    def __init__(
        self,
        upstream: ModelUpstream,
        *,
        models: Catalogues,
        keys: ProviderKeys,
        redactor: Redactor | None,
        clock: Clock,
        patience: Patience,
        personal: Callable[[Action], bool],
        observed: Observed | None,
    ) -> None:
        self.upstream = upstream
        self._models = models
        self._keys = keys
        self._redactor = redactor
        self._clock = clock
        self._monotonic = clock.monotonic
        self._patience = patience
        self._personal = personal
        self._observed = observed

    async def perform(self, action: Action) -> Outcome:
        """Ask once. The answer's bytes go to ``permits.delivery()`` while they come; without one they are the outcome.

        Raises:
            NotFound: There is no such provider any more (``model.provider``), or it has no such model.
            InvalidInput: The provider can't be asked that (``model.wire``), or refuses it as wrong.
            Unavailable: It is paused, away, too slow, overloaded, or refuses the key: its classes in ``kernel.errors``.
            Denied: A rule denies the key, or a tool call in the answer (``model.tool``).
        """
        effect = action.effect
        if not isinstance(effect, Model):
            message = f"The adapter for models was asked for {action.kind}."
            raise InternalError(message, code="model.kind")
        exchange = Exchange(action, effect, self._monotonic())
        try:
            done = await self._asked(exchange)
        except BaseException as error:
            exchange.give_up(error)
            self._observe(exchange, error)
            raise
        self._observe(exchange, None)
        return done

    async def close(self) -> None:
        """Close every connection of this loop."""
        await self.upstream.close()

    async def _asked(self, exchange: Exchange) -> Outcome:
        action, effect = exchange.action, exchange.effect
        catalogue = self._models.fresh(action.workspace) or await self._models.catalogue(action.workspace)
        provider = _provider(catalogue, effect)
        deployment = catalogue.deployment(effect.target)
        exchange.rate = None if deployment is None else deployment.rate
        asked = asking(effect, provider)
        service = services.asked(effect.wire, effect.request) if asked.spoken is effect.wire else ""
        exchange.told = Told(service, asked.spoken, provider.base_url)
        call = await self._call(action, provider, asked)
        exchange.stage = Stage.SENT
        answer = await self.upstream.send(call)
        try:
            if not _OK <= answer.status < _REDIRECT:
                exchange.stage = Stage.REFUSED
                raise await self._refusal(answer, asked.spoken)
            if effect.operation == LIST:
                return await _listed(answer, provider)
            exchange.stage = Stage.ANSWERED
            return await self._read(exchange, asked, answer)
        finally:
            await answer.close()

    async def _call(self, action: Action, provider: Provider, asked: Asking) -> UpstreamCall:
        key = await self._keys.value(action, provider.key) if provider.key else ""
        own = [(name, await self._keys.value(action, value)) for name, value in provider.headers]
        effect = cast("Model", action.effect)
        headers = outward(provider.kind, key=key, own=own, caller=effect.headers, streamed=asked.streamed)
        patience = self._patience
        return UpstreamCall(asked.url, asked.body, headers, asked.method, patience.connect_s, patience.silence_s)

    async def _refusal(self, answer: UpstreamAnswer, spoken: Wire) -> RemitError:
        """The error that an answer's status and body say; what it tells of a key is masked."""
        body = b""
        with suppress(Unavailable):
            async for piece in answer.chunks():
                body += piece
                if len(body) >= MOST_ERROR:
                    break
        if self._redactor is not None:
            body = self._redactor.mask(body[:MOST_ERROR].decode("utf-8", "replace"), cards=True).encode()
        return typed(answer.status, answer.headers, body, spoken)

    async def _read(self, exchange: Exchange, asked: Asking, answer: UpstreamAnswer) -> Outcome:
        delivery = permits.delivery()
        streamed = is_stream(answer.headers)
        plain = delivery is not None and delivery.plain
        exchange.reader = reader = AnswerReader(
            asked.spoken,
            streamed=streamed,
            redactor=None if plain else self._redactor,
            restorer=None if delivery is None else delivery.restorer,
            inspect=None if delivery is None else delivery.inspect,
            strip_usage=asked.strip_usage,
            personal=not plain and self._personal(exchange.action),
            cards=True,
        )

        def heard() -> None:
            if exchange.first is None:
                exchange.first = self._monotonic()
                permits.first_byte()

        way = Way(reader, delivery, heard, asked.spoken, self._turn(exchange.effect, asked))
        if streamed:
            return exchange.outcome(text=await read_stream(answer, way))
        return exchange.outcome(value=await read_whole(answer, way))

    def _turn(self, effect: Model, asked: Asking) -> Turn | None:
        if asked.spoken is effect.wire:
            return None
        from remit.adapters.providers.turning import turn_to

        return turn_to(effect.wire, created=int(self._clock.now().timestamp()), include_usage=asked.include_usage)

    def _observe(self, exchange: Exchange, error: BaseException | None) -> None:
        """Tell how a call went, if it went out; who went away is no failure."""
        if self._observed is None or exchange.effect.operation == LIST:
            return
        if exchange.stage is Stage.NOTHING or not isinstance(error, Exception | None):
            return
        code = "" if error is None else error.code if isinstance(error, RemitError) else "guard.adapter"
        first = None if exchange.first is None else exchange.first - exchange.began
        took = self._monotonic() - exchange.began
        self._observed(exchange.action.workspace, exchange.effect.target, first, took, code)


def _provider(catalogue: Catalogue, effect: Model) -> Provider:
    provider = catalogue.providers.get(effect.provider)
    if provider is None:
        message = f"There is no provider {effect.provider[:60]!r} in this workspace."
        raise NotFound(message, code="model.provider", hint="remit providers list")
    if provider.paused and effect.operation != LIST:
        message = f"The provider {provider.name} is paused."
        # Not tried again, held against nobody, and another may stand in: as where a provider takes no key of ours.
        raise KeyRefused(message, code="model.paused", hint=f"remit providers resume {provider.name} --reason WHY")
    return provider


async def _listed(answer: UpstreamAnswer, provider: Provider) -> Outcome:
    """The models that a provider lists: the plainest question that needs its address, its key and its health."""
    body = b""
    async for piece in answer.chunks():
        permits.first_byte()
        body += piece
        if len(body) > MOST_LIST:
            raise _no_list(provider)
    try:
        told = orjson.loads(body)
        names = sorted({str(each["id"]) for each in told["data"]})
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _no_list(provider) from error
    return Outcome(ok=True, value={"models": cast("list[Json]", names)})


def _no_list(provider: Provider) -> InvalidAnswer:
    message = f"The provider {provider.name} answered with what is no list of models."
    return InvalidAnswer(message, code="model.list", hint="remit providers list")


def make_adapter(
    upstream: ModelUpstream,
    *,
    models: Catalogues,
    secrets: Source,
    redactor: Redactor | None,
    clock: Clock,
    patience: Patience | None = None,
    personal: Callable[[Action], bool] = lambda _action: False,
    observed: Observed | None = None,
) -> ModelAdapter:
    """The adapter for the kind ``model``.

    Args:
        upstream: The way to providers (``HttpUpstream``).
        models: Who is known to each workspace, at which prices.
        secrets: Resolves the references that providers' keys are (``guard.secrets_provider.Secrets``).
        redactor: Masks answers, unless the workspace wants them as they are (``Delivery.plain``); ``None``: nothing is.
        clock: Wall and monotonic time.
        patience: How long connections and silences may take.
        personal: Whether personal data in the answer to an action is masked too (``PersonalTerms.concern``); payment
            cards are always, where anything is.
        observed: Hears how each call went.
    """
    return ModelAdapter(
        upstream,
        models=models,
        keys=ProviderKeys(secrets, monotonic=clock.monotonic),
        redactor=redactor,
        clock=clock,
        patience=patience or Patience(),
        personal=personal,
        observed=observed,
    )
