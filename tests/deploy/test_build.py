"""An application of the build pack, from its intake to a folder that serves it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remit.bootstrap import open_runtime, prepare_home
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request
from remit.guard.evidence import standing
from remit.kernel.errors import ApprovalPending
from remit.missions.deployments import Ended
from remit.settings import Settings

from .conftest import OWNER, review

INTAKE = Path(__file__).parents[2] / "examples" / "intakes" / "library.yaml"

pytestmark = pytest.mark.timeout(240)


async def test_a_build_is_judged_deployed_and_taken_back(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home")
    place = tmp_path / "site"
    place.mkdir(mode=0o755)
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        await runtime.start()
        data = INTAKE.read_bytes()
        mission = await runtime.missions.create("default", "build", data, name=INTAKE.name, originator=OWNER)
        view = await runtime.missions.run("default", mission)
        assert view.status == "succeeded", view.mission.error

        assert view.estimate is not None
        assert (view.estimate.preset, view.estimate.cost_low, view.estimate.cost_high) == ("build", 100_000, 500_000)
        assert view.estimate.ended
        tree = view.mission.tree
        said = await runtime.store.read(lambda tx: standing(tx, "default", mission, tree))
        own = {"tests", "tests_tests", "tests_migrations", "quality", "quality_lint", "quality_types"}
        assert set(said) == own | {"security", "secrets"}
        assert all(each.holds for each in said.values())

        await review(runtime, mission)
        order = ("default", mission, str(place))
        with pytest.raises(ApprovalPending) as pending:
            await runtime.deployments.deploy(*order, actor=OWNER)
        approval = pending.value.approval_id
        request = await runtime.store.read(lambda tx: read_request(tx, "default", approval))
        await decide(
            runtime.store,
            approval,
            workspace="default",
            by=OWNER,
            approve=True,
            subject_hash=request.subject_hash,
            reason="",
            clock=runtime.clock,
            redactor=runtime.redactor,
        )
        done = await runtime.deployments.deploy(*order, actor=OWNER)
        assert done.ended is Ended.DEPLOYED, done.text
        answers = json.loads(done.text.strip().splitlines()[0])
        assert answers["ok"]
        assert any("/health -> 200" in line for line in answers["requests"])
        assert (place / "current" / "app" / "main.py").is_file()
        assert not (place / "current" / ".cache").exists()

        await runtime.missions.rollback("default", mission, actor=OWNER)
        assert not (place / "current").exists()
