"""The folder that is deployed to: what is refused, what a crash may leave, what stays."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from remit.adapters.deploy.place import hold
from remit.adapters.git.process import Git
from remit.kernel.errors import Conflict, InvalidInput, Unavailable

from .conftest import Built, files_of

OTHER = "0" * 40


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def git(built: Built) -> Git:
    """The repository of the mission ``one``."""
    folder = built.home / "missions" / built.missions["one"]
    return Git(folder / "repo.git", folder / "workspace")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "site").mkdir(mode=0o755)
    return tmp_path / "site"


def _link_to_elsewhere(place: Path) -> None:
    place.rmdir()
    (place.parent / "elsewhere").mkdir()
    place.symlink_to(place.parent / "elsewhere")


def _a_file(place: Path) -> None:
    place.rmdir()
    place.write_text("a file")


def _linked_releases(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    (place / "releases").symlink_to(place.parent / "elsewhere")


def _linked_release(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    (place / "releases").mkdir()
    (place / "releases" / OTHER).symlink_to(place.parent / "elsewhere")


def _strange_current(place: Path) -> None:
    (place / "current").symlink_to("/etc")


def _current_that_climbs(place: Path) -> None:
    (place / "current").symlink_to(f"releases/../../{OTHER}")


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a link": _link_to_elsewhere,
    "a file": _a_file,
    "not there": lambda place: place.rmdir(),
    "releases is a link": _linked_releases,
    "a release is a link": _linked_release,
    "current leads out": _strange_current,
    "current climbs": _current_that_climbs,
    "current is a folder": lambda place: (place / "current").mkdir(),
    "a pipe": lambda place: os.mkfifo(place / "pipe"),
    "a link beside": lambda place: (place / "notes").symlink_to("/etc/passwd"),
    "a pipe in releases": lambda place: ((place / "releases").mkdir(), os.mkfifo(place / "releases" / OTHER)),
    "open to everybody": lambda place: place.chmod(0o777),
}


@pytest.mark.parametrize("how", HOSTILE)
async def test_a_place_that_is_not_ours_is_refused_and_left_as_it_is(how: str, place: Path, git: Git) -> None:
    HOSTILE[how](place)
    before = names(place.parent)

    async def use() -> None:
        async with hold(str(place)) as found:
            assert found.live == ""
            found.publish(git, OTHER)

    with pytest.raises(InvalidInput) as refused:
        await use()
    assert refused.value.code == "deploy.target"
    assert str(place) in refused.value.message
    assert names(place.parent) == before
    assert not any((place.parent / "elsewhere").glob("*"))


@pytest.mark.parametrize("target", ["site", "/", "/srv/../etc", "/no/such/folder"])
async def test_a_target_must_be_a_plain_absolute_path_that_is_there(target: str) -> None:
    with pytest.raises(InvalidInput):
        async with hold(target):
            pass


async def test_a_release_is_the_tree_byte_for_byte_and_read_only(place: Path, git: Git, built: Built) -> None:
    tree = built.trees["one"]
    async with hold(str(place)) as found:
        release = found.publish(git, tree)
        found.switch(tree)
        assert found.live == tree
    workspace = built.home / "missions" / built.missions["one"] / "workspace"
    wanted = {name: data for name, data in files_of(workspace).items() if name != ".git"}
    assert files_of(place / "current") == wanted
    for path in (release, *release.rglob("*")):
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o222, path
    assert names(place) == ["current", "releases"]


async def test_what_a_crash_left_goes_and_what_was_changed_is_made_again(place: Path, git: Git, built: Built) -> None:
    tree = built.trees["one"]
    async with hold(str(place)) as found:
        release = found.publish(git, tree)
    (place / "releases" / ".new-dead").mkdir()
    (place / ".current-dead").symlink_to(f"releases/{OTHER}")
    file = release / "greeting.txt"
    file.chmod(0o644)
    file.write_text("changed by hand")
    async with hold(str(place)) as found:
        found.publish(git, tree)
        found.switch(tree)
    assert (place / "current" / "greeting.txt").read_text() == "one\n"
    assert names(place) == ["current", "releases"]
    assert names(place / "releases") == [tree]


async def test_a_live_release_that_was_changed_is_named_and_not_touched(place: Path, git: Git, built: Built) -> None:
    tree = built.trees["one"]
    async with hold(str(place)) as found:
        found.publish(git, tree)
        found.switch(tree)
        file = place / "current" / "greeting.txt"
        file.chmod(0o644)
        file.write_text("changed by hand")
        with pytest.raises(Conflict, match=r"greeting\.txt"):
            found.publish(git, tree)
    assert file.read_text() == "changed by hand"


async def test_the_newest_releases_stay_and_the_live_one_always(place: Path, git: Git, built: Built) -> None:
    tree = built.trees["one"]
    async with hold(str(place)) as found:
        found.publish(git, tree)
        found.switch(tree)
        for number in range(1, 6):
            old = place / "releases" / (str(number) * 40)
            old.mkdir()
            os.utime(old, (number, number))
        os.utime(place / "releases" / tree, (0, 0))  # the oldest of all, and live
        gone = found.prune(keep=2, besides=frozenset({"1" * 40}))
    assert sorted(gone) == ["2" * 40, "3" * 40]
    assert names(place / "releases") == sorted([tree, "1" * 40, "4" * 40, "5" * 40])


async def test_a_full_disk_leaves_what_was_live(place: Path, git: Git, built: Built) -> None:
    async with hold(str(place)) as found:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # the smoke test of the shop is larger
        try:
            with pytest.raises(Unavailable) as refused:
                found.publish(git, built.trees["one"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refused.value.code == "deploy.full"
        assert found.live == ""
        found.publish(git, built.trees["one"])
    assert names(place / "releases") == [built.trees["one"]]


async def test_where_nothing_can_be_made_says_so(git: Git, built: Built) -> None:
    target = "/proc/self/task"  # a folder that not even root can write into
    target = os.path.realpath(target)
    async with hold(target) as found:
        with pytest.raises(Unavailable) as refused:
            found.publish(git, built.trees["one"])
    assert refused.value.code == "deploy.disk"


async def test_one_at_a_time(place: Path) -> None:
    order: list[str] = []

    async def work(name: str) -> None:
        async with hold(str(place)):
            order.append(f"{name} in")
            await asyncio.sleep(0.1)
            order.append(f"{name} out")

    await asyncio.gather(*(work(name) for name in "abc"))
    assert all(one.split()[0] == two.split()[0] for one, two in zip(order[::2], order[1::2], strict=True))

    async with hold(str(place)), hold(str(place)):  # the same task need not wait for itself
        with pytest.raises(Unavailable, match="under way"):
            await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(_briefly(str(place))))


async def _briefly(place: str) -> None:
    async with hold(place, wait_s=0.1):
        pass
