"""The command that this process runs, for the one question whether its use is recorded (telemetry of commands).

Whoever opens the store anyway looks at the switch then; so a command pays for it with one read of an open store, and
one that opens no store pays nothing, and is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Command:
    """A command under way.

    Attributes:
        began: Monotonic seconds.
        name: Its words, without any argument or option: ``keys create``; empty: not known yet.
        on: Whether its use is recorded; ``None``: nobody has looked.
    """

    began: float
    name: str = ""
    on: bool | None = None


_current: Command | None = None


def begin(at: float) -> Command:
    """A command begins."""
    global _current  # noqa: PLW0603 - a process runs one command
    _current = Command(at)
    return _current


def end() -> None:
    """It is over."""
    global _current  # noqa: PLW0603 - as above
    _current = None


def current() -> Command | None:
    """The one under way; ``None`` in a program that is no command."""
    return _current


def look(is_on: Callable[[], bool]) -> None:
    """The store is open: look once whether this command's use is recorded."""
    command = _current
    if command is not None and command.name and command.on is None:
        command.on = is_on()
