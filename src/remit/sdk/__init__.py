"""What a person imports to declare missions, steps and effects of their own.

Promise: a decorated function stays an ordinary function, typed as before and callable in a test without a server.
"""

from remit.kernel.effects import (
    Command,
    Deploy,
    Fetch,
    Limits,
    Model,
    Network,
    Notify,
    Order,
    Publish,
    Tool,
    WriteFiles,
)
from remit.kernel.mission import (
    Backoff,
    CommandSucceeds,
    FileAbsent,
    FileContains,
    FileExists,
    FileSha,
    NoSecrets,
    OnFailure,
    Outcome,
    ResultHas,
    RetryPolicy,
    StepSpec,
)
from remit.missions.pack import Pack, Result, StepContext, StepFunction
from remit.sdk.mission import DeclaredPack, Mission
from remit.sdk.tools import effect_key

__all__ = [
    "Backoff",
    "Command",
    "CommandSucceeds",
    "DeclaredPack",
    "Deploy",
    "Fetch",
    "FileAbsent",
    "FileContains",
    "FileExists",
    "FileSha",
    "Limits",
    "Mission",
    "Model",
    "Network",
    "NoSecrets",
    "Notify",
    "OnFailure",
    "Order",
    "Outcome",
    "Pack",
    "Publish",
    "Result",
    "ResultHas",
    "RetryPolicy",
    "StepContext",
    "StepFunction",
    "StepSpec",
    "Tool",
    "WriteFiles",
    "effect_key",
]
