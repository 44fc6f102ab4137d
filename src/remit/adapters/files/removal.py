"""Removing a tree that somebody else filled: read-only folders, links and names of any kind included."""

from __future__ import annotations

import os
import stat
from pathlib import Path


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

    Raises:
        OSError: As `remove_tree`.
    """
    if stat.S_IMODE(path.lstat().st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        path.chmod(0o755, follow_symlinks=True)
    pending = [path]
    folders: list[Path] = []
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as entries:
            listed = list(entries)
        for entry in listed:
            here = folder / entry.name
            if not entry.is_dir(follow_symlinks=False):
                here.unlink()
                continue
            if stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
                here.chmod(0o700)
            pending.append(here)
            folders.append(here)
    for folder in reversed(folders):
        folder.rmdir()
