"""Processes as the kernel shows them: when one started, what it started, and how to end all of that.

Shared by the launcher and by Remit itself, so it imports next to nothing. A process id alone names nobody (ids are
used again); with its start time and the machine's boot it does.
"""

from __future__ import annotations

import os
import signal

#: In the environment of every command: ``<process group>@<start time>``. Finds what left its group and its parents.
MARK = "REMIT_COMMAND"

_STATE, _PARENT, _GROUP, _THREADS, _STARTED = 0, 1, 2, 17, 19  # /proc/PID/stat, counted after the name; proc(5)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is too dear to import here
            return file.read()
    except OSError:
        return b""


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat after the name (which may hold spaces and brackets); empty when it is gone."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def has_proc() -> bool:
    """Whether this system shows processes under /proc as Linux does."""
    return bool(_stat(os.getpid()))


def start_time(pid: int) -> str:
    """When a process started, as ``<boot id>:<clock ticks since boot>`` (Linux) or a date (elsewhere); "" if gone."""
    if not has_proc():
        return start_date(pid)
    fields = _stat(pid)
    if not fields or fields[_STATE] in {b"Z", b"X"}:
        return ""
    return f"{_read('/proc/sys/kernel/random/boot_id').decode().strip()}:{fields[_STARTED].decode()}"


def start_date(pid: int) -> str:
    """When a process started by ``ps``, to the second; "" if gone. For systems without /proc."""
    import subprocess

    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False, text=True)
    return " ".join(listed.stdout.split())


def everyone() -> list[int]:
    """Ids of all processes that /proc shows."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - as above
    except OSError:
        return []


def threads_of_user(uid: int) -> int:
    """How many threads a user runs: what RLIMIT_NPROC is compared with."""
    total = 0
    for pid in everyone():
        try:
            if os.stat(f"/proc/{pid}").st_uid != uid:  # noqa: PTH116 - as above
                continue
        except OSError:
            continue
        fields = _stat(pid)
        total += int(fields[_THREADS]) if fields else 0
    return total


def descendants(root: int) -> list[int]:
    """Living processes below `root`, parents before children; zombies are left out."""
    found: list[int] = []
    queue = [root]
    while queue:
        for child in _children(queue.pop(0)):
            queue.append(child)
            fields = _stat(child)
            if fields and fields[_STATE] not in {b"Z", b"X"}:
                found.append(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as above
    except OSError:
        return []
    if os.path.exists(f"/proc/{pid}/task/{pid}/children"):  # noqa: PTH110 - as above
        return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    own = str(pid).encode()
    return [other for other in everyone() if (fields := _stat(other)) and fields[_PARENT] == own]


def send(pid: int, number: int) -> bool:
    """Signal one process; whether it was there."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def send_group(group: int, number: int) -> bool:
    """Signal a process group; whether anybody was in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_all(root: int, group: int) -> None:
    """End a group and everything below `root`, those included that made sessions of their own.

    The group goes in one stroke, which a fork can't slip through. What is left is stopped first, until a look finds
    nobody new (a stopped process can't fork), and killed then.
    """
    send_group(group, signal.SIGKILL)
    stopped: set[int] = set()
    while True:
        fresh = [pid for pid in descendants(root) if pid not in stopped]
        if not fresh:
            break
        for pid in fresh:
            send(pid, signal.SIGSTOP)
        stopped.update(fresh)
    for pid in stopped:
        send(pid, signal.SIGKILL)


def in_group(group: int) -> list[int]:
    """Living members of a process group."""
    own = str(group).encode()
    return [
        pid
        for pid in everyone()
        if (fields := _stat(pid)) and fields[_GROUP] == own and fields[_STATE] not in {b"Z", b"X"}
    ]


def marked(mark: str) -> list[int]:
    """Living processes that carry this command's mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    own = os.getpid()
    return [pid for pid in everyone() if pid != own and wanted in _read(f"/proc/{pid}/environ").split(b"\0")]
