"""The net under every test: nothing in Remit may touch the outside world outside an open permit or the infrastructure.

An audit hook sees each file opened for writing, each tree changed, each process started and each connection made, in
whatever library it happens. It judges those that a module of Remit asked for, that is, whose stack has a frame of one:

1. a permit is open in this context (`remit.kernel.permits`): the guard has judged it;
2. or the innermost frame of Remit belongs to `remit.infrastructure.INFRASTRUCTURE`;
3. or only adapters are on the stack, and a test called them: the test stands where the guard stands;
4. otherwise the event is refused, and the test fails even if the code under test swallows the refusal.

Loaded by `tests/conftest.py`, and by every Python process that a test starts (`tests/child/sitecustomize.py`), so it
imports nothing but the standard library and the list itself. Bound to the standard event loop: uvloop raises no events.
"""

from __future__ import annotations

import os
import sys

from remit.infrastructure import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

REPORT = "PYTEST_NET_REPORT"  # the file in which child processes tell what they found
OWNER = "PYTEST_NET_OWNER"  # the process that reads it

_TESTS = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120 - pathlib costs every child's start
_OWN = (__file__, _TESTS + "conftest.py")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OUTWARD = ("remit.adapters", "remit.testing", "remit.kernel", "remit.redact", "remit.infrastructure")
_IMPORTING = ("_frozen_importlib", "importlib._bootstrap")
_LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class OutsideTheGuard(AssertionError):
    """Remit touched the outside world without a permit."""


class Violation:
    """What happened, and which module asked for it."""

    def __init__(self, event: str, target: str, *, module: str, place: str) -> None:
        self.event, self.target, self.module, self.place = event, target, module, place

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.module} ({self.place}): {self.event} {self.target}, outside permit and infrastructure"


def _opened(args: tuple[Any, ...]) -> str | None:
    path, _mode, flags = args
    if isinstance(path, int) or path is None or not flags & _WRITING:
        return None
    return None if os.fsdecode(path) == os.devnull else os.fsdecode(path)


def _address(args: tuple[Any, ...]) -> str | None:
    return repr(args[1])


def _database(args: tuple[Any, ...]) -> str | None:
    name = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else repr(args[0])
    return None if name == ":memory:" else name


def _first(args: tuple[Any, ...]) -> str | None:
    return repr(args[0]) if args else ""


def _signalled(args: tuple[Any, ...]) -> str | None:
    return repr(args) if args[1] else None  # signal 0 only asks whether the process lives


EVENTS: dict[str, Callable[[tuple[Any, ...]], str | None]] = {
    "open": _opened,
    "sqlite3.connect": _database,
    "os.chmod": _first,
    "os.chown": _first,
    "os.link": _first,
    "os.mkdir": _first,
    "os.mkfifo": _first,
    "os.mknod": _first,
    "os.remove": _first,
    "os.removexattr": _first,
    "os.rename": _first,
    "os.rmdir": _first,
    "os.setxattr": _first,
    "os.symlink": _first,
    "os.truncate": _first,
    "os.utime": _first,
    "os.exec": _first,
    "os.fork": _first,
    "os.forkpty": _first,
    "os.posix_spawn": _first,
    "os.spawn": _first,
    "os.startfile": _first,
    "os.system": _first,
    "os.kill": _signalled,
    "os.killpg": _signalled,
    "pty.spawn": _first,
    "subprocess.Popen": _first,
    "socket.bind": _address,
    "socket.connect": _address,
    "socket.getaddrinfo": _first,
    "socket.gethostbyname": _first,
    "socket.sendmsg": _address,
    "socket.sendto": _address,
}


class Net:
    """The one hook of this process. `adapters_under_test` holds while a test drives adapters directly."""

    def __init__(self) -> None:
        self.adapters_under_test = False
        self.found: list[Violation] = []

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Judge one audit event.

        Raises:
            OutsideTheGuard: It is Remit's, and neither permitted nor infrastructure; or it leaves this machine.
        """
        if EVENTS is None:
            return  # the interpreter is ending and has emptied this module
        describe = EVENTS.get(event)
        if describe is None:
            return
        try:
            frame = sys._getframe(1)
        except ValueError:
            return  # the interpreter itself, opening the script it was given
        if frame.f_code.co_filename in _OWN or str(frame.f_globals.get("__name__")).startswith(_IMPORTING):
            return  # the net itself, or an import that keeps what it compiled
        target = describe(args)
        if target is None:
            return
        violation = self._judge(event, target, frame) or _abroad(event, args)
        if violation is not None:
            self.found.append(violation)
            _report(violation)
            raise OutsideTheGuard(str(violation))

    def _judge(self, event: str, target: str, frame: FrameType | None) -> Violation | None:
        module, place = "", ""
        only_adapters, called_by_test = True, self.adapters_under_test
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if name == "remit" or name.startswith("remit."):
                if not module:
                    module, place = name, f"{frame.f_code.co_name}, line {frame.f_lineno}"
                only_adapters = only_adapters and name.startswith(_OUTWARD)
            elif frame.f_code.co_filename.startswith(_TESTS) and frame.f_code.co_filename not in _OWN:
                called_by_test = True
            frame = frame.f_back
        if not module or _permitted() or reason(module) is not None or (only_adapters and called_by_test):
            return None
        return Violation(event, target, module=module, place=place)

    def drain(self) -> list[str]:
        """What was found since the last call, in this process and in those it started."""
        lines = [str(violation) for violation in self.found]
        self.found.clear()
        path = os.environ.get(REPORT, "")
        if path and os.path.getsize(path):  # noqa: PTH202 - see above
            with open(path, "r+", encoding="utf-8") as report:  # noqa: PTH123 - see above
                lines += report.read().splitlines()
                report.truncate(0)
        return lines


def _abroad(event: str, args: tuple[Any, ...]) -> Violation | None:
    """No test needs a network beyond loopback, whoever asks."""
    if event not in {"socket.connect", "socket.sendto", "socket.sendmsg"} or not isinstance(args[1], tuple):
        return None
    if str(args[1][0]).startswith(_LOOPBACK):
        return None
    return Violation(event, repr(args[1]), module="a test", place="beyond loopback")


def _permitted() -> bool:
    permits = sys.modules.get("remit.kernel.permits")
    return permits is not None and permits.CURRENT.get() is not None


def _report(violation: Violation) -> None:
    """Tell the process that runs the tests, if this is not it."""
    path = os.environ.get(REPORT)
    if path and os.environ.get(OWNER) != str(os.getpid()):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{violation} (in process {os.getpid()}: {' '.join(sys.argv)})\n".encode())
        os.close(descriptor)


def install() -> Net:
    """Spread the net over this process, for good: audit hooks cannot be taken away."""
    net = Net()
    sys.addaudithook(net.hook)
    return net
