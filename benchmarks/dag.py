"""Plans as graphs at 10,000 steps: plan order, critical path, cycles, JSON; the floor is graphlib's bare sorting."""

from __future__ import annotations

import random
from contextlib import suppress
from graphlib import TopologicalSorter

from benchmarks.harness import median_seconds, report

from remit.kernel.errors import InvalidInput
from remit.kernel.mission import NoSecrets, Plan, StepSpec
from remit.missions.plan import order
from remit.missions.plan_json import dump, load

STEPS = 10_000
GOAL_SECONDS = 0.5


def figures() -> dict[str, object]:
    rand = random.Random(10_000)
    post = (NoSecrets(),)
    steps = tuple(
        StepSpec(
            f"step-{number}",
            "do",
            needs=tuple({f"step-{rand.randrange(number)}" for _ in range(rand.randrange(4))}) if number else (),
            post=post,
            weight=rand.random(),
        )
        for number in range(STEPS)
    )
    chain = tuple(
        StepSpec(f"step-{number}", "do", needs=(f"step-{number + 1}",) if number + 1 < STEPS else (), post=post)
        for number in range(STEPS)
    )
    ring = tuple(
        StepSpec(f"step-{number}", "do", needs=(f"step-{(number + 1) % STEPS}",), post=post) for number in range(STEPS)
    )
    plan = Plan("bench", steps)
    ordered = order(plan)
    assert all(ordered.position[need] < ordered.position[step.name] for step in steps for need in step.needs)
    stored = dump(ordered.plan)
    floor = median_seconds(lambda: list(TopologicalSorter({s.name: s.needs for s in steps}).static_order()))

    def refuse() -> None:
        with suppress(InvalidInput):
            order(Plan("bench", ring))

    random_s = median_seconds(lambda: order(plan))
    measured = {
        "steps": STEPS,
        "order_random_s": round(random_s, 4),
        "order_chain_s": round(median_seconds(lambda: order(Plan("bench", chain))), 4),
        "refuse_ring_s": round(median_seconds(refuse), 4),
        "dump_s": round(median_seconds(lambda: dump(plan)), 4),
        "load_s": round(median_seconds(lambda: load(stored)), 4),
        "graphlib_static_order_s": round(floor, 4),
        "goal_s": GOAL_SECONDS,
    }
    ratios = {"graphlib": round(floor / random_s, 3), "goal": round(GOAL_SECONDS / random_s, 2)}
    return report("dag", measured, ratios)
