"""Models of agents behind the guard: each attempt is an action of the kind ``model``.

Models of this process (scripted ones, and a user's own client where that is allowed) are asked inside the permit, with
what the guard let through of the request. OpenAI's and Anthropic's are asked through ``transport``: their own classes,
with a way to the network that leads through the guard.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, cast

from remit.adapters.agents.gate import Asked, Gate, Names
from remit.adapters.agents.library import (
    FallbackModel,
    FunctionModel,
    Model,
    ModelAPIError,
    ModelMessage,
    ModelRequestParameters,
    ModelResponse,
    ModelSettings,
    RunContext,
    StreamedResponse,
    TestModel,
    WrapperModel,
)
from remit.adapters.agents.messages import answer, masked_request, priced, response_of, same, told, used
from remit.adapters.agents.performing import offered
from remit.adapters.agents.streaming import GovernedStream, Pipe, Replayed, pass_on
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Model as ModelEffect
from remit.kernel.errors import Denied, Failed, InvalidInput, RateLimited, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money, usd
from remit.redact.redactor import Redactor

SCRIPTED = "scripted"
#: Statuses of providers after which the same request may succeed later.
_PASSING = frozenset({408, 429, 500, 502, 503, 504, 529})


class AttemptFailed(Unavailable, ModelAPIError):
    """The guard had no answer for this attempt (an open circuit, no connection): a fallback may be tried."""

    def __init__(self, model_name: str, error: Unavailable) -> None:
        ModelAPIError.__init__(self, model_name, error.message)
        self._hint, self._code, self.place = error.hint, error.code, error.place
        self.retry_after = error.retry_after
        self.__cause__ = error

    def __reduce__(self) -> tuple[object, ...]:
        """Across a process boundary it is the guard's own error."""
        return cast("Unavailable", self.__cause__).__reduce__()


class Limited(RateLimited, ModelAPIError):
    """The provider (no limit of ours) says that this is too much: a fallback may be tried."""

    def __init__(self, model_name: str, error: RateLimited) -> None:
        ModelAPIError.__init__(self, model_name, error.message)
        self._hint, self._code, self.place = error.hint, error.code, error.place
        self.decision_id, self.limit, self.remaining = None, error.limit, error.remaining
        self.retry_after, self.position, self.wait = error.retry_after, error.position, error.wait
        self.plan, self.bucket = error.plan, error.bucket
        self.__cause__ = error

    def __reduce__(self) -> tuple[object, ...]:
        """Across a process boundary it is the guard's own error."""
        return cast("RateLimited", self.__cause__).__reduce__()


def for_library(error: RemitError, model_name: str) -> Exception:
    """An error of the guard as the library's fallbacks understand it; refusals stay what they are."""
    if isinstance(error, RateLimited) and error.decision_id is None:
        return Limited(model_name, error)
    if isinstance(error, Unavailable) and error.code != "guard.unreadable":
        return AttemptFailed(model_name, error)
    return error


def ours(error: BaseException) -> RemitError | None:
    """The error of ours behind one of the library's, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RemitError):
            return seen
        inner = cast("Sequence[BaseException]", getattr(seen, "exceptions", ()))
        for each in inner:
            found = ours(each)
            if found is not None:
                return found
        seen = seen.__cause__
    return None


def scripted(model: Model) -> bool:
    """Whether a model is a script of this process, which costs nothing and reaches nobody."""
    return isinstance(model, TestModel | FunctionModel)


def target_of(model: Model) -> tuple[str, str]:
    """Provider and name, as in ``provider/model``."""
    return (SCRIPTED if scripted(model) else model.system or "unknown"), model.model_name


class ModelCall:
    """One attempt at a model of this process, as its adapter performs it."""

    kind = "model"

    def __init__(
        self,
        model: Model,
        *,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        redactor: Redactor | None,
        context: RunContext[Any] | None = None,
    ) -> None:
        self.model = model
        self.provider, self.name = target_of(model)
        self.target = f"{self.provider}/{self.name}"
        self.effect = ModelEffect(self.provider, self.name, told(messages, settings, parameters))
        self.response: ModelResponse | None = None
        self.said: dict[str, Json] = {}
        self.raised: Exception | None = None
        self._messages = messages
        self._settings = settings
        self._parameters = parameters
        self._redactor = redactor
        self._context = context

    async def perform(self, action: Action) -> Outcome:
        """Ask it, with what the guard let through."""
        effect = cast("ModelEffect", action.effect)
        messages, parameters = self._messages, self._parameters
        if effect.request is not self.effect.request:
            messages, parameters = masked_request(effect.request, parameters)
        try:
            response = await self._asked(messages, parameters)
        except RemitError:
            raise
        except Exception as error:
            self.raised = error
            raise self._known(error) from error
        self.response = response
        self.said = answer(response)
        cost = priced(response.usage)
        return Outcome(
            ok=True,
            value=self.said,
            cost=ZERO if cost is None or self.provider == SCRIPTED else usd(cost),
            usage=used(response.usage, provider=self.provider, model=response.model_name or self.name),
        )

    async def _asked(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> ModelResponse:
        delivery = permits.delivery()
        if delivery is None or self._redactor is None:
            response = await self.model.request(messages, self._settings, parameters)
            permits.first_byte()
            return response
        async with self.model.request_stream(messages, self._settings, parameters, self._context) as stream:
            return await pass_on(stream, delivery, self._redactor, provider=self.provider, model=self.name)

    def _known(self, error: Exception) -> RemitError:
        message = f"The model {self.target} failed: {type(error).__name__}{f': {error}' if str(error) else ''}"
        status = getattr(error, "status_code", None)
        passing = isinstance(error, ModelAPIError | ConnectionError | TimeoutError) if status is None else False
        if passing or status in _PASSING:
            return Unavailable(message, code="models.unavailable")
        return Failed(message, code="models.failed", hint="remit models list")


class Governed(WrapperModel):
    """A model each of whose attempts passes the guard.

    Args:
        wrapped: The model.
        gate: The way to the guard.
        names: What the run's effects are called.
    """

    def __init__(self, wrapped: Model, *, gate: Gate, names: Names) -> None:
        super().__init__(wrapped)
        self._gate = gate
        self._names = names

    async def __aenter__(self) -> Self:
        """Nothing: whoever made the wrapped model opens and closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Nothing."""
        return None

    def _call(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        context: RunContext[Any] | None = None,
    ) -> ModelCall:
        return ModelCall(
            self.wrapped,
            messages=messages,
            settings=settings,
            parameters=parameters,
            redactor=self._gate.redactor,
            context=context,
        )

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One attempt.

        Raises:
            Denied, ApprovalPending: What the guard answered.
            ModelAPIError: No answer; ``AttemptFailed`` where the guard itself had none to give.
        """
        call = self._call(messages, model_settings, model_request_parameters)
        outcome = await self._ask(call, None)
        if call.response is not None and same(call.said, dict(outcome.value)):
            return call.response
        return response_of(outcome.value)

    async def _ask(self, call: ModelCall, tap: permits.Tap | None) -> Outcome:
        estimate: Money | None = ZERO if call.provider == SCRIPTED else None
        try:
            with offered(call):
                asked = Asked(self._names.model(), estimate=estimate, tap=tap)
                outcome = await self._gate.ask(call.effect, asked)
        except RemitError as error:
            if isinstance(call.raised, ModelAPIError):
                raise call.raised from error
            if call.raised is not None and not isinstance(error, Denied):
                raise call.raised from error
            raise for_library(error, call.name) from error
        self._names.answered()
        return outcome

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """One attempt whose answer passes on while it comes, masked. Leaving it early ends the attempt."""
        if self._gate.redactor is None:
            response = await self.request(messages, model_settings, model_request_parameters)
            yield Replayed(model_request_parameters, response)
            return
        call = self._call(messages, model_settings, model_request_parameters, run_context)
        pipe = Pipe()
        task = asyncio.create_task(self._ask(call, pipe))
        task.add_done_callback(lambda _: pipe.end())
        try:
            await pipe.begun(task)
            yield GovernedStream(model_request_parameters, pipe=pipe, task=task, target=(call.provider, call.name))
        finally:
            if not task.done():
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def count_tokens(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> Any:
        """Refused: it would send the prompt round the guard.

        Raises:
            InvalidInput: Always.
        """
        del messages, model_settings, model_request_parameters
        raise _round("counts tokens at the provider")

    async def compact_messages(self, request_context: Any, *, instructions: str | None = None) -> ModelResponse:
        """Refused, as ``count_tokens``.

        Raises:
            InvalidInput: Always.
        """
        del request_context, instructions
        raise _round("compacts messages at the provider")

    async def batch_create(self, requests: Any) -> Any:
        """Refused, as ``count_tokens``.

        Raises:
            InvalidInput: Always.
        """
        del requests
        raise _round("sends batches")


def _round(what: str) -> InvalidInput:
    message = f"This agent {what}, which would go round the guard."
    return InvalidInput(message, code="agents.ungoverned", hint="leave that option of the agent out")


class GovernedChain(WrapperModel):
    """A router of models (``FallbackModel``, or a wrapper round one) with each of its models governed by itself.

    Wrapped whole, it would be one call to the guard, whose failed attempts nobody judges or bills.
    """

    def __init__(self, wrapped: Model, chain: Model) -> None:
        super().__init__(wrapped)
        self._chain = chain

    async def __aenter__(self) -> Self:
        """Nothing, as ``Governed``."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Nothing."""
        return None

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Asks the first that answers."""
        return await self._chain.request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Likewise."""
        async with self._chain.request_stream(
            messages, model_settings, model_request_parameters, run_context
        ) as stream:
            yield stream


def govern_model(model: Model, govern: Callable[[Model], Model]) -> Model:
    """``model`` with every model in it that answers requests governed.

    Args:
        model: What the agent would ask.
        govern: Governs one model that is no router.
    """
    if isinstance(model, Governed | GovernedChain):
        return model
    chain = _chain(model, govern)
    return govern(model) if chain is None else GovernedChain(model, chain)


def _chain(model: Model, govern: Callable[[Model], Model]) -> Model | None:
    """A copy of a router whose models are governed; ``None``: it is none."""
    match model:
        case FallbackModel():
            made = copy.copy(model)
            made.models = [govern_model(each, govern) for each in model.models]
            return made
        case WrapperModel():
            inner = _chain(model.wrapped, govern)
            if inner is None:
                return None
            outer = copy.copy(model)
            outer.wrapped = inner
            return outer
        case _:
            return None
