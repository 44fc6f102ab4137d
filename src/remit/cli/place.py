"""How a place in the queue is told: one shape for programs, one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remit.missions.queue import Place


def place_view(place: Place | None) -> dict[str, object] | None:
    """A place in the queue, for programs; times in seconds."""
    if place is None:
        return None
    from remit.kernel.clock import iso

    return {
        "mission": place.mission,
        "workspace": place.workspace,
        "state": place.state.value,
        "priority": place.priority.name.lower(),
        "position": place.position or None,
        "since": iso(place.entered_us),
        "wait_seconds": None if place.wait_us is None else round(place.wait_us / 1_000_000, 1),
        "originator": place.originator,
        "worker": place.taker or None,
    }


def line_of(place: Place | None) -> str:
    """A place in the queue, for people."""
    if place is None:
        return "it does not wait"
    if not place.position:
        return f"it is in hand of {place.taker}"
    return f"number {place.position} in line, {place.priority.name.lower()}, {wait_of(place)}"


def wait_of(place: Place) -> str:
    """When a mission that waits will start, for people."""
    if place.wait_us is None:
        return "no worker runs that would take it: remit worker"
    if not place.wait_us:
        return "it can start now"
    from remit.guard.rate import spell

    return f"starts in about {spell(place.wait_us / 1_000_000)}"
