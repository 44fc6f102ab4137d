"""``remit`` commands in processes of their own, without paying for Python's start and Remit's imports each time.

Both together take more than half of what a command costs, and the tests give more than a thousand. One process
(`warm_parent.py`) imports Remit once, does nothing else, and forks whenever a command is to start: what then runs is
`remit.cli.main()` with the words, folder, environment and streams of the command, and ends as Python ends. It is this
process's child as any other: whoever started it waits for it, signals it and kills it by its own number.

A folder whose tests use `remit.testing.drill` imports `warm_commands` in its `conftest.py`.

REMIT_PROVE=1, a platform other than Linux, or anything asked of `subprocess.Popen` beyond folder, environment and
streams starts Python anew.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.testing.drill import Drill

_START = [sys.executable, "-m", "remit.cli"]
_KNOWN = {"args", "cwd", "env", "stdin", "stdout", "stderr", "text", "encoding", "errors", "bufsize"}
_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 110.0


class _Parent:
    """The process that forks, and the socket on which it is asked to."""

    def __init__(self) -> None:
        # Whoever forks twice leaves an orphan, which becomes the child of the nearest process that says this.
        ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.owner = os.getpid()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(_PATIENCE_S)
        with theirs:
            script = Path(__file__).with_name("warm_parent.py")
            self.environ = dict(os.environ)
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self.socket.close()
        if os.getpid() == self.owner:
            self.process.wait()

    def fork(self, words: list[str], cwd: str, env: dict[str, str], streams: list[int]) -> int:
        """The number of a process that runs ``words``."""
        asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with asked, theirs:
            socket.send_fds(self.socket, [b"."], [theirs.fileno(), *streams])
            theirs.close()
            asked.settimeout(_PATIENCE_S)
            with asked.makefile("rwb") as stream:
                pickle.dump((words, cwd, env), stream)
                stream.flush()
                return int(stream.readline())


_parents: list[_Parent] = []


def _parent() -> _Parent:
    if not _parents or _parents[0].owner != os.getpid() or _parents[0].process.poll() is not None:
        _parents[:] = [_Parent()]
    return _parents[0]


def _python(environ: dict[str, str]) -> dict[str, str]:
    """What Python itself reads when it starts, but for the folders to import from, which can be had later."""
    return {name: environ[name] for name in environ if name.startswith(("PYTHON", "COVERAGE")) and name != "PYTHONPATH"}


class _Warm(subprocess.Popen[Any]):
    """A ``Popen`` whose process is forked elsewhere."""

    def _execute_child(self, args: list[str], *more: Any) -> None:  # as in the standard library, by position
        _executable, _preexec, _close, _pass, cwd, env, _info, _flags, _shell = more[:9]
        pipes = more[9:15]
        given = (pipes[0], pipes[3], pipes[5])
        try:
            streams = [own if stream == -1 else stream for own, stream in enumerate(given)]
            self.pid = _parent().fork(
                args[len(_START) :], os.fspath(cwd or Path.cwd()), dict(os.environ if env is None else env), streams
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def start(args: list[str], **options: Any) -> subprocess.Popen[Any]:
    """As ``subprocess.Popen``, for ``[sys.executable, "-m", "remit.cli", ...]``."""
    env = options.get("env")
    plain = (
        sys.platform == "linux"
        and os.environ.get("REMIT_PROVE") != "1"
        and args[: len(_START)] == _START
        and options.keys() <= _KNOWN
        and (env is None or _python(env) == _python(_parent().environ))
    )
    return (_Warm if plain else subprocess.Popen)(args, **options)


def run(
    args: list[str],
    *,
    check: bool = False,
    capture_output: bool = False,
    input: Any = None,  # noqa: A002 - as `subprocess.run` calls it
    timeout: float | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """As ``subprocess.run``, for the same."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with start(args, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
        done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


@pytest.fixture(autouse=True, scope="session")
def warm_commands() -> Iterator[None]:
    """The commands of drills begin here too."""
    usual = Drill.begin
    Drill.begin = staticmethod(start)
    yield
    Drill.begin = staticmethod(usual)
