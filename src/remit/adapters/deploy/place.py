"""The folder that is deployed to: ``releases/<tree id>`` and the link ``current`` to the one that is live.

    DIR/releases/<tree>      one release: exactly the files of that git tree, read-only
    DIR/releases/.new-<x>    one that is being written; left by a crash, it goes with the next deployment
    DIR/current              -> releases/<tree>; replaced by renaming another link over it

Links and devices that are not ours are refused, wherever they lie in ``DIR`` or in ``DIR/releases``: what is renamed,
removed or followed is what was looked at. The folder itself is locked (flock) by whoever changes it, so that there is
no lock file to be left behind: the kernel lets go of it when the process ends.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from remit.adapters.files.removal import remove_tree
from remit.adapters.git import tree as trees
from remit.adapters.git.process import Git
from remit.kernel import crash
from remit.kernel.errors import Conflict, InvalidInput, RemitError, Unavailable

CURRENT, RELEASES = "current", "releases"
WAIT_S = 60.0
POLL_S = 0.05

_RELEASE = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LIVE = re.compile(rf"{RELEASES}/(?:{_RELEASE.pattern})")
_STRANGE = "is a link or a device that no deployment made"
_NEW, _LINK = ".new-", ".current-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OURS = "mkdir a folder of its own and give that: remit deploy ID --to DIR"

#: Places that this task holds, so that what runs inside a deployment need not wait for itself.
_HELD: ContextVar[dict[str, Place] | None] = ContextVar("remit_places", default=None)


@asynccontextmanager
async def hold(target: str, *, wait_s: float = WAIT_S) -> AsyncGenerator[Place]:
    """The place at ``target``, which nobody else changes until the block ends. Held twice by one task, it is one.

    Raises:
        InvalidInput: It is no folder that can be deployed to (``deploy.target``).
        Unavailable: Another deployment to it did not end in time (``deploy.busy``).
    """
    held = _HELD.get() or {}
    if target in held:
        yield held[target]
        return
    with _opened(target) as handle:
        place = Place(Path(target), handle)
        await _lock(handle, target, wait_s)
        token = _HELD.set({**held, target: place})
        try:
            yield place
        finally:
            with suppress(ValueError):  # an abandoned generator is closed in another context
                _HELD.reset(token)


@contextmanager
def _opened(target: str) -> Generator[int]:
    path = Path(target)
    if not path.is_absolute() or path != Path(os.path.normpath(path)) or path == Path("/"):
        raise _refused(target, "is no absolute path in its normal form")
    try:
        handle = os.open(path, _FOLDER)
    except OSError as error:
        why = {
            errno.ENOENT: "is not there",
            errno.ELOOP: "is a link",
            errno.ENOTDIR: "is a link or no folder",
        }
        raise _refused(target, why.get(error.errno or 0, f"can't be opened: {error.strerror}")) from error
    try:
        yield handle
    finally:
        os.close(handle)


async def _lock(handle: int, target: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                message = f"Another deployment to {target} is under way; it did not end within {wait_s:g} s."
                raise Unavailable(message, code="deploy.busy", hint="wait and run the command again") from error
            await asyncio.sleep(POLL_S)
        else:
            return


class Place:
    """A folder that this process holds. Only ``hold`` makes one."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    # ------------------------------------------------------------------------------------------------------- looking

    @property
    def live(self) -> str:
        """The tree of the release that is live; empty when none is.

        Raises:
            InvalidInput: The folder holds what no deployment leaves there (``deploy.target``).
        """
        self.check()
        try:
            link = os.readlink(CURRENT, dir_fd=self._handle)
        except FileNotFoundError:
            return ""
        return link.removeprefix(f"{RELEASES}/")

    def check(self) -> None:
        """Refuse a folder with links or devices that are not ours, or that others may write into.

        Raises:
            InvalidInput: Names the first (``deploy.target``).
        """
        info = os.fstat(self._handle)
        here = self.path.lstat()
        if (info.st_dev, info.st_ino) != (here.st_dev, here.st_ino):
            raise _refused(str(self.path), "was replaced by another one meanwhile")
        if info.st_mode & stat.S_IWOTH:
            raise _refused(str(self.path), "can be written by everybody", f"chmod o-w {self.path}")
        for name, mode in _listed(self._handle):
            if why := self._strange(name, mode):
                raise _refused(str(self.path / name), why)
        for name, mode in self._in_releases():
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise _refused(str(self.path / RELEASES / name), _STRANGE)

    def _strange(self, name: str, mode: int) -> str:
        """Why what lies at a name can't be there; empty when it can."""
        if name == CURRENT:
            link = os.readlink(name, dir_fd=self._handle) if stat.S_ISLNK(mode) else ""
            return "" if _LIVE.fullmatch(link) else "is not a link to a release"
        if name == RELEASES:
            return "" if stat.S_ISDIR(mode) else "is no folder"
        ours = name.startswith(_LINK) and stat.S_ISLNK(mode)
        return "" if ours or stat.S_ISDIR(mode) or stat.S_ISREG(mode) else _STRANGE

    def releases(self) -> list[str]:
        """The trees of the releases that are there, the one that was live last first."""
        found = [name for name, mode in self._in_releases() if _RELEASE.fullmatch(name) and stat.S_ISDIR(mode)]
        return sorted(found, key=lambda name: self.release(name).lstat().st_mtime_ns, reverse=True)

    def release(self, tree: str) -> Path:
        """Where a release lies."""
        return self.path / RELEASES / tree

    def _in_releases(self) -> list[tuple[str, int]]:
        try:
            handle = os.open(RELEASES, _FOLDER, dir_fd=self._handle)
        except FileNotFoundError:
            return []
        try:
            return _listed(handle)
        finally:
            os.close(handle)

    # ------------------------------------------------------------------------------------------------------ changing

    def publish(self, git: Git, tree: str) -> Path:
        """Make the release of a tree, unless it is there: written beside, checked, on disk, read-only, then named.

        Raises:
            Conflict: The release is live and is not what it was (``deploy.changed``).
            IntegrityError: The repository does not hold the tree.
            Unavailable: The disk is full or can't be written.
        """
        release = self.release(tree)
        files = trees.entries(git, tree)
        if os.path.lexists(release):
            changed = trees.drift(release, files)
            if not changed:
                _harden(release)
                return release
            if self.live == tree:
                message = f"The live release {release} was changed: {', '.join(changed[:5])}."
                raise Conflict(message, code="deploy.changed", hint="deploy another release first, then this one again")
        with _told(release):
            self._clean()
            crash.reach("deploy.stage:before")
            new = self.path / RELEASES / f"{_NEW}{secrets.token_hex(8)}"
            new.mkdir(mode=0o755, parents=True)
            trees.write(git, files, new)
            if wrong := trees.drift(new, files):
                message = f"What was written to {new} is not what was to be written: {', '.join(wrong[:5])}."
                raise Unavailable(message, code="deploy.disk", hint="check the disk, then run the command again")
            _harden(new)
            crash.reach("deploy.stage:after")
            crash.reach("deploy.release:before")
            remove_tree(release)
            new.rename(release)
            _sync(self.path / RELEASES)
            os.fsync(self._handle)
            crash.reach("deploy.release:after")
        return release

    def switch(self, tree: str, *, point: str = "deploy.switch") -> None:
        """Make a release live (an empty text: none): one rename, on disk when this returns.

        Raises:
            Unavailable: The folder can't be written.
        """
        with _told(self.path / CURRENT):
            crash.reach(f"{point}:before")
            if tree:
                os.utime(self.release(tree))
                link = f"{_LINK}{secrets.token_hex(8)}"
                os.symlink(f"{RELEASES}/{tree}", link, dir_fd=self._handle)
                os.rename(link, CURRENT, src_dir_fd=self._handle, dst_dir_fd=self._handle)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(CURRENT, dir_fd=self._handle)
            os.fsync(self._handle)
            crash.reach(f"{point}:after")

    def prune(self, *, keep: int, besides: frozenset[str]) -> list[str]:
        """Remove all releases but the newest ``keep``, the live one and those named; which."""
        chosen = self.releases()
        stay = {*chosen[:keep], *besides, self.live}
        gone = [tree for tree in chosen if tree not in stay]
        with _told(self.path / RELEASES):
            crash.reach("deploy.prune:before")
            for tree in gone:
                remove_tree(self.release(tree))
            self._clean()
            crash.reach("deploy.prune:after")
        return gone

    def _clean(self) -> None:
        """Remove what a killed deployment left: releases that were never named, links that were never renamed."""
        for name, _ in self._in_releases():
            if name.startswith(_NEW):
                remove_tree(self.path / RELEASES / name)
        for name, mode in _listed(self._handle):
            if name.startswith(_LINK) and stat.S_ISLNK(mode):
                os.unlink(name, dir_fd=self._handle)


def _listed(handle: int) -> list[tuple[str, int]]:
    """Names and modes of what a folder holds; a name that goes meanwhile is left out."""
    found: list[tuple[str, int]] = []
    for name in sorted(os.listdir(handle)):
        with suppress(FileNotFoundError):
            found.append((name, os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode))
    return found


def _harden(root: Path) -> None:
    """Put every file and folder on disk and take away the right to write, deepest first."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.lstat().st_mode & 0o555)
                _sync(path)
        Path(folder).chmod(0o555)
        _sync(Path(folder))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(path: Path) -> Generator[None]:
    """An error of the file system in our words."""
    try:
        yield
    except RemitError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            message = f"{path} could not be written: there is no room left ({error.strerror})."
            raise Unavailable(
                message, code="deploy.full", hint="free some disk space and run the command again"
            ) from error
        message = f"{path} could not be written: {error.strerror}."
        raise Unavailable(message, code="deploy.disk", hint="let this user write there, then run it again") from error


def _refused(where: str, why: str, hint: str = _OURS) -> InvalidInput:
    return InvalidInput(f"Nothing can be deployed to {where}: it {why}.", code="deploy.target", hint=hint)
