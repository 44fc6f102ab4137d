"""What a step changed in its directory, found by looking at every byte; nothing in the tree has a say in it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from remit.kernel.errors import Drift

MAX_FILE_BYTES = 100 << 20
#: By-products of tools, never part of a checkpoint.
EXCLUDES = (
    *("__pycache__", "*.pyc", "*.pyo", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".venv"),
    *(".coverage", ".coverage.*", ".DS_Store"),
)
FILE, EXECUTABLE, LINK = "100644", "100755", "120000"
_CHUNK = 1 << 20

#: Characters that HFS+ ignores in names, so that ``.g<200c>it`` is ``.git`` there (git, utf8.c: next_hfs_char).
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


class Kind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


class Offence(StrEnum):
    """Why something can't be part of a checkpoint."""

    GIT_NAME = "git_name"
    ESCAPING_LINK = "escaping_link"
    SPECIAL_FILE = "special_file"
    NOT_UTF8 = "not_utf8"
    TOO_LARGE = "too_large"
    CASE_COLLISION = "case_collision"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree: git's mode and the id of its content."""

    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path; ``entry`` is what is there now, ``None`` for a deleted one."""

    path: str
    kind: Kind
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Violation:
    """Something in the directory that is never committed; ``path`` is safe to print."""

    path: str
    offence: Offence
    text: str


@dataclass(frozen=True, slots=True)
class Changes:
    """A directory against the commit it was made from. The content stays in ``source`` until it is applied."""

    source: Path
    base: str | None
    items: tuple[Change, ...] = ()
    violations: tuple[Violation, ...] = ()

    def paths(self, kind: Kind) -> tuple[str, ...]:
        """Paths to which this happened, sorted."""
        return tuple(change.path for change in self.items if change.kind is kind)


@dataclass(slots=True)
class Found:
    """What a look at a directory gave: its files by path, and what can not be taken."""

    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    violations: list[Violation] = field(default_factory=list[Violation])

    def refuse(self, path: str, offence: Offence, text: str) -> None:
        """Note something that can not be part of a checkpoint."""
        self.violations.append(Violation(path.encode("utf-8", "backslashreplace").decode(), offence, text))


def is_git_name(name: str) -> bool:
    """Whether some file system takes this name for ``.git`` (or git for a configuration of submodules)."""
    plain = _HFS_IGNORED.sub("", name).casefold().partition(":")[0].rstrip(" .")
    return plain in {".git", "git~1", ".gitmodules", "gitmod~1"}


def compare(directory: Path, base: str | None, before: dict[str, Entry], *, max_bytes: int = MAX_FILE_BYTES) -> Changes:
    """Everything in `directory` against the tree `before` of commit `base`."""
    found = scan(directory, max_bytes=max_bytes)
    items: list[Change] = []
    refused = {violation.path for violation in found.violations}
    for path in sorted(before.keys() | found.entries.keys()):
        old, new = before.get(path), found.entries.get(path)
        if old == new or (new is None and path in refused):
            continue
        kind = Kind.ADDED if old is None else Kind.DELETED if new is None else Kind.MODIFIED
        items.append(Change(path, kind, new))
    return Changes(directory, base, tuple(items), tuple(found.violations))


def scan(directory: Path, *, max_bytes: int = MAX_FILE_BYTES) -> Found:
    """Every file below `directory` with its mode and content id, and what can't be taken."""
    found = Found()
    folded: dict[str, str] = {}
    root = os.path.realpath(directory)
    for path, name, entry in _walk(directory, found):
        if is_git_name(name):
            found.refuse(path, Offence.GIT_NAME, "some systems take this name for git's own")
            continue
        twin = folded.setdefault(path.casefold(), path)
        if twin != path:
            found.refuse(path, Offence.CASE_COLLISION, f"differs from {twin!r} only in case")
            continue
        if entry.is_symlink():
            _take_link(path, entry, root, found)
        elif entry.is_file(follow_symlinks=False):
            _take_file(path, entry, max_bytes, found)
        elif not entry.is_dir(follow_symlinks=False):
            found.refuse(path, Offence.SPECIAL_FILE, "is no regular file, folder or link")
    return found


def _walk(directory: Path, found: Found) -> Iterator[tuple[str, str, os.DirEntry[str]]]:
    """Everything below, in a fixed order; folders that are refused or excluded are not entered."""
    pending = [("", str(directory))]
    while pending:
        prefix, folder = pending.pop()
        try:
            listed = _listing(folder)
        except OSError as error:
            found.refuse(prefix.rstrip("/"), Offence.UNREADABLE, f"can't be listed: {error.strerror}")
            continue
        for entry in listed:
            path = prefix + entry.name
            if any(fnmatchcase(entry.name, pattern) for pattern in EXCLUDES):
                continue
            try:
                path.encode()
            except UnicodeEncodeError:
                found.refuse(path, Offence.NOT_UTF8, "the name is not UTF-8")
                continue
            yield path, entry.name, entry
            if entry.is_dir(follow_symlinks=False) and not is_git_name(entry.name):
                pending.append((f"{path}/", entry.path))


def _listing(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        Path(folder).chmod(0o700)
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)


def _take_link(path: str, entry: os.DirEntry[str], root: str, found: Found) -> None:
    target = str(Path(entry.path).readlink())
    lexical = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120 - text, not files
    real = os.path.realpath(entry.path)
    outside = target.startswith("/") or lexical.startswith("..") or not f"{real}/".startswith(f"{root}/")
    if outside or any(is_git_name(part) for part in lexical.split("/") if part != "."):
        found.refuse(path, Offence.ESCAPING_LINK, "is a link that leads out of the step's directory")
        return
    found.entries[path] = Entry(LINK, bytes_id(os.fsencode(target)))


def _take_file(path: str, entry: os.DirEntry[str], max_bytes: int, found: Found) -> None:
    info = entry.stat(follow_symlinks=False)
    if info.st_size > max_bytes:
        found.refuse(path, Offence.TOO_LARGE, f"has {info.st_size} bytes; {max_bytes} are allowed")
        return
    mode = EXECUTABLE if info.st_mode & stat.S_IXUSR else FILE
    try:
        found.entries[path] = Entry(mode, blob_id(entry.path))
    except OSError as error:
        found.refuse(path, Offence.UNREADABLE, f"can't be read: {error.strerror}")


def blob_id(path: str | Path) -> str:
    """The id git gives to this file's content (a regular file, no link followed)."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        Path(path).chmod(0o600)
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        size = os.fstat(file).st_size
        digest = hashlib.sha1(b"blob %d\0" % size)  # noqa: S324 - git's
        while chunk := os.read(file, _CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    finally:
        os.close(file)


def bytes_id(data: bytes) -> str:
    """The id git gives to this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's


def content(source: Path, change: Change) -> Iterator[bytes]:
    """Size as text, then the content in parts, exactly as it was collected.

    Raises:
        Drift: The file is no longer what was collected.
    """
    if change.entry is None:
        return
    path = source / change.path
    drifted = f"{change.path!r} changed after it was collected."
    try:
        if change.entry.mode == LINK:
            parts = iter([os.fsencode(path.readlink())])
            size = len(os.fsencode(path.readlink()))
        else:
            size = path.lstat().st_size
            parts = _parts(path)
        digest = hashlib.sha1(b"blob %d\0" % size)  # noqa: S324 - git's
        yield b"%d" % size
        for part in parts:
            digest.update(part)
            size -= len(part)
            if size < 0:
                raise Drift(drifted, code="git.changed")
            yield part
    except OSError as error:
        raise Drift(drifted, code="git.changed") from error
    if digest.hexdigest() != change.entry.blob:
        raise Drift(drifted, code="git.changed")


def _parts(path: Path) -> Iterator[bytes]:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        while part := os.read(file, _CHUNK):
            yield part
    finally:
        os.close(file)
