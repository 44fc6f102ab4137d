"""Asks models: one call to a provider, within its permit, its answer passed on while it comes and its use counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol, cast

import orjson

from remit.adapters.providers.asking import LIST, Asking, asking
from remit.adapters.providers.bill import bill
from remit.adapters.providers.headers import inward, is_stream, outward
from remit.adapters.providers.keys import ProviderKeys, Source
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import Denied, InternalError, InvalidAnswer, NotFound, RemitError, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.permits import Delivery, Head
from remit.kernel.ports import ModelUpstream, UpstreamAnswer, UpstreamCall
from remit.models.catalogue import Catalogue, Provider
from remit.models.prices import Rate
from remit.models.wire.answer import AnswerReader, Tokens
from remit.models.wire.errors import typed
from remit.redact.redactor import Redactor

CONNECT_S = 10.0
SILENCE_S = 120.0
LINGER_S = 1.0  # an answer whose end was seen is waited for so long to end as HTTP, so that its connection is kept
MOST_ERROR = 64 << 10  # bytes of an error that are read
_OK, _REDIRECT = 200, 300
_NOTHING = Tokens()


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
    """Performs effects of the kind ``model``, see ``make_adapter``."""

    def __init__(
        self,
        upstream: ModelUpstream,
        *,
        models: Catalogues,
        keys: ProviderKeys,
        redactor: Redactor | None,
        patience: Patience,
        personal: Callable[[Action], bool],
    ) -> None:
        self.upstream = upstream
        self._models = models
        self._keys = keys
        self._redactor = redactor
        self._patience = patience
        self._personal = personal

    async def perform(self, action: Action) -> Outcome:
        """Ask once. The answer's bytes go to ``permits.delivery()`` while they come; without one they are the outcome.

        Raises:
            NotFound: There is no such provider any more (``model.provider``).
            InvalidInput: The provider can't be asked that (``model.wire``), or refuses it as wrong.
            Unavailable: It is paused, away, too slow, overloaded, or refuses the key: its classes in ``kernel.errors``.
            Denied: A rule denies the key, or a tool call in the answer (``model.tool``).
        """
        effect = action.effect
        if not isinstance(effect, Model):
            message = f"The adapter for models was asked for {action.kind}."
            raise InternalError(message, code="model.kind")
        catalogue = self._models.fresh(action.workspace) or await self._models.catalogue(action.workspace)
        provider = _provider(catalogue, effect)
        if effect.operation == LIST:
            return await self._listed(action, effect, provider)
        asked = asking(effect, provider)
        call = await self._call(action, effect, provider, asked)
        deployment = catalogue.deployment(effect.target)
        exchange = _Exchange(action, effect, asked, None if deployment is None else deployment.rate)
        try:
            answer = await self.upstream.send(call)
        except (asyncio.CancelledError, Timeout) as late:
            if not isinstance(late, Timeout) or late.code == "model.silent":
                exchange.spent(_NOTHING)  # it was asked, and may have been at work
            raise
        try:
            if not _OK <= answer.status < _REDIRECT:
                raise await self._refusal(answer, asked.spoken)
            return await self._read(exchange, answer)
        finally:
            await answer.close()

    async def close(self) -> None:
        """Close every connection of this loop."""
        await self.upstream.close()

    async def _call(self, action: Action, effect: Model, provider: Provider, asked: Asking | None) -> UpstreamCall:
        key = await self._keys.value(action, provider.key) if provider.key else ""
        own = [(name, await self._keys.value(action, value)) for name, value in provider.headers]
        headers = outward(
            provider.kind,
            key=key,
            own=own,
            caller=effect.headers,
            streamed=asked is not None and asked.streamed,
        )
        patience = self._patience
        if asked is None:
            url = provider.base_url + "/models"
            return UpstreamCall(url, b"", headers, "GET", patience.connect_s, patience.silence_s)
        return UpstreamCall(asked.url, asked.body, headers, "POST", patience.connect_s, patience.silence_s)

    async def _refusal(self, answer: UpstreamAnswer, spoken: Wire) -> RemitError:
        """The error that an answer's status and body say; what it tells of a key is masked."""
        body = b""
        with suppress(Unavailable):
            async for piece in answer.chunks():
                body += piece
                if len(body) >= MOST_ERROR:
                    break
        if self._redactor is not None:
            body = self._redactor.mask(body[:MOST_ERROR].decode("utf-8", "replace")).encode()
        return typed(answer.status, answer.headers, body, spoken)

    # ------------------------------------------------------------------------------------------------------- answers

    async def _read(self, exchange: _Exchange, answer: UpstreamAnswer) -> Outcome:
        delivery = permits.delivery()
        streamed = is_stream(answer.headers)
        plain = delivery is not None and delivery.plain
        exchange.reader = AnswerReader(
            exchange.asked.spoken,
            streamed=streamed,
            redactor=None if plain else self._redactor,
            restorer=None if delivery is None else delivery.restorer,
            inspect=None if delivery is None else delivery.inspect,
            strip_usage=exchange.asked.strip_usage,
            personal=not plain and self._personal(exchange.action),
        )
        try:
            if streamed:
                return await self._stream(exchange, answer, delivery)
            return await self._whole(exchange, answer, delivery)
        except BaseException:
            exchange.spent(exchange.reader.tokens)
            raise

    async def _whole(self, exchange: _Exchange, answer: UpstreamAnswer, delivery: Delivery | None) -> Outcome:
        """An answer of one document: read whole and looked at before any of it passes on."""
        reader = exchange.reader
        heard = False
        async for piece in answer.chunks():
            if not heard:
                heard = True
                permits.first_byte()
            reader.feed(piece)
        document = exchange.turned(reader.finish(), last=True)
        _judged(reader, exchange)
        if delivery is None:
            return exchange.outcome(value=_decoded(document))
        await delivery.begin(Head(answer.status, inward(answer.headers)))
        await delivery.write(document)
        return exchange.outcome()

    async def _stream(self, exchange: _Exchange, answer: UpstreamAnswer, delivery: Delivery | None) -> Outcome:
        """An answer of events, each passed on as soon as it may be."""
        reader = exchange.reader
        onward = _Onward(delivery, Head(answer.status, inward(answer.headers)))
        pieces = answer.chunks()
        heard = False
        async for piece in pieces:
            if not heard:
                heard = True
                permits.first_byte()
            data = reader.feed(piece)
            if reader.error and not onward.begun:
                break  # nothing of it went out: it may be tried again
            await onward.write(exchange.turned(data))
            if reader.blocked or reader.error:
                break
            if reader.complete:
                await onward.write(exchange.turned(await _rest(pieces, reader)))
                break
        if not (reader.error or reader.blocked):
            await onward.write(exchange.turned(reader.finish(), last=True))
        _judged(reader, exchange)
        return exchange.outcome(text=onward.text)

    async def _listed(self, action: Action, effect: Model, provider: Provider) -> Outcome:
        """The models that a provider lists: the plainest question that needs its address, its key and its health."""
        answer = await self.upstream.send(await self._call(action, effect, provider, None))
        try:
            if not _OK <= answer.status < _REDIRECT:
                raise await self._refusal(answer, Wire.CHAT)
            body = b""
            async for piece in answer.chunks():
                permits.first_byte()
                body += piece
                if len(body) > _MOST_LIST:
                    raise _no_list(provider)
        finally:
            await answer.close()
        return Outcome(ok=True, value={"models": cast("list[Json]", _names(body, provider))})


class _Onward:
    """Where the bytes of a stream go: to whoever asked, else into the outcome."""

    __slots__ = ("_delivery", "_head", "_kept")

    def __init__(self, delivery: Delivery | None, head: Head) -> None:
        self._delivery = delivery
        self._head = head
        self._kept: list[bytes] = []

    @property
    def begun(self) -> bool:
        """Whether any of it has gone out."""
        return self._delivery is not None and self._delivery.begun

    @property
    def text(self) -> str:
        """What was kept."""
        return b"".join(self._kept).decode("utf-8", "replace")

    async def write(self, data: bytes) -> None:
        """The next bytes, the head before the first."""
        if not data:
            return
        if self._delivery is None:
            self._kept.append(data)
            return
        if not self._delivery.begun:
            await self._delivery.begin(self._head)
        await self._delivery.write(data)


class _Exchange:
    """One call under way: what was asked, and what has come of it."""

    __slots__ = ("_effect", "_rate", "_turn", "action", "asked", "reader")

    def __init__(self, action: Action, effect: Model, asked: Asking, rate: Rate | None) -> None:
        self.action = action
        self._effect = effect
        self._rate = rate
        self._turn: Callable[[bytes, bool], bytes] | None = None
        self.asked = asked
        self.reader: AnswerReader

    def turned(self, data: bytes, *, last: bool = False) -> bytes:
        """The bytes in the interface of who asked."""
        return data if self._turn is None else self._turn(data, last)

    def spent(self, tokens: Tokens) -> None:
        """Tell the guard what is used up, should this end without an outcome."""
        cost, usage = bill(self.action, self._effect, self._rate, tokens)
        permits.spent(cost, replace(usage, estimated=not tokens.reported))

    def outcome(self, *, value: Mapping[str, Json] | None = None, text: str = "") -> Outcome:
        """How it ended well."""
        cost, usage = bill(self.action, self._effect, self._rate, self.reader.tokens)
        return Outcome(ok=True, value=value or {}, text=text, cost=cost, usage=usage)


def _provider(catalogue: Catalogue, effect: Model) -> Provider:
    provider = catalogue.providers.get(effect.provider)
    if provider is None:
        message = f"There is no provider {effect.provider[:60]!r} in this workspace."
        raise NotFound(message, code="model.provider", hint="remit providers list")
    if provider.paused and effect.operation != LIST:
        message = f"The provider {provider.name} is paused."
        raise Unavailable(message, code="model.paused", hint=f"remit providers resume {provider.name}")
    return provider


def _judged(reader: AnswerReader, exchange: _Exchange) -> None:
    """Refuse an answer that must not stand: a tool call in it, an error of its provider's, an end before its end."""
    if reader.blocked:
        message = f"A tool call in the model's answer was refused: {reader.blocked}"
        raise Denied(message, code="model.tool")
    if reader.error:
        told = orjson.dumps({"error": {"message": reader.error}})
        raise typed(_OK, {}, told, exchange.asked.spoken)
    if not reader.complete:
        message = "The provider ended its answer before the end that its interface has."
        raise Unavailable(message, code="model.cut")


async def _rest(pieces: AsyncIterator[bytes], reader: AnswerReader) -> bytes:
    """What still comes after an answer's end, so that its connection can be kept; its lack is no failure."""
    out = b""
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(LINGER_S):
            async for piece in pieces:
                out += reader.feed(piece)
    return out


def _decoded(document: bytes) -> Mapping[str, Json]:
    """A document that was an object when it was read."""
    return cast("Mapping[str, Json]", orjson.loads(document))


_MOST_LIST = 8 << 20


def _names(body: bytes, provider: Provider) -> list[str]:
    try:
        told = orjson.loads(body)
        return sorted({str(each["id"]) for each in told["data"]})
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _no_list(provider) from error


def _no_list(provider: Provider) -> InvalidAnswer:
    message = f"The provider {provider.name} answered with what is no list of models."
    return InvalidAnswer(message, code="model.list", hint=f"remit providers show {provider.name}")


def make_adapter(
    upstream: ModelUpstream,
    *,
    models: Catalogues,
    secrets: Source,
    redactor: Redactor | None,
    clock: Clock,
    patience: Patience | None = None,
    personal: Callable[[Action], bool] = lambda _action: False,
) -> ModelAdapter:
    """The adapter for the kind ``model``.

    Args:
        upstream: The way to providers (``HttpUpstream``).
        models: Who is known to each workspace, at which prices.
        secrets: Resolves the references that providers' keys are (``guard.secrets_provider.Secrets``).
        redactor: Masks answers, unless the workspace wants them as they are (``Delivery.plain``); ``None``: nothing is.
        clock: Monotonic.
        patience: How long connections and silences may take.
        personal: Whether personal data in the answer to an action is masked too (``PersonalTerms.concern``).
    """
    keys = ProviderKeys(secrets, monotonic=clock.monotonic)
    return ModelAdapter(
        upstream, models=models, keys=keys, redactor=redactor, patience=patience or Patience(), personal=personal
    )
