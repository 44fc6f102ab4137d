"""The process between Remit and a command: starts it confined, watches it, and ends everything it started.

Run as ``python -I -S launcher.py STATUS_FD PACKAGE_ROOT``. It is the reaper of all that the command leaves behind, so
a daemon that forked twice is still found. Standard input is the control pipe: a request (`request.Request`), then
``go``, and perhaps ``stop``. Its end of file means that Remit is gone, and kills the tree at once. On the status pipe
it writes lines: ``started PID START``, then ``failed STAGE ERRNO TEXT`` or ``exit CODE REASON MAX_RSS SECONDS``.

It trusts nothing that the command can touch and imports little: its start is paid for by every command.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(sys.argv[2])

import fcntl
import resource
import select
import signal
import time

from remit.adapters.sandbox import landlock, processes
from remit.adapters.sandbox.request import Request

TICK_S = 0.025
REAL_EXIT_BASE = 128
#: SIGTERM's time for a command that was stopped: a kill switch must have ended it within a second.
STOP_GRACE_S = 0.4


def _read_exactly(count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = os.read(0, min(count, 1 << 20))
        if not part:
            os._exit(0)  # Remit is gone before anything began
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _receive() -> tuple[Request, bytes]:
    line = b""
    while not line.endswith(b"\n"):
        line += _read_exactly(1)
    size, stdin_size = line.split()
    request = Request.decode(_read_exactly(int(size)))
    return request, _read_exactly(int(stdin_size))


def _input_file(data: bytes, folder: str) -> int:
    """A nameless file that holds the command's standard input."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY)
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("stdin")
    else:
        path = f"{folder}/.stdin-{os.getpid()}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(path)  # noqa: PTH108 - pathlib is too dear to import here
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _bound(request: Request) -> None:
    _, cpu, memory, file, files, count = request.limits
    bounds = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu, cpu + 1),  # SIGXCPU, then SIGKILL
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, file, file),
        (resource.RLIMIT_NOFILE, files, files),
    ]
    if os.getuid() and processes.has_proc():  # counted per user, and never applied to root: the watch counts as well
        threads = processes.threads_of_user(os.getuid()) + count
        bounds.append((resource.RLIMIT_NPROC, threads, threads))
    for kind, soft, hard in bounds:
        _, most = resource.getrlimit(kind)
        ceiling = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(kind, (min(soft, ceiling), ceiling))


def _confine(request: Request) -> None:
    """Everything of the tier that the process does to itself. Linux only; elsewhere the limits are all there is."""
    if sys.platform != "linux":
        return
    landlock.prctl(landlock.PR_SET_NO_NEW_PRIVS, 1)
    if not request.prefix and not os.geteuid():
        landlock.drop_capabilities()
    if request.confine == "landlock":
        network = bool(request.network)
        landlock.restrict(read=request.read, write=request.write, devices=request.devices, network=network)
        if not network and landlock.has_seccomp():
            landlock.refuse_sockets()


def _execute(argv: list[str], env: dict[str, str]) -> None:
    """Execute the first program of that name in PATH. Not `os.execvpe`: that imports, and by now it can't read."""
    places = [""] if "/" in argv[0] else [f"{folder}/" for folder in env["PATH"].split(":")]
    problem = OSError(2, "no such program")
    for place in places:
        try:
            os.execve(place + argv[0], argv, env)  # noqa: S606 - without a shell is the point
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = error
    raise problem


def _become_command(request: Request, stdin: int, status: int, go: int, parent: int) -> None:
    """In the forked child: report, wait for the word, confine, execute. Never returns."""
    stage = "start"
    try:
        os.setsid()
        if sys.platform == "linux":
            landlock.prctl(landlock.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(REAL_EXIT_BASE + signal.SIGKILL)
        started = processes.start_time(os.getpid())
        os.write(status, f"started {os.getpid()} {started}\n".encode())
        if not os.read(go, 1):
            os._exit(REAL_EXIT_BASE + signal.SIGKILL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.umask(0o022)
        env = dict(entry.split("=", 1) for entry in request.env)
        env[processes.MARK] = f"{os.getpid()}@{started}"
        stage = "directory"
        os.chdir(request.cwd)
        stage = "limits"
        _bound(request)
        stage = "confinement"
        _confine(request)
        stage = "exec"
        _execute([*request.prefix, *request.argv], env)
    except OSError as error:
        os.write(status, f"failed {stage} {error.errno} {error}\n".encode())
    except ValueError as error:
        os.write(status, f"failed {stage} 22 {error}\n".encode())
    finally:
        os._exit(127)


class Watch:
    """One command, from fork to the last of its descendants."""

    def __init__(self, request: Request, child: int) -> None:
        self.request = request
        self.child = child
        self.code: int | None = None
        self.reason = "ended"
        self.began = 0.0
        self.deadline: float | None = None  # when the wall time is over
        self.mercy: float | None = None  # when SIGTERM has had its time
        self.linux = processes.has_proc()

    def reap(self) -> None:
        """Take the exit of whoever ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.child:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else REAL_EXIT_BASE - code

    def ask_to_end(self, reason: str, grace: float) -> None:
        """SIGTERM to the command's processes; `grace` seconds later SIGKILL. Asked again, the shorter time holds."""
        mercy = time.monotonic() + grace
        if self.mercy is not None:
            self.mercy = min(self.mercy, mercy)
            return
        self.reason = reason
        self.mercy = mercy
        if not self.linux:
            processes.send_group(self.child, signal.SIGTERM)
            return
        everyone = processes.descendants(os.getpid())
        # Inside bubblewrap the first two processes are its own: ending them would be SIGKILL for all the rest.
        for pid in everyone[2:] if self.request.prefix else everyone:
            processes.send(pid, signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """SIGKILL to everything now."""
        if self.reason == "ended":
            self.reason = reason
        processes.kill_all(os.getpid(), self.child)

    def look(self) -> None:
        """Hold the command to its time and its number of processes."""
        now = time.monotonic()
        if self.mercy is not None:
            if now >= self.mercy:
                self.kill(self.reason)
        elif self.deadline is not None and now >= self.deadline:
            self.ask_to_end("timeout", self.request.grace)
        most = self.request.limits[5]
        if self.linux and len(processes.descendants(os.getpid())) > most + (2 if self.request.prefix else 0):
            self.kill("processes")

    def clear_up(self) -> None:
        """After the command itself: nothing it started stays."""
        for _ in range(400):
            processes.kill_all(os.getpid(), self.child)
            self.reap()
            if not self.linux or not processes.descendants(os.getpid()):
                return
            time.sleep(0.005)


def _noted(_number: int, _frame: object) -> None:
    """A child ended: the wake-up pipe says so."""


def _supervise(watch: Watch, go: int) -> None:
    wake_r, wake_w = os.pipe()
    os.set_blocking(wake_w, False)
    signal.signal(signal.SIGCHLD, _noted)
    signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(wake_r, select.POLLIN)
    parent = os.getppid()
    watch.reap()
    while watch.code is None:
        for file, _ in poll.poll(TICK_S * 1000):
            word = os.read(file, 64)
            if file == wake_r:
                continue
            if not word:
                poll.unregister(0)
                watch.kill("abandoned")
            elif b"stop" in word:
                watch.ask_to_end("cancelled", min(watch.request.grace, STOP_GRACE_S))
            elif b"go" in word:
                watch.began = time.monotonic()
                watch.deadline = watch.began + watch.request.limits[0]
                os.write(go, b"g")
        if os.getppid() != parent:  # the control pipe may live on in a child that Remit forked
            watch.kill("abandoned")
        watch.reap()
        if watch.code is None:
            watch.look()


def main() -> None:
    """Serve one request and leave."""
    status = int(sys.argv[1])
    fcntl.fcntl(status, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        landlock.prctl(landlock.PR_SET_CHILD_SUBREAPER, 1)
    request, data = _receive()
    stdin = _input_file(data, request.cwd)
    go_r, go_w = os.pipe()
    me = os.getpid()
    child = os.fork()
    if not child:
        os.close(go_w)
        _become_command(request, stdin, status, go_r, me)
    os.close(go_r)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # or the reader of the output would wait for us as well
    os.dup2(null, 2)
    watch = Watch(request, child)
    _supervise(watch, go_w)
    seconds = time.monotonic() - watch.began if watch.began else 0.0
    watch.clear_up()
    rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1024 if sys.platform == "linux" else 1)
    os.write(status, f"exit {watch.code} {watch.reason} {rss} {seconds:.6f}\n".encode())


if __name__ == "__main__":
    main()
