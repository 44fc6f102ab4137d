"""Taking a feature out of an intake: it and what needs it go, the rest is planned as if they had never been."""

from pathlib import Path

import pytest

from remit.kernel.errors import NotFound
from remit.packs.build.intake import InvalidDocument, read_intake
from remit.packs.build.plan import plan_build
from remit.packs.build.removal import without_feature
from remit.packs.build.schema import Intake

EXAMPLES = Path(__file__).parents[4] / "examples" / "intakes"


def _intake(name: str) -> Intake:
    return read_intake((EXAMPLES / f"{name}.yaml").read_bytes(), name=f"{name}.yaml")


def test_a_leaf_goes_alone_and_leaves_no_trace() -> None:
    left, removed = without_feature(_intake("shop"), "coupons")
    assert removed == ("coupons",)
    plan = plan_build(left)
    assert b"coupon" not in plan.canonical().replace(plan.ir.description.encode(), b"")
    assert left.requirements.billing is not None
    assert [tier.features for tier in left.requirements.billing.tiers] == [(), (), ("media", "quotes")]


def test_what_needs_it_goes_too_also_through_others() -> None:
    left, removed = without_feature(_intake("clinic"), "patients")
    assert removed == ("patients", "appointments", "records", "invoicing", "reporting")
    assert [feature.id for feature in left.requirements.features] == ["staff"]
    plan_build(left)


def test_soft_dependants_stay() -> None:
    left, removed = without_feature(_intake("shop"), "orders")
    assert "quotes" not in removed
    quotes = next(feature for feature in left.requirements.features if feature.id == "quotes")
    assert quotes.dependencies == ()


def test_optional_relations_into_it_are_dropped() -> None:
    data = b"""
metadata: {appName: Two}
requirements:
  features:
    - {id: a, name: A, dataModel: {entities: [{name: One, fields: [{name: x, type: int}]}]}}
    - id: b
      name: B
      dataModel:
        entities:
          - name: Two
            fields: [{name: x, type: int}]
            relationships: [{type: n-1, target: One}, {type: n-n, target: One, name: ones}]
"""
    left, removed = without_feature(read_intake(data, name="two.yaml"), "a")
    assert removed == ("a",)
    assert plan_build(left).ir.entity("two").references == ()


def test_the_result_equals_an_intake_written_without_the_feature() -> None:
    text = (EXAMPLES / "library.yaml").read_text()
    start, end = text.index("    - id: loans"), text.index("  security:")
    written = read_intake((text[:start] + text[end:]).encode(), name="l.yaml")
    left, removed = without_feature(_intake("library"), "loans")
    assert removed == ("loans",)
    assert plan_build(left).canonical() == plan_build(written).canonical()


def test_the_last_feature_can_not_go() -> None:
    data = b"""
metadata: {appName: One}
requirements: {features: [{id: a, name: A, dataModel: {entities: [{name: One, fields: [{name: x, type: int}]}]}}]}
"""
    with pytest.raises(InvalidDocument, match="nothing is left"):
        without_feature(read_intake(data, name="one.yaml"), "a")


def test_an_unknown_feature_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        without_feature(_intake("clinic"), "patient")
    assert "`patients`" in caught.value.hint


def test_steps_of_what_stays_keep_their_keys_unless_they_named_it() -> None:
    intake = _intake("shop")
    left, _ = without_feature(intake, "coupons")
    before = {step.id: step.key for step in plan_build(intake).spec.steps}
    after = {step.id: step.key for step in plan_build(left).spec.steps}
    rendered = {name for name in after if name == "skeleton" or name.startswith("feature-")}
    assert {name for name in rendered if after[name] == before[name]} == rendered
    assert after["assemble"] != before["assemble"]
