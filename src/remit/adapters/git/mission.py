"""The missions' port on git: one folder a mission with its repository, its work tree and its step directories."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from remit.adapters.files.removal import remove_tree
from remit.adapters.git import collect, commit, tree
from remit.adapters.git.process import Git
from remit.adapters.git.repository import IDENTITY
from remit.adapters.git.repository import Repository as GitRepository
from remit.kernel import crash
from remit.kernel.errors import Failed, IntegrityError, NotFound
from remit.missions.repository import START, Changes, Checkpoint

_LONGEST_NAME = 120


class MissionRepository:
    """`remit.missions.repository.Repository` for the mission `mission`, whose folder lies in `missions`.

    The folder holds ``repo.git``, ``workspace`` and ``steps/<step>``. ``keep_open`` is as in
    `remit.adapters.git.repository.Repository`: give the mission's lock file.
    """

    def __init__(
        self, missions: Path, mission: str, *, identity: str = IDENTITY, keep_open: tuple[int, ...] = ()
    ) -> None:
        self._missions = missions
        self._folder = missions / mission
        self._identity = identity
        self._git = GitRepository(
            self._folder / "repo.git", self._folder / "workspace", identity=identity, keep_open=keep_open
        )

    @property
    def workspace(self) -> str:
        """Absolute path of the work tree that a person may look at."""
        return str(self._git.workspace)

    async def init(self) -> None:
        """Make the repository and an empty work tree, unless they are there."""
        await self._git.init()

    async def recover(self) -> None:
        """Remove what a killed git left behind. Only the mission's holder calls it."""
        await self._git.recover(self._folder / "lock", held=True)

    async def head(self) -> str:
        """The newest checkpoint."""
        return await self._git.head() or START

    async def tree(self, commit: str) -> str:
        """The id of a commit's tree: equal ids mean equal files, byte for byte."""
        return await self._git.tree(commit or None)

    async def materialise(self, commit: str, name: str) -> str:
        """A fresh directory for the step `name` with exactly the files of `commit`; its absolute path."""
        directory = self._directory(name)
        await self.discard([name])
        await self._git.materialise(commit or None, directory)
        return str(directory)

    async def collect(self, commit: str, name: str) -> Changes:
        """What the step's directory holds that `commit` does not."""
        directory = self._directory(name)
        found = await self._git.collect(directory, commit or None)
        return Changes(
            base=commit,
            source=str(directory),
            files={change.path: _pair(change.entry) for change in found.items},
            problems=tuple(f"{violation.path!r} {violation.text}" for violation in found.violations),
        )

    async def discard(self, names: Iterable[str] | None = None) -> None:
        """Remove step directories, with the private folders of their commands: these, or (``None``) all."""
        steps = self._folder / "steps"
        chosen = None if names is None else [self._directory(name) for name in names]

        def work() -> None:
            crash.reach("step.discard:before")
            if chosen is None:
                remove_tree(steps)
            for directory in chosen or ():
                remove_tree(directory)
                remove_tree(directory.with_name(f".{directory.name}.private"))
            crash.reach("step.discard:after")

        await asyncio.to_thread(work)

    async def changes(self, old: str, new: str, name: str) -> Changes:
        """What turns the tree of `old` into the tree of `new`, laid out in the directory of the step `name`."""
        await self.discard([name])
        directory = self._directory(name)

        def work(git: commit.Git) -> Changes:
            files = commit.difference(git, old or None, new or None)
            directory.mkdir(parents=True)
            tree.write(git, {path: entry for path, entry in files.items() if entry}, directory)
            return Changes(old, str(directory), {path: _pair(entry) for path, entry in sorted(files.items())})

        return await self._with_git(work)

    async def apply(
        self, changes: Changes, *, onto: str, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit `changes` on top of `onto` and move the head there; the new commit. The workspace stays.

        Raises:
            Conflict: Another step changed the same path in another way since the base (``git.conflict``), or the head
                is no longer `onto` (``git.moved``). Nothing moved.
            Failed: The changes have problems (``git.violation``).
            Drift: The source is no longer what was collected.
        """
        if changes.problems:
            text = f"The step left what can't be part of a checkpoint: {'; '.join(changes.problems[:20])}."
            raise Failed(text, code="git.violation", hint="correct the step; nothing was committed")
        items = tuple(_change(path, pair) for path, pair in sorted(changes.files.items()))
        given = collect.Changes(Path(changes.source), changes.base or None, items)
        return await self._git.apply(given, onto=onto or None, message=message, trailers=trailers, when=when)

    async def history(self, *, since: str = START) -> Sequence[Checkpoint]:
        """The commits after `since` up to the head, oldest first; all of them when `since` is not among them."""
        found: list[Checkpoint] = []
        for one in await self._git.log():
            if one.id == since:
                break
            found.append(Checkpoint(one.id, one.parents[0] if one.parents else START, one.trailers))
        return found[::-1]

    async def rewind(self, commit: str) -> None:
        """Move the head back to `commit`; what is given up stays reachable under a reference of its own."""
        await self._git.rewind(commit or None, expected=await self._git.head())

    async def reset_workspace(self, commit: str) -> None:
        """Make the work tree hold exactly a commit's files, byte for byte; whatever else is in it goes."""
        await self._git.reset_workspace(commit or None)

    async def workspace_drift(self, commit: str) -> Sequence[str]:
        """Paths of the work tree that are not as in the commit: changed, missing or extra (ignored ones too)."""
        return await self._git.workspace_drift(commit or None)

    async def clone_to(self, mission: str, commit: str) -> None:
        """Make the repository of a new mission, with this history up to `commit` and its files as workspace."""
        folder = self._missions / mission
        await self._git.clone_to(folder / "repo.git", folder / "workspace", commit or None)

    async def files(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Every file of a commit by path: its mode and the id of its content."""
        found = await self._with_git(lambda git: tree.entries(git, commit or None))
        return {path: (entry.mode, entry.blob) for path, entry in found.items()}

    async def content(self, commit: str, path: str, *, most: int) -> bytes:
        """The first `most` bytes of a file (of a link: where it leads).

        Raises:
            NotFound: The commit has no such file.
        """

        def work(git: Git) -> bytes:
            entry = tree.entries(git, commit or None).get(path)
            if entry is None:
                message = f"The checkpoint {commit[:12]} has no file {path[:120]!r}."
                raise NotFound(message, code="artefact.missing", hint="remit show ID")
            return git.run("cat-file", "blob", entry.blob)[:most]

        return await self._with_git(work)

    async def diff(self, old: str, new: str) -> str:
        """The difference of two commits as a patch for people."""
        return await self._git.diff(old or None, new or None)

    async def verify(self) -> None:
        """Check every object of the repository.

        Raises:
            IntegrityError: The repository is damaged; the message names what.
        """
        found = await self._git.verify()
        if found:
            text = f"The repository {self._git.git_dir} is damaged: {'; '.join(found[:10])}."
            raise IntegrityError(text, code="git.corrupt", hint="restore the mission's repository from a backup")

    async def _with_git[T](self, work: Callable[[commit.Git], T]) -> T:
        return await asyncio.to_thread(work, self._git.git)

    def _directory(self, name: str) -> Path:
        """Where a step works. Any name gives one plain folder of its own."""
        plain = quote(name, safe=" ,+=@").replace(".", "%2E") if name.startswith(".") else quote(name, safe=" ,+=@")
        if len(plain) > _LONGEST_NAME:
            plain = f"{plain[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        return self._folder / "steps" / (plain or "%")


def _pair(entry: collect.Entry | None) -> tuple[str, str] | None:
    return (entry.mode, entry.blob) if entry else None


def _change(path: str, pair: tuple[str, str] | None) -> collect.Change:
    if pair is None:
        return collect.Change(path, collect.Kind.DELETED, None)
    return collect.Change(path, collect.Kind.MODIFIED, collect.Entry(*pair))
