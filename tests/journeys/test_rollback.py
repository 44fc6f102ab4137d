"""Going back, byte for byte, and what hostile steps tried to leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remit.testing.drill import PACK, Drill, Ran

from .recorded import EMPTY_TREE, Recorded

pytestmark = pytest.mark.timeout(180)

HERE = Path(__file__).parent


def _git(workspace: str | Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(workspace), *words], capture_output=True, text=True, check=True).stdout


def _checkpoints(workspace: str | Path) -> dict[str, str]:
    """The tree of each step's checkpoint."""
    lines = _git(workspace, "log", "--format=%T %(trailers:key=Remit-Step,valueonly,separator=%x2C)").splitlines()
    return {step: tree for tree, _, step in (line.partition(" ") for line in lines) if step}


def _files(workspace: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of the work tree with its mode and bytes, whatever git thinks of it."""
    return {
        str(path.relative_to(workspace)): (path.lstat().st_mode & 0o777, path.read_bytes())
        for path in workspace.rglob("*")
        if path.is_file() and path != workspace / ".git"
    }


def _of_tree(workspace: Path, tree: str) -> dict[str, tuple[int, bytes]]:
    """The files that a tree holds, as git itself stores them."""
    found: dict[str, tuple[int, bytes]] = {}
    for line in _git(workspace, "ls-tree", "-r", "-z", tree).split("\0")[:-1]:
        head, _, path = line.partition("\t")
        mode, _, blob = head.split(" ")
        data = subprocess.run(["git", "-C", str(workspace), "cat-file", "blob", blob], capture_output=True, check=True)
        found[path] = (int(mode[-3:], 8), data.stdout)
    return found


def _ok(ran: Ran) -> dict[str, object]:
    assert ran.code == 0, ran.err
    return ran.json()


def test_back_to_a_step_and_to_the_start_leaves_nothing_else(drill: Drill) -> None:
    told = _ok(drill.remit("run", PACK, drill.intake()))
    mission, workspace = told["mission"], Path(str(told["workspace"]))
    trees = _checkpoints(workspace)
    for step in ("last", "join", "feature-red", "start"):
        (workspace / "untracked").mkdir(exist_ok=True)
        (workspace / "untracked" / "file.o").write_text("not ours")
        (workspace / ".gitignore").write_text("*.hidden\n")
        (workspace / "seen.hidden").write_text("ignored")
        back = _ok(drill.remit("rollback", mission, "--to", step))
        assert back["tree"] == trees[step]
        assert _files(workspace) == _of_tree(workspace, trees[step])
        assert _git(workspace, "status", "--porcelain", "--ignored") == ""
    assert _ok(drill.remit("rollback", mission))["tree"] == EMPTY_TREE
    assert [path.name for path in workspace.iterdir()] == [".git"]
    again = _ok(drill.remit("resume", mission))
    assert (again["status"], again["tree"]) == ("succeeded", told["tree"])


def test_without_one_feature_it_is_as_if_there_had_never_been_one(drill: Drill, recorded: Recorded) -> None:
    never = _ok(drill.remit("run", PACK, drill.intake(features=["blue"])))
    assert recorded.tree("feature") == never["tree"]
    assert recorded.tree("run") != never["tree"]


@pytest.mark.parametrize("tidy", [True, False], ids=["hides it again", "leaves it there"])
def test_nothing_that_a_step_plants_runs_or_survives(tidy: bool, drill: Drill) -> None:  # noqa: FBT001
    mark = drill.folder / "owned"
    drill.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    intake = drill.folder / "hostile.json"
    intake.write_text(json.dumps({"mark": str(mark), "tidy": tidy}), encoding="utf-8")
    ran = drill.remit("run", "hostile:PACK", intake)
    told = ran.json()
    mission, workspace = told["mission"], Path(told["workspace"])
    steps = {step["name"]: step["status"] for step in told["steps"]}
    assert (steps["first"], steps["ignored"]) == ("succeeded", "succeeded"), ran.err
    if tidy:
        assert steps["plant"] == "succeeded", ran.err
    trees = _checkpoints(workspace)
    assert _files(workspace) == _of_tree(workspace, str(told["tree"]))
    assert _of_tree(workspace, trees["ignored"])["kept.txt"][1] == b"kept $Id$\r\nas it is\n"

    assert _ok(drill.remit("rollback", mission, "--to", "ignored"))["tree"] == trees["ignored"]
    assert _files(workspace) == _of_tree(workspace, trees["ignored"])
    _plant_like_a_person(workspace, mark)
    assert _ok(drill.remit("rollback", mission, "--to", "first"))["tree"] == trees["first"]
    assert _files(workspace) == {"first.txt": (0o644, b"first\n")}
    _plant_like_a_person(workspace, mark)
    assert _ok(drill.remit("rollback", mission))["tree"] == EMPTY_TREE
    assert [path.name for path in workspace.iterdir()] == [".git"]
    repository = workspace.parent / "repo.git"
    assert not (repository / "hooks").exists()
    assert "evil" not in (repository / "config").read_text()
    assert list(workspace.parent.rglob("post-commit")) == []
    assert not mark.exists(), mark.read_text()
    assert drill.left_over() == []


def _plant_like_a_person(workspace: Path, mark: Path) -> None:
    """The worst case: whoever may write the home changed the repository itself and left files in the work tree."""
    from .hostile import PLANT

    place = workspace.parent / "steps" / "left"
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-c", PLANT, str(mark)]
    subprocess.run(
        argv, cwd=place, check=True, capture_output=True, env={"HOME": str(place), "PATH": os.environ["PATH"]}
    )
    (workspace / ".gitignore").write_text("*\n")
    (workspace / "ignored.bin").write_text("nobody asked for it")
    (workspace / ".gitattributes").write_text("* filter=evil\n")
    assert (workspace.parent / "repo.git" / "hooks" / "post-commit").exists()
