"""Every benchmark answers in one shape, in small sizes; `make prove` judges what it was told, not what it hopes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import harness, prove  # noqa: E402 - the benchmarks are no package of ours
from benchmarks.prove import Goal, Part  # noqa: E402 - as above


def run(*argv: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), harness.SERVER: os.environ.get(harness.SERVER, "")}
    return subprocess.run(
        [sys.executable, "-m", "remit.cli", "bench", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env=environment,
        cwd=ROOT,
    )


EXPECTED = {
    "audit": ({"appends_per_s", "chain_appends_per_s", "proof_p99_ms", "verify_s"}, {"appends/chain"}),
    "build": ({"2_entities_emit_format_s", "2_entities_verified_s"}, {"2_entities_verified/bare_commands"}),
    "plan": ({"yaml_60_features_s", "order_1000_steps_s", "floor_graphlib_order_s"}, {"order / graphlib order"}),
    "startup": ({"help_s", "bare_click_s"}, {"help/click"}),
    "steps": ({"sqlite_steps_per_s", "sqlite_guard_ms", "sqlite_audit_entry_ms", "sqlite_git_ms"}, set[str]()),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bench_prints_one_object_with_its_figures(name: str) -> None:
    done = run(name, "--small", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == ["name", "machine", "figures", "ratios"]
    assert answer["name"] == name
    assert {"cores", "python", "system", "load", "commit"} <= set(answer["machine"])
    figures, ratios = EXPECTED[name]
    assert figures <= set(answer["figures"])
    assert ratios <= set(answer["ratios"])
    for key, value in answer["figures"].items():
        if key.endswith(("_s", "_per_s", "_cpu_ms")):
            assert value > 0, key


def test_the_names_are_listed_and_an_unknown_one_is_refused() -> None:
    done = run("--json")
    assert {"audit", "build", "plan", "steps"} <= set(json.loads(done.stdout)["benchmarks"])
    refused = run("speed")
    assert refused.returncode == 2
    assert "steps" in refused.stderr


def test_help_imports_nothing_heavy() -> None:
    from benchmarks import startup

    assert startup.imported() == set()


def answer(**figures: object) -> Mapping[str, Any]:
    return harness.report("x", figures, {})


QUICK = Goal("quick", ("figures", "seconds"), 1.0, unit=" s")
FAST = Goal("fast", ("ratios", "peer"), 0.5, least=True, unit="x", stretch=1.0)


def test_a_proof_says_what_was_wanted_measured_and_where(tmp_path: Path) -> None:
    rows = prove.prove("part", Part(lambda: answer(seconds=0.7), (QUICK, FAST)), patience_s=0, folder=tmp_path)
    assert [row.met for row in rows] == [True, False]
    assert "no figure" in rows[1].measured
    proof = json.loads((tmp_path / "quick.json").read_text())
    assert (proof["goal"], proof["measured"], proof["met"]) == ("<= 1 s", 0.7, True)
    assert {"commit", "machine", "date", "load", "quiet", "figures"} <= set(proof)
    missing = json.loads((tmp_path / "fast.json").read_text())
    assert (missing["measured"], missing["met"], missing["stretch_met"]) == (None, False, False)
    assert "MISSED" in prove.table(rows)


def test_a_part_that_fails_is_missed_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Mapping[str, Any]:
        raise RuntimeError("no disk")

    real = prove.prove
    parts = {"a": Part(broken, (QUICK,)), "b": Part(lambda: answer(seconds=2), (QUICK,))}
    monkeypatch.setattr(prove, "PARTS", parts)
    monkeypatch.setattr(prove, "prove", lambda name, part, **_: real(name, part, patience_s=0, folder=tmp_path))
    monkeypatch.delenv("ONLY", raising=False)
    assert prove.main() == 1
    told = capsys.readouterr().out.splitlines()
    assert "failed: RuntimeError" in told[1]
    assert "MISSED" in told[1]
    assert "2 s" in told[2]
    assert "MISSED" in told[2]


def test_only_takes_names_that_exist() -> None:
    assert list(prove.chosen("audit, plan")) == ["plan", "audit"]
    assert list(prove.chosen("")) == list(prove.PARTS)
    with pytest.raises(SystemExit):
        prove.chosen("speed")


def test_every_promised_figure_has_a_goal() -> None:
    goals = {goal.name for part in prove.PARTS.values() for goal in part.goals}
    assert {
        "steps_sqlite",
        "steps_postgres",
        "audit_appends_over_chain",
        "audit_proof_p99",
        "audit_verify_1000000",
        "plan_60_features",
        "plan_10000_nodes",
        "build_10_emitted",
        "build_10_verified",
        "build_50_verified",
        "startup_help_over_click",
        "tamper_missed",
        "intakes_refused",
        "crashes_missed",
        "ssrf_forbidden_reached",
    } <= goals
