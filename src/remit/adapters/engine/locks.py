"""Liveness on one host: a lock that the kernel drops when its process is gone, whatever killed it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class ExecutorLocks:
    """A folder with one locked file for each executor of this host.

    ``flock`` belongs to the open file, and Python opens files so that no program it starts inherits them; so the lock
    goes with the process, on kill -9 too, and at once. On a platform without ``flock`` every question is answered
    "can't tell" and the lease alone decides.
    """

    def __init__(self, folder: Path) -> None:
        """Args: ``folder`` (made with mode 0700) is on a local disk and shared by the processes of one host."""
        self._folder = folder
        self._held: dict[str, int] = {}

    def hold(self, executor: str) -> None:
        """Say that this process is ``executor``, until ``release`` or its end."""
        if sys.platform == "win32" or executor in self._held:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path(executor), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)  # a probe holds it for microseconds at most
        self._held[executor] = handle

    def take(self, executor: str) -> bool:
        """As ``hold``, unless another process is ``executor``; whether this one is it now."""
        if sys.platform == "win32" or executor in self._held:
            return True
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path(executor), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._held[executor] = handle
        return True

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open lock files: a child that inherits them keeps this executor alive for as long as it writes."""
        return tuple(self._held.values())

    def release(self, executor: str) -> None:
        """Give the lock back and remove its file."""
        handle = self._held.pop(executor, None)
        if handle is not None:
            self._path(executor).unlink(missing_ok=True)
            os.close(handle)

    def alive(self, executor: str) -> bool | None:
        """``True``: its process lives. ``False``: it does not. ``None``: not an executor of this host, can't tell."""
        if executor in self._held:
            return True
        if sys.platform == "win32":
            return None
        try:
            handle = os.open(self._path(executor), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def forget(self, executor: str) -> None:
        """Remove the file of an executor that is dead and owns nothing any more."""
        if self.alive(executor) is False:
            self._path(executor).unlink(missing_ok=True)

    def _path(self, executor: str) -> Path:
        return self._folder / f"{executor}.lock"
