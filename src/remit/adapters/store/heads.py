"""The heads file: signed heads outside the database, appended and synced before anything relies on them."""

from __future__ import annotations

import os
from pathlib import Path

from remit.audit.heads import encode_head, last_head
from remit.kernel import crash

_TAIL = 64 * 1024


class HeadsFile:
    """``heads.log``. Whoever appends holds the store's write lock, so there is one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes:
        """The whole file; empty when no head was signed yet."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def last(self) -> str | None:
        """The newest head's note, or ``None`` when there is none or its line is damaged."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return last_head(file.read())
        except FileNotFoundError:
            return None

    def append(self, note: str) -> None:
        """Add a head; when this returns it is on disk.

        A line without an end is cut off first: only a crash in the middle of a write leaves one; nothing relied on it.
        """
        crash.reach("heads.append:before")
        fresh = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.lseek(handle, 0, os.SEEK_END)
            tail = os.pread(handle, _TAIL, max(0, end - _TAIL))
            whole = end - (len(tail) - (tail.rfind(b"\n") + 1))
            if whole != end:
                os.ftruncate(handle, whole)
            os.pwrite(handle, encode_head(note), whole)
            os.fsync(handle)
        finally:
            os.close(handle)
        if fresh:
            sync_folder(self.path.parent)
        crash.reach("heads.append:after")


def sync_folder(folder: Path) -> None:
    """Have a folder's entries on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
