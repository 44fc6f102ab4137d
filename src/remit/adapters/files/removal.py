"""Removing a tree that somebody else filled: read-only folders, links, names of any kind and any depth included."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove what is at `path`, never following a link; nothing there is fine.

    Folders that forbid it are made writable first.

    Raises:
        OSError: Something could not be removed, for instance because another user owns it.
    """
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        path.unlink()
        return
    empty_folder(path)
    path.rmdir()


def empty_folder(path: Path) -> None:
    """Remove everything in a folder and keep the folder itself (mode 755 at least for its owner).

    A folder in it gives its own folders to the one above and goes: whoever filled it may have gone deeper than a path
    can name or a call can nest.

    Raises:
        OSError: As `remove_tree`.
    """
    if stat.S_IMODE(path.lstat().st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        path.chmod(0o755, follow_symlinks=True)
    root = os.open(path, _FOLDER)
    try:
        pending = _without_files(root)
        while pending:
            name = pending.pop()
            folder = _opened(root, name)
            try:
                for inner in _without_files(folder):
                    _opened_up(folder, inner)
                    lifted = f".remit-{secrets.token_hex(16)}"
                    os.rename(inner, lifted, src_dir_fd=folder, dst_dir_fd=root)
                    pending.append(lifted)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)
    finally:
        os.close(root)


def _without_files(folder: int) -> list[str]:
    """Remove all that is no folder; the names of the folders."""
    with os.scandir(folder) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in listed:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in listed if is_folder]


def _opened_up(parent: int, name: str) -> None:
    """Let the owner into a folder that keeps everybody out; moving it needs that too."""
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(info.st_mode) and stat.S_IMODE(info.st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, 0o700, dir_fd=parent)


def _opened(parent: int, name: str) -> int:
    _opened_up(parent, name)
    return os.open(name, _FOLDER, dir_fd=parent)
