"""Tools of agents behind the guard: each call is an action of the kind ``tool``, judged with the arguments it will get.

The wrapper stands next to the tools, inside every other capability of the agent, so that nothing changes arguments
after the guard has seen them. Tools of MCP servers are calls like all others, one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from remit.adapters.agents.gate import Asked, Gate, Names
from remit.adapters.agents.library import (
    ApprovalRequired,
    CallDeferred,
    FunctionToolsetTool,
    ModelRetry,
    RunContext,
    SkipToolExecution,
    ToolFailed,
    ToolReturn,
    ToolsetTool,
    UserContent,
    WrapperToolset,
)
from remit.adapters.agents.messages import same
from remit.adapters.agents.performing import offered
from remit.adapters.agents.tools import resolved
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Tool
from remit.kernel.errors import ApprovalPending, BudgetExceeded, Denied, Failed, InvalidInput, RateLimited, RemitError
from remit.kernel.mission import Outcome

#: What a tool says to the model by raising it; no failure of the tool.
_SAID: Mapping[str, type[ModelRetry | ToolFailed]] = {"ModelRetry": ModelRetry, "ToolFailed": ToolFailed}
_CONTROL = (CallDeferred, ApprovalRequired, SkipToolExecution)
#: Refusals that concern this call alone: the model is told and may do something else. Everything else ends the run.
TOLD = frozenset(
    {
        "guard.tool",
        "guard.secret",
        "guard.canary",
        "guard.personal",
        "guard.rule",
        "guard.policy",
        "guard.approval_denied",
        "guard.approval_expired",
        "guard.secret_denied",
        "guard.secret_unknown",
        "guard.secret_misplaced",
        "guard.withheld",
        "guard.denied",
    }
)
_CONTENT: TypeAdapter[str | Sequence[UserContent] | None] = TypeAdapter(str | Sequence[UserContent] | None)


def jsonable(value: object) -> Json:
    """``value`` as JSON; what has no form of its own as text."""
    return cast("Json", to_jsonable_python(value, fallback=str, bytes_mode="base64", inf_nan_mode="strings"))


class ToolCall:
    """One call of a tool of this process, as its adapter performs it."""

    kind = "tool"

    def __init__(
        self,
        name: str,
        arguments: dict[str, Any],
        *,
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
        outside: bool = False,
    ) -> None:
        self.target = name
        self.effect = Tool(name, cast("dict[str, Json]", jsonable(arguments)), outside)
        self.result: Any = None
        self.said: Json = None
        self.raised: BaseException | None = None
        self._arguments = arguments
        self._handler = handler

    async def perform(self, action: Action) -> Outcome:
        """Call it, with references to secrets resolved."""
        arguments = await self._resolved(action)
        try:
            self.result = await self._handler(arguments)
        except (ModelRetry, ToolFailed) as error:
            self.raised = error
            return Outcome(ok=False, value={"raised": type(error).__name__, "message": error.message})
        except _CONTROL as error:
            self.raised = error
            return Outcome(ok=False, value={"raised": type(error).__name__})
        except RemitError:
            raise
        except Exception as error:
            self.raised = error
            text = f": {error}" if str(error) else ""
            message = f"The tool {self.target} failed: {type(error).__name__}{text}"
            raise Failed(message, code="tool.failed", hint="remit missions") from error
        self.said = _told(self.result)
        return Outcome(ok=True, value={"result": self.said, "returns": isinstance(self.result, ToolReturn)})

    async def _resolved(self, action: Action) -> dict[str, Any]:
        shown = await resolved(action)
        if same(dict(shown), dict(self.effect.arguments)):
            return self._arguments
        return cast("dict[str, Any]", _replaced(self._arguments, dict(shown), where=self.target))

    def given(self, outcome: Outcome) -> Any:
        """What the agent gets: the tool's own object when nothing in it was masked, else what was."""
        if self.raised is not None:
            raise self.raised
        value = outcome.value
        if not outcome.ok:
            raise _raised_before(value)
        if self.result is not None and same(self.said, value.get("result")):
            return self.result
        return _returned(value)


def _told(result: object) -> Json:
    if isinstance(result, ToolReturn):
        told = {"value": jsonable(cast("Any", result).return_value), "metadata": jsonable(result.metadata)}
        content = _CONTENT.dump_python(result.content, mode="json")
        return cast("Json", {**told, "content": content, "tools": jsonable(result.tools)})
    return jsonable(result)


def _returned(value: Mapping[str, Json]) -> Any:
    result = value.get("result")
    if not value.get("returns"):
        return result
    told = cast("Mapping[str, Any]", result)
    content = _CONTENT.validate_python(told["content"])
    return ToolReturn(return_value=told["value"], content=content, metadata=told["metadata"], tools=told.get("tools"))


def _raised_before(value: Mapping[str, Json]) -> Exception:
    """What a tool said before the step was cut off."""
    kind = _SAID.get(str(value.get("raised")))
    if kind is not None:
        return kind(str(value.get("message", "")))
    message = f"The tool's call ended with {value.get('raised')}, which a mission's step can't take up again."
    hint = "let a rule ask instead: remit policy save rules.yaml --reason WHY"
    return Failed(message, code="agents.deferred", hint=hint)


def _replaced(value: Any, shown: Any, *, where: str) -> Any:
    """``value`` with the texts of ``shown``, which is the same tree as JSON."""
    match value:
        case dict():
            known = cast("dict[str, Any]", value)
            return {key: _replaced(each, shown[str(key)], where=where) for key, each in known.items()}
        case list() | tuple():
            items = cast("Sequence[Any]", value)
            made = [_replaced(each, other, where=where) for each, other in zip(items, shown, strict=True)]
            return made if isinstance(value, list) else tuple(made)
        case str():
            return str(shown)
        case _ if same(jsonable(value), shown):
            return value
        case _:
            message = (
                f"An argument of the tool {where} holds a reference or a token inside an object of type "
                f"{type(value).__name__}, where it can't be replaced."
            )
            raise InvalidInput(message, code="tool.reference", hint="take texts, lists and dicts as arguments")


def _outside(tool: ToolsetTool[Any]) -> bool:
    """Whether what answers is no function of the agent's own: a server's tool, for instance."""
    while (source := getattr(tool, "source_tool", None)) is not None:
        tool = source
    return not isinstance(tool, FunctionToolsetTool)


@dataclass
class GovernedToolset(WrapperToolset[Any]):
    """Every tool of an agent, each call of which passes the guard.

    Attributes:
        wrapped: The tools.
        gate: The way to the guard.
        names: What the run's effects are called.
        defers: Whether the run may end with what waits for a person; else the wait is raised.
    """

    gate: Gate = field(kw_only=True)
    names: Names = field(kw_only=True)
    defers: bool = field(kw_only=True, default=False)

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call a tool through the guard.

        Raises:
            ToolFailed: The guard refuses this call; the model hears why.
            ApprovalRequired, ApprovalPending: A person must decide first.
            Denied: The run may not go on.
        """

        async def handler(arguments: dict[str, Any]) -> Any:
            return await self.wrapped.call_tool(name, arguments, ctx, tool)

        call = ToolCall(name, tool_args, handler=handler, outside=_outside(tool))
        try:
            with offered(call):
                outcome = await self.gate.ask(call.effect, Asked(self.names.tool(ctx.tool_call_id or name)))
        except ApprovalPending as waiting:
            if self.defers:
                told = {"approval": waiting.approval_id, "why": waiting.message, "hint": waiting.hint}
                raise ApprovalRequired(metadata=told) from waiting
            raise
        except (BudgetExceeded, RateLimited):
            raise
        except Denied as refused:
            if refused.code in TOLD:
                message = f"Refused: {refused.message} (decision {refused.decision_id})"
                raise ToolFailed(message) from refused
            raise
        except RemitError as error:
            if call.raised is not None and not isinstance(call.raised, asyncio.CancelledError):
                raise call.raised from error
            raise
        return call.given(outcome)
