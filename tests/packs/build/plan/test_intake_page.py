"""The page about intakes names every key there is, and its example is an intake."""

import re
from pathlib import Path
from typing import Any

from remit.packs.build.intake import read_intake
from remit.packs.build.plan import plan_build
from remit.packs.build.schema import Intake

PAGE = (Path(__file__).parents[4] / "docs" / "intake.md").read_text()


def test_every_key_of_the_schema_is_on_the_page() -> None:
    schema: dict[str, Any] = Intake.model_json_schema(by_alias=True)
    objects = [schema, *schema["$defs"].values()]
    keys = {key for found in objects for key in found.get("properties", {})}
    said = set(re.findall(r"`([A-Za-z]+)`", PAGE)) | set(re.findall(r"\*\*([A-Za-z]+)\*\*", PAGE))
    assert keys - said == set()


def test_the_example_on_the_page_is_planned() -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    plan = plan_build(read_intake(example.encode(), name="page.yaml"))
    assert [entity.table for entity in plan.ir.entities] == ["authors", "books"]
