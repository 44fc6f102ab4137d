"""A mission's repository: checkpoints in, exact trees out."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from remit.adapters.files.removal import remove_tree
from remit.adapters.git import collect, commit, seal, tree
from remit.adapters.git.collect import Changes
from remit.adapters.git.commit import Commit, Stamp
from remit.adapters.git.process import BRANCH, EMPTY_TREE, Git
from remit.kernel import crash
from remit.kernel.errors import Conflict, IntegrityError, NotFound

IDENTITY = "Remit <remit@localhost>"
ROLLED_BACK = "refs/remit/rolled-back/"


class Repository:
    """The git repository of one mission, whose directory no step can write.

    Every method runs git in a thread, so none blocks the loop, and can be called from any loop. Methods that write are
    taken one after the other; against other processes the branch is moved by compare-and-swap.

    Args:
        git_dir: Where the repository lies.
        workspace: Its work tree, for people; its ``.git`` is a file that points to `git_dir`.
        identity: Who every commit is by, as ``Name <mail>``.
        keep_open: File descriptors that git processes inherit. Give the mission's lock file: the lock then outlives
            this process for as long as a git it started still writes.
    """

    def __init__(
        self, git_dir: Path, workspace: Path, *, identity: str = IDENTITY, keep_open: tuple[int, ...] = ()
    ) -> None:
        self.git_dir = git_dir
        self.workspace = workspace
        self._identity = identity
        self.git = Git(git_dir, workspace, keep_open=keep_open)
        self._writing = threading.Lock()

    async def _in_thread[T](self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def _alone[T](self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with self._writing:
                return work()

        return await asyncio.to_thread(locked)

    async def init(self) -> None:
        """Make the repository and an empty work tree; one that is there already is left as it is.

        Raises:
            Unavailable: No git, or one before 2.36.
        """
        await self._alone(self._init)

    def _init(self) -> None:
        crash.reach("git.init:before")
        for folder in ("objects/pack", "objects/info", "refs/heads", "refs/remit", "info"):
            (self.git_dir / folder).mkdir(parents=True, exist_ok=True)
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.git_dir.chmod(0o700)
        seal.seal(self.git_dir, self.workspace)
        gitfile = seal.gitfile(self.git_dir, self.workspace)
        if not seal.is_exactly(self.workspace / ".git", gitfile):
            seal.put(self.workspace / ".git", gitfile)
        self.git.run("rev-parse", "--git-dir")
        crash.reach("git.init:after")

    async def seal(self) -> list[str]:
        """Set back what git would obey (hooks, configuration, attributes ...); the names of what had been changed.

        Every method does so before it runs git; this one says what it found.
        """
        return await self._alone(lambda: seal.seal(self.git_dir, self.workspace))

    async def head(self) -> str | None:
        """The newest checkpoint, or ``None`` before the first.

        Raises:
            IntegrityError: The branch names something that is no commit.
        """
        return await self._in_thread(self._head)

    def _head(self) -> str | None:
        code, out, _ = self.git.attempt("rev-parse", "--verify", "--quiet", f"{BRANCH}^{{commit}}")
        if not code:
            return out.decode().strip()
        if os.path.lexists(self.git_dir / BRANCH):
            message = f"The branch of {self.git_dir} names no commit that can be read."
            raise IntegrityError(message, code="git.corrupt", hint="restore the mission's repository from a backup")
        return None

    async def tree(self, commit_id: str | None) -> str:
        """The id of a commit's tree (of the empty tree for ``None``): equal ids mean equal files, byte for byte."""
        return await self._in_thread(lambda: tree.tree_of(self.git, commit_id))

    async def materialise(self, commit_id: str | None, directory: Path) -> None:
        """Lay a commit's files out in an empty or absent directory; nothing of git's is in it.

        Raises:
            Conflict: The directory is not empty.
            IntegrityError: A content is missing or broken.
        """
        await self._in_thread(lambda: tree.materialise(self.git, commit_id, directory))

    async def collect(
        self, directory: Path, base: str | None, *, max_file_bytes: int = collect.MAX_FILE_BYTES
    ) -> Changes:
        """What `directory` holds against the commit it was made from, and what in it can't be committed.

        ``.gitignore`` and ``.gitattributes`` in the tree have no say; `collect.EXCLUDES` names what is left out.
        """
        return await self._in_thread(
            lambda: collect.compare(directory, base, tree.entries(self.git, base), max_bytes=max_file_bytes)
        )

    async def apply(
        self, changes: Changes, *, onto: str | None, message: str, trailers: Mapping[str, str], when: datetime
    ) -> str:
        """Commit `changes` on top of `onto`, the branch's head; the new commit. The same arguments give the same one.

        The content is read from the directory that was collected, and must not have changed since.

        Raises:
            Failed: There are violations (``git.violation``).
            Conflict: Another step changed the same paths in another way (``git.conflict``), or the branch is not at
                `onto` (``git.moved``). The branch stays where it was.
            Drift: A file changed after it was collected.
        """
        stamp = Stamp(message, trailers, self._identity, when)
        return await self._alone(lambda: commit.apply(self.git, changes, onto, stamp))

    async def find(self, trailer: str, value: str) -> list[Commit]:
        """Commits on the branch whose trailer has exactly this value, newest first."""

        def work() -> list[Commit]:
            head = self._head()
            listed = commit.log(self.git, head, grep=f"{trailer}: {value}") if head else []
            return [found for found in listed if found.trailers.get(trailer) == value]

        return await self._in_thread(work)

    async def trailers(self, commit_id: str) -> Mapping[str, str]:
        """The trailers of one commit."""
        return (await self.show(commit_id)).trailers

    async def show(self, commit_id: str) -> Commit:
        """One commit.

        Raises:
            NotFound: There is none of that id.
        """

        def work() -> Commit:
            code, _, _ = self.git.attempt("cat-file", "-e", f"{commit_id}^{{commit}}")
            if code:
                message = f"There is no checkpoint {commit_id!r} in {self.git_dir}."
                raise NotFound(message, code="git.no_commit", hint="remit show ID")
            return commit.log(self.git, commit_id, limit=1)[0]

        return await self._in_thread(work)

    async def log(self) -> list[Commit]:
        """Every commit on the branch, newest first."""

        def work() -> list[Commit]:
            head = self._head()
            return commit.log(self.git, head) if head else []

        return await self._in_thread(work)

    async def diff(self, old: str | None, new: str | None) -> str:
        """The difference as a patch for people (bytes that are not UTF-8 are replaced)."""
        arguments = ("diff-tree", "-p", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
        ends = (old or EMPTY_TREE, new or EMPTY_TREE)
        return await self._in_thread(lambda: self.git.run(*arguments, *ends).decode("utf-8", "replace"))

    async def changed_paths(self, commit_id: str) -> list[str]:
        """Paths a commit changed against its parent, sorted."""
        return sorted(await self._in_thread(lambda: commit.changed_paths(self.git, commit_id)))

    async def reset_workspace(self, commit_id: str | None) -> None:
        """Make the work tree hold exactly a commit's files, byte for byte; anything else in it goes.

        Untracked and ignored files, nested repositories, odd modes, links and read-only folders included.
        """

        def work() -> None:
            crash.reach("git.workspace:before")
            tree.restore(self.git, tree.entries(self.git, commit_id), self.workspace)
            self._show_in_index(commit_id)
            crash.reach("git.workspace:after")

        await self._alone(work)

    def _show_in_index(self, commit_id: str | None) -> None:
        """Let plain git in the work tree see a clean checkout. Only people use the index; nothing here reads it."""
        if commit_id is None:
            remove_tree(self.git_dir / "index")
            return
        index = self.git_dir / f"index.remit-{os.getpid()}"
        remove_tree(index)
        self.git.run("read-tree", commit_id, index=index)
        index.replace(self.git_dir / "index")

    async def workspace_drift(self, commit_id: str | None) -> list[str]:
        """Paths in the work tree that are not as in the commit; empty means the same byte for byte."""
        return await self._in_thread(lambda: tree.drift(self.workspace, tree.entries(self.git, commit_id)))

    async def rewind(self, to: str | None, *, expected: str | None) -> str | None:
        """Move the branch back to an earlier checkpoint (``None``: the empty start); the reference that keeps the rest.

        What is rolled back stays reachable under ``refs/remit/rolled-back/N``, so nothing is lost.

        Raises:
            Conflict: The branch was not at `expected`.
        """

        def work() -> str | None:
            if expected is None or expected == to:
                return None
            kept = self._keep(expected)
            commit.move(self.git, to, expected=expected)
            return kept

        return await self._alone(work)

    def _keep(self, commit_id: str) -> str:
        listed = self.git.run("for-each-ref", "--format=%(refname) %(objectname)", ROLLED_BACK).decode().splitlines()
        known = dict(line.split(" ") for line in listed)
        for name, kept in known.items():
            if kept == commit_id:
                return name
        number = 1 + max((int(name.removeprefix(ROLLED_BACK)) for name in known), default=0)
        name = f"{ROLLED_BACK}{number}"
        crash.reach("git.ref:before")
        self.git.run("update-ref", "--no-deref", name, commit_id, "0" * 40)
        crash.reach("git.ref:after")
        return name

    async def clone_to(self, git_dir: Path, workspace: Path, commit_id: str | None) -> Repository:
        """A repository of its own whose branch stands at `commit_id`, for a branch of the mission.

        Its files are hard links to this one's objects where the file system allows it (git never changes an object),
        so it costs little, and removing either leaves the other whole.

        Raises:
            IntegrityError: The history of that commit is not whole.
        """
        twin = Repository(git_dir, workspace, identity=self._identity)
        await twin.init()

        def link() -> None:
            crash.reach("git.objects:before")
            _link_objects(self.git_dir / "objects", git_dir / "objects")
            crash.reach("git.objects:after")

        await self._alone(link)

        def work() -> None:
            if commit_id is None:
                return
            twin.git.run("rev-list", "--objects", "--quiet", commit_id)
            commit.move(twin.git, commit_id, expected=twin._head())

        await twin._alone(work)
        await twin.reset_workspace(commit_id)
        return twin

    async def verify(self) -> list[str]:
        """What is wrong with the repository, each with the object and where it is used; empty when it is whole."""

        def work() -> list[str]:
            arguments = ("fsck", "--full", "--strict", "--no-dangling", "--no-progress", "--name-objects")
            no_index = self.git_dir / "no-index"  # what a person staged is no part of the record
            code, out, complaint = self.git.attempt(*arguments, index=no_index)
            lines = [line for line in [*out.decode(errors="replace").splitlines(), *complaint.splitlines()] if line]
            found = [line for line in lines if not line.startswith(("notice:", "dangling"))]
            return found or ([f"git fsck ended with {code}"] if code else [])

        return await self._in_thread(work)

    async def recover(self, lock: Path, *, held: bool = False) -> list[str]:
        """Remove what a git that was killed left behind (locks, half-written packs); the names of what went.

        Only safe when nobody else works on the mission: either the caller holds its lock (`held`), or the lock file is
        taken for as long as this lasts.

        Raises:
            Conflict: Another process holds the mission's lock (``git.busy``); nothing was removed.
        """

        def work() -> list[str]:
            if held:
                return self._sweep()
            import fcntl  # not on Windows, where missions do not run

            with lock.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as busy:
                    message = f"Another process works on this mission (it holds {lock})."
                    raise Conflict(message, code="git.busy", hint="remit show ID") from busy
                return self._sweep()

        return await self._alone(work)

    def _sweep(self) -> list[str]:
        self._init()  # a kill may have come before there was a repository at all
        patterns = ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/**/*.lock", "fast_import_crash_*")
        stale = {path for pattern in patterns for path in self.git_dir.glob(pattern)}
        stale |= {path for pattern in ("*.remit-*", "info/*.remit-*") for path in self.git_dir.glob(pattern)}
        for path in stale:
            remove_tree(path)
        incoming = self.git.run("for-each-ref", "--format=%(refname)", "refs/remit/incoming/").decode().split()
        for name in incoming:
            self.git.run("update-ref", "--no-deref", "-d", name)
        return sorted([*(str(path.relative_to(self.git_dir)) for path in stale), *incoming])


def _link_objects(source: Path, target: Path) -> None:
    for folder, _, names in os.walk(source):
        into = target / Path(folder).relative_to(source)
        into.mkdir(exist_ok=True)
        for name in sorted(names, key=lambda name: (name.endswith(".idx"), name)):
            if name.startswith("tmp_") or name.endswith(".lock") or (into / name).exists():
                continue
            try:
                os.link(Path(folder) / name, into / name)
            except OSError:
                shutil.copy2(Path(folder) / name, into / name)
    for folder in (target / "pack", target):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
