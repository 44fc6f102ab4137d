"""Progress of missions: events for whoever watches, which never hold up the work they tell about.

Events in memory are hints; the rows are the truth. A watcher that fell behind or came later reads ``since``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from remit.kernel.mission import MissionStatus, StepStatus
from remit.kernel.ports import ReadTx
from remit.missions.rows import STEPS_SINCE, StepRow, read_mission

BACKLOG = 4096  # events a slow watcher may lag behind before it loses the oldest


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan as it will run: names in plan order, the critical path and its weight in seconds."""

    mission: str
    steps: tuple[str, ...]
    done: tuple[str, ...]
    critical_path: tuple[str, ...]
    critical_seconds: float


@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt begins."""

    mission: str
    step: str
    title: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step came to rest. ``seconds_left``: weight of the heaviest path through what is not done yet."""

    mission: str
    step: str
    status: StepStatus
    attempt: int
    seconds: float
    cost_micros: int
    done: int
    total: int
    seconds_left: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepRetrying:
    """An attempt failed and the next one starts at ``next_at_us``."""

    mission: str
    step: str
    attempt: int
    error: str
    next_at_us: int


@dataclass(frozen=True, slots=True)
class StepLogged:
    """A step said something (masked)."""

    mission: str
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class MissionEnded:
    """The mission came to rest, or waits for a person."""

    mission: str
    status: MissionStatus
    error: str = ""


type Event = Planned | StepStarted | StepFinished | StepRetrying | StepLogged | MissionEnded


class Watch:
    """One watcher's events: ``async for``, or ``drain`` for whoever polls. The oldest are lost when it lags."""

    def __init__(self, mission: str) -> None:
        self.mission = mission
        self.lost = 0
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def push(self, event: Event) -> None:
        """Add an event; never waits."""
        if len(self._events) >= BACKLOG:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._arrived.set()

    def drain(self) -> list[Event]:
        """What arrived since the last call."""
        events = list(self._events)
        self._events.clear()
        self._arrived.clear()
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until the mission ends."""
        while True:
            await self._arrived.wait()
            for event in self.drain():
                yield event
                if isinstance(event, MissionEnded):
                    return


class Progress:
    """Publishes within one process and one event loop."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}

    @contextmanager
    def watch(self, mission: str) -> Generator[Watch]:
        """Receive a mission's events from now on."""
        watch = Watch(mission)
        self._watches.setdefault(mission, []).append(watch)
        try:
            yield watch
        finally:
            self._watches[mission].remove(watch)
            if not self._watches[mission]:
                del self._watches[mission]

    def publish(self, event: Event) -> None:
        """Hand an event to whoever watches its mission; costs a dictionary look-up when nobody does."""
        for watch in self._watches.get(event.mission, ()):
            watch.push(event)

    def watched(self, mission: str) -> bool:
        """Whether anybody watches, so that costly events need not be made for nobody."""
        return mission in self._watches


def since(tx: ReadTx, workspace: str, mission: str, seq: int) -> tuple[list[StepRow], int]:
    """Steps whose row changed after ``seq``, oldest change first, and the ``seq`` to ask with next time.

    Start with 0. Durable: read from the rows, so a dropped connection or another process loses nothing but
    intermediate states.
    """
    row = read_mission(tx, workspace, mission)
    params = {"workspace": workspace, "mission": mission, "revision": row.revision, "since": seq}
    steps = [StepRow(**step) for step in tx.rows(STEPS_SINCE, params)]
    return steps, max((step.changed_us for step in steps), default=seq)
