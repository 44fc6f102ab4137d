"""The statuses that a person sees: those of a mission's row, and one that is derived."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from remit.kernel.mission import MissionStatus

ORDER = "order-"  # how the owner's name begins while a person's order is carried out


class Shown(StrEnum):
    """How a mission stands. ``INTERRUPTED``: it runs by its row, and nobody alive has it in hand."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"
    INTERRUPTED = "interrupted"


def lives(owner: str, *, alive: Callable[[str], bool]) -> bool:
    """Whether a run has a mission in hand. A person's order is short, and another one simply fences it."""
    return bool(owner) and not owner.startswith(ORDER) and alive(owner)


def shown_status(status: str, owner: str, *, alive: Callable[[str], bool]) -> Shown:
    """A mission's status as people see it: one that runs in nobody's hands is interrupted."""
    if status == MissionStatus.RUNNING and not lives(owner, alive=alive):
        return Shown.INTERRUPTED
    return Shown(status)
