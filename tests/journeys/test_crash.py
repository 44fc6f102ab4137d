"""kill -9 at every write of every journey, then the same again or ``remit resume``: nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_ident

import pytest

from remit.testing.drill import PACK, Drill, Ran
from remit.testing.witness import witness

from .recorded import EMPTY_TREE, PROVE, SEED, Recorded, folder, sample

pytestmark = pytest.mark.timeout(3600 if PROVE else 900)

AT_ONCE = 2
#: Moments whose number depends on how long things take: a run may come to its end without them.
TIMED = ("audit.checkpoint", "heads.append")


@dataclass(frozen=True, slots=True)
class Start:
    """A home at rest, to begin drills from: its folder and its mission."""

    folder: Path
    mission: str


type Attempt = Callable[[Drill, str, str], tuple[Ran, list[str]]]


def _each(moments: list[str], attempt: Callable[[str], list[str]], *, name: str) -> None:
    """Die at each moment, two at a time; tell every promise that was broken."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(attempt, moments))
    failures = {moment: found for moment, found in zip(moments, outcomes, strict=True) if found}
    if target := os.environ.get("DRILL_COUNTS"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"journey": name, "moments": moments, "failures": failures}) + "\n")
    assert failures == {}, f"seed {SEED}: {len(failures)} of {len(moments)}"


def _died(ran: Ran, moment: str) -> list[str]:
    if ran.killed or (ran.code == 0 and moment.startswith(TIMED)):
        return []
    return [f"did not die there: exit code {ran.code}: {ran.err[-500:]}"]


def _stands(drill: Drill, ran: Ran, *, status: str, tree: str) -> list[str]:
    """How the mission must stand in the end, whatever happened on the way."""
    if ran.code != 0:
        return [f"exit code {ran.code}: {ran.err[-500:]}"]
    told = ran.json()
    found = [] if told["status"] == status else [f"status {told['status']}, not {status}"]
    found += [] if told["tree"] == tree else [f"tree {told['tree']}, not {tree}"]
    verified = drill.remit("audit", "verify")
    if verified.code != 0:
        found.append(f"the log does not verify: {verified.out[-500:]} {verified.err[-300:]}")
    found += [f"left in the workspace: {name}" for name in _strange(Path(told["workspace"]), empty=tree == EMPTY_TREE)]
    return found


def _strange(workspace: Path, *, empty: bool) -> list[str]:
    names = {str(path.relative_to(workspace)) for path in workspace.rglob("*")} - {".git"}
    return sorted(names) if empty else sorted(name for name in names if not name.endswith((".txt", "all")))


# ------------------------------------------------------------------------------------------------------------- a run


def test_a_run_that_dies_anywhere_is_finished_by_a_resume(recorded: Recorded, tmp_path: Path) -> None:
    tree = recorded.tree("run")

    def attempt(moment: str) -> list[str]:
        base = folder(tmp_path, moment)
        base.mkdir()
        with witness(base / "witness.log") as address, Drill(base, witness=address) as drill:
            intake = drill.intake()
            found = _died(drill.remit("run", PACK, intake, at=moment), moment)
            before = drill.look()
            ran = drill.remit("resume", before.mission) if before.mission else drill.remit("run", PACK, intake)
            found += _stands(drill, ran, status="succeeded", tree=tree)
            found += drill.broken_promises(before)
            after = drill.look()
            if len(after.told) != 5 or not set(after.bodies) >= {
                "start",
                "feature-red",
                "feature-blue",
                "join",
                "last",
            }:
                found.append(f"not everything happened: {after}")
        shutil.rmtree(base)
        return found

    _each(sample(recorded.moments["fresh"], 4, name="run", every=True), attempt, name="run")


# ----------------------------------------------------------------------------------------- orders on what stands there


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """A home with one finished mission."""
    base = tmp_path_factory.mktemp("finished")
    with witness(base / "witness.log") as address, Drill(base, witness=address) as drill:
        ran = drill.remit("run", PACK, drill.intake())
        assert ran.code == 0, ran.err
        return Start(base, str(ran.json()["mission"]))


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """A home whose mission died in the middle, as in the recorded journeys."""
    base = tmp_path_factory.mktemp("broken-off")
    with witness(base / "witness.log") as address, Drill(base, witness=address) as drill:
        assert drill.remit("run", PACK, drill.intake(), at="step.finish:before:3").killed
        return Start(base, drill.look().mission)


@dataclass(frozen=True, slots=True)
class Order:
    """An order to a mission that stands, how it is given again after a crash, and how it must end."""

    name: str
    words: tuple[str, ...]
    status: str
    tree: Callable[[Recorded], str]
    moments: str
    size: int
    rerun: frozenset[str] = frozenset()
    start: str = "finished"


ORDERS = [
    Order("resume", ("resume", "ID"), "succeeded", lambda given: given.tree("run"), "resume", 2, start="broken_off"),
    Order("rollback", ("rollback", "ID"), "rolled_back", lambda _: EMPTY_TREE, "all", 2),
    Order("rollback to a step", ("rollback", "ID", "--to", "start"), "rolled_back", lambda r: r.tree("to"), "to", 2),
    Order(
        "rollback of a feature",
        ("rollback", "ID", "--feature", "red"),
        "succeeded",
        lambda given: given.tree("feature"),
        "feature",
        2,
        frozenset({"join", "last"}),
    ),
    Order(
        "branch", ("branch", "ID", "--from", "feature-red"), "succeeded", lambda given: given.tree("run"), "branch", 3
    ),
]


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Callable[[Start], Path]]:
    """Copies of a home, one for each thread at work, used again and again."""

    def copy(start: Start) -> Path:
        base = tmp_path / f"slot-{get_ident()}"
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(start.folder, base, symlinks=True)
        return base

    yield copy
    shutil.rmtree(tmp_path, ignore_errors=True)


#: The others are as long and write much the same: `make prove` takes them.
QUICK = {"resume", "rollback of a feature"}


@pytest.mark.parametrize(
    "order",
    [pytest.param(each, marks=() if each.name in QUICK else pytest.mark.prove) for each in ORDERS],
    ids=lambda order: order.name.replace(" ", "-"),
)
def test_an_order_that_dies_anywhere_is_carried_out_when_given_again(
    order: Order, recorded: Recorded, request: pytest.FixtureRequest, copies: Callable[[Start], Path]
) -> None:
    start: Start = request.getfixturevalue(order.start)
    tree = order.tree(recorded)
    words = tuple(start.mission if word == "ID" else word for word in order.words)

    def attempt(moment: str) -> list[str]:
        base = copies(start)
        with witness(base / "witness.log") as address, Drill(base, witness=address) as drill:
            found = _died(drill.remit(*words, at=moment), moment)
            before = drill.look()
            if order.name == "branch" and before.mission == start.mission:
                before = replace(before, done=frozenset())  # it died before there was a branch: all of it is to come
            if order.name == "branch" and before.mission != start.mission:
                ran = drill.remit("resume", before.mission)
            else:
                ran = drill.remit(*words)
            if order.name == "rollback of a feature" and ran.code == 2:
                ran = drill.remit("resume", start.mission)  # the feature is gone already: what is left is to go on
            found += _stands(drill, ran, status=order.status, tree=tree)
            found += drill.broken_promises(before, rerun=order.rerun)
            if order.name == "branch":
                parent = drill.remit("show", start.mission).json()
                found += [] if parent["tree"] == recorded.tree("run") else ["the parent is not as it was"]
        return found

    moments = sample(recorded.moments[order.moments], order.size, name=order.name)
    _each(moments, attempt, name=order.name)
