"""Running one command to its end, whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from remit.adapters.sandbox import processes, tiers
from remit.adapters.sandbox.request import Request
from remit.adapters.sandbox.tiers import Probe, Tier
from remit.kernel import crash
from remit.kernel.effects import Limits, Network
from remit.kernel.errors import Failed, InternalError, InvalidInput

#: Called with the process group and its start time after the fork and before the command's first instruction. It must
#: have recorded both when it returns: `kill_leftover` takes them.
type OnStarted = Callable[[int, str], Awaitable[None] | None]
#: Called with ``stdout`` or ``stderr`` and bytes as they come, up to the cap on output.
type OnOutput = Callable[[str, bytes], None]

GRACE_S = 2.0
#: How long past its own wall limit the launcher may take before it is ended itself.
_BACKSTOP_S = 5.0
_LAUNCHER = Path(__file__).with_name("launcher.py")
_PACKAGE_ROOT = _LAUNCHER.parents[3]


class Reach(StrEnum):
    """What of the network a command could really reach."""

    NOTHING = "nothing"  # it could open no socket that leaves it
    OWN_LOOPBACK = "own_loopback"  # a network of its own, with only itself in it
    HOST = "host"  # what this machine reaches: the tier can't stop it


class End(StrEnum):
    """Why a command ended."""

    ENDED = "ended"  # by itself, or by a limit the kernel holds (then the exit code is 128 + the signal)
    TIMEOUT = "timeout"
    PROCESSES = "processes"  # more at once than its limit
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """What to run.

    ``cwd`` is the step's directory, ``private`` a directory of the same step outside it: HOME and TMPDIR lie in there.
    ``env`` is added to the clean environment. ``read_only`` are folders, beyond the system's own, that the command may
    read (the interpreter's environment).
    """

    argv: tuple[str, ...]
    cwd: Path
    private: Path
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    network: Network = Network.NONE
    read_only: tuple[Path, ...] = ()
    path: tuple[Path, ...] = ()
    stdin: bytes = b""
    minimum_tier: Tier = Tier.PROCESS
    grace_s: float = GRACE_S


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How it went. ``exit_code`` is 128 + N after signal N; ``max_rss`` is bytes, of the largest single process."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    seconds: float
    tier: Tier
    reach: Reach
    end: End
    max_rss: int

    @property
    def timed_out(self) -> bool:
        """Whether the wall time ended it."""
        return self.end is End.TIMEOUT


def environment(spec: CommandSpec) -> dict[str, str]:
    """The whole environment of a command: nothing of Remit's own, then what the caller adds."""
    clean = {
        "PATH": ":".join([*(str(folder) for folder in spec.path), "/usr/bin", "/bin"]),
        "HOME": str(spec.private / "home"),
        "TMPDIR": str(spec.private / "tmp"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }
    return clean | dict(spec.env)


async def run_command(
    spec: CommandSpec,
    *,
    on_started: OnStarted,
    on_output: OnOutput | None = None,
    tier: Tier | None = None,
    probe: Probe | None = None,
) -> CommandResult:
    """Run a command in the strongest tier of this machine, or exactly `tier`.

    When this returns, raises or is cancelled, every process the command started is gone. If this process dies, they
    die with it.

    Raises:
        Denied: The demanded tier is not there (``sandbox.tier``), or no tier is (``sandbox.unsupported``).
        InvalidInput: The spec can't be run: no program, a NUL, no such directory.
        Failed: It could not be started (``sandbox.start``), no such program included.
    """
    _validate(spec)
    offered = probe or tiers.probe()
    chosen = offered.choose(minimum=spec.minimum_tier, exactly=tier)
    for folder in ("home", "tmp"):
        (spec.private / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    run = _Run(spec, chosen, on_output)
    return await run.drive(_request(spec, chosen, offered), on_started)


def _validate(spec: CommandSpec) -> None:
    words = [*spec.argv, *spec.env, *spec.env.values()]
    if not spec.argv or not spec.argv[0]:
        problem = "it names no program"
    elif any("\0" in word for word in words):
        problem = "an argument or variable holds a NUL character"
    elif any(not name or "=" in name for name in spec.env):
        problem = "a variable's name is empty or holds '='"
    elif not spec.cwd.is_absolute() or not spec.private.is_absolute():
        problem = "its directories must be absolute"
    elif not spec.cwd.is_dir():
        problem = f"its directory {spec.cwd} is not there"
    else:
        return
    message = f"The command can't be run: {problem}."
    raise InvalidInput(message, code="sandbox.command", hint="correct the step's command")


def _request(spec: CommandSpec, tier: Tier, offered: Probe) -> Request:
    limits = spec.limits
    writable = (spec.cwd.resolve(), spec.private.resolve())
    request = Request()
    request.argv = list(spec.argv)
    request.cwd = str(writable[0])
    request.env = [f"{name}={value}" for name, value in environment(spec).items()]
    request.grace = spec.grace_s
    bounds = (limits.cpu_s, limits.memory_bytes, limits.file_bytes, limits.open_files, limits.processes)
    request.limits = (limits.wall_s, *bounds)
    request.network = "" if spec.network is Network.NONE else spec.network.value
    if tier is Tier.NAMESPACE:
        readable = tuple(path for path in spec.read_only if path.exists())
        request.prefix = tiers.bubblewrap(offered.bwrap, read=readable, write=writable, cwd=request.cwd)
    elif tier is Tier.LANDLOCK:
        request.confine = "landlock"
        request.read = [*tiers.SYSTEM_READ, *tiers.KERNEL_READ, *(str(path) for path in spec.read_only)]
        request.write = [str(path) for path in writable]
        request.devices = list(tiers.DEVICES)
    return request


def _reach(spec: CommandSpec, tier: Tier) -> Reach:
    if tier is Tier.NAMESPACE:
        return Reach.OWN_LOOPBACK
    if tier is Tier.LANDLOCK and spec.network is Network.NONE and tiers.landlock.has_seccomp():
        return Reach.NOTHING
    return Reach.HOST


class _Pipe(asyncio.Protocol):
    """Reads one pipe to its end, keeping at most `room` bytes."""

    def __init__(self, room: int, seen: Callable[[bytes], None] | None = None) -> None:
        self.kept = bytearray()
        self.truncated = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room = room
        self._seen = seen

    def data_received(self, data: bytes) -> None:
        kept = data[: self._room - len(self.kept)]
        self.truncated |= len(kept) < len(data)
        self.kept += kept
        if kept and self._seen:
            self._seen(kept)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self.closed.done():
            self.closed.set_result(None)


class _Status(_Pipe):
    """The launcher's lines. ``started`` is ready before the command's first instruction, or when it can't come."""

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self.started: asyncio.Future[tuple[int, str] | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        words = self.word("started")
        if words and not self.started.done():
            self.started.set_result((int(words[0]), words[1] if len(words) > 1 else ""))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.started.done():
            self.started.set_result(None)
        super().connection_lost(exc)

    def word(self, name: str) -> list[str]:
        """The rest of the complete line that begins with `name`."""
        for line in bytes(self.kept).split(b"\n")[:-1]:
            first, _, rest = line.decode(errors="replace").partition(" ")
            if first == name:
                return rest.split(" ", 1 if name == "started" else 3)
        return []


class _Run:
    """One launcher process and its pipes."""

    def __init__(self, spec: CommandSpec, tier: Tier, on_output: OnOutput | None) -> None:
        self._spec = spec
        self._tier = tier
        room = spec.limits.output_bytes
        self._out = _Pipe(room, (lambda data: on_output("stdout", data)) if on_output else None)
        self._err = _Pipe(room, (lambda data: on_output("stderr", data)) if on_output else None)
        self._status = _Status()
        self._transports: list[asyncio.BaseTransport] = []

    async def drive(self, request: Request, on_started: OnStarted) -> CommandResult:
        """From the launcher's start to its last word."""
        process, control = await self._start()
        ending = asyncio.ensure_future(process.wait())
        interrupted = False
        try:
            await self._serve(request, on_started, control, ending)
        except asyncio.CancelledError:
            control.write(b"stop\n")
            await self._settled(ending, self._spec.grace_s + _BACKSTOP_S)
            raise
        finally:
            crash.reach("command.end:before")
            control.close()  # for a launcher that still runs this means: kill everything
            interrupted = await self._settled(ending, _BACKSTOP_S)
            interrupted |= await self._close(process, ending)
        if interrupted:  # cancelled while clearing up: that had to be finished first, and is not forgotten
            raise asyncio.CancelledError
        return self._result()

    async def _serve(
        self, request: Request, on_started: OnStarted, control: asyncio.WriteTransport, ending: asyncio.Future[int]
    ) -> None:
        """Hand over the request, have the start recorded, give the word, wait."""
        control.write(request.encode(self._spec.stdin))
        started = await self._status.started
        if started is not None:
            crash.reach("command.start:before")
            recorded = on_started(*started)
            if recorded is not None:
                await recorded
            crash.reach("command.start:after")
            control.write(b"go\n")
        backstop = self._spec.limits.wall_s + self._spec.grace_s + _BACKSTOP_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ending), backstop)

    async def _start(self) -> tuple[asyncio.subprocess.Process, asyncio.WriteTransport]:
        pipes = {name: os.pipe() for name in ("control", "out", "err", "status")}
        theirs = {"control": pipes["control"][0], **{name: pipes[name][1] for name in ("out", "err", "status")}}
        ours = {"control": pipes["control"][1], **{name: pipes[name][0] for name in ("out", "err", "status")}}
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(_LAUNCHER), str(theirs["status"]), str(_PACKAGE_ROOT)),
                    stdin=theirs["control"],
                    stdout=theirs["out"],
                    stderr=theirs["err"],
                    pass_fds=(theirs["status"],),
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                for file in theirs.values():
                    os.close(file)
            return process, await self._connect(ours)
        except BaseException:  # cancelled, or no room for a process: a launcher that reads its end leaves by itself
            for file in ours.values():
                os.close(file)
            for transport in self._transports:
                transport.close()
            raise

    async def _connect(self, ours: dict[str, int]) -> asyncio.WriteTransport:
        """Make transports of our ends; each is taken out of `ours` when its transport owns it."""
        loop = asyncio.get_running_loop()
        for name, sink in (("out", self._out), ("err", self._err), ("status", self._status)):
            file = os.fdopen(ours.pop(name), "rb", 0)
            reader, _ = await loop.connect_read_pipe(lambda sink=sink: sink, file)
            self._transports.append(reader)
        file = os.fdopen(ours.pop("control"), "wb", 0)
        control, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, file)
        return control

    @staticmethod
    async def _settled(ending: asyncio.Future[int], seconds: float) -> bool:
        """Wait for the launcher's end, also while being cancelled: its children must be gone first.

        Returns whether somebody cancelled meanwhile.
        """
        interrupted = False
        deadline = asyncio.get_running_loop().time() + seconds
        while not ending.done():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            try:
                await asyncio.wait({ending}, timeout=left)
            except asyncio.CancelledError:
                interrupted = True
        return interrupted

    async def _close(self, process: asyncio.subprocess.Process, ending: asyncio.Future[int]) -> bool:
        interrupted = False
        if not ending.done():  # a launcher that does not answer: end it and the group it named
            process.kill()
            started = self._status.started
            named = started.result() if started.done() and not started.cancelled() else None
            if named is not None:
                processes.send_group(named[0], 9)
            interrupted = await self._settled(ending, _BACKSTOP_S)
        waiting = {pipe.closed for pipe in (self._out, self._err, self._status) if not pipe.closed.done()}
        if waiting:
            try:
                await asyncio.wait(waiting, timeout=1.0)
            except asyncio.CancelledError:
                interrupted = True
        for transport in self._transports:
            transport.close()
        crash.reach("command.end:after")
        return interrupted

    def _not_started(self, said: str) -> Failed:
        program = self._spec.argv[0]
        missing = "no such program" in said or f"execvp {program}: No such file" in said
        reason = f"there is no program {program!r} in its reach" if missing else said
        message = f"The command {program!r} could not be started in tier {int(self._tier)}: {reason}."
        return Failed(message, code="sandbox.start", hint="remit doctor")

    def _result(self) -> CommandResult:
        failed = self._status.word("failed")
        if failed:
            raise self._not_started(" ".join(failed))
        words = self._status.word("exit")
        if not words:
            said = bytes(self._err.kept[-400:]).decode(errors="replace").strip()
            message = f"The launcher of {self._spec.argv[0]!r} ended without a word. {said}"
            raise InternalError(message, code="sandbox.launcher")
        rss, seconds = words[2], words[3]
        if self._tier is Tier.NAMESPACE and words[0] == "1" and self._err.kept.startswith(b"bwrap: "):
            raise self._not_started(self._err.kept.decode(errors="replace").strip())
        return CommandResult(
            exit_code=int(words[0]),
            stdout=bytes(self._out.kept),
            stderr=bytes(self._err.kept),
            truncated=self._out.truncated or self._err.truncated,
            seconds=float(seconds),
            tier=self._tier,
            reach=_reach(self._spec, self._tier),
            end=End(words[1]),
            max_rss=int(rss),
        )
