"""The whole queue as one transaction sees it: who waits, who runs, which workers live, and when each will start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import median_low

from sqlalchemy import bindparam, or_, select

from remit.accounts.plans import WorkspacePlan, plan_of
from remit.kernel.ports import ReadTx, Row
from remit.missions.queue_order import EVERY, WEIGHTS, Line, Priority, Running, Tenant, Waiting, forecast
from remit.missions.queue_tables import PAUSED, QUEUE, SHARE, WORKER

#: Runs of the same pack whose median is how long the next one is expected to take.
SAMPLE = 20

type Alive = Callable[[str], bool]


class State(StrEnum):
    """Where a row of the queue stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Taken:
    """A mission in somebody's hand."""

    workspace: str
    mission: str
    run: int
    taker: str


_OPEN = select(QUEUE).where(or_(QUEUE.c.state == State.WAITING.value, QUEUE.c.state == State.TAKEN.value))
_PASSES = select(SHARE)
WORKERS = select(WORKER)
_TIMES = (
    select(QUEUE.c.taken_us, QUEUE.c.ended_us)
    .where(
        QUEUE.c.workspace == bindparam("of"),
        QUEUE.c.pack == bindparam("like"),
        QUEUE.c.state == State.ENDED.value,
        QUEUE.c.taken_us > 0,
    )
    .order_by(QUEUE.c.ended_us.desc())
    .limit(SAMPLE)
)


class Snapshot:
    """The whole queue as one transaction sees it."""

    def __init__(self, tx: ReadTx, *, alive: Alive, now_us: int) -> None:
        self.now_us = now_us
        self._tx = tx
        self._alive = alive
        self._living: dict[str, bool] = {}
        self._plans: dict[str, WorkspacePlan] = {}
        self._durations: dict[tuple[str, str], int] = {}
        rows = tx.rows(_OPEN)
        self.waiting = [row for row in rows if row["state"] == State.WAITING]
        self.taken = [row for row in rows if row["state"] == State.TAKEN]
        self.workers = {
            row["executor"]: int(row["concurrency"]) for row in tx.rows(WORKERS) if self.lives(row["executor"])
        }
        shares: dict[Tenant, int] = {
            (row["workspace"], row["originator"]): int(row["pass_units"]) for row in tx.rows(_PASSES)
        }
        self.passes = {tenant: units for tenant, units in shares.items() if tenant[1] != PAUSED}
        self.paused = {workspace for (workspace, name), since in shares.items() if name == PAUSED and since}

    def lives(self, executor: str) -> bool:
        """Whether a process lives; asked once."""
        if executor not in self._living:
            self._living[executor] = bool(executor) and self._alive(executor)
        return self._living[executor]

    def held(self, row: Row) -> bool:
        """Whether a taken mission is in living hands."""
        return self.lives(row["taker"])

    def plan(self, workspace: str) -> WorkspacePlan:
        """A workspace's plan."""
        if workspace not in self._plans:
            self._plans[workspace] = plan_of(self._tx, workspace)
        return self._plans[workspace]

    def running(self, workspace: str) -> int:
        """How many missions of a workspace run."""
        return sum(row["workspace"] == workspace and self.held(row) for row in self.taken)

    def room(self, workspace: str) -> bool:
        """Whether one more mission of a workspace may run: its queue is not paused, and its plan has room."""
        return not self.paused & {workspace, EVERY} and self.running(workspace) < self.plan(workspace).parallel_missions

    def lost(self) -> list[Taken]:
        """What is in dead hands."""
        return [
            Taken(row["workspace"], row["mission"], int(row["run"]), row["taker"])
            for row in self.taken
            if not self.held(row)
        ]

    def line(self, rows: Iterable[Row] | None = None) -> Line:
        """Those who wait (or only ``rows`` of them), ready to be picked from; shares are copied."""
        chosen = self.waiting if rows is None else rows
        waiting = [self.one(row) for row in chosen]
        weights = {one.workspace: WEIGHTS[self.plan(one.workspace).name] for one in waiting}
        return Line(waiting, dict(self.passes), weights=weights, now_us=self.now_us)

    def movable(self) -> list[Row]:
        """Those waiting whom somebody could take: any when a worker lives, else those whose own process waits."""
        return [row for row in self.waiting if self.workers or self.lives(row["waiter"])]

    def forecast(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Position and estimated wait (microseconds) of each mission that waits and that somebody could take."""
        running = [
            Running(row["workspace"], int(row["taken_us"]) + self._expected(row), row["taker"] in self.workers)
            for row in self.taken
            if self.held(row)
        ]
        rows = self.movable()
        room = {row["workspace"]: self.plan(row["workspace"]).parallel_missions for row in rows}
        slots = sum(self.workers.values()) if self.workers else None
        starts = forecast(self.line(rows), running, slots=slots, room=room, now_us=self.now_us)
        return {
            (one.workspace, one.mission): (number, at_us - self.now_us)
            for number, (one, at_us) in enumerate(starts, start=1)
        }

    def one(self, row: Row) -> Waiting:
        """A row as the order sees it."""
        return Waiting(
            row["workspace"],
            row["mission"],
            row["originator"],
            Priority(row["priority"]),
            int(row["entered_us"]),
            self._expected(row),
        )

    def _expected(self, row: Row) -> int:
        """The median of the last runs of the same pack in the workspace; before there is one, what its plan says."""
        key = (row["workspace"], row["pack"])
        if key not in self._durations:
            found = self._tx.rows(_TIMES, {"of": key[0], "like": key[1]})
            times = [int(each["ended_us"]) - int(each["taken_us"]) for each in found]
            self._durations[key] = median_low(times) if times else -1
        known = self._durations[key]
        return int(row["expected_us"]) if known < 0 else known
