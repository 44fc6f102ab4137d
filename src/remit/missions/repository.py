"""What a mission asks of its git repository. ``adapters/git`` implements it on git, ``testing`` in memory.

A commit is named by its id; the empty text names the empty start, whose tree is the empty tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from remit.kernel.canonical import digest

TRAILER_MISSION = "Remit-Mission"
TRAILER_STEP = "Remit-Step"
TRAILER_FEATURE = "Remit-Feature"
TRAILER_ATTEMPT = "Remit-Attempt"
TRAILER_KEY = "Remit-Skip-Key"
TRAILER_GENERATION = "Remit-Generation"
TRAILER_ROLLBACK = "Remit-Rollback"

START = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What turns the tree of ``base`` into what lies in ``source``: path to (mode, blob id), ``None`` when removed.

    ``source`` must stay as it is until the changes were applied. ``problems`` names what can't be committed (a link
    that leads outside, a file too large): changes with problems are refused.
    """

    base: str = START
    source: str = ""
    files: Mapping[str, tuple[str, str] | None] = field(default_factory=dict[str, tuple[str, str] | None])
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def paths(self) -> tuple[str, ...]:
        """The changed paths, sorted."""
        return tuple(sorted(self.files))

    @property
    def digest(self) -> str:
        """SHA-256 over the paths, modes and blob ids; independent of what else is in the tree."""
        return digest([[path, self.files[path]] for path in self.paths])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A commit of a mission's history, with its trailers."""

    commit: str
    parent: str
    trailers: Mapping[str, str]


class Repository(Protocol):
    """One mission's repository, work tree (the *workspace*) and step directories."""

    @property
    def workspace(self) -> str:
        """Absolute path of the work tree that a person may look at."""
        ...

    async def init(self) -> None:
        """Make the repository and an empty work tree, unless they are there."""
        ...

    async def recover(self) -> None:
        """Remove what a killed git left behind. Only the mission's holder calls it."""
        ...

    async def head(self) -> str:
        """The newest checkpoint."""
        ...

    async def tree(self, commit: str) -> str:
        """The id of a commit's tree: equal ids mean equal files, byte for byte."""
        ...

    async def materialise(self, commit: str, name: str) -> str:
        """A fresh directory for the step ``name`` with exactly the files of ``commit``; its absolute path.

        Whatever an earlier attempt left there is removed first.
        """
        ...

    async def collect(self, commit: str, name: str) -> Changes:
        """What the step's directory holds that ``commit`` does not."""
        ...

    async def discard(self, names: Iterable[str] | None = None) -> None:
        """Remove step directories: these, or (``None``) all."""
        ...

    async def changes(self, old: str, new: str, name: str) -> Changes:
        """What turns the tree of ``old`` into the tree of ``new``; ``name`` names a directory to lay it out in."""
        ...

    async def apply(
        self, changes: Changes, *, onto: str, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit ``changes`` on top of ``onto`` and move the head there; the new commit. The workspace stays.

        Raises:
            Conflict: Another step changed the same path in another way since ``changes.base`` (``git.conflict``), or
                the head is no longer ``onto`` (``git.moved``). Nothing moved.
            Failed, Drift: The changes have problems, or their source is no longer what was collected.
        """
        ...

    async def history(self, *, since: str = START) -> Sequence[Checkpoint]:
        """The commits after ``since`` up to the head, oldest first; all of them when ``since`` is not among them."""
        ...

    async def rewind(self, commit: str) -> None:
        """Move the head back to ``commit``; what is given up stays reachable under a reference of its own."""
        ...

    async def reset_workspace(self, commit: str) -> None:
        """Make the work tree hold exactly a commit's files, byte for byte; whatever else is in it goes."""
        ...

    async def workspace_drift(self, commit: str) -> Sequence[str]:
        """Paths of the work tree that are not as in the commit: changed, missing or extra (ignored ones too)."""
        ...

    async def clone_to(self, mission: str, commit: str) -> None:
        """Make the repository of a new mission, with this history up to ``commit`` and its files as workspace."""
        ...

    async def verify(self) -> None:
        """Check every object that the head reaches.

        Raises:
            IntegrityError: The repository is damaged; the message names what.
        """
        ...
