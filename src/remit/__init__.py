"""Remit: the control plane for AI agents."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remit.guard.robots import robots_allowed

__all__ = ["__version__", "robots_allowed"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``remit.robots_allowed``, imported when it is first asked for: ``remit --help`` needs none of it."""
    if name == "robots_allowed":
        from remit.guard.robots import robots_allowed  # noqa: PLC0415 - asked for by name only

        return robots_allowed
    message = f"module 'remit' has no attribute {name!r}"
    raise AttributeError(message)
