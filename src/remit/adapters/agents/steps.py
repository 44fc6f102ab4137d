"""``remit.agent_step``: an agent as the body of a mission's step, durable call by call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from remit.adapters.agents.gate import Names, StepGate
from remit.adapters.agents.governance import Governance
from remit.adapters.agents.library import (
    AbstractAgent,
    AgentRunResult,
    DeferredToolRequests,
    ModelMessagesTypeAdapter,
)
from remit.adapters.agents.model import ours
from remit.adapters.agents.toolset import jsonable
from remit.adapters.agents.transport import outside
from remit.kernel.canonical import Json
from remit.kernel.effects import WriteFiles
from remit.kernel.errors import Failed, InvalidInput, RemitError
from remit.missions.pack import Result, StepContext
from remit.redact import sinks


async def agent_step(
    ctx: StepContext,
    agent: AbstractAgent[Any, Any],
    prompt: str | Sequence[Any],
    *,
    deps: Any = None,
    name: str = "",
    history: bool = True,
    own_clients: bool = False,
) -> Result:
    """Run a Pydantic AI agent as (part of) a step's body.

    Every model attempt and every tool call is an effect of the step, recorded with its answer: a step that is begun
    again after a crash or an approval goes on where it was, and repeats nothing that was recorded. What waits for a
    person parks the mission.

    Args:
        ctx: The step's context.
        agent: The agent; scripted models need no key.
        prompt: What it is asked.
        deps: Its dependencies.
        name: What the run is called, no two of a step alike; the agent's name when left out.
        history: Whether the messages become the step's artefact ``agents/STEP-NAME.json``.
        own_clients: Whether models that are neither OpenAI's nor Anthropic's may be asked by their own client.

    Returns:
        ``output`` (JSON), ``requests``, ``tool_calls``, ``tokens_in``, ``tokens_out``, and ``history``, a path.

    Raises:
        Denied, ApprovalPending, Unavailable: What the guard answered.
        Failed: The agent failed; another attempt would hear the same answers.
        InvalidInput: The agent leaves tools to its caller (``requires_approval``, external tools).
    """
    called = name or agent.name or "agent"
    governance = Governance(StepGate(ctx), Names(called), outside=outside, own_clients=own_clients)
    try:
        result = await agent.run(prompt, deps=deps, capabilities=[governance])
    except RemitError:
        raise
    except Exception as error:
        found = ours(error)
        if found is not None:
            raise found from error
        message = f"The agent {called} failed: {type(error).__name__}: {error}"
        raise Failed(message, code="agents.failed") from error
    if isinstance(result.output, DeferredToolRequests):
        message = f"The agent {called} leaves tools to its caller; in a mission a rule asks people."
        raise InvalidInput(message, code="agents.deferred", hint="remit policy save rules.yaml --reason WHY")
    return await _ended(ctx, result, called=called, history=history)


async def _ended(ctx: StepContext, result: AgentRunResult[Any], *, called: str, history: bool) -> Result:
    """The step's result; the messages become its artefact."""
    usage = result.usage
    told: dict[str, Json] = {
        "output": jsonable(result.output),
        "requests": usage.requests,
        "tool_calls": usage.tool_calls,
        "tokens_in": usage.input_tokens,
        "tokens_out": usage.output_tokens,
    }
    if history:
        messages = ModelMessagesTypeAdapter.dump_json(result.all_messages(), indent=2)
        path = f"agents/{ctx.step}-{called}.json"
        await ctx.do(WriteFiles({path: sinks.mask(messages.decode()).encode()}))
        told["history"] = path
    return told
