"""What a dead run left behind: found by what was recorded before it began, and ended."""

from __future__ import annotations

import os
import signal
import time

from remit.adapters.sandbox import processes

_PATIENCE_S = 2.0


def kill_leftover(pgid: int, start_time: str) -> bool:
    """End what is left of the command that `on_started` named so; whether anything was.

    The process with that id is touched only if it started at that very time, so an id that the system has given to
    somebody else is safe. Members of the group whose leader is gone, and processes that left the group, are known by
    the mark in their environment. Returns once they are gone, or after two seconds.
    """
    if not start_time:
        return False
    found = _find(pgid, start_time)
    deadline = time.monotonic() + _PATIENCE_S
    remaining = found
    while remaining and time.monotonic() < deadline:
        for pid in remaining:
            processes.send(pid, signal.SIGKILL)
        time.sleep(0.005)
        remaining = _find(pgid, start_time)
    return bool(found)


def _find(pgid: int, start_time: str) -> set[int]:
    found = set(processes.marked(f"{pgid}@{start_time}"))
    if processes.start_time(pgid) == start_time and pgid != os.getpid():
        found.add(pgid)
        found.update(processes.in_group(pgid))
        found.update(processes.descendants(pgid))
    return found - {os.getpid()}
