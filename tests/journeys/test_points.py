"""Every write of every journey has a name, and every name is written."""

import re
from pathlib import Path

import pytest

from remit.adapters.store.journal import Store
from remit.bootstrap import open_store, prepare_home
from remit.kernel import crash
from remit.kernel.errors import InternalError
from remit.settings import Settings
from remit.testing.drill import PACK, Drill

from .recorded import ORDERED, PROVE, SERVED, Recorded

pytestmark = pytest.mark.timeout(900)


def test_the_journeys_reach_every_name_on_both_sides(recorded: Recorded) -> None:
    reached = {moment.rpartition(":")[0] for moments in recorded.moments.values() for moment in moments}
    written = {f"{point}:{side}" for point in crash.POINTS - SERVED for side in ("before", "after")}
    ordered = {f"{point}:{side}" for point in ORDERED for side in ("before", "after")}
    assert reached <= written
    assert reached >= (written if PROVE else written - ordered)


def test_every_name_that_stands_in_the_code_is_listed_and_used() -> None:
    source = Path(crash.__file__).parents[1]
    texts = [path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path != Path(crash.__file__)]
    named = {name for text in texts for name in re.findall(r"reach\(\s*\"([\w.]+):(?:before|after)\"", text)}
    assert named <= crash.POINTS
    unused = {point for point in crash.POINTS if not any(f'"{point}' in text for text in texts)}
    assert unused == set()


async def test_a_new_write_without_a_name_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    await prepare_home(settings)
    with open_store(settings) as store:
        size = _size(store)
        with pytest.raises(InternalError, match=r"missions\.newly_written"):
            await store.commit("missions.newly_written", lambda _tx: None)
        assert _size(store) == size
    crash.install(lambda _moment: None)
    try:
        with pytest.raises(InternalError, match=r"git\.newly_written"):
            crash.reach("git.newly_written:before")
    finally:
        crash.install(None)


def _size(store: Store) -> int:
    return store.verify().size


def test_production_refuses_a_drill_and_nothing_is_written(drill: Drill) -> None:
    drill.environ["REMIT_ENVIRONMENT"] = "production"
    intake = drill.intake()
    for ran in (
        drill.remit("run", PACK, intake, at="step.finish:before"),
        drill.remit("run", PACK, intake, record=True),
    ):
        assert ran.code == 2
        assert "production" in ran.json()["error"]["message"]
        assert not drill.home.exists()
        assert not drill.moments.exists()


def test_a_moment_that_does_not_exist_is_refused(drill: Drill) -> None:
    for wrong in ("step.finished:before", "step.finish", "step.finish:during", "step.finish:before:0"):
        ran = drill.remit("missions", at=wrong)
        assert (ran.code, wrong in ran.json()["error"]["message"]) == (2, True)
