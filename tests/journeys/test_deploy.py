"""Deployments from the command line, killed at every write: the old release is live or the new one, never a half."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remit.adapters.files.removal import remove_tree
from remit.testing.drill import Drill, Ran, until

from ..deploy.conftest import Built, built, files_of  # noqa: TID252 - tests are loaded by path
from .recorded import sample

__all__ = ["built"]

pytestmark = pytest.mark.timeout(600)


WAITS = 4  # the exit code


@dataclass
class Site:
    """A home with the shops, ``one`` of them live at ``place``."""

    drill: Drill
    built: Built
    place: Path

    def ask(self, name: str, *, at: str = "", record: bool = False) -> Ran:
        return self.drill.remit("deploy", self.built.missions[name], "--to", self.place, at=at, record=record)

    def deploy(self, name: str, *, at: str = "", record: bool = False) -> Ran:
        """Asked, approved where a person has to, and asked again: that is what is killed or recorded."""
        self.approve(name)
        return self.ask(name, at=at, record=record)

    def approve(self, name: str) -> None:
        """Leave for a deployment, unless nothing is to be asked."""
        ran = self.ask(name)
        if ran.code == WAITS:
            told = ran.json()
            assert self.drill.remit("approve", told["approval"]).code == 0
            assert told["next"].startswith(f"remit deploy {self.built.missions[name]}")

    def rollback(self, name: str, *, at: str = "", record: bool = False) -> Ran:
        return self.drill.remit("rollback", self.built.missions[name], at=at, record=record)

    @property
    def live(self) -> str:
        """Which shop is live, whole; empty when none is."""
        link = self.place / "current"
        if not link.is_symlink():
            return ""
        name = next(name for name, tree in self.built.trees.items() if tree == link.readlink().name)
        workspace = self.built.home / "missions" / self.built.missions[name] / "workspace"
        wanted = {path: data for path, data in files_of(workspace).items() if path != ".git"}
        assert files_of(link) == wanted
        return name

    def left(self) -> list[str]:
        """What does not belong there once an order has come to its end."""
        paths = [*self.place.iterdir(), *(self.place / "releases").iterdir()]
        return [path.name for path in paths if path.name.startswith(".")]


@pytest.fixture(scope="module")
def first(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home, after ``one`` went live at ``site``."""
    folder = tmp_path_factory.mktemp("first")
    _copy(built.home, folder / "home")
    (folder / "site").mkdir(mode=0o755)
    with Drill(folder) as drill:
        site = Site(drill, built, folder / "site")
        ran = site.deploy("one")
        assert ran.code == 0, ran.err
        assert site.live == "one"
    return folder


def _copy(source: Path, to: Path) -> None:
    shutil.copytree(source, to, symlinks=True)


@pytest.fixture
def sites(first: Path, built: Built, tmp_path: Path) -> Iterator[Site]:
    """A copy. Its home knows the place under the name it had: the folder moves, so the place is given anew."""
    yield from _site(first, built, tmp_path / "a")


def _site(first: Path, built: Built, folder: Path) -> Iterator[Site]:
    """The place must keep its path, which stands in the rows: it is put back as it was each time."""
    folder.mkdir()
    _copy(first / "home", folder / "home")
    kept, place = folder / "kept", first / "site"
    _copy(place, kept)
    with Drill(folder) as drill:
        try:
            yield Site(drill, built, place)
        finally:
            remove_tree(place)
            _copy(kept, place)


@pytest.mark.prove
def test_killed_at_every_write_a_rerun_settles_it(first: Path, built: Built, tmp_path: Path) -> None:
    moments: list[str] = []
    for site in _site(first, built, tmp_path / "whole"):
        ran = site.deploy("two", record=True)
        assert (ran.code, site.live) == (0, "two"), ran.err
        moments = [moment for moment in site.drill.recorded() if not moment.startswith(("audit", "heads"))]
    assert {moment.partition(":")[0] for moment in moments} >= {
        "deploy.record",
        "deploy.stage",
        "deploy.release",
        "deploy.switch",
        "deploy.prune",
        "deploy.evidence",
        "guard.intent",
        "guard.outcome",
    }
    for number, moment in enumerate(sample(moments, 2, name="deploy", every=True)):
        for site in _site(first, built, tmp_path / f"kill-{number}"):
            assert site.deploy("two", at=moment).killed, moment
            assert site.live in {"one", "two"}, moment
            again = site.ask("two")
            if again.code == WAITS:  # the leave was used up by what was killed before it touched anything
                again = site.deploy("two")
            assert (again.code, site.live) == (0, "two"), f"{moment}: {again.out}{again.err}"
            assert again.json()["status"] in {"already", "deployed"}
            assert site.left() == [], moment
            status = site.drill.remit("deploy", "--to", site.place, "--status").json()
            assert status["mission"] == built.missions["two"]
            assert {each["state"] for each in status["history"]} <= {"ok", "failed"}, moment
            assert site.drill.remit("audit", "verify").code == 0, moment
            assert site.drill.left_over() == [], moment
            back = site.rollback("two")
            assert (back.code, site.live) == (0, "one"), f"{moment}: {back.out}{back.err}"


@pytest.mark.prove
def test_killed_while_it_takes_back_a_rerun_settles_it(first: Path, built: Built, tmp_path: Path) -> None:
    moments: list[str] = []
    for site in _site(first, built, tmp_path / "whole"):
        assert site.deploy("two").code == 0
        ran = site.rollback("two", record=True)
        assert (ran.code, site.live) == (0, "one"), ran.err
        moments = [moment for moment in site.drill.recorded() if moment.startswith(("deploy", "guard", "mission"))]
    assert "deploy.switch:before:1" in moments
    for number, moment in enumerate(sample(moments, 1, name="take back", every=True)):
        for site in _site(first, built, tmp_path / f"kill-{number}"):
            assert site.deploy("two").code == 0
            assert site.rollback("two", at=moment).killed, moment
            assert site.live in {"one", "two"}, moment
            again = site.rollback("two")
            assert (again.code, site.live) == (0, "one"), f"{moment}: {again.out}{again.err}"
            assert site.drill.remit("audit", "verify").code == 0, moment


@pytest.mark.prove
def test_killed_while_it_is_tested_live(sites: Site) -> None:
    (sites.place / "slow").write_text("60")
    sites.approve("two")
    process = sites.drill.start("deploy", sites.built.missions["two"], "--to", sites.place)
    until(lambda: sites.live == "two", what="the switch")
    process.kill()
    sites.drill.ended(process)
    assert sites.drill.left_over() == []
    (sites.place / "slow").unlink()
    status = sites.drill.remit("deploy", "--to", sites.place, "--status").json()
    assert status["history"][0]["state"] == "open"
    again = sites.ask("two")
    assert again.json()["status"] == "deployed"
    assert "before it was tested" in again.json()["text"]
    assert sites.live == "two"


def test_two_processes_at_once(sites: Site) -> None:
    sites.approve("two")
    started = [sites.drill.start("deploy", sites.built.missions["two"], "--to", sites.place) for _ in range(2)]
    ended = [sites.drill.ended(process) for process in started]
    assert [ran.code for ran in ended] == [0, 0], [ran.err for ran in ended]
    assert sorted(ran.json()["status"] for ran in ended) == ["already", "deployed"]
    assert sites.live == "two"
    assert sites.left() == []


def test_what_can_not_be_deployed_says_so(sites: Site) -> None:
    refused = sites.ask("late")
    assert refused.code == 3
    assert "remit why" in refused.err
    assert sites.drill.remit("deploy", "--to", sites.place).code == 2
    ill = sites.ask("ill")
    assert (ill.code, ill.json()["status"]) == (1, "smoke_failed")
    unfinished = sites.ask("broken")
    assert unfinished.code == 1
    assert sites.live == "one"
