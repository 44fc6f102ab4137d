"""Which action this task is performing: set by the guard round an attempt, read by the net that tests lay."""

from __future__ import annotations

from contextvars import ContextVar

#: The id of the action whose permit is open in this context, or ``None``.
CURRENT: ContextVar[str | None] = ContextVar("remit_permit", default=None)
