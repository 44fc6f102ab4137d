"""A mission's repository as the missions room asks for it: one folder a mission, names and start in that room's terms.

``<missions>/<id>/repo.git`` holds the history, ``workspace`` the work tree that people look at, ``steps/<name>`` the
directories in which steps work. No step can write the first two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from remit.adapters.files.removal import remove_tree
from remit.adapters.git.collect import Change, Entry, Kind, Offence, Violation
from remit.adapters.git.collect import Changes as Found
from remit.adapters.git.commit import Commit
from remit.adapters.git.repository import Repository
from remit.kernel import crash
from remit.kernel.errors import IntegrityError
from remit.missions.repository import START, Changes, Checkpoint

REPOSITORY = "repo.git"
WORKSPACE = "workspace"
STEPS = "steps"
LOCK = "lock"


class MissionRepository:
    """``missions.repository.Repository`` on git.

    Args:
        missions: The folder that holds a folder for each mission.
        mission: The mission's id.
    """

    def __init__(self, missions: Path, mission: str) -> None:
        self._missions = missions
        self._folder = missions / mission
        self._git = Repository(self._folder / REPOSITORY, self._folder / WORKSPACE)

    @property
    def workspace(self) -> str:
        """Absolute path of the work tree."""
        return str(self._folder / WORKSPACE)

    async def init(self) -> None:
        """Make the mission's folder, repository and work tree, unless they are there."""
        if not self._folder.is_dir():
            crash.reach("mission.folder:before")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            crash.reach("mission.folder:after")
        await self._git.init()

    async def recover(self) -> None:
        """Remove what a killed git left behind; the caller holds the mission."""
        await self._git.recover(self._folder / LOCK, held=True)

    async def head(self) -> str:
        """The newest checkpoint."""
        return await self._git.head() or START

    async def tree(self, commit: str) -> str:
        """The id of a commit's tree."""
        return await self._git.tree(commit or None)

    async def materialise(self, commit: str, name: str) -> str:
        """A fresh directory for a step with exactly the files of a commit."""
        folder = self._step(name)
        await self.discard([name])
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        await self._git.materialise(commit or None, folder)
        return str(folder)

    async def collect(self, commit: str, name: str) -> Changes:
        """What a step's directory holds that the commit it was made from does not."""
        return _ours(await self._git.collect(self._step(name), commit or None), commit)

    async def discard(self, names: Iterable[str] | None = None) -> None:
        """Remove step directories with everything in them."""
        folders = [self._folder / STEPS] if names is None else [self._step(name) for name in names]
        if any(folder.exists() for folder in folders):
            await asyncio.to_thread(_remove, folders)

    async def changes(self, old: str, new: str, name: str) -> Changes:
        """What turns one tree into another, with the new one laid out as the source of its content."""
        await self.materialise(new, name)
        return await self.collect(old, name)

    async def apply(
        self, changes: Changes, *, onto: str, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit changes on top of ``onto`` and move the head there."""
        return await self._git.apply(_theirs(changes), onto=onto or None, message=message, trailers=trailers, when=when)

    async def history(self, *, since: str = START) -> Sequence[Checkpoint]:
        """The commits after ``since``, oldest first; all of them when it is not among them."""
        newest_first = await self._git.log()
        later: list[Commit] = []
        for found in newest_first:
            if found.id == since:
                break
            later.append(found)
        return [_checkpoint(found) for found in reversed(later)]

    async def rewind(self, commit: str) -> None:
        """Move the head back; what is given up keeps a reference."""
        await self._git.rewind(commit or None, expected=await self._git.head())

    async def reset_workspace(self, commit: str) -> None:
        """Make the work tree hold exactly a commit's files."""
        await self._git.reset_workspace(commit or None)

    async def workspace_drift(self, commit: str) -> Sequence[str]:
        """Paths of the work tree that are not as in the commit."""
        return await self._git.workspace_drift(commit or None)

    async def clone_to(self, mission: str, commit: str) -> None:
        """Make the repository of a new mission with this history up to ``commit``."""
        folder = self._missions / mission
        crash.reach("mission.folder:before")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        crash.reach("mission.folder:after")
        await self._git.clone_to(folder / REPOSITORY, folder / WORKSPACE, commit or None)

    async def verify(self) -> None:
        """Check every object.

        Raises:
            IntegrityError: The repository is damaged; names up to five places.
        """
        problems = await self._git.verify()
        if problems:
            message = f"The mission's repository {self._folder / REPOSITORY} is damaged: {'; '.join(problems[:5])}."
            raise IntegrityError(message, code="git.corrupt", hint="restore the mission's folder from a backup")

    async def diff(self, old: str, new: str) -> str:
        """The difference between two commits as a patch for people."""
        return await self._git.diff(old or None, new or None)

    def _step(self, name: str) -> Path:
        return self._folder / STEPS / name


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        remove_tree(folder)
        remove_tree(folder.parent / f".{folder.name}.private")


def _checkpoint(found: Commit) -> Checkpoint:
    return Checkpoint(found.id, found.parents[0] if found.parents else START, found.trailers)


def _ours(found: Found, base: str) -> Changes:
    files = {item.path: None if item.entry is None else (item.entry.mode, item.entry.blob) for item in found.items}
    return Changes(
        base, str(found.source), files, tuple(f"{problem.path}: {problem.text}" for problem in found.violations)
    )


def _theirs(changes: Changes) -> Found:
    items = tuple(
        Change(path, Kind.DELETED if to is None else Kind.MODIFIED, None if to is None else Entry(*to))
        for path, to in sorted(changes.files.items())
    )
    violations = tuple(Violation(text, Offence.SPECIAL_FILE, "is refused") for text in changes.problems)
    return Found(Path(changes.source), changes.base or None, items, violations)
