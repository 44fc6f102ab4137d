"""Bench `plan`: from the bytes of an intake to the scaffolding spec, in this process."""

from __future__ import annotations

import json
import statistics
import sys
import time

from remit.packs.build.intake import read_intake
from remit.packs.build.plan import plan_build
from remit.testing.intakes import synthetic_intake

RUNS = 5
GOAL_60_FEATURES_S = 0.3


def planned(data: bytes, name: str) -> tuple[float, float, bytes]:
    """Seconds to read, seconds to plan, and the plan's bytes."""
    start = time.perf_counter()
    intake = read_intake(data, name=name)
    read = time.perf_counter()
    plan = plan_build(intake)
    return read - start, time.perf_counter() - read, plan.canonical()


def figures(*, runs: int = RUNS) -> dict[str, float | int]:
    """Medians in seconds for 10 and 60 features of 3 entities, as YAML and as JSON; plans must be byte-identical."""
    found: dict[str, float | int] = {}
    for features in (10, 60):
        data = synthetic_intake(features, 3)
        as_json = read_intake(data, name="x.yaml").model_dump_json(exclude_none=True).encode()
        for kind, content in (("yaml", data), ("json", as_json)):
            trials = [planned(content, f"x.{kind}") for _ in range(runs)]
            if len({result for _, _, result in trials}) != 1:
                raise AssertionError("two plans of one intake differ")
            found[f"{kind}_{features}_features_bytes"] = len(content)
            found[f"{kind}_{features}_features_read_s"] = round(statistics.median(t[0] for t in trials), 4)
            found[f"{kind}_{features}_features_plan_s"] = round(statistics.median(t[1] for t in trials), 4)
            found[f"{kind}_{features}_features_s"] = round(statistics.median(t[0] + t[1] for t in trials), 4)
    return found


if __name__ == "__main__":
    result = figures()
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["yaml_60_features_s"] <= GOAL_60_FEATURES_S else 1)
