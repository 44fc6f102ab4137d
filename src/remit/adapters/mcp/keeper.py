"""The process between Remit and a tool server's program: when Remit ends, however it ends, nothing of it is left.

Run as ``python -I -S keeper.py PACKAGE_ROOT PROGRAM ARGS``. Standard input and output are the program's own. It is told
by the kernel when Remit dies (Linux; elsewhere it looks each second), adopts whatever the program leaves behind, and
ends all of it: when Remit is gone, when it is asked to, and when the program has ended.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

import signal
import time

from remit.adapters.sandbox import landlock, processes

LOOK_S = 1.0
GRACE_S = 1.0
_EXIT_BASE = 128


class _Asked(Exception):
    """A signal says that it is over."""


def _asked(_number: int, _frame: object) -> None:
    raise _Asked


def _become(argv: list[str], keeper: int) -> None:
    """In the forked child: die with the keeper, execute. Never returns."""
    try:
        if sys.platform == "linux":
            landlock.prctl(landlock.PR_SET_PDEATHSIG, signal.SIGKILL)
            landlock.prctl(landlock.PR_SET_NO_NEW_PRIVS, 1)
            if os.getppid() != keeper:
                os._exit(_EXIT_BASE + signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606 - without a shell is the point
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait(child: int, parent: int) -> int:
    """The program's exit code, once it has ended; reaps what else ends meanwhile."""
    while True:
        signal.sigtimedwait([signal.SIGCHLD], LOOK_S) if hasattr(signal, "sigtimedwait") else time.sleep(LOOK_S / 10)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else _EXIT_BASE - code
            if not pid:
                break
        if os.getppid() != parent:
            raise _Asked


def _clear_up(child: int) -> None:
    """SIGTERM to everything, and SIGKILL to what is left after its time."""
    me = os.getpid()
    for pid in [*processes.descendants(me), child]:
        processes.send(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and _left(me):
        time.sleep(0.02)
    for _ in range(100):
        if not _left(me):
            return
        processes.kill_all(me, child)
        time.sleep(0.01)


def _left(me: int) -> bool:
    """Whether something that the program started still runs; takes the exit of what doesn't."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return bool(processes.descendants(me)) or not processes.has_proc()


def main() -> None:
    """Keep one program and leave with it."""
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    if sys.platform == "linux":
        landlock.prctl(landlock.PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _asked)
    me = os.getpid()
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        _become(sys.argv[2:], me)
    code = _EXIT_BASE + signal.SIGTERM
    try:
        if sys.platform == "linux":
            landlock.prctl(landlock.PR_SET_PDEATHSIG, signal.SIGTERM)
        for stream in (0, 1):
            os.close(stream)  # or the program's end would not be seen by who reads, nor ours by who writes
        code = _wait(child, parent)
    except _Asked:
        pass
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _clear_up(child)
    os._exit(code)


if __name__ == "__main__":
    main()
