"""Plans as graphs."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.errors import IntegrityError, InvalidInput
from remit.kernel.mission import (
    Backoff,
    CommandSucceeds,
    FileAbsent,
    FileContains,
    FileExists,
    FileSha,
    NoSecrets,
    OnFailure,
    Plan,
    ResultHas,
    RetryPolicy,
    StepSpec,
)
from remit.kernel.money import Money
from remit.missions.plan import cycles, order, unreachable
from remit.missions.plan_json import dump, load, plan_hash


def step(name: str, *needs: str, weight: float = 1.0) -> StepSpec:
    return StepSpec(name, "u", needs=needs, post=(NoSecrets(),), weight=weight)


def plan(*steps: StepSpec) -> Plan:
    return Plan("p", steps)


@st.composite
def dags(draw: st.DrawFn, largest: int = 9) -> Plan:
    count = draw(st.integers(1, largest))
    steps = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        weight = draw(st.integers(0, 5))
        steps.append(step(f"s{number}", *(f"s{need}" for need in sorted(needs)), weight=float(weight)))
    return plan(*draw(st.permutations(steps)))


@settings(max_examples=60, deadline=None)
@given(dags())
def test_plan_order_respects_needs_and_is_its_own_fixed_point(made: Plan) -> None:
    ordered = order(made)
    for each in ordered.steps:
        assert all(ordered.position[need] < ordered.position[each.name] for need in each.needs)
    assert order(ordered.plan).steps == ordered.steps
    assert sorted(name for level in ordered.levels for name in level) == sorted(each.name for each in made.steps)
    assert ordered.unreachable == ()


@settings(max_examples=60, deadline=None)
@given(dags(largest=7))
def test_the_critical_path_is_the_heaviest_of_all_paths(made: Plan) -> None:
    ordered = order(made)
    specs = {each.name: each for each in made.steps}

    def paths(name: str) -> list[list[str]]:
        followers = [each.name for each in made.steps if name in each.needs]
        return [[name, *rest] for follower in followers for rest in paths(follower)] or [[name]]

    heaviest = max(sum(specs[name].weight for name in path) for start in specs for path in paths(start))
    assert ordered.critical_seconds == heaviest
    path = ordered.critical_path
    assert sum(specs[name].weight for name in path) == heaviest
    assert all(before in specs[after].needs for before, after in pairwise(path))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 8), st.data())
def test_every_knot_of_the_graph_is_reported_once_as_a_real_cycle(count: int, data: st.DataObject) -> None:
    names = [f"s{number}" for number in range(count)]
    needs = {name: tuple(data.draw(st.sets(st.sampled_from(names), max_size=3))) for name in names}
    reach = {name: set(needs[name]) for name in names}
    for middle in names:  # Warshall: the oracle
        for name in names:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    knots = {frozenset(other for other in names if other in reach[name] and name in reach[other]) for name in names}
    knots.discard(frozenset())
    found = cycles(needs)
    assert len(found) == len(knots)
    for cycle in found:
        assert any(set(cycle) <= knot for knot in knots)
        assert all(after in needs[before] for before, after in pairwise((*cycle, cycle[0])))


def test_a_refusal_names_everything_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        order(
            plan(
                step("a", "b"),
                step("b", "a"),
                step("c", "c"),
                step("twice"),
                step("twice"),
                step("schema"),
                step("models", "shema"),
                step("late", "a"),
                step("later", "late", "schema"),
            )
        )
    told = "\n".join(caught.value.problems)
    assert "a → b → a" in told or "b → a → b" in told
    assert "c → c" in told
    assert "2 steps are called 'twice'" in told
    assert "did you mean 'schema'?" in told
    assert "unreachable" in told
    assert "late, later" in told.replace("a, b, c, ", "")


def test_what_given_roots_do_not_reach_is_reported() -> None:
    made = plan(step("a"), step("b"), step("ab", "a", "b"), step("aa", "a"))
    assert order(made, roots=["a"]).unreachable == ("b", "ab")
    assert unreachable({"a": (), "b": ("a",)}, ["a"]) == ()


def test_ties_go_to_the_longest_way_ahead_then_to_the_first_declared() -> None:
    made = order(plan(step("x"), step("y"), step("long"), step("tail", "long", weight=5)))
    assert [each.name for each in made.steps] == ["long", "tail", "x", "y"]


def test_ten_thousand_steps_in_half_a_second() -> None:
    rand = random.Random(7)
    steps = [
        step(f"s{n}", *{f"s{rand.randrange(n)}" for _ in range(rand.randrange(4))} if n else ()) for n in range(10_000)
    ]
    chain = plan(*(step(f"s{n}", f"s{n + 1}") if n < 9_999 else step(f"s{n}") for n in range(10_000)))
    ring = plan(*(step(f"s{n}", f"s{(n + 1) % 10_000}") for n in range(10_000)))
    spent = []
    for _ in range(3):
        began = time.process_time()
        order(plan(*steps))
        spent.append(time.process_time() - began)
    assert min(spent) < 0.5
    assert len(order(chain).levels) == 10_000
    with pytest.raises(InvalidInput, match="9980 more"):
        order(ring)


FULL = Plan(
    "p",
    (
        StepSpec(
            "a",
            "u",
            params={"x": [1, {"y": None}], "text": "ü"},
            title="T",
            feature="F",
            agent="tester",
            version="3",
            pre=(FileAbsent("x"),),
            post=(
                FileExists("a"),
                FileSha("a", "0" * 64),
                FileContains("a", "b"),
                CommandSucceeds(("python", "-V"), 1, 2.5),
                ResultHas("k", {"v": [True]}),
                NoSecrets(),
            ),
            retry=RetryPolicy(3, Backoff.LINEAR, 1.0, 2.0, 0.5),
            timeout_s=7.5,
            weight=2.0,
            estimate=Money(5),
            on_failure=OnFailure.ROLLBACK,
        ),
        step("b", "a"),
    ),
    summary="s",
)


def test_a_plan_comes_back_whole_from_json() -> None:
    assert load(dump(FULL)) == FULL
    assert plan_hash(load(dump(FULL))) == plan_hash(FULL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kind":"file_exists"', b'"kind":"file_magic"'),
        (b'"kind":"no_secrets"', b'"kind":"no_secrets","more":1'),
        (b'"format":1', b'"format":2'),
        (b'"backoff":"linear"', b'"backoff":"never"'),
        (b'"name":"a"', b'"name":""'),
        (b'"timeout_s":7.5', b'"timeout_s":0'),
        (b'"summary":"s"', b'"summary":"s","extra":1'),
        (b'"agent":"tester"', b'"agent":"tester","shell":true'),
        (b'"path":"a"', b'"way":"a"'),
    ],
)
def test_a_plan_that_is_not_ours_is_refused(old: bytes, new: bytes) -> None:
    data = dump(FULL)
    assert old in data
    with pytest.raises(IntegrityError, match="can't be read"):
        load(data.replace(old, new))
