"""Several processes on one socket (Postgres): started together, kept, and stopped together.

The socket is bound once and inherited, so the kernel hands each connection to whoever accepts it first. A process that
ends without having been asked is started again, after a pause that doubles while it keeps failing; one that refuses its
settings ends them all. When this process dies, however it dies, the others are told to stop by the kernel.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson

from remit.kernel.errors import Failed
from remit.serve.listening import Listening

_log = logging.getLogger(__name__)

#: How a process learns that it is one of several: the inherited socket and the supervisor's process id.
VARIABLE = "REMIT_UP_SOCKET"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
WELL_S = 60.0  # who lived so long begins with the first pause again
KILL_AFTER_S = 20.0  # beside the time that calls get to end
USAGE = 2  # exit code of settings or words that can't be used: trying again changes nothing


@dataclass(slots=True)
class Supervisor:
    """Keeps ``count`` processes of ``command``.

    Attributes:
        command: What is run; the same for each.
        count: How many.
        listener: The bound socket.
        ready: Told once, when the first answers, with this process's id.
        drain_s: Seconds that calls get to end.
    """

    command: Sequence[str]
    count: int
    listener: socket.socket
    ready: Callable[[Listening, int], None]
    drain_s: float
    _living: dict[int, asyncio.subprocess.Process] = field(default_factory=dict[int, asyncio.subprocess.Process])
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: int = 0
    _told: bool = False
    _signals: int = 0

    async def run(self) -> int:
        """Until a signal asks to stop; the exit code.

        Raises:
            Failed: No process ever came to answer.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked)
        try:
            await asyncio.gather(*(self._keep(place) for place in range(self.count)))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._refused and not self._told:
            message = "No process of this install could start; what each said stands above."
            raise Failed(message, code="up.start", hint="remit doctor")
        return self._refused

    def _asked(self) -> None:
        """Stop them all; a second time, at once."""
        self._signals += 1
        self._stopping.set()
        for process in list(self._living.values()):
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)

    async def _keep(self, place: int) -> None:
        pause = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            code, answered = await self._one(place)
            if self._stopping.is_set():
                return
            if code == USAGE or (not answered and not self._told):
                self._refused = code or 1
                self._asked()
                return
            if loop.time() - began >= WELL_S:
                pause = FIRST_PAUSE_S
            _log.error(
                "process %d of %d ended with %d; it is started again in %g s", place + 1, self.count, code, pause
            )
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _one(self, place: int) -> tuple[int, bool]:
        """Start one and wait for its end; its exit code, and whether it ever answered."""
        handle = self.listener.fileno()
        process = await asyncio.create_subprocess_exec(  # noqa: TID251 - Remit's own processes, see infrastructure.py
            *self.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {VARIABLE: f"{handle}:{os.getpid()}"},
            pass_fds=(handle,),
            start_new_session=True,  # a Ctrl-C in the terminal reaches this process, which tells the others once
        )
        self._living[place] = process
        if self._stopping.is_set():
            process.send_signal(signal.SIGTERM)
        answered = await self._hear(process)
        waiting = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        try:
            async with asyncio.timeout(self.drain_s + KILL_AFTER_S):
                await waiting
        except TimeoutError:
            process.kill()
            await process.wait()
        self._living.pop(place, None)
        return process.returncode or 0, answered

    async def _hear(self, process: asyncio.subprocess.Process) -> bool:
        """Wait for the line in which a process says where it answers."""
        if process.stdout is None:
            raise AssertionError
        line = await process.stdout.readline()
        try:
            said = orjson.loads(line)["up"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return False
        if not self._told:
            self._told = True
            self.ready(Listening(said["host"], said["port"]), os.getpid())
        return True


def inherited() -> tuple[socket.socket, int] | None:
    """The socket that a supervisor handed down, and its process id; ``None``: this is nobody's."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return None
    handle, _, parent = given.partition(":")
    listener = socket.socket(fileno=int(handle))
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener, int(parent)


def command_of(words: Sequence[str]) -> list[str]:
    """The command line of one process."""
    return [sys.executable, "-m", "remit.cli", "up", *words, "--json"]
