"""The figures in full: every goal beside what was measured, each in a file of its own, ``proof/NAME.json``.

    make prove                      # everything; waits for a quiet machine before each part
    make prove ONLY=steps,audit     # some parts: steps audit plan build startup tamper intakes budget budget_race
                                    # guard rate_race approval_race breaker rules refusals ssrf gateway
                                    # gateway_races gateway_soak gateway_endings gateway_secrets wire
                                    # api api_fuzz api_access api_crashes audit_lists
                                    # retention crashes personal registered streams redaction_stream redaction
                                    # redaction_quality live pages

PATIENCE=0 does not wait, for what counts and does not time.
Only what is written here is quoted anywhere. A figure whose peer is missing counts as missed, as does a part that
could not be run. Ends with 1 when something was missed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks import harness  # noqa: E402 - after the path

PROOF = ROOT / "proof"
PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that has to reach a limit."""

    name: str
    where: tuple[str, str]
    limit: float
    least: bool = False
    unit: str = ""
    stretch: float | None = None

    def measured(self, answer: Mapping[str, Any]) -> float | None:
        """The figure, or ``None`` when the run has none (a missing peer)."""
        group, key = self.where
        found = answer.get(group, {}).get(key)
        return None if found is None else float(found)

    def reached(self, value: float | None, limit: float | None = None) -> bool:
        """Whether the value is at least, or at most, the limit."""
        bound = self.limit if limit is None else limit
        return value is not None and (value >= bound if self.least else value <= bound)

    def words(self) -> str:
        """The goal as a person writes it."""
        return f"{'>=' if self.least else '<='} {self.limit:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Part:
    """A run that answers in the shape of a benchmark, and its goals."""

    run: Callable[[], Mapping[str, Any]]
    goals: tuple[Goal, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    goal: str
    measured: str
    met: bool


def _bench(name: str) -> Callable[[], Mapping[str, Any]]:
    def run() -> Mapping[str, Any]:
        from importlib import import_module

        answer: Mapping[str, Any] = import_module(f"benchmarks.{name}").figures()
        return answer

    return run


def _suite(name: str) -> Callable[[], Mapping[str, Any]]:
    def run() -> Mapping[str, Any]:
        from benchmarks import suites

        answer: Mapping[str, Any] = getattr(suites, name)()
        return answer

    return run


def _crashes() -> Mapping[str, Any]:
    """The crash drills: ``benchmarks.crashes.prove()`` gives ``figures``, and ``missed``, a list of what went wrong."""
    from importlib import import_module

    drilled: Mapping[str, Any] = import_module("benchmarks.crashes").prove()
    missed = list(drilled.get("missed", ()))
    found = {**drilled.get("figures", drilled), "missed": len(missed), "what": missed[:20]}
    return harness.report("crashes", found, {})


def _race() -> Mapping[str, Any]:
    """1,000 random races of 200 callers for budgets of k, half on each database, with processes killed in between."""
    from importlib import import_module

    raced: Mapping[str, Any] = import_module("benchmarks.budget").prove_race()
    return raced


PARTS: dict[str, Part] = {
    "startup": Part(
        _bench("startup"),
        (
            Goal("startup_help_over_click", ("ratios", "help/click"), 3, unit="x"),
            Goal("startup_forbidden_imports", ("figures", "forbidden_imports"), 0),
        ),
    ),
    "gateway": Part(
        _bench("gateway"),
        (
            Goal("gateway_rate_over_litellm", ("ratios", "remit_rate_over_litellm"), 20, least=True, unit="x"),
            Goal("gateway_added_p50_over_litellm", ("ratios", "remit_added_p50_over_litellm"), 0.2, unit="x"),
            Goal("gateway_added_first_over_litellm", ("ratios", "remit_added_first_over_litellm"), 0.2, unit="x"),
            Goal("gateway_memory_over_litellm", ("ratios", "remit_memory_over_litellm"), 0.4, unit="x"),
            Goal("gateway_cold_over_litellm", ("ratios", "remit_cold_over_litellm"), 0.25, unit="x"),
            Goal("gateway_rate_over_portkey", ("ratios", "remit_rate_over_portkey"), 2.5, least=True, unit="x"),
            Goal("gateway_added_p50_over_portkey", ("ratios", "remit_added_p50_over_portkey"), 0.8, unit="x"),
            Goal("gateway_redaction_cpu", ("ratios", "redaction_cpu"), 2, unit="x"),
        ),
    ),
    "personal": Part(
        _bench("redaction_personal"),
        (
            Goal("personal_recall_tuned", ("figures", "tuned_recall_core"), 0.95, least=True),
            Goal("personal_recall_held", ("figures", "held_recall_core"), 0.95, least=True),
            Goal("personal_cards_of_digit_runs", ("figures", "card_runs_flagged"), 0),
            Goal("personal_cards_look_alikes", ("figures", "held_flagged_card"), 0),
            Goal("personal_iban_look_alikes", ("figures", "held_flagged_iban"), 0.03),
            Goal("personal_clean_over_presidio", ("ratios", "clean/presidio"), 10, least=True, unit="x"),
            Goal("personal_dense_over_presidio", ("ratios", "dense/presidio"), 10, least=True, unit="x"),
        ),
    ),
    "registered": Part(
        _suite("registered"),
        (
            Goal("registered_tests", ("figures", "passed"), 60, least=True),
            Goal("registered_missed", ("figures", "failed"), 0),
        ),
    ),
    "streams": Part(
        _suite("streams"),
        (
            Goal("streams_tests", ("figures", "passed"), 110, least=True),
            Goal("streams_missed", ("figures", "failed"), 0),
        ),
    ),
    "redaction_stream": Part(
        _bench("redaction_stream"),
        (
            Goal("stream_streamed", ("figures", "streamed_mb"), 1000, least=True, unit=" MB"),
            Goal("stream_rss_growth", ("figures", "rss_growth_mb"), 8, unit=" MB"),
            Goal("stream_tokens_missed", ("figures", "tokens_missed"), 0),
            Goal("stream_lag_mean", ("figures", "lag_mean_chars"), 6),
        ),
    ),
    "plan": Part(
        _bench("plan"),
        (
            Goal("plan_60_features", ("figures", "yaml_60_features_s"), 0.3, unit=" s"),
            Goal("plan_10000_nodes", ("figures", "order_10000_steps_s"), 0.5, unit=" s"),
        ),
    ),
    "steps": Part(
        _bench("steps"),
        (
            Goal("steps_sqlite", ("ratios", "sqlite/langgraph_sync"), 0.5, least=True, unit="x", stretch=1.0),
            Goal("steps_postgres", ("ratios", "postgres/langgraph_sync"), 0.35, least=True, unit="x", stretch=0.6),
        ),
    ),
    "audit": Part(
        _bench("audit"),
        (
            Goal("audit_appends_over_chain", ("ratios", "appends/chain"), 30, least=True, unit="x"),
            Goal("audit_proof_p99", ("figures", "proof_p99_ms"), 1, unit=" ms"),
            Goal("audit_verify_1000000", ("figures", "verify_s"), 5, unit=" s"),
        ),
    ),
    "build": Part(
        _bench("build"),
        (
            Goal("build_10_emitted", ("figures", "10_entities_emit_format_s"), 0.5, unit=" s"),
            Goal("build_10_verified", ("figures", "10_entities_verified_s"), 15, unit=" s"),
            Goal("build_50_verified", ("figures", "50_entities_verified_s"), 40, unit=" s"),
        ),
    ),
    "tamper": Part(
        _suite("tampering"),
        (
            Goal("tamper_kinds_found", ("figures", "passed"), 10, least=True),
            Goal("tamper_missed", ("figures", "failed"), 0),
        ),
    ),
    "intakes": Part(
        _suite("intakes"),
        (
            Goal("intakes_refused", ("figures", "passed"), 40, least=True),
            Goal("intakes_taken", ("figures", "failed"), 0),
        ),
    ),
    "guard": Part(
        _bench("guard"),
        (
            Goal("guard_cpu_p50", ("figures", "cpu_p50_us"), 150, unit=" us"),
            Goal("guard_cpu_p99", ("figures", "cpu_p99_us"), 1000, unit=" us"),
            Goal("guard_durable_p95", ("figures", "durable_p95_ms_64"), 5, unit=" ms"),
            Goal("guard_cel_rule", ("figures", "cel_rule_us"), 10, unit=" us"),
            Goal("guard_authorise", ("figures", "authorise_us"), 1, unit=" us"),
            Goal("guard_gcra", ("figures", "gcra_us"), 1, unit=" us"),
        ),
    ),
    "api": Part(
        _bench("api"),
        (
            Goal("api_list_per_s", ("figures", "remit_list_per_s"), 500, least=True, unit="/s"),
            Goal("api_single_per_s", ("figures", "remit_single_per_s"), 500, least=True, unit="/s"),
        ),
    ),
    "audit_lists": Part(
        _bench("audit_lists"),
        (
            Goal("audit_lists_entries", ("figures", "entries"), 1_000_000, least=True),
            Goal("audit_lists_p95", ("figures", "p95_ms"), 100, unit=" ms"),
        ),
    ),
    "api_fuzz": Part(_suite("api_fuzz"), (Goal("api_fuzz_missed", ("figures", "failed"), 0),)),
    "api_access": Part(_suite("api_access"), (Goal("api_access_missed", ("figures", "failed"), 0),)),
    "api_crashes": Part(_suite("api_crashes"), (Goal("api_crashes_missed", ("figures", "failed"), 0),)),
    "rate_race": Part(_suite("rate_race"), (Goal("rate_race_missed", ("figures", "failed"), 0),)),
    "live": Part(_suite("live"), (Goal("live_missed", ("figures", "failed"), 0),)),
    "pages": Part(_suite("pages"), (Goal("pages_missed", ("figures", "failed"), 0),)),
    "gateway_races": Part(
        _suite("gateway_races"),
        (
            Goal("gateway_races_run", ("figures", "passed"), 4, least=True),
            Goal("gateway_races_missed", ("figures", "failed"), 0),
        ),
    ),
    "gateway_soak": Part(
        _bench("gateway_soak"),
        (
            Goal("soak_requests", ("figures", "requests"), 200_000, least=True),
            Goal("soak_rss_growth", ("figures", "rss_growth_mb"), 16, unit=" MB"),
            Goal("soak_lost_intents", ("figures", "lost_intents"), 0),
            Goal("soak_lost_outcomes", ("figures", "lost_outcomes"), 0),
            Goal("soak_lost_actions", ("figures", "lost_actions"), 0),
            Goal("soak_lost_usage", ("figures", "lost_usage"), 0),
            Goal("soak_held", ("figures", "held_micros"), 0),
            Goal("soak_log_verifies", ("figures", "log_verifies"), 1, least=True),
        ),
    ),
    "gateway_endings": Part(_suite("gateway_endings"), (Goal("gateway_endings_missed", ("figures", "failed"), 0),)),
    "gateway_secrets": Part(_suite("gateway_secrets"), (Goal("gateway_secrets_missed", ("figures", "failed"), 0),)),
    "wire": Part(_suite("wire"), (Goal("wire_missed", ("figures", "failed"), 0),)),
    "approval_race": Part(_suite("approval_race"), (Goal("approval_race_missed", ("figures", "failed"), 0),)),
    "breaker": Part(_suite("breaker"), (Goal("breaker_missed", ("figures", "failed"), 0),)),
    "rules": Part(
        _suite("hostile_rules"),
        (
            Goal("rules_hostile_tried", ("figures", "passed"), 40, least=True),
            Goal("rules_hostile_missed", ("figures", "failed"), 0),
        ),
    ),
    "refusals": Part(_suite("refusals"), (Goal("refusals_missed", ("figures", "failed"), 0),)),
    "ssrf": Part(
        _suite("ssrf"),
        (
            Goal("ssrf_attempts_refused", ("figures", "passed"), 150, least=True),
            Goal("ssrf_forbidden_reached", ("figures", "failed"), 0),
            Goal("ssrf_legitimate_read", ("figures", "legitimate_read"), 40, least=True),
            Goal("ssrf_legitimate_refused", ("figures", "legitimate_refused"), 0),
        ),
    ),
    "retention": Part(_suite("retention"), (Goal("retention_missed", ("figures", "failed"), 0),)),
    "budget": Part(
        _bench("budget"),
        # What slices could gain at most; above, leasing them to processes would be worth building.
        (
            Goal("budget_slices_could_gain_sqlite", ("ratios", "sqlite_2_none/shared"), 2, unit="x"),
            Goal("budget_slices_could_gain_postgres", ("ratios", "postgres_4_none/shared"), 3, unit="x"),
        ),
    ),
    "redaction": Part(
        _bench("redaction"),
        (
            Goal(
                "redaction_clean", ("ratios", "clean_hyperscan/detect_secrets"), 200, least=True, unit="x", stretch=500
            ),
            Goal(
                "redaction_dense", ("ratios", "dense_hyperscan/detect_secrets"), 80, least=True, unit="x", stretch=150
            ),
            Goal("redaction_fallback", ("ratios", "clean_fallback/detect_secrets"), 40, least=True, unit="x"),
            Goal("redaction_p99_4k", ("figures", "p99_4k_ms"), 1, unit=" ms"),
            Goal("redaction_500_bytes", ("figures", "scan_500_bytes_us"), 10, unit=" us"),
            Goal("redaction_hostile_64k", ("figures", "hostile_64k_ms"), 50, unit=" ms"),
        ),
    ),
    "redaction_quality": Part(
        _bench("redaction_quality"),
        (
            *(
                Goal(f"redaction_{name}_{half}", ("figures", f"half {half}: {figure}"), limit, least=least)
                for half in ("A", "B")
                for name, figure, limit, least in (
                    ("recall_services", "service tokens, recall of tier 1 + assignment", 0.85, True),
                    ("recall_mixed", "mixed code and configuration, recall of all tiers", 0.60, True),
                    ("benign_tier_1", "benign flagged by tier 1", 0.10, False),
                    ("benign_all", "benign flagged by all tiers", 0.25, False),
                )
            ),
            Goal("redaction_noise_tier_1", ("figures", "clean code, findings/MB of tier 1"), 5, unit="/MB"),
            Goal("redaction_noise_tier_2", ("figures", "clean code, findings/MB of tier 2"), 60, unit="/MB"),
        ),
    ),
    "budget_race": Part(
        _race,
        (
            Goal("budget_race_rounds", ("figures", "rounds"), 1000, least=True),
            Goal("budget_race_missed", ("figures", "missed"), 0),
        ),
    ),
    "crashes": Part(_crashes, (Goal("crashes_missed", ("figures", "missed"), 0),)),
}


def prove(name: str, part: Part, *, patience_s: float = PATIENCE_S, folder: Path = PROOF) -> list[Row]:
    """Run one part when the machine is quiet, write a file for each of its goals, and say how it went."""
    load = harness.wait_for_quiet(patience_s=patience_s)
    began = time.monotonic()
    try:
        answer = part.run()
    except Exception as error:  # noqa: BLE001 - one part that fails does not hide the others
        traceback.print_exc()
        return [Row(goal.name, goal.words(), f"failed: {type(error).__name__}", met=False) for goal in part.goals]
    taken = {
        "part": name,
        "commit": harness.commit(),
        "machine": harness.machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(load, 2),
        "quiet": load <= harness.MAX_LOAD,
        "seconds": round(time.monotonic() - began, 1),
        "figures": answer.get("figures", {}),
        "ratios": answer.get("ratios", {}),
    }
    return [_written(goal, answer, taken, folder) for goal in part.goals]


def _written(goal: Goal, answer: Mapping[str, Any], taken: Mapping[str, Any], folder: Path) -> Row:
    value = goal.measured(answer)
    met = goal.reached(value)
    proof = {"name": goal.name, "goal": goal.words(), "measured": value, "met": met}
    if goal.stretch is not None:
        proof |= {"stretch": goal.stretch, "stretch_met": goal.reached(value, goal.stretch)}
    folder.mkdir(exist_ok=True)
    (folder / f"{goal.name}.json").write_text(json.dumps({**proof, **taken}, indent=2) + "\n", encoding="utf-8")
    shown = "no figure" if value is None else f"{value:g}{goal.unit}"
    return Row(goal.name, goal.words(), shown if taken["quiet"] else f"{shown} (load {taken['load']})", met=met)


def table(rows: Iterable[Row]) -> str:
    """Goal beside figure, for people."""
    lines = [f"{'figure':30} {'goal':>12} {'measured':>24}"]
    lines += [
        f"{row.name:30} {row.goal:>12} {row.measured:>24}  {'' if row.met else 'MISSED'}".rstrip() for row in rows
    ]
    return "\n".join(lines)


def chosen(only: str) -> dict[str, Part]:
    """The parts that ``ONLY`` names, in their order; all for nothing.

    Raises:
        SystemExit: It names a part that does not exist.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"prove: there is no {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        raise SystemExit(2)
    return {name: part for name, part in PARTS.items() if not names or name in names}


def main() -> int:
    rows: list[Row] = []
    for name, part in chosen(os.environ.get("ONLY", "")).items():
        print(f"proving {name} ...", file=sys.stderr, flush=True)
        found = prove(name, part, patience_s=float(os.environ.get("PATIENCE") or PATIENCE_S))
        print(table(found), file=sys.stderr, flush=True)
        rows += found
    print(table(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
