"""OpenAI's and Anthropic's models behind the guard: their own classes and SDKs, over a way that leads through it.

Where the SDK would open a connection, the request becomes an action of the kind ``model`` in its own bytes, and the
adapter of registered providers performs it: with the provider's key, which the agent never sees, metered and masked as
through the gateway. So each HTTP attempt is one action, whatever a client or a fallback does.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, cast

import httpx2
import orjson

from remit.adapters.agents.gate import Asked, Gate, Names
from remit.adapters.agents.library import (
    AnthropicModel,
    Model,
    ModelMessage,
    ModelRequestParameters,
    ModelResponse,
    ModelSettings,
    OpenAIChatModel,
    OpenAIResponsesModel,
    RunContext,
    StreamedResponse,
    WrapperModel,
)
from remit.adapters.agents.model import for_library, ours
from remit.adapters.agents.room import ROOM, Room
from remit.adapters.agents.streaming import Replayed
from remit.kernel.canonical import Json
from remit.kernel.effects import Model as ModelEffect
from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput, NotFound, RemitError
from remit.kernel.mission import Outcome
from remit.kernel.permits import Head
from remit.models.catalogue import Catalogue, Deployment, ProviderKind
from remit.models.estimate import most
from remit.models.router import Want
from remit.models.wire.references import references
from remit.models.wire.request import facts

#: Asked for where a request names no bound of its answer: an estimate, settled by what is used.
MOST_OUT = 4096
_FORWARDED = ("anthropic-version", "anthropic-beta")
_PATHS = (
    ("/chat/completions", Wire.CHAT),
    ("/responses", Wire.RESPONSES),
    ("/messages", Wire.MESSAGES),
)
_OPENAI = frozenset({ProviderKind.OPENAI.value, ProviderKind.COMPATIBLE.value})
_KINDS = {
    Wire.CHAT: _OPENAI,
    Wire.RESPONSES: _OPENAI,
    Wire.MESSAGES: frozenset({ProviderKind.ANTHROPIC.value}),
}
_WAITING = 64


class _Bytes(httpx2.AsyncByteStream):
    """An answer's bytes as they come; a ``Tap`` at its other end."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_WAITING)
        self._open = asyncio.Event()
        self.head: Head | None = None
        self.task: asyncio.Task[Outcome] | None = None

    async def begin(self, head: Head) -> None:
        self.head = head
        self._open.set()

    async def write(self, data: bytes) -> None:
        await self._room.acquire()
        self._pieces.put_nowait(data)

    def end(self) -> None:
        self._open.set()
        self._pieces.put_nowait(None)

    async def begun(self) -> Head:
        await self._open.wait()
        if self.head is None:
            await cast("asyncio.Task[Outcome]", self.task)
            message = "The answer ended before it began."
            raise InvalidInput(message, code="agents.no_answer")
        return self.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            self._room.release()
            yield piece
        if self.task is not None:
            await self.task

    async def aclose(self) -> None:
        if self.task is not None and not self.task.done():
            self.task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self.task


class GuardTransport(httpx2.AsyncBaseTransport):
    """The way of an SDK's requests through the guard.

    Args:
        gate: The way to the guard.
        names: What the run's effects are called.
        room: What is known of models.
        provider: What the agent calls the provider; asked first where the workspace has one of that name.
    """

    def __init__(self, gate: Gate, names: Names, *, room: Room, provider: str) -> None:
        self._gate = gate
        self._names = names
        self._room = room
        self._provider = provider

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask the guard.

        Raises:
            RemitError: What the guard answered; SDKs wrap it, and ``OutsideModel`` takes it out again.
        """
        wire = next((wire for path, wire in _PATHS if request.url.path.endswith(path)), None)
        if wire is None:
            message = f"The agent asks for {request.url.path[:80]!r}, which would go round the guard."
            raise InvalidInput(message, code="agents.ungoverned", hint="leave that option of the agent out")
        body = await request.aread()
        document = cast("dict[str, Json]", orjson.loads(body))
        asked_for = facts(wire, document, size=len(body))
        catalogue = await self._room.catalogues.catalogue(self._gate.workspace)
        candidates = await self._candidates(catalogue, wire, asked_for)
        if refers := references(wire, document):
            at = {each.target: catalogue.providers[each.provider].base_url for each in candidates}
            account = await self._gate.goes_on(refers, tuple(dict.fromkeys(at.values())))
            candidates = [each for each in candidates if at[each.target] == account]
        headers = tuple((name, request.headers[name]) for name in _FORWARDED if name in request.headers)
        effects = [
            ModelEffect(each.provider, each.model, document, wire=wire, body=body, headers=headers)
            for each in candidates
        ]
        asked = Asked(
            self._names.model(),
            estimate=most(candidates, asked_for, max_out=asked_for.max_out or MOST_OUT, providers=catalogue.providers),
            once=False,
            alternatives=tuple(effects[1:]),
        )
        if asked_for.streamed:
            return await self._streamed(effects[0], asked)
        outcome = await self._gate.ask(effects[0], asked)
        self._names.answered()
        return httpx2.Response(200, json=dict(outcome.value), request=request)

    async def _streamed(self, effect: ModelEffect, asked: Asked) -> httpx2.Response:
        stream = _Bytes()

        async def ask() -> Outcome:
            outcome = await self._gate.ask(effect, asked.through(stream))
            self._names.answered()
            return outcome

        stream.task = asyncio.create_task(ask())
        stream.task.add_done_callback(lambda _: stream.end())
        try:
            head = await stream.begun()
        except BaseException:
            await stream.aclose()
            raise
        return httpx2.Response(head.status, headers=list(head.headers), stream=stream)

    async def _candidates(self, catalogue: Catalogue, wire: Wire, asked_for: Any) -> Sequence[Deployment]:
        name = str(asked_for.model)
        if self._provider in catalogue.providers:
            name = f"{self._provider}/{name}"
        want = Want(
            name,
            needs=asked_for.needs,
            tokens_in=asked_for.tokens_in,
            max_out=asked_for.max_out or MOST_OUT,
            kinds=_KINDS[wire],
        )
        try:
            return (await self._room.route(catalogue, want)).candidates
        except NotFound as error:
            message = f"This workspace has no provider for the model {name[:80]!r}, so the agent can't ask it."
            raise NotFound(message, code="agents.provider", hint="remit providers add --help") from error


class OutsideModel(WrapperModel):
    """A provider's model whose SDK goes through the guard; its errors are the guard's."""

    def __init__(self, wrapped: Model, *, gate: Gate) -> None:
        super().__init__(wrapped)
        self._gate = gate

    async def __aenter__(self) -> Self:
        """Nothing is open."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Nothing."""
        return None

    def _told(self, error: Exception) -> Exception:
        found = ours(error)
        return error if found is None else for_library(found, self.model_name)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One attempt.

        Raises:
            Denied, ApprovalPending: What the guard answered.
            ModelAPIError: No answer.
        """
        try:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)
        except RemitError:
            raise
        except Exception as error:
            told = self._told(error)
            if told is error:
                raise
            raise told from error

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """One attempt whose answer passes on while it comes."""
        if self._gate.redactor is None:
            response = await self.request(messages, model_settings, model_request_parameters)
            yield Replayed(model_request_parameters, response)
            return
        try:
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
        except RemitError:
            raise
        except Exception as error:
            told = self._told(error)
            if told is error:
                raise
            raise told from error


def outside(model: Model, gate: Gate, names: Names) -> Model | None:
    """``model`` asked through the guard; ``None``: it speaks neither interface."""
    if not isinstance(model, OpenAIChatModel | OpenAIResponsesModel | AnthropicModel) or not ROOM:
        return None
    transport = GuardTransport(gate, names, room=ROOM[0], provider=model.system)
    client = cast("Any", model.client).copy(http_client=httpx2.AsyncClient(transport=transport), max_retries=0)
    # The library has no public way to give a model another client; its provider is copied with one.
    provider = copy.copy(cast("Any", model)._provider)  # noqa: SLF001 - as above
    provider._client = client  # noqa: SLF001 - as above
    made = copy.copy(model)
    cast("Any", made)._provider = provider  # noqa: SLF001 - as above
    return OutsideModel(made, gate=gate)
