"""Bench `plan`: an intake of 60 features to its scaffolding spec, and a mission of 10,000 steps put in order.

Floors of the same run: PyYAML's C loader on the same bytes, which checks nothing and keeps no places; and the standard
library's topological order of the same graph, which finds no critical path and names one cycle at most.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

import yaml  # noqa: E402 - after the path

from benchmarks.harness import report, wait_for_quiet  # noqa: E402 - as above
from remit.kernel.errors import InvalidInput  # noqa: E402 - as above
from remit.kernel.mission import FileExists, Plan, StepSpec  # noqa: E402 - as above
from remit.missions.plan import order  # noqa: E402 - as above
from remit.packs.build.intake import read_intake  # noqa: E402 - as above
from remit.packs.build.plan import plan_build  # noqa: E402 - as above
from remit.testing.intakes import synthetic_intake  # noqa: E402 - as above

RUNS = 7
FEATURES, ENTITIES = 60, 3
NODES, SEED = 10_000, 7
GOALS = {"yaml_60_features_s": 0.3, "json_60_features_s": 0.3, "order_10000_steps_s": 0.5}


def _median(work: Callable[[], object], *, runs: int = RUNS) -> float:
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _planned(data: bytes, name: str) -> bytes:
    return plan_build(read_intake(data, name=name)).canonical()


def _random_plan(nodes: int) -> Plan:
    """A graph with at most 3 dependencies a step, each on one of the 200 before it."""
    rand = random.Random(SEED)
    post = (FileExists("x"),)
    steps: list[StepSpec] = []
    for number in range(nodes):
        before = range(max(0, number - 200), number)
        needs = {f"s{rand.choice(before)}" for _ in range(rand.randint(0, 3)) if number}
        steps.append(StepSpec(f"s{number}", "noop", needs=tuple(sorted(needs)), post=post, weight=rand.random()))
    return Plan("bench", tuple(steps))


def _line(nodes: int, *, closed: bool) -> Plan:
    """A chain in the wrong order, the last step first; ``closed``: a cycle of all of them."""
    post = (FileExists("x"),)
    last = () if not closed else ("s0",)
    needs = [(f"s{number + 1}",) if number + 1 < nodes else last for number in range(nodes)]
    return Plan("bench", tuple(StepSpec(f"s{n}", "noop", needs=needs[n], post=post) for n in range(nodes)))


def _refused(plan: Plan) -> None:
    try:
        order(plan)
    except InvalidInput:
        return
    raise AssertionError("a cycle was taken for a plan")


def figures(*, small: bool = False) -> dict[str, object]:
    """The figures; two plans of one intake must have the same bytes, or there are none."""
    wait_for_quiet(patience_s=0 if small else 60.0)
    runs = 1 if small else RUNS
    nodes = 1000 if small else NODES
    data = synthetic_intake(FEATURES, ENTITIES)
    as_json = read_intake(data, name="x.yaml").model_dump_json(exclude_none=True).encode()
    if len({_planned(data, "x.yaml"), _planned(data, "x.yaml"), _planned(as_json, "x.json")}) != 1:
        raise AssertionError("two plans of one intake differ")
    plan, chain, ring = _random_plan(nodes), _line(nodes, closed=False), _line(nodes, closed=True)
    graph = {step.name: step.needs for step in plan.steps}
    intake = read_intake(data, name="x.yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    measured = {
        "yaml_60_features_s": _median(lambda: plan_build(read_intake(data, name="x.yaml")), runs=runs),
        "json_60_features_s": _median(lambda: plan_build(read_intake(as_json, name="x.json")), runs=runs),
        "of_it_read_yaml_s": _median(lambda: read_intake(data, name="x.yaml"), runs=runs),
        "of_it_plan_s": _median(lambda: plan_build(intake), runs=runs),
        "floor_yaml_load_s": _median(lambda: yaml.load(data, Loader=loader), runs=runs),  # noqa: S506 - the safe loader, in C
        f"order_{nodes}_steps_s": _median(lambda: order(plan), runs=min(runs, 3)),
        f"order_chain_of_{nodes}_s": _median(lambda: order(chain), runs=min(runs, 3)),
        f"refuse_ring_of_{nodes}_s": _median(lambda: _refused(ring), runs=min(runs, 3)),
        "floor_graphlib_order_s": _median(lambda: list(TopologicalSorter(graph).static_order()), runs=min(runs, 3)),
    }
    ratios = {
        "yaml plan / PyYAML load": round(measured["yaml_60_features_s"] / measured["floor_yaml_load_s"], 2),
        "order / graphlib order": round(measured[f"order_{nodes}_steps_s"] / measured["floor_graphlib_order_s"], 2),
    }
    shown: dict[str, object] = {name: round(value, 4) for name, value in measured.items()}
    shown |= {"features": FEATURES, "entities": FEATURES * ENTITIES, "yaml_bytes": len(data), "steps": nodes}
    shown["goals_met"] = all(measured[name] <= goal for name, goal in GOALS.items() if name in measured)
    return report("plan", shown, ratios)


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
