"""The same promises on real git and both real stores."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.accounts.owner import create_local_owner
from remit.adapters.git.mission import MissionRepository
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.kernel import crash
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Drift, Fenced, IntegrityError
from remit.missions.rows import OnDrift
from remit.missions.service import Missions
from remit.testing.recording_guard import RecordingGuard

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path

__all__ = ["postgres_server", "postgres_url"]

pytestmark = pytest.mark.adapter

OWNER = Principal(ActorKind.USER, "owner")
STEPS: list[dict[str, Any]] = [
    {"name": "base", "params": {"files": ["base.txt", "app/main.py"]}},
    {"name": "users", "needs": ["base"], "feature": "users", "params": {"files": ["app/users.py"], "calls": 1}},
    {"name": "billing", "needs": ["base"], "feature": "billing", "params": {"files": ["app/billing.py"]}},
    {"name": "index", "needs": ["users", "billing"], "params": {"files": ["base.txt"]}},
]


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    signer = create_key(tmp_path / "key")
    made: Any
    if request.param == "postgres":
        from remit.adapters.store.postgres import PostgresStore

        made = PostgresStore(request.getfixturevalue("postgres_url"), [signer], heads=tmp_path / "heads")
    else:
        made = SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads")
    made.migrate()
    yield made
    made.close()


async def on_git(world: Any, folder: Path, store: Any) -> Any:
    """The small world with its store and repositories replaced by the real ones."""
    guard = RecordingGuard(store)
    repositories: dict[str, MissionRepository] = {}

    def repository_for(mission: str) -> MissionRepository:
        return repositories.setdefault(mission, MissionRepository(folder / "missions", mission))

    async def verify(workspace: str, mission: str) -> None:
        del workspace, mission
        report = store.verify()
        if not report.ok:
            raise IntegrityError(str(report.discrepancies[0]))

    await create_local_owner(store, workspace="w", user="owner", name="Owner", clock=world.deps.clock)
    deps = replace(
        world.deps,
        journal=store,
        guard=guard,
        ledger=guard,
        repository_for=repository_for,
        verify_log=verify,
    )
    made = replace(world, deps=deps, missions=Missions(deps), journal=store, guard=guard)
    await made.engine.start(made.missions.drive, worker=True)
    return made


def git(view: Any, *arguments: str) -> str:
    found = subprocess.run(["git", *arguments], cwd=view.workspace, capture_output=True, text=True, check=True)
    return found.stdout


def log_of(view: Any) -> list[str]:
    return git(view, "log", "--format=%s %(trailers:key=Remit-Step,valueonly,separator=%x2C)", "--reverse").splitlines()


async def test_a_person_sees_one_commit_a_step_with_plain_git(world: Any, store: Any, tmp_path: Path) -> None:
    real = await on_git(world, tmp_path / "home", store)
    view = await real.run(STEPS)
    assert view.status == "succeeded", view.mission.error
    assert log_of(view) == ["base base", "users users", "billing billing", "index index"]
    assert git(view, "status", "--porcelain") == ""
    assert git(view, "rev-parse", "HEAD^{tree}").strip() == view.mission.tree
    assert real.journal.verify().ok


MOMENTS = ["git.objects:after", "git.ref:before", "git.ref:after", "git.workspace:before", "git.workspace:after"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_round_a_git_write_and_resumed(world: Any, store: Any, tmp_path: Path, moment: str) -> None:
    whole = await on_git(world, tmp_path / "whole", store)
    tree = (await whole.run(STEPS)).mission.tree
    world.pack.ran.clear()
    real = await on_git(world, tmp_path / "home", store)
    mission = await real.create(STEPS)
    count = 0

    def kill(reached: str) -> None:
        nonlocal count
        count += reached == moment
        if count >= (2 if moment.startswith(("git.objects", "git.ref")) else 1):
            raise Crash(reached)

    crash.install(kill)
    with pytest.raises(Crash):
        await real.engine.wait(await real.missions.submit("w", mission))
    crash.install(None)
    done = {step.name for step in (await real.missions.show("w", mission)).steps if step.done}
    ran = dict(world.pack.ran)
    other = await real.restarted()
    view = await other.resume(mission)
    assert view.status == "succeeded", view.mission.error
    assert view.mission.tree == tree
    assert git(view, "status", "--porcelain") == ""
    assert {name: world.pack.ran[name] for name in done} == {name: ran[name] for name in done}
    if moment == "git.ref:after":
        adopted = log_of(view)[1].split()[1]
        assert adopted not in done
        assert world.pack.ran[adopted] == 1, "its commit was there, so it did not run again"
    assert real.journal.verify().ok


async def test_a_feature_goes_and_the_tree_is_that_of_a_build_without_it(
    world: Any, store: Any, tmp_path: Path
) -> None:
    real = await on_git(world, tmp_path / "home", store)
    view = await real.run(STEPS)
    after = await real.missions.rollback("w", view.mission.id, actor=OWNER, feature="users")
    never = await real.run([STEPS[0], STEPS[2], STEPS[3] | {"needs": ["billing"]}])
    assert after.status == "succeeded", after.mission.error
    assert after.mission.tree == never.mission.tree
    assert git(after, "status", "--porcelain") == ""
    assert view.mission.head_commit in git(after, "rev-list", "HEAD").split()


async def test_everything_goes_back_to_the_empty_start_and_nothing_is_lost(
    world: Any, store: Any, tmp_path: Path
) -> None:
    real = await on_git(world, tmp_path / "home", store)
    view = await real.run(STEPS)
    Path(view.workspace, "left.pyc").write_bytes(b"x")
    after = await real.missions.rollback("w", view.mission.id, actor=OWNER)
    assert [path.name for path in Path(after.workspace).iterdir()] == [".git"]
    assert view.mission.head_commit in git(after, "for-each-ref", "--format=%(objectname)")
    again = await real.resume(view.mission.id)
    assert again.mission.tree == view.mission.tree


async def test_drift_and_commits_by_hand_are_named(world: Any, store: Any, tmp_path: Path) -> None:
    real = await on_git(world, tmp_path / "home", store)

    async def wrong(ctx: Any, params: Any) -> None:
        del ctx, params
        raise ValueError("bad")

    world.pack.bodies["last"] = wrong
    view = await real.run([*STEPS, {"name": "z", "needs": ["index"], "uses": "last"}])
    del world.pack.bodies["last"]
    Path(view.workspace, "app/main.py").write_text("by hand")
    with pytest.raises(Drift, match=r"app/main\.py"):
        await real.resume(view.mission.id)
    git(view, "-c", "user.name=p", "-c", "user.email=p@x", "commit", "-qam", "by hand")
    with pytest.raises(Drift, match="commits that no step made"):
        await real.resume(view.mission.id)
    after = await real.resume(view.mission.id, drift=OnDrift.RESET)
    assert after.status == "succeeded", after.mission.error
    assert "by hand" not in Path(after.workspace, "app/main.py").read_text()


async def test_a_branch_has_its_own_repository_and_shares_the_commits(world: Any, store: Any, tmp_path: Path) -> None:
    real = await on_git(world, tmp_path / "home", store)
    view = await real.run(STEPS)
    child = await real.missions.branch("w", view.mission.id, from_step="users", actor=OWNER)
    twin = await real.missions.run("w", child)
    assert twin.mission.tree == view.mission.tree
    assert twin.workspace != view.workspace
    assert (
        git(twin, "rev-list", "--reverse", "HEAD").split()[:2] == git(view, "rev-list", "--reverse", "HEAD").split()[:2]
    )


async def test_a_thawed_worker_writes_nothing_more(world: Any, store: Any, tmp_path: Path) -> None:
    real = await on_git(world, tmp_path / "home", store)
    arrived, go = asyncio.Event(), asyncio.Event()

    async def body(ctx: Any, params: Any) -> Any:
        if not arrived.is_set():
            arrived.set()
            await go.wait()
        return await world.pack.do(ctx, params)

    world.pack.bodies["body"] = body
    mission = await real.create([{"name": "s", "uses": "body", "params": {"files": ["f"], "calls": 1}}])
    await real.missions.submit("w", mission)
    await arrived.wait()
    other = await real.restarted()
    view = await other.resume(mission)
    assert view.status == "succeeded"
    entries = store.verify().size
    go.set()
    for run in real.engine.runs.values():
        with pytest.raises(Fenced):
            await run
    assert (await other.missions.show("w", mission)).mission == view.mission
    assert store.verify().size == entries
    assert len(log_of(view)) == 1
    assert set(real.guard.asked.values()) == {1}
