"""Trees of commits as files: written out exactly, compared exactly, brought back exactly."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from remit.adapters.files.removal import empty_folder, remove_tree
from remit.adapters.git import seal
from remit.adapters.git.collect import EXECUTABLE, LINK, Entry, blob_id, bytes_id
from remit.adapters.git.process import EMPTY_TREE, Git
from remit.kernel.errors import Conflict, IntegrityError

_CHUNK = 1 << 20


def entries(git: Git, commit: str | None) -> dict[str, Entry]:
    """Every file of a commit's tree by path; none for ``None``.

    Raises:
        IntegrityError: The commit or one of its trees can't be read.
    """
    if commit is None:
        return {}
    found: dict[str, Entry] = {}
    for record in git.run("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
        head, _, path = record.partition(b"\t")
        mode, _, blob = head.decode().split(" ")
        found[os.fsdecode(path)] = Entry(mode, blob)
    return found


def tree_of(git: Git, commit: str | None) -> str:
    """The id of a commit's tree; that of the empty one for ``None``."""
    if commit is None:
        return EMPTY_TREE
    return git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()


def materialise(git: Git, commit: str | None, directory: Path) -> None:
    """Write a commit's files into `directory`, which must be empty or absent: bytes, modes and links as committed.

    Raises:
        Conflict: Something is there already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        message = f"{directory} is not empty, so a checkpoint can't be laid out there."
        raise Conflict(message, code="git.not_empty", hint="remit show ID")
    write(git, entries(git, commit), directory)


def write(git: Git, files: dict[str, Entry], directory: Path) -> None:
    """Write these files; nothing may be at their paths. Links come last, so that nothing is written through one."""
    if not files:
        return
    made: set[str] = set()
    with git.conversation("cat-file", "--batch") as (ask, answer):
        for path, entry in sorted(files.items(), key=lambda item: (item[1].mode == LINK, item[0])):
            folder = os.path.dirname(path)  # noqa: PTH120 - text, not a file
            if folder not in made:
                (directory / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
                made.add(folder)
            ask.write(f"{entry.blob}\n".encode())
            ask.flush()
            _write_one(answer, entry, directory / path)


def _write_one(answer: IO[bytes], entry: Entry, path: Path) -> None:
    header = answer.readline().decode().split()
    if len(header) != 3 or header[1] != "blob":  # noqa: PLR2004 - id, type, size
        message = f"The content {entry.blob} of {path.name!r} is missing from its repository: {' '.join(header)}."
        raise IntegrityError(message, code="git.corrupt", hint="restore the mission's repository from a backup")
    left = int(header[2])
    if entry.mode == LINK:
        path.symlink_to(os.fsdecode(answer.read(left)))
    else:
        mode = 0o755 if entry.mode == EXECUTABLE else 0o644
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            while left:
                part = answer.read(min(left, _CHUNK))
                if not part:
                    message = f"The content {entry.blob} of {path.name!r} ends early."
                    raise IntegrityError(message, code="git.corrupt")
                left -= len(part)
                _write_all(file, part)
            os.fchmod(file, mode)
        finally:
            os.close(file)
    answer.read(1)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def drift(directory: Path, files: dict[str, Entry]) -> list[str]:
    """Paths below `directory` that are not as in `files`: changed, missing, or there and not wanted. Sorted.

    Everything counts, ignored files and empty folders too, but for git's own file at the top.
    """
    folders = _folders(files)
    wrong = set(files)
    pending = [""]
    while pending:
        prefix = pending.pop()
        for entry in _listing(directory / prefix):
            path = f"{prefix}{entry.name}"
            if path == ".git":
                continue
            if entry.is_dir(follow_symlinks=False) and path in folders:
                pending.append(f"{path}/")
            elif path in files and _same(entry, files[path]):
                wrong.discard(path)
            else:
                wrong.add(path)
    return sorted(wrong)


def restore(git: Git, files: dict[str, Entry], directory: Path) -> None:
    """Make `directory` hold exactly `files` (and git's own file at the top), whatever is in it now."""
    if directory.is_symlink() or not directory.is_dir():
        remove_tree(directory)
        directory.mkdir(parents=True)
    gitfile = seal.gitfile(git.git_dir, directory)
    folders = _folders(files)
    missing = dict(files)
    pending = [""]
    while pending:
        prefix = pending.pop()
        for entry in _listing(directory / prefix):
            path = f"{prefix}{entry.name}"
            here = directory / path
            if path == ".git" and seal.is_exactly(here, gitfile):
                continue
            if entry.is_dir(follow_symlinks=False) and path in folders:
                if stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) != 0o755:  # noqa: PLR2004 - as made
                    here.chmod(0o755)
                pending.append(f"{path}/")
            elif path in files and _same(entry, files[path], exactly=True):
                del missing[path]
            else:
                _remove(here)
    if not seal.is_exactly(directory / ".git", gitfile):
        seal.put(directory / ".git", gitfile)
    write(git, missing, directory)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        empty_folder(path)
        path.rmdir()
    else:
        path.unlink()


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    info = folder.lstat()
    if stat.S_IMODE(info.st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(stat.S_IMODE(info.st_mode) | stat.S_IRWXU)
    with os.scandir(folder) as listed:
        return list(listed)


def _folders(files: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in files:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def _same(entry: os.DirEntry[str], wanted: Entry, *, exactly: bool = False) -> bool:
    """Whether a path holds what is wanted; `exactly` also asks for our modes and that no other name shares the file."""
    if entry.is_symlink():
        return wanted.mode == LINK and bytes_id(os.fsencode(Path(entry.path).readlink())) == wanted.blob
    if not entry.is_file(follow_symlinks=False) or wanted.mode == LINK:
        return False
    info = entry.stat(follow_symlinks=False)
    if bool(info.st_mode & stat.S_IXUSR) != (wanted.mode == EXECUTABLE):
        return False
    if exactly:
        mode = 0o755 if wanted.mode == EXECUTABLE else 0o644
        if stat.S_IMODE(info.st_mode) != mode or info.st_nlink != 1:
            return False
    return blob_id(entry.path) == wanted.blob
