"""What a scraper reads: the figures of real rows, in the format that Prometheus defines."""

import json
import sys
from pathlib import Path
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from remit.bootstrap import metrics_samples, metrics_text, open_runtime, open_store, prepare_home
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Tool
from remit.kernel.errors import Denied
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.settings import Settings
from remit.testing.drill import PACK, Drill
from remit.testing.witness import witness

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path


class Echo:
    """A tool that answers, or says that it didn't work."""

    async def perform(self, action: Action) -> Outcome:
        assert isinstance(action.effect, Tool)
        return Outcome(ok=action.effect.name == "good", value={}, text="")


def ask(name: str, who: Principal) -> Action:
    owner = Principal(ActorKind.USER, "owner")
    return Action(id=new_id(), effect=Tool(name), principal=who, on_behalf_of=owner, workspace="default")


@pytest.fixture
async def home(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home")
    await prepare_home(settings)
    owner, coder = Principal(ActorKind.USER, "owner"), Principal(ActorKind.AGENT, "coder")
    async with open_runtime(settings, adapters={"tool": Echo()}) as runtime:
        for name in ("good", "good", "bad"):
            await runtime.guard.run(ask(name, owner))
        with pytest.raises(Denied):
            await runtime.guard.run(ask("good", coder))
    return settings


def test_actions_refusals_and_each_checks_time_are_counted(home: Settings) -> None:
    with open_store(home) as store:
        text = metrics_text(store, home)
        told = {
            (sample.name, *sorted((k, v) for k, v in sample.labels.items() if k != "workspace")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    tool = ("kind", "tool")
    assert told["remit_actions_total", tool, ("state", "ok")] == 2
    assert told["remit_actions_total", tool, ("state", "failed")] == 1
    assert told["remit_refusals_total", ("check", "authorise"), ("reason", "effect")] == 1
    assert told["remit_action_seconds_count", tool] == 3
    assert told["remit_action_seconds_bucket", tool, ("le", "+Inf")] == 3
    assert told["remit_audit_entries",] > 6
    checks = {labels[0][1] for name, *labels in told if name == "remit_guard_check_seconds_count"}
    assert {"identify", "authorise", "scan", "breaker", "budget"} <= checks
    assert told["remit_guard_check_seconds_count", ("check", "identify")] == 4
    assert told["remit_guard_check_seconds_count", ("check", "budget")] == 3  # the refused one never came there
    assert 0 < told["remit_guard_check_seconds", ("check", "scan"), ("quantile", "0.99")] < 1


def test_samples_and_text_tell_the_same(home: Settings) -> None:
    with open_store(home) as store:
        from_text = {
            sample.name
            for family in text_string_to_metric_families(metrics_text(store, home))
            for sample in family.samples
        }
        assert {str(sample["name"]) for sample in metrics_samples(store, home)} == from_text


def test_labels_are_closed_enums(home: Settings) -> None:
    with open_store(home) as store:
        labels = {name for sample in metrics_samples(store, home) for name in cast("dict[str, str]", sample["labels"])}
    assert labels <= {"workspace", "kind", "state", "check", "reason", "status", "outcome", "phase", "le", "quantile"}


def test_the_command_prints_both_forms(home: Settings) -> None:
    argv = [sys.executable, "-m", "remit.cli", "metrics", "--home", str(home.home)]
    shown = run_command(argv, capture_output=True, text=True, check=True).stdout
    assert "# TYPE remit_actions_total counter" in shown
    data = json.loads(run_command([*argv, "--json"], capture_output=True, text=True, check=True).stdout)
    labels = {"workspace": "default", "kind": "tool", "state": "ok"}
    assert {"name": "remit_actions_total", "labels": labels, "value": 2} in data["metrics"]


def test_a_missions_attempts_are_counted(tmp_path: Path) -> None:
    with witness(tmp_path / "witness.log") as address, Drill(tmp_path, witness=address) as drill:
        assert drill.remit("run", PACK, drill.intake(flaky=2)).code == 0
        told = drill.remit("metrics").json()["metrics"]
    by_name: dict[str, dict[str, float]] = {}
    for sample in told:
        labels = ",".join(str(value) for name, value in sample["labels"].items() if name != "workspace")
        by_name.setdefault(sample["name"], {})[labels] = sample["value"]
    assert by_name["remit_missions"] == {"succeeded": 1}
    assert by_name["remit_steps_retried"][""] == 1
    assert by_name["remit_step_attempts_total"]["failed"] == 2
    attempts = by_name["remit_step_attempts_total"]["succeeded"]
    assert attempts == by_name["remit_steps"]["succeeded"] == by_name["remit_step_seconds_count"]["succeeded"]
    assert by_name["remit_step_seconds_sum"]["succeeded"] > 0
