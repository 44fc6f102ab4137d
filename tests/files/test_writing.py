"""Files of a step land in its directory, whole, or are refused before anything is touched."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import remit
from remit.adapters.files.removal import empty_folder, remove_tree
from remit.adapters.files.writing import FilesAdapter, write_files
from remit.kernel import crash
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Command, WriteFiles
from remit.kernel.errors import Failed, InternalError, InvalidInput, Unavailable


@pytest.fixture
def step(tmp_path: Path) -> Path:
    folder = tmp_path / "steps" / "s1"
    folder.mkdir(parents=True)
    return folder


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_written_with_their_modes_and_listed(step: Path) -> None:
    files = {"app/main.py": b"x", "run.sh": b"#!/bin/sh\n", "ünï ço.txt": b""}
    old = os.umask(0o077)
    try:
        done = write_files(WriteFiles(files, executable=frozenset({"run.sh"})), step)
    finally:
        os.umask(old)
    assert listing(step) == files
    assert {path: (one.sha256, one.size) for path, one in done.items()} == {
        path: (hashlib.sha256(data).hexdigest(), len(data)) for path, data in files.items()
    }
    assert (step / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (step / "app" / "main.py").stat().st_mode & 0o7777 == 0o644


def test_writing_again_replaces_and_deleting_what_is_gone_is_fine(step: Path) -> None:
    write_files(WriteFiles({"a": b"1", "b/c": b"1"}), step)
    (step / "a").chmod(0o400)
    for _ in range(2):
        write_files(WriteFiles({"a": b"2"}, delete=("b/c", "never/was")), step)
        assert listing(step) == {"a": b"2"}


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a/./b",
            "C:x",
            "c:/x",
            "\\\\host\\x",
        ),
        *("a\\..\\b", "a\0b", "a\nb", "x" * 256, "a/" + "é" * 128, ".git/config", "a/.GIT", ".git ", "bad\udcff"),
    ],
)
def test_a_path_that_can_not_stand_is_refused_before_anything_is_written(step: Path, path: str) -> None:
    for effect in (WriteFiles({"good": b"1", path: b"1"}), WriteFiles({"good": b"1"}, delete=(path,))):
        with pytest.raises(InvalidInput) as raised:
            write_files(effect, step)
        assert raised.value.code == "files.path"
        assert repr(path) in raised.value.problems[0]
    assert listing(step.parent) == {}


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (WriteFiles({"README": b"1", "readme": b"2"}), "only in case"),
        (WriteFiles({"App/a": b"1", "app/b": b"2"}), "only in case"),
        (WriteFiles({"straße": b"1", "STRASSE": b"2"}), "only in case"),
        (WriteFiles({"a": b"1", "a/b": b"2"}), "runs through 'a'"),
        (WriteFiles({"a": b"1"}, delete=("a",)), "written and deleted"),
        (WriteFiles({"a": b"1"}, executable=frozenset({"b"})), "not written"),
    ],
)
def test_clashes_are_reported(step: Path, effect: WriteFiles, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        write_files(effect, step)
    assert listing(step) == {}


def test_no_link_leads_out(step: Path) -> None:
    outside = step.parent / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (step / "folder").symlink_to(outside)
    (step / "file").symlink_to(outside / "file")
    for effect in (WriteFiles({"folder/file": b"1"}), WriteFiles({}, delete=("folder/file",))):
        with pytest.raises(Failed) as raised:
            write_files(effect, step)
        assert raised.value.code == "files.blocked"
    write_files(WriteFiles({"file": b"mine"}), step)
    assert (step / "file").read_bytes() == b"mine"
    assert not (step / "file").is_symlink()
    write_files(WriteFiles({}, delete=("file",)), step)
    assert listing(outside) == {"file": b"precious"}
    (step.parent / "linked").symlink_to(step)
    with pytest.raises(Failed, match="can't be opened"):
        write_files(WriteFiles({"a": b"1"}), step.parent / "linked")


def test_a_folder_in_the_way_is_said_to_be_in_the_way(step: Path) -> None:
    write_files(WriteFiles({"a/b": b"1"}), step)
    for effect in (WriteFiles({"a": b"1"}), WriteFiles({"a/b/c": b"1"}), WriteFiles({}, delete=("a",))):
        with pytest.raises(Failed) as raised:
            write_files(effect, step)
        assert raised.value.code == "files.blocked"
    assert listing(step) == {"a/b": b"1"}


def test_a_full_disk_is_clear_and_leaves_no_half_file(step: Path) -> None:
    write_files(WriteFiles({"big": b"old"}), step)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(Unavailable, match="no room left") as raised:
            write_files(WriteFiles({"big": bytes(10_000)}), step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)
    assert raised.value.code == "files.disk_full"
    assert listing(step) == {"big": b"old"}


KILLED = """
import os, pathlib, sys
from remit.adapters.files.writing import write_files
from remit.kernel import crash
from remit.kernel.effects import WriteFiles
moments = []
def hook(moment):
    moments.append(moment)
    if len(moments) == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
crash.install(hook)
write_files(WriteFiles({"a": b"new" * 1000, "b": b"new" * 1000}), pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_kill_nine_leaves_whole_files_and_again_finishes(step: Path, moment: int) -> None:
    assert "files.write" in crash.POINTS
    old = {"a": b"old", "b": b"old"}
    new = {"a": b"new" * 1000, "b": b"new" * 1000}
    write_files(WriteFiles(old), step)
    env = {"PYTHONPATH": str(Path(remit.__file__).parents[1])}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(step), str(moment)], env=env, check=False)
    assert killed.returncode == -9
    found = listing(step)
    assert set(found) == {"a", "b"}
    assert all(found[name] in {old[name], new[name]} for name in found)
    write_files(WriteFiles(new), step)
    assert listing(step) == new


SEGMENTS = st.sampled_from(["a", "b", "..", ".", "", "link", "A", ".git", "c d"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    files=st.dictionaries(st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join), st.binary(max_size=5), max_size=4)
)
def test_whatever_the_paths_nothing_outside_changes(
    tmp_path_factory: pytest.TempPathFactory, files: Mapping[str, bytes]
) -> None:
    home = tmp_path_factory.mktemp("files")
    step = home / "step"
    step.mkdir()
    (home / "target").mkdir()
    (step / "link").symlink_to(home / "target")
    try:
        write_files(WriteFiles(files), step)
    except (InvalidInput, Failed):
        pass
    else:
        assert {path: data for path, data in listing(step).items() if path in files} == dict(files)
    assert {path.name for path in home.iterdir()} == {"step", "target"}
    assert list((home / "target").iterdir()) == []
    assert not list(step.rglob(".remit-*"))


async def test_the_adapter_answers_with_the_manifest(step: Path) -> None:
    agent = Principal(ActorKind.AGENT, "coder")

    def action(effect: WriteFiles | Command, directory: str) -> Action:
        return Action("a1", effect, agent, agent, "w1", directory=directory)

    adapter = FilesAdapter()
    outcome = await adapter.perform(action(WriteFiles({"a": b"1"}, delete=("z",)), str(step)))
    assert outcome.ok
    expected = {"a": {"sha256": hashlib.sha256(b"1").hexdigest(), "size": 1}}
    assert outcome.value == {"files": expected, "deleted": ["z"]}
    with pytest.raises(InvalidInput, match="no step directory"):
        await adapter.perform(action(WriteFiles({"a": b"1"}), ""))
    with pytest.raises(InternalError):
        await adapter.perform(action(Command(("true",)), str(step)))


def test_a_tree_is_removed_whatever_is_in_it(step: Path) -> None:
    outside = step.parent / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"1")
    (step / "ro" / "deep").mkdir(parents=True)
    (step / "ro" / "deep" / "x").write_bytes(b"1")
    (step / "ro" / "link").symlink_to(outside)
    os.mkfifo(step / "ro" / "fifo")
    (step / "ro" / "deep").chmod(0o000)
    (step / "ro").chmod(0o500)
    empty_folder(step)
    assert list(step.iterdir()) == []
    (step / "link").symlink_to(outside)
    remove_tree(step / "link")
    remove_tree(step)
    remove_tree(step)
    assert not step.exists()
    assert (outside / "x").exists()


def deep(folder: Path, depth: int) -> None:
    """Nest folders beyond what a path can name."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.symlink("/", "link", dir_fd=here)
    os.fchmod(here, 0)
    os.close(here)


def test_a_tree_deeper_than_a_path_can_name_is_removed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    deep(trap, 1500)
    remove_tree(trap)
    assert list(tmp_path.iterdir()) == []
