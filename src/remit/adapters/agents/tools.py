"""The adapter of the kind ``tool``: functions that a mission declared, and tools of agents in this process.

What comes back is masked by the guard and counts as text from outside. References to secrets in arguments are resolved
here, inside the permit, and are never seen by a model, a row or a log.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

from remit.adapters.agents.performing import perform_offered
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Tool
from remit.kernel.errors import Failed, NotFound, RemitError, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.sdk.tools import EFFECT_KEY, ToolFunction

type Resolve = Callable[[Action, Json], Json]

REFERENCE = b"secret://"

#: How the adapter that performs something here resolves references.
_RESOLVE: ContextVar[Resolve | None] = ContextVar("remit_resolve", default=None)


class ToolAdapter:
    """Calls tools.

    Args:
        find: The declared tool of a name, or ``None``.
        resolve: Puts values in the place of references; reads backends, so it is called in a thread.
    """

    def __init__(self, *, find: Callable[[str], ToolFunction | None], resolve: Resolve | None = None) -> None:
        self._find = find
        self._resolve = resolve

    async def perform(self, action: Action) -> Outcome:
        """Call the tool once.

        Raises:
            NotFound: There is no such tool here.
            Unavailable: An idempotent one failed in a passing way (``Timeout``: too slow).
            Failed: It failed.
        """
        effect = cast("Tool", action.effect)
        token, resolving = EFFECT_KEY.set(action.effect_key), _RESOLVE.set(self._resolve)
        try:
            done = await perform_offered(action)
            if done is not None:
                return done
            declared = self._find(effect.name)
            if declared is None:
                message = f"No tool {effect.name[:60]!r} is declared here."
                raise NotFound(message, code="tool.unknown", hint="declare it: @mission.tool()")
            return await self._call(declared, await resolved(action))
        finally:
            _RESOLVE.reset(resolving)
            EFFECT_KEY.reset(token)

    async def _call(self, tool: ToolFunction, arguments: Mapping[str, Json]) -> Outcome:
        limit = asyncio.timeout(tool.timeout_s)
        try:
            async with limit:
                answer = await _called(tool, arguments)
        except RemitError:
            raise
        except TimeoutError as error:
            message = f"The tool {tool.name} did not answer within {tool.timeout_s:g} s."
            if tool.idempotent:
                raise Timeout(message, code="tool.timeout") from error
            raise Failed(message, code="tool.timeout") from error
        except Exception as error:
            raise _known(tool, error) from error
        text = answer if isinstance(answer, str) else ""
        return Outcome(ok=True, value={"result": answer}, text=text)


async def _called(tool: ToolFunction, arguments: Mapping[str, Json]) -> Json:
    if inspect.iscoroutinefunction(tool.function):
        return await cast("Any", tool.function)(**arguments)
    answer = await asyncio.to_thread(lambda: tool.function(**arguments))
    return await cast("Any", answer) if inspect.isawaitable(answer) else answer


def _known(tool: ToolFunction, error: Exception) -> RemitError:
    """A foreign exception in our words; it may only be tried again where that does no harm."""
    message = f"The tool {tool.name} failed: {type(error).__name__}{f': {error}' if str(error) else ''}"
    if tool.idempotent and isinstance(error, ConnectionError):
        return Unavailable(message, code="tool.unavailable")
    return Failed(message, code="tool.failed", hint="remit missions")


async def resolved(action: Action) -> Mapping[str, Json]:
    """The arguments of a tool's action with every reference to a secret resolved; the same object without one."""
    shown = cast("Tool", action.effect).arguments
    resolve = _RESOLVE.get()
    if resolve is None or REFERENCE not in action.payload:
        return shown
    return cast("Mapping[str, Json]", await asyncio.to_thread(resolve, action, dict(shown)))
