"""A mission's repository in memory, with real directories for its steps and its workspace. For quick tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import unified_diff
from hashlib import sha1, sha256
from pathlib import Path

from remit.kernel import crash
from remit.kernel.canonical import digest
from remit.kernel.errors import Conflict, IntegrityError, NotFound
from remit.missions.repository import START, Changes, Checkpoint

type Files = dict[str, tuple[str, bytes]]


@dataclass(slots=True)
class _Commit:
    id: str
    parent: str
    files: Files
    trailers: Mapping[str, str]
    message: str


@dataclass(slots=True)
class MemoryRepositories:
    """All missions' repositories of one home; ``of`` gives the same one for the same mission."""

    folder: Path
    known: dict[str, MemoryRepository] = field(default_factory=dict[str, "MemoryRepository"])

    def of(self, mission: str) -> MemoryRepository:
        """The repository of a mission."""
        if mission not in self.known:
            self.known[mission] = MemoryRepository(self.folder / mission, family=self)
        return self.known[mission]


class MemoryRepository:
    """``missions.repository.Repository`` with commits in a dictionary. ``calls`` counts what would be git calls."""

    def __init__(self, folder: Path, *, family: MemoryRepositories | None = None) -> None:
        self.folder = folder
        self.commits: dict[str, _Commit] = {}
        self.refs: list[str] = []
        self.tip = START
        self.calls = 0
        self._family = family

    @property
    def workspace(self) -> str:
        """The work tree."""
        return str(self.folder / "workspace")

    async def init(self) -> None:
        """Make the folders."""
        crash.reach("git.init:before")
        Path(self.workspace).mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a fake on a local disk
        crash.reach("git.init:after")

    async def recover(self) -> None:
        """Nothing is ever left half done."""

    async def head(self) -> str:
        """The newest commit."""
        return self.tip

    async def tree(self, commit: str) -> str:
        """A hash over paths, modes and contents."""
        files = self._files(commit)
        listed = [[path, mode, sha256(data).hexdigest()] for path, (mode, data) in sorted(files.items())]
        return digest(listed)[:40]

    async def materialise(self, commit: str, name: str) -> str:
        """Lay the files out."""
        self.calls += 1
        directory = self.folder / "steps" / name
        shutil.rmtree(directory, ignore_errors=True)
        _write(directory, self._files(commit))
        return str(directory)

    async def collect(self, commit: str, name: str) -> Changes:
        """Compare a directory with a commit."""
        self.calls += 1
        directory = self.folder / "steps" / name
        return _difference(commit, str(directory), self._files(commit), _scan(directory))

    async def discard(self, names: Iterable[str] | None = None) -> None:
        """Remove step directories."""
        steps = self.folder / "steps"
        for directory in [steps] if names is None else [steps / name for name in names]:
            shutil.rmtree(directory, ignore_errors=True)

    async def changes(self, old: str, new: str, name: str) -> Changes:
        """Compare two commits."""
        await self.materialise(new, name)
        return await self.collect(old, name)

    async def apply(
        self, changes: Changes, *, onto: str, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit."""
        self.calls += 1
        crash.reach("git.objects:before")
        source = _scan(Path(changes.source))
        theirs = _difference(changes.base, "", self._files(changes.base), self._files(onto)).files
        wrong = [path for path in changes.files if path in theirs and theirs[path] != changes.files[path]]
        if wrong:
            raise Conflict(f"another step changed {wrong[0]}", code="git.conflict")
        files = dict(self._files(onto))
        for path, entry in changes.files.items():
            if entry is None:
                files.pop(path, None)
            else:
                files[path] = source[path]
        text = repr((onto, sorted(files.items()), sorted(trailers.items()), message, when.isoformat()))
        commit = sha1(text.encode(), usedforsecurity=False).hexdigest()
        crash.reach("git.objects:after")
        crash.reach("git.ref:before")
        if self.tip != onto:
            raise Conflict("the head moved", code="git.moved")
        self.commits[commit] = _Commit(commit, onto, files, dict(trailers), message)
        self.tip = commit
        crash.reach("git.ref:after")
        return commit

    async def history(self, *, since: str = START) -> Sequence[Checkpoint]:
        """From the oldest."""
        found: list[Checkpoint] = []
        here = self.tip
        while here and here != since:
            commit = self.commits[here]
            found.append(Checkpoint(here, commit.parent, commit.trailers))
            here = commit.parent
        return found[::-1]

    async def rewind(self, commit: str) -> None:
        """Move the head back."""
        crash.reach("git.ref:before")
        self.refs.append(self.tip)
        self.tip = commit
        crash.reach("git.ref:after")

    async def reset_workspace(self, commit: str) -> None:
        """Write every file anew."""
        self.calls += 1
        crash.reach("git.workspace:before")
        shutil.rmtree(self.workspace, ignore_errors=True)
        _write(Path(self.workspace), self._files(commit))
        crash.reach("git.workspace:after")

    async def workspace_drift(self, commit: str) -> Sequence[str]:
        """Compare the workspace with a commit."""
        return _difference(commit, "", self._files(commit), _scan(Path(self.workspace))).paths

    async def clone_to(self, mission: str, commit: str) -> None:
        """Share the commits, which never change."""
        if self._family is None:
            raise AssertionError("made without its family")
        twin = self._family.of(mission)
        twin.commits = dict(self.commits)
        twin.tip = commit
        await twin.init()
        await twin.reset_workspace(commit)

    async def files(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Every file of a commit by path: its mode and the id of its content."""
        return {path: (mode, sha1(data).hexdigest()) for path, (mode, data) in self._files(commit).items()}  # noqa: S324 - as git names contents

    async def content(self, commit: str, path: str, *, most: int) -> bytes:
        """The first bytes of a file."""
        files = self._files(commit)
        if path not in files:
            raise NotFound(f"The checkpoint {commit[:12]} has no file {path!r}.", code="artefact.missing")
        return files[path][1][:most]

    async def diff(self, old: str, new: str) -> str:
        """The difference as a patch."""
        before, after = self._files(old), self._files(new)
        parts: list[str] = []
        for path in sorted(before.keys() | after.keys()):
            was, now = (side.get(path, ("", b""))[1].decode("utf-8", "replace") for side in (before, after))
            if was != now:
                parts += unified_diff(was.splitlines(), now.splitlines(), f"a/{path}", f"b/{path}", lineterm="")
        return "\n".join(parts)

    async def verify(self) -> None:
        """Every commit that the head reaches is there."""
        here = self.tip
        while here:
            if here not in self.commits:
                raise IntegrityError(f"commit {here} is missing", code="git.corrupt")
            here = self.commits[here].parent

    def _files(self, commit: str) -> Files:
        return self.commits[commit].files if commit else {}


def _scan(directory: Path) -> Files:
    found: Files = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            mode = "100755" if os.access(path, os.X_OK) else "100644"
            found[path.relative_to(directory).as_posix()] = (mode, path.read_bytes())
    return found


def _write(directory: Path, files: Files) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for path, (mode, data) in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if mode == "100755" else 0o644)


def _difference(base: str, source: str, old: Files, new: Files) -> Changes:
    files: dict[str, tuple[str, str] | None] = {path: None for path in old if path not in new}
    for path, (mode, data) in new.items():
        if old.get(path) != (mode, data):
            files[path] = (mode, sha256(data).hexdigest())
    return Changes(base, source, files)
