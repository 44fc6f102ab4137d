"""Who is next: against a model written another way, and the promises of ``queue_order`` as properties."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.missions.queue_order import (
    AGING_US,
    STRIDE,
    Line,
    Priority,
    Running,
    Tenant,
    Waiting,
    arrive,
    class_of,
    forecast,
)

MANY = 2000 if os.environ.get("REMIT_PROVE") == "1" else 60
SECOND = 1_000_000


@dataclass
class Queue:
    """What the rows do, in memory: arrivals and picks over stored virtual times."""

    weights: dict[str, int]
    waiting: list[Waiting] = field(default_factory=list)
    passes: dict[Tenant, int] = field(default_factory=dict)

    def add(self, one: Waiting) -> None:
        arrive(self.passes, one, self.waiting)
        self.waiting.append(one)

    def take(self, now_us: int) -> Waiting | None:
        line = Line(self.waiting, self.passes, weights=self.weights, now_us=now_us)
        chosen = line.pick(lambda _: True)
        if chosen is not None:
            self.waiting.remove(chosen)
        return chosen


class Model:
    """The same order told by fractions of service instead of stored strides, one flat list and three sorts."""

    def __init__(self, weights: dict[str, int]) -> None:
        self.weights = weights
        self.waiting: list[Waiting] = []
        self.start: dict[tuple[str, ...], Fraction] = {}
        self.clock: dict[tuple[str, ...], Fraction] = {}

    def add(self, one: Waiting) -> None:
        for tenant in ((one.workspace,), (one.workspace, one.originator)):
            if not any(self.of(each)[: len(tenant)] == tenant for each in self.waiting):
                idle_since = self.start.get(tenant, Fraction(0))
                self.start[tenant] = max(idle_since, self.clock.get(tenant[:-1], Fraction(0)))
        self.waiting.append(one)

    def take(self, now_us: int) -> Waiting | None:
        if not self.waiting:
            return None
        best = min(class_of(each, now_us) for each in self.waiting)
        able = [each for each in self.waiting if class_of(each, now_us) == best]
        for depth in (1, 2):

            def turn(each: Waiting, depth: int = depth, able: list[Waiting] = able) -> tuple[Fraction, int, str]:
                tenant = self.of(each)[:depth]
                oldest = min(other.entered_us for other in able if self.of(other)[:depth] == tenant)
                return self.start.get(tenant, Fraction(0)), oldest, tenant[-1]

            first = min(map(turn, able))
            able = [each for each in able if turn(each) == first]
        chosen = min(able, key=lambda each: (each.entered_us, each.mission))
        self.waiting.remove(chosen)
        for tenant, weight in (((chosen.workspace,), self.weights[chosen.workspace]), (self.of(chosen), 1)):
            begun = self.start.get(tenant, Fraction(0))
            self.clock[tenant[:-1]] = max(self.clock.get(tenant[:-1], Fraction(0)), begun)
            self.start[tenant] = begun + Fraction(1, weight)
        return chosen

    @staticmethod
    def of(one: Waiting) -> tuple[str, str]:
        return one.workspace, one.originator


WEIGHTS = {"a": 1, "b": 2, "c": 8}
arrivals = st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from(list(Priority)))
events = st.lists(st.tuples(st.integers(0, AGING_US // 2), st.one_of(st.none(), arrivals)), max_size=60)


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(events)
def test_the_order_is_the_models(happened: list[tuple[int, tuple[str, str, Priority] | None]]) -> None:
    queue, model, now = Queue(WEIGHTS), Model(WEIGHTS), 0
    for number, (passed, arrival) in enumerate([*happened, *[(0, None)] * 60]):
        now += passed
        if arrival is None:
            assert queue.take(now) == model.take(now)
        else:
            workspace, originator, priority = arrival
            one = Waiting(workspace, f"m{number:03}", originator, priority, now)
            queue.add(one)
            model.add(one)
    assert queue.waiting == model.waiting == []


@settings(max_examples=MANY, deadline=None)
@given(st.lists(arrivals, min_size=1, max_size=40))
def test_nothing_overtakes_a_better_class_and_a_line_is_first_in_first_out(
    given: list[tuple[str, str, Priority]],
) -> None:
    queue = Queue(WEIGHTS)
    for number, (workspace, originator, priority) in enumerate(given):
        queue.add(Waiting(workspace, f"m{number:03}", originator, priority, number))
    served = [queue.take(SECOND) for _ in given]
    order = [one for one in served if one is not None]
    assert [one.priority for one in order] == sorted(one.priority for one in order)
    for line in {(one.workspace, one.originator, one.priority) for one in order}:
        mine = [one.entered_us for one in order if (one.workspace, one.originator, one.priority) == line]
        assert mine == sorted(mine)


def test_workspaces_that_all_have_work_are_served_by_their_weights() -> None:
    queue = Queue(WEIGHTS)
    for number in range(220):
        for workspace in "abc":
            queue.add(Waiting(workspace, f"{workspace}{number:03}", "x", Priority.NORMAL, number))
    served = Counter(one.workspace for _ in range(220) if (one := queue.take(SECOND)))
    assert abs(served["a"] - 20) <= 1
    assert abs(served["b"] - 40) <= 1
    assert abs(served["c"] - 160) <= 1


def test_originators_of_a_workspace_share_it_equally_however_many_missions_each_has() -> None:
    queue = Queue(WEIGHTS)
    for number in range(30):
        queue.add(Waiting("a", f"x{number:03}", "x", Priority.NORMAL, number))
    queue.add(Waiting("a", "y", "y", Priority.NORMAL, 30))
    served = [queue.take(SECOND) for _ in range(3)]
    assert "y" in {one.originator for one in served if one}, "the newcomer does not wait behind thirty of another"


def test_who_was_served_long_ago_owes_nothing_and_who_came_late_has_saved_nothing() -> None:
    queue = Queue(WEIGHTS)
    for number in range(500):
        queue.add(Waiting("a", f"m{number}", "x", Priority.NORMAL, number))
        assert queue.take(SECOND) is not None
    for number in range(20):
        queue.add(Waiting("b", f"b{number:02}", "x", Priority.NORMAL, 1000 + number))
    for number in range(20):
        queue.add(Waiting("a", f"a{number:02}", "x", Priority.NORMAL, 2000 + number))
    served = Counter(one.workspace for _ in range(15) if (one := queue.take(3000)))
    assert 4 <= served["a"] <= 6, served


@settings(max_examples=MANY, deadline=None)
@given(
    flood=st.lists(st.tuples(st.sampled_from("bc"), st.sampled_from("xyz")), min_size=1, max_size=6),
    pace=st.integers(AGING_US // 20, AGING_US // 4),
)
def test_no_mission_starves_under_an_endless_flood_of_critical_ones(flood: list[tuple[str, str]], pace: int) -> None:
    """The bound of ``queue_order``: once aged, at most (line + 1) * originators * workspaces * weights more starts."""
    queue, now, starts = Queue(WEIGHTS), 0, 0
    mine = Waiting("a", "mine", "me", Priority.LOW, 0)
    queue.add(mine)
    aged_at = None
    bound = (1 + 1) * 4 * 3 * max(WEIGHTS.values())
    for number in range(2000):
        now += pace
        for workspace, originator in flood:
            queue.add(Waiting(workspace, f"f{number}", originator, Priority.CRITICAL, now))
        if aged_at is None and class_of(mine, now) == 0:
            aged_at = starts
        if queue.take(now) == mine:
            break
        starts += 1  # noqa: SIM113 - the last pick is none
        if aged_at is not None:
            assert starts - aged_at <= bound
    else:
        raise AssertionError("it starved")
    assert now <= Priority.LOW * AGING_US + (bound + 1) * pace


def test_a_full_workspace_holds_up_nobody() -> None:
    line = Line(
        [Waiting("a", "1", "x", Priority.CRITICAL, 0), Waiting("b", "2", "x", Priority.LOW, 1)],
        {},
        weights=WEIGHTS,
        now_us=2,
    )
    chosen = line.pick(lambda workspace: workspace != "a")
    assert chosen is not None
    assert chosen.mission == "2"
    assert line.pick(lambda workspace: workspace != "a") is None


def test_the_forecast_plays_the_queue_through() -> None:
    waiting = [Waiting("a", str(number), "x", Priority.NORMAL, number, 100 * SECOND) for number in range(4)]
    line = Line(waiting, {}, weights=WEIGHTS, now_us=10)
    running = [Running("a", 30 * SECOND), Running("b", 50 * SECOND)]
    starts = list(forecast(line, running, slots=2, room={"a": 2, "b": 2}, now_us=10))
    assert [(one.mission, at // SECOND) for one, at in starts] == [("0", 30), ("1", 50), ("2", 130), ("3", 150)]


def test_the_forecast_knows_the_limit_of_a_workspace_and_processes_that_run_their_own() -> None:
    def starts(slots: int | None, room: int) -> list[tuple[str, int]]:
        waiting = [Waiting("a", str(number), "x", Priority.NORMAL, number, 10 * SECOND) for number in range(3)]
        line = Line(waiting, {}, weights=WEIGHTS, now_us=0)
        told = forecast(line, [], slots=slots, room={"a": room}, now_us=0)
        return [(one.mission, at // SECOND) for one, at in told]

    assert starts(8, 1) == [("0", 0), ("1", 10), ("2", 20)]
    assert starts(None, 2) == [("0", 0), ("1", 0), ("2", 10)]
    assert starts(1, 8) == [("0", 0), ("1", 10), ("2", 20)]
    assert STRIDE % max(WEIGHTS.values()) == 0, "shares stay whole"
