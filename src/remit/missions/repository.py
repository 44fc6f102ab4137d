"""What a mission asks of its git repository. ``adapters/git`` implements it on git, ``testing`` in memory."""

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


@dataclass(frozen=True, slots=True)
class Changes:
    """What a step did to the tree it was given: path to (mode, blob id), or ``None`` for a file that it removed.

    The blobs are already in the repository's object store; nothing points at them until ``Repository.apply``.
    """

    files: Mapping[str, tuple[str, str] | None] = field(default_factory=dict[str, tuple[str, str] | None])

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
    trailers: Mapping[str, str]


class Repository(Protocol):
    """One mission's repository, work tree (the *workspace*) and step directories."""

    async def init(self) -> str:
        """Make the repository and its empty start, unless they are there; the empty start's commit."""
        ...

    async def head(self) -> str:
        """The commit of the newest checkpoint."""
        ...

    async def tree(self, commit: str) -> str:
        """The id of a commit's tree."""
        ...

    async def materialise(self, commit: str, name: str) -> str:
        """A fresh directory for the step ``name`` with exactly the files of ``commit``; its absolute path.

        Whatever an earlier attempt left there is removed first.
        """
        ...

    async def collect(self, commit: str, name: str) -> Changes:
        """What the step's directory holds that ``commit`` does not, its content stored as blobs."""
        ...

    async def discard(self, names: Iterable[str] | None = None) -> None:
        """Remove step directories: these, or (``None``) all."""
        ...

    async def changes(self, old: str, new: str) -> Changes:
        """What turns the tree of ``old`` into the tree of ``new``."""
        ...

    async def apply(
        self, changes: Changes, *, onto: str, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit ``changes`` on top of ``onto`` and move the head and the workspace there; the new commit.

        Raises:
            Conflict: The head is no longer ``onto``.
        """
        ...

    async def history(self, *, since: str = "") -> Sequence[Checkpoint]:
        """The commits from (after) ``since`` to the head, oldest first."""
        ...

    async def reset_workspace(self, commit: str) -> None:
        """Move head and workspace to ``commit``, whatever else is there removed; a ref keeps the old head."""
        ...

    async def workspace_drift(self) -> Sequence[str]:
        """Paths of the workspace that are not as the head has them: changed, missing or extra (ignored ones too)."""
        ...

    async def clone_to(self, other: Repository, commit: str) -> None:
        """Give ``other`` (not yet made) this history up to ``commit`` as its own."""
        ...

    async def verify(self) -> None:
        """Check every object the head reaches.

        Raises:
            IntegrityError: The repository is damaged; the message names what.
        """
        ...

    @property
    def workspace(self) -> str:
        """Absolute path of the work tree that a person may look at."""
        ...
