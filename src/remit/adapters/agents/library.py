"""Everything of Pydantic AI that Remit uses, imported in this one place: it is released weekly, and much of it moves.

Measured with ``pydantic-ai-slim`` 2.68.
"""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.agent import AbstractAgent, AgentRun, AgentRunResult, WrapperAgent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.capabilities.abstract import CapabilityOrdering
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelAPIError,
    ModelHTTPError,
    ModelRetry,
    SkipToolExecution,
    ToolFailed,
)
from pydantic_ai.messages import (
    FinalResultEvent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
    UserContent,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_ai.toolsets.function import FunctionToolsetTool
from pydantic_ai.toolsets.wrapper import WrapperToolset
from pydantic_ai.usage import RequestUsage

__all__ = [
    "AbstractAgent",
    "AbstractCapability",
    "AbstractToolset",
    "Agent",
    "AgentInfo",
    "AgentRun",
    "AgentRunResult",
    "AnthropicModel",
    "ApprovalRequired",
    "CallDeferred",
    "CapabilityOrdering",
    "DeferredToolRequests",
    "DeferredToolResults",
    "FallbackModel",
    "FinalResultEvent",
    "FunctionModel",
    "FunctionToolsetTool",
    "Model",
    "ModelAPIError",
    "ModelHTTPError",
    "ModelMessage",
    "ModelMessagesTypeAdapter",
    "ModelRequestParameters",
    "ModelResponse",
    "ModelResponsePart",
    "ModelResponseStreamEvent",
    "ModelRetry",
    "ModelSettings",
    "OpenAIChatModel",
    "OpenAIResponsesModel",
    "PartDeltaEvent",
    "PartEndEvent",
    "PartStartEvent",
    "RequestUsage",
    "RunContext",
    "SkipToolExecution",
    "StreamedResponse",
    "TestModel",
    "TextPart",
    "TextPartDelta",
    "ThinkingPart",
    "ThinkingPartDelta",
    "ToolCallPart",
    "ToolFailed",
    "ToolReturn",
    "ToolReturnPart",
    "ToolsetTool",
    "UserContent",
    "WrapperAgent",
    "WrapperModel",
    "WrapperToolset",
]
