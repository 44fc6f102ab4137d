"""Remit: the control plane for AI agents."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remit.bootstrap import agent_step, governed
    from remit.guard.robots import robots_allowed

__all__ = ["__version__", "agent_step", "governed", "robots_allowed"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What is imported when it is first asked for by name: ``remit --help`` needs none of it."""
    if name == "governed":
        from remit.bootstrap import governed  # noqa: PLC0415 - asked for by name only

        return governed
    if name == "agent_step":
        from remit.bootstrap import agent_step  # noqa: PLC0415 - asked for by name only

        return agent_step
    if name == "robots_allowed":
        from remit.guard.robots import robots_allowed  # noqa: PLC0415 - asked for by name only

        return robots_allowed
    message = f"module 'remit' has no attribute {name!r}"
    raise AttributeError(message)
