"""The derived documents hold a document from elsewhere to the same rules, and are read with places too."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from remit.packs.build.intake import InvalidDocument, read_document, read_intake
from remit.packs.build.plan import BuildPlan, plan_build
from remit.packs.build.schema import Intake
from remit.packs.build.schema_architecture import Architecture
from remit.packs.build.schema_graph import FeatureGraph
from remit.packs.build.schema_spec import ExecutionState, RetryPolicySpec, ScaffoldingSpec

EXAMPLES = Path(__file__).parents[4] / "examples" / "intakes"


@pytest.fixture(scope="module")
def plan() -> BuildPlan:
    return plan_build(read_intake((EXAMPLES / "clinic.yaml").read_bytes(), name="clinic.yaml"))


def _tree(model: Any) -> dict[str, Any]:
    return json.loads(model.model_dump_json(by_alias=True))


def _refused(model: Any, tree: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(tree))
    return str(caught.value)


def test_each_document_reads_back_as_itself(plan: BuildPlan) -> None:
    for document in (plan.architecture, plan.graph, plan.spec):
        assert type(document).model_validate_json(document.model_dump_json(by_alias=True)) == document


def test_a_service_cycle_is_named(plan: BuildPlan) -> None:
    tree = _tree(plan.architecture)
    tree["infrastructure"]["services"][1]["dependencies"] = ["api"]
    assert "api -> database -> api" in _refused(Architecture, tree)


def test_a_foreign_key_must_resolve(plan: BuildPlan) -> None:
    tree = _tree(plan.architecture)
    table = next(t for t in tree["infrastructure"]["database"]["tables"] if t["name"] == "appointments")
    column = next(c for c in table["columns"] if c["name"] == "patient_id")
    column["references"]["table"] = "patient"
    assert "appointments.patient_id references patient.id, which is no key" in _refused(Architecture, tree)


def test_a_table_needs_columns(plan: BuildPlan) -> None:
    tree = _tree(plan.architecture)
    tree["infrastructure"]["database"]["tables"][0]["columns"] = []
    assert "columns" in _refused(Architecture, tree)


def test_an_operation_stands_once(plan: BuildPlan) -> None:
    tree = _tree(plan.architecture)
    tree["apiContract"]["endpoints"].append(tree["apiContract"]["endpoints"][0])
    assert "GET /health stands twice" in _refused(Architecture, tree)


def test_a_graph_with_a_cycle_or_a_missing_stage_is_refused(plan: BuildPlan) -> None:
    tree = _tree(plan.graph)
    first = next(node for node in tree["nodes"] if node["id"] == "patients")
    first["dependencies"] = [{"featureId": "records", "type": "hard", "reason": ""}]
    assert "patients -> records" in _refused(FeatureGraph, tree)
    tree = _tree(plan.graph)
    tree["executionStages"] = list(reversed(tree["executionStages"][:1]))
    assert "its stage is wrong" in _refused(FeatureGraph, tree)


def test_an_undeclared_secret_in_a_step_is_refused(plan: BuildPlan) -> None:
    tree = _tree(plan.spec)
    step = next(step for step in tree["steps"] if step["type"] == "command")
    step["secretRefs"] = ["nowhere"]
    assert "refers to undeclared secret nowhere" in _refused(ScaffoldingSpec, tree)


def test_steps_must_exist_and_not_wait_for_each_other(plan: BuildPlan) -> None:
    tree = _tree(plan.spec)
    tree["steps"][0]["dependsOn"] = ["serve"]
    assert "steps wait for each other: skeleton -> " in _refused(ScaffoldingSpec, tree)
    tree["steps"][0]["dependsOn"] = ["serv"]
    assert "did you mean serve?" in _refused(ScaffoldingSpec, tree)


def test_a_step_needs_a_postcondition_a_known_kind_and_a_timeout(plan: BuildPlan) -> None:
    tree = _tree(plan.spec)
    tree["steps"][0]["postconditions"] = []
    assert "postconditions" in _refused(ScaffoldingSpec, tree)
    tree = _tree(plan.spec)
    tree["steps"][0]["type"] = "magic"
    assert "magic" in _refused(ScaffoldingSpec, tree)
    tree = _tree(plan.spec)
    tree["steps"][0]["postconditions"][0]["type"] = "looks_good"
    assert "looks_good" in _refused(ScaffoldingSpec, tree)
    tree = _tree(plan.spec)
    tree["steps"][0]["timeoutS"] = 0
    assert "greater than 0" in _refused(ScaffoldingSpec, tree)


@pytest.mark.parametrize(
    "policy", [{"maxAttempts": 0}, {"initialDelay": 0}, {"maxDelay": 0.1, "initialDelay": 0.5}, {"maxAttempts": "3"}]
)
def test_retry_bounds(policy: dict[str, Any]) -> None:
    _refused(RetryPolicySpec, policy)


def test_an_api_call_that_changes_something_needs_a_way_back(plan: BuildPlan) -> None:
    tree = _tree(plan.spec)
    call = {
        "type": "api_call",
        "id": "charge",
        "key": "0" * 64,
        "title": "Charge",
        "method": "POST",
        "url": "https://example.org",
        "postconditions": [{"type": "http", "id": "up", "url": "https://example.org"}],
    }
    tree["steps"].append(call)
    assert "idempotencyKey or a compensate" in _refused(ScaffoldingSpec, tree)
    call["idempotencyKey"] = "charge-1"
    ScaffoldingSpec.model_validate_json(json.dumps(tree))


def test_an_execution_can_not_be_completed_with_a_failed_step() -> None:
    step = {"stepIndex": 0, "success": False, "startedAt": "2026-01-01T00:00:00Z", "error": "exit 1"}
    tree = {"executionId": "e", "status": "completed", "steps": [step]}
    assert "step 0 failed" in _refused(ExecutionState, tree)
    tree["status"] = "failed"
    ExecutionState.model_validate_json(json.dumps(tree))
    step["completedAt"] = "2025-01-01T00:00:00Z"
    assert "before it started" in _refused(ExecutionState, tree)


def test_other_documents_are_read_with_places_too(plan: BuildPlan) -> None:
    text = json.dumps(_tree(plan.graph), indent=1).replace('"priority": 10', '"priority": 11')
    with pytest.raises(InvalidDocument) as caught:
        read_document(FeatureGraph, text.encode(), name="graph.json")
    problem = caught.value.found[0]
    assert problem.path == "nodes[0].priority"
    assert text.splitlines()[problem.line - 1].strip() == '"priority": 11,'


def test_the_intake_model_holds_its_rules_without_a_file() -> None:
    tree = {
        "metadata": {"appName": "x"},
        "requirements": {
            "features": [{"id": "a", "name": "A", "dependencies": ["b"], "dataModel": {"entities": []}}],
        },
    }
    assert "depends on `b`" in _refused(Intake, tree)
