"""The missions' view of git: steps by name, the empty start, changes that carry their base."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from remit.adapters.git.mission import MissionRepository
from remit.adapters.git.process import EMPTY_TREE
from remit.kernel.errors import Conflict, Failed, IntegrityError
from remit.missions.repository import START, Repository

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def repo(tmp_path: Path) -> Repository:
    repository: Repository = MissionRepository(tmp_path / "missions", "m1")
    await repository.init()
    await repository.recover()
    return repository


async def work(repo: Repository, base: str, name: str, files: dict[str, bytes], *, onto: str | None = None) -> str:
    directory = Path(await repo.materialise(base, name))
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    changes = await repo.collect(base, name)
    target = base if onto is None else onto
    return await repo.apply(changes, onto=target, message=name, trailers={"Remit-Step": name}, when=WHEN)


async def test_from_the_empty_start_to_a_checkpoint_and_back(repo: Repository) -> None:
    assert await repo.head() == START
    assert await repo.tree(START) == EMPTY_TREE
    assert await repo.history() == []
    first = await work(repo, START, "one", {"a": b"1"})
    second = await work(repo, first, "two", {"b": b"1"})
    assert await repo.head() == second
    history = await repo.history()
    assert [(one.commit, one.parent, one.trailers["Remit-Step"]) for one in history] == [
        (first, START, "one"),
        (second, first, "two"),
    ]
    assert [one.commit for one in await repo.history(since=first)] == [second]
    assert await repo.history(since=second) == []
    assert await repo.workspace_drift(second) == ["a", "b"]
    await repo.reset_workspace(second)
    assert await repo.workspace_drift(second) == []
    await repo.rewind(START)
    assert await repo.head() == START
    await repo.reset_workspace(START)
    assert [path.name for path in Path(repo.workspace).iterdir()] == [".git"]
    await repo.verify()


async def test_parallel_steps_and_a_clash(repo: Repository) -> None:
    base = await work(repo, START, "base", {"shared": b"1"})
    first = await work(repo, base, "one", {"one": b"1"})
    second = await work(repo, base, "two", {"two": b"1"}, onto=first)
    assert await repo.head() == second
    with pytest.raises(Conflict) as clash:
        await work(repo, base, "three", {"one": b"other"}, onto=second)
    assert clash.value.code == "git.conflict"
    with pytest.raises(Conflict) as moved:
        await work(repo, first, "four", {"x": b"1"})
    assert moved.value.code == "git.moved"


async def test_an_earlier_output_is_laid_out_and_applied_again(repo: Repository) -> None:
    base = await work(repo, START, "base", {"kept": b"1", "gone": b"1"})
    directory = Path(await repo.materialise(base, "one"))
    (directory / "gone").unlink()
    (directory / "run").write_bytes(b"x")
    (directory / "run").chmod(0o755)
    collected = await repo.collect(base, "one")
    done = await repo.apply(collected, onto=base, message="one", trailers={"Remit-Step": "one"}, when=WHEN)
    await repo.rewind(base)
    changes = await repo.changes(base, done, "again")
    assert changes.files == collected.files
    assert changes.digest == collected.digest
    again = await repo.apply(changes, onto=base, message="one", trailers={"Remit-Step": "one"}, when=WHEN)
    assert again == done
    assert not await repo.changes(done, done, "same")


@pytest.mark.parametrize("name", ["plain", "a/b", "../up", "..", ".hidden", "ü" * 90, "x y", "%2E", ""])
async def test_any_step_name_gets_a_folder_of_its_own(repo: Repository, tmp_path: Path, name: str) -> None:
    directory = Path(await repo.materialise(START, name))
    assert directory.parent == tmp_path / "missions" / "m1" / "steps"
    other = Path(await repo.materialise(START, f"{name}2"))
    assert other != directory
    await repo.discard([name])
    assert other.is_dir()
    assert not directory.exists()


async def test_directories_are_fresh_and_freed(repo: Repository) -> None:
    base = await work(repo, START, "one", {"a": b"1"})
    directory = Path(await repo.materialise(base, "one"))
    private = directory.with_name(".one.private")
    (directory / "left").write_bytes(b"")
    (private / "tmp").mkdir(parents=True)
    again = Path(await repo.materialise(base, "one"))
    assert [path.name for path in again.iterdir()] == ["a"]
    assert not private.exists()
    await repo.discard()
    assert not directory.parent.exists()
    await repo.discard(["one"])


async def test_problems_are_refused(repo: Repository) -> None:
    directory = Path(await repo.materialise(START, "one"))
    (directory / "passwd").symlink_to("/etc/passwd")
    changes = await repo.collect(START, "one")
    assert "'passwd' is a link" in changes.problems[0]
    with pytest.raises(Failed, match="passwd"):
        await repo.apply(changes, onto=START, message="m", trailers={}, when=WHEN)


async def test_a_branch_and_damage(repo: Repository, tmp_path: Path) -> None:
    first = await work(repo, START, "one", {"a": b"1"})
    await repo.clone_to("m2", first)
    twin: Repository = MissionRepository(tmp_path / "missions", "m2")
    assert await twin.head() == first
    assert (Path(twin.workspace) / "a").read_bytes() == b"1"
    await twin.verify()
    for pack in (tmp_path / "missions" / "m2" / "repo.git" / "objects" / "pack").glob("*.pack"):
        pack.unlink()
    with pytest.raises(IntegrityError, match="damaged"):
        await twin.verify()
    await repo.verify()
