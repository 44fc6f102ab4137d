"""``remit.governed``: a user's own agent, behind the guard."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from remit.adapters.agents.gate import Names, RunGate
from remit.adapters.agents.governance import Governance
from remit.adapters.agents.library import (
    AbstractAgent,
    AgentRun,
    AgentRunResult,
    DeferredToolRequests,
    DeferredToolResults,
    ModelMessagesTypeAdapter,
    WrapperAgent,
)
from remit.adapters.agents.transport import outside
from remit.guard.guard import Guard
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict
from remit.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Opened:
    """What a governed agent needs of a running Remit."""

    guard: Guard
    workspace: str
    acting: Principal


class Opener(Protocol):
    """Opens a Remit home; closes it at the end of the block."""

    def __call__(self) -> AbstractAsyncContextManager[Opened]:
        """The home, open."""
        ...


class Home:
    """An open home that an agent's runs share: opened by the first, closed by ``close`` or at the program's end.

    A task of its own holds it open, so that a loop which ends (``asyncio.run``) closes it in good order; the next run
    then opens it again.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._held: _Held | None = None

    async def open(self) -> Opened:
        """The home; opened once.

        Raises:
            NotFound: There is none at that place.
        """
        held = self._held
        if held is None or held.keeper.done():
            held = self._held = _Held(self._opener)
            atexit.register(self._at_exit)
        if held.opened is None:
            await asyncio.shield(asyncio.wrap_future(held.ready))
        assert held.opened is not None  # noqa: S101 - it is ready
        return held.opened

    async def close(self) -> None:
        """Close it; the next run opens it again."""
        held, self._held = self._held, None
        atexit.unregister(self._at_exit)
        if held is None or held.loop.is_closed():
            return
        if held.loop is asyncio.get_running_loop():
            await held.close()
        elif held.loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(held.close(), held.loop))
        else:
            await asyncio.to_thread(held.loop.run_until_complete, held.close())

    def _at_exit(self) -> None:
        held, self._held = self._held, None
        if held is not None and not held.loop.is_closed() and not held.loop.is_running():
            with suppress(Exception):
                held.loop.run_until_complete(held.close())


class _Held:
    """A home that a task of this loop holds open."""

    def __init__(self, opener: Opener) -> None:
        self.loop = asyncio.get_running_loop()
        self.opened: Opened | None = None
        self.ready = Future[None]()
        self._over = asyncio.Event()
        self.keeper = self.loop.create_task(self._keep(opener))

    async def close(self) -> None:
        """End it; in its own loop."""
        self._over.set()
        await self.keeper

    async def _keep(self, opener: Opener) -> None:
        try:
            async with opener() as self.opened:
                self.ready.set_result(None)
                await self._over.wait()
        except BaseException as error:
            if self.ready.done():
                raise
            self.ready.set_exception(error)


class Governed[D, O](WrapperAgent[D, O]):
    """An agent that behaves as the one it was made from, and asks the guard before every model attempt and tool call.

    ``run``, ``run_sync``, ``run_stream``, ``run_stream_events`` and ``iter`` are those of Pydantic AI. Made by
    ``remit.governed``; any number of runs at the same time.
    """

    def __init__(
        self, wrapped: AbstractAgent[D, O], *, opener: Opener, agent_name: str = "", own_clients: bool = False
    ) -> None:
        super().__init__(wrapped)
        self._home = Home(opener)
        self._agent_name = agent_name
        self._own_clients = own_clients

    @property
    def agent_name(self) -> str:
        """The registered agent that it acts as."""
        return self._agent_name or self.name or "agent"

    async def __aenter__(self) -> Governed[D, O]:
        """Open the home and the agent."""
        await self._home.open()
        await super().__aenter__()
        return self

    async def __aexit__(self, *args: object) -> bool | None:
        """Close both."""
        try:
            return await super().__aexit__(*args)
        finally:
            await self._home.close()

    async def close(self) -> None:
        """Close the home, after runs outside ``async with``."""
        await self._home.close()

    def close_sync(self) -> None:
        """``close``, where no event loop runs."""
        asyncio.run(self._home.close())

    @asynccontextmanager
    async def iter(self, *args: Any, **kwargs: Any) -> AsyncGenerator[AgentRun[D, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As Pydantic AI's; every way to run an agent comes through here.

        Raises:
            Denied: The guard refused something that the run can't go on without.
            ApprovalPending: A person must decide, and the run's output type has no ``DeferredToolRequests``.
        """
        opened = await self._home.open()
        output = kwargs.get("output_type") or self.output_type
        gate = RunGate(opened.guard, Principal(ActorKind.AGENT, self.agent_name), opened.acting, opened.workspace)
        governance = Governance(
            gate,
            Names(str(kwargs.get("conversation_id") or _conversation(kwargs.get("message_history")) or new_id())),
            outside=outside,
            defers=_defers(output),
            own_clients=self._own_clients,
        )
        kwargs["capabilities"] = [*cast("Sequence[Any]", kwargs.get("capabilities") or ()), governance]
        async with self.wrapped.iter(*args, **kwargs) as run:
            yield run

    async def resume(self, history: bytes, **options: Any) -> AgentRunResult[Any]:
        """Go on with a run that waits for people: whatever was approved meanwhile is done, once.

        Args:
            history: ``result.all_messages_json()`` of the run that ended with ``DeferredToolRequests``.
            options: As for ``run``.

        Raises:
            Conflict: Nothing in the history waits.
        """
        messages = ModelMessagesTypeAdapter.validate_json(history)
        waiting = _waiting(messages)
        if not waiting:
            message = "Nothing in this history waits for anybody."
            raise Conflict(message, code="agents.not_waiting", hint="remit approvals")
        results = DeferredToolResults(approvals=dict.fromkeys(waiting, True))
        return await self.run(message_history=messages, deferred_tool_results=results, **options)


def _conversation(history: Any) -> str:
    """The conversation that a history belongs to."""
    known = [getattr(message, "conversation_id", None) for message in history or ()]
    return next((each for each in reversed(known) if each), "")


def _defers(output: Any) -> bool:
    """Whether a run may end with what waits for people."""
    kinds = cast("Sequence[Any]", output) if isinstance(output, list | tuple) else (output,)
    return any(each is DeferredToolRequests for each in kinds)


def _waiting(messages: Sequence[Any]) -> list[str]:
    """Ids of the tool calls of the last answer that nothing was returned for."""
    asked: dict[str, None] = {}
    for message in messages:
        for part in message.parts:
            kind = part.part_kind
            if kind == "tool-call":
                asked[part.tool_call_id] = None
            elif kind in {"tool-return", "retry-prompt"}:
                asked.pop(getattr(part, "tool_call_id", ""), None)
    return list(asked)


def govern[D, O](
    agent: AbstractAgent[D, O], *, opener: Callable[[], Any], agent_name: str = "", own_clients: bool = False
) -> Governed[D, O]:
    """See ``remit.governed``."""
    return Governed(agent, opener=opener, agent_name=agent_name, own_clients=own_clients)
