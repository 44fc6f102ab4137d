"""Tools that a mission declares: ordinary functions, called by ``ctx.do(Tool(name, arguments))`` through the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass

from remit.kernel.canonical import Json

type ToolBody = Callable[..., Json | Awaitable[Json]]

#: Set by the adapter of tools while one runs.
EFFECT_KEY: ContextVar[str] = ContextVar("remit_effect_key", default="")


def effect_key() -> str:
    """The key of the effect that the tool running here performs; empty outside one.

    It is the same on every attempt and after every crash: hand it to an outside system as idempotency key.
    """
    return EFFECT_KEY.get()


@dataclass(frozen=True, slots=True)
class ToolFunction:
    """A declared tool.

    Attributes:
        name: As in ``Tool(name, ...)``.
        function: Called with the arguments by keyword; sync functions run in a thread.
        timeout_s: Seconds that one call may take.
        idempotent: Whether a second call with the same ``effect_key()`` does no harm: then a call that failed in a
            passing way is tried again within its permit, otherwise never.
    """

    name: str
    function: ToolBody
    timeout_s: float = 60.0
    idempotent: bool = False
