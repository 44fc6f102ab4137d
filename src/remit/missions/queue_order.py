"""Who is next: a pure function of who waits, how much each tenant was served, and the time.

1. Class. A mission's class is its priority (critical 0, high 1, normal 2, low 3), lowered by one for each ``AGING_US``
   that it has waited, down to 0. The lowest class goes first.
2. Fair shares within the class, by start-time fair queueing (Goyal, Vin, Cheng 1996): each workspace has a virtual
   time ("pass"); the least goes first and is moved on by ``STRIDE / weight``. A workspace that had nothing waiting
   comes back at the virtual time of the last one served: it has saved up nothing and owes nothing. Within a workspace
   the same again by originator.
3. First in, first out within an originator and class.

No mission starves. After ``priority * AGING_US`` it is in class 0, which nothing overtakes. From then on its workspace
is served again before any other workspace with missions waiting has been served more than its weight times as often,
and the same holds for its originator; so a mission with ``f`` ahead of it in its originator's line, ``o`` originators
in its workspace, ``w`` workspaces and weights at most ``m`` starts within ``(f + 1) * o * w * m`` starts (plus one
turn each) of missions that may run. Missions of a workspace at its own parallel limit wait for that limit, and hold up
nobody.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from remit.accounts.plans import PlanName

#: After each such time a mission counts as of the next better class.
AGING_US = 600 * 1_000_000
#: What one start moves a tenant of weight 1 on.
STRIDE = 1_000_000
#: How many starts a workspace gets for one of a free workspace, when both have missions waiting.
WEIGHTS: Mapping[PlanName, int] = {PlanName.FREE: 1, PlanName.PRO: 2, PlanName.STUDIO: 4, PlanName.ENTERPRISE: 8}


class Priority(IntEnum):
    """How urgent a mission is."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mission that waits. Times in microseconds since the epoch; ``expected_us`` is how long it will run."""

    workspace: str
    mission: str
    originator: str
    priority: Priority
    entered_us: int
    expected_us: int = 0


#: A tenant: a workspace (no originator), or an originator in it. ``("*", "")`` and ``(workspace, "*")`` hold the
#: virtual time of the last one served.
type Tenant = tuple[str, str]
EVERY = "*"


def class_of(waiting: Waiting, now_us: int) -> int:
    """0 is first. See the module."""
    return max(int(waiting.priority) - max(now_us - waiting.entered_us, 0) // AGING_US, 0)


class Line:
    """Those who wait, as they stand at one moment. ``pick`` takes one off; ``passes`` are changed in place.

    Args:
        waiting: In any order.
        passes: Virtual times as stored; a tenant that is missing was never served.
        weights: Of each workspace; 1 when missing.
        now_us: The moment; classes are those of then.
    """

    def __init__(
        self,
        waiting: Iterable[Waiting],
        passes: dict[Tenant, int],
        *,
        weights: Mapping[str, int],
        now_us: int,
    ) -> None:
        self.passes = passes
        self._weights = weights
        self._classes: dict[int, dict[str, dict[str, deque[Waiting]]]] = {}
        for each in sorted(waiting, key=lambda one: (one.entered_us, one.mission)):
            of_class = self._classes.setdefault(class_of(each, now_us), {})
            of_class.setdefault(each.workspace, {}).setdefault(each.originator, deque()).append(each)

    def pick(self, room: Callable[[str], bool]) -> Waiting | None:
        """Take the next one off whose workspace has room; ``None``: nobody may go."""
        for number in sorted(self._classes):
            workspaces = self._classes[number]
            able = [name for name in workspaces if room(name)]
            if not able:
                continue
            workspace = min(able, key=lambda name: (self._pass(name, ""), _oldest(workspaces[name]), name))
            lines = workspaces[workspace]
            originator = min(lines, key=lambda name: (self._pass(workspace, name), lines[name][0].entered_us, name))
            chosen = lines[originator].popleft()
            if not lines[originator]:
                del lines[originator]
            if not lines:
                del workspaces[workspace]
            if not workspaces:
                del self._classes[number]
            serve(self.passes, chosen, weight=self._weights.get(workspace, 1))
            return chosen
        return None

    def _pass(self, workspace: str, originator: str) -> int:
        return self.passes.get((workspace, originator), 0)


def serve(passes: dict[Tenant, int], served: Waiting, *, weight: int) -> None:
    """Move a tenant on by one start, and the virtual time with it."""
    for tenant, clock, step in _tenants(served, weight):
        start = passes.get(tenant, 0)
        passes[clock] = max(passes.get(clock, 0), start)
        passes[tenant] = start + step


def arrive(passes: dict[Tenant, int], newcomer: Waiting, others: Iterable[Waiting]) -> None:
    """A tenant that has nobody else waiting comes in at the virtual time of the last one served."""
    known = list(others)
    alone = {
        (newcomer.workspace, ""): not any(one.workspace == newcomer.workspace for one in known),
        (newcomer.workspace, newcomer.originator): not any(
            (one.workspace, one.originator) == (newcomer.workspace, newcomer.originator) for one in known
        ),
    }
    for tenant, clock, _ in _tenants(newcomer, 1):
        if alone[tenant]:
            passes[tenant] = max(passes.get(tenant, 0), passes.get(clock, 0))


def _tenants(one: Waiting, weight: int) -> Iterator[tuple[Tenant, Tenant, int]]:
    yield (one.workspace, ""), (EVERY, ""), STRIDE // weight
    yield (one.workspace, one.originator), (one.workspace, EVERY), STRIDE


def _oldest(lines: Mapping[str, deque[Waiting]]) -> int:
    return min(line[0].entered_us for line in lines.values())


@dataclass(frozen=True, slots=True)
class Running:
    """A mission that runs: when it will end. ``pooled``: it takes a worker's place."""

    workspace: str
    ends_us: int
    pooled: bool = True


def forecast(
    line: Line, running: Iterable[Running], *, slots: int | None, room: Mapping[str, int], now_us: int
) -> Iterator[tuple[Waiting, int]]:
    """In which order those in line will start, and when (microseconds since the epoch), if all goes as expected.

    Plays the queue through: at each moment the next one starts whose workspace has room, while a worker has a free
    place; it ends after ``expected_us``, and that frees its room and its place.

    Args:
        line: Who waits; used up.
        running: What runs now.
        slots: Places of all workers together; ``None``: each process that waits runs its own mission.
        room: How many missions each workspace may run at once.
        now_us: When it begins.
    """
    ends = [(max(each.ends_us, now_us), number, each) for number, each in enumerate(running)]
    heapq.heapify(ends)
    busy: dict[str, int] = {}
    free = slots
    for _, _, each in ends:
        busy[each.workspace] = busy.get(each.workspace, 0) + 1
        free = free - 1 if free is not None and each.pooled else free
    moment, number = now_us, len(ends)
    while True:
        while free is None or free > 0:
            chosen = line.pick(lambda name: busy.get(name, 0) < room.get(name, 1))
            if chosen is None:
                break
            yield chosen, moment
            busy[chosen.workspace] = busy.get(chosen.workspace, 0) + 1
            free = None if free is None else free - 1
            number += 1
            begun = Running(chosen.workspace, moment + chosen.expected_us)
            heapq.heappush(ends, (begun.ends_us, number, begun))
        if not ends:
            return
        moment, _, ended = heapq.heappop(ends)
        busy[ended.workspace] -= 1
        free = free + 1 if free is not None and ended.pooled else free
