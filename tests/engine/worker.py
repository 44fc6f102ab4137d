"""A worker process for the tests: drives a run in small steps and writes each into a file, with its pid."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from remit.adapters.engine import DurableEngine, ExecutorLocks, Lease, records
from remit.kernel.ports import RunTicket


async def main(  # noqa: PLR0917 - a command line
    url: str, witness: str, role: str, steps: str, pause: str, folder: str, submit: str, version: str
) -> None:
    if version != "-":
        records.APP_VERSION = version
    handle = os.open(witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(*words: object) -> None:
        os.write(handle, (" ".join(map(str, (os.getpid(), *words))) + "\n").encode())

    async def drive(ticket: RunTicket) -> None:
        say("start", ticket.run_id, ticket.recovery)
        for step in range(int(steps)):
            await asyncio.sleep(float(pause))
            if not await engine.still_mine(ticket.run_id):
                say("lost", ticket.run_id, step)
                break
            say("step", ticket.run_id, step)
        say("end", ticket.run_id)

    locks = ExecutorLocks(Path(folder)) if folder != "-" else None
    engine = DurableEngine(url, lease=Lease(lease=1.5, beat=0.25), locks=locks)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await engine.start(drive, worker=role == "worker")
    if submit != "-":
        await engine.submit(submit)
    say("up", engine.executor)
    await stop.wait()
    await engine.stop()
    say("down")


asyncio.run(main(*sys.argv[1:]))
