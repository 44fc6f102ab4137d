"""The process of ``remit up``: what it opens, in which order it stops.

Stopping: readiness is off and no mission is taken; listening ends; streams end and calls get their time; missions that
still run are put back to the queue at their last step; the store is signed and closed. A second signal leaves out the
waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

from remit.bootstrap import Runtime, open_runtime, verify_on_schedule
from remit.serve.api.app import Served
from remit.serve.console.app import console_of
from remit.serve.edge.responses import Responses
from remit.serve.gateway.wiring import gateway_of
from remit.serve.listening import Listening, Server, configured, settle_memory
from remit.serve.mcp.late import LateTools
from remit.serve.up.dispatch import Dispatcher
from remit.settings import Settings


def run(
    settings: Settings,
    listener: socket.socket,
    *,
    ready: Callable[[Listening], None],
    access_log: bool = False,
) -> None:
    """Serve and work until the process is asked to stop.

    Args:
        settings: The settings in force.
        listener: A bound socket; closed at the end.
        ready: Told once, when everything answers.
        access_log: Whether each request gets a line in the log.
    """
    import uvloop  # noqa: PLC0415 - only who serves pays for it

    work = _serve(settings, listener, ready=ready, access_log=access_log)
    with listener:
        asyncio.run(work, loop_factory=uvloop.new_event_loop)


async def _serve(
    settings: Settings,
    listener: socket.socket,
    *,
    ready: Callable[[Listening], None],
    access_log: bool,
) -> None:
    asked: list[int] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):  # from now on, not only once it listens
        loop.add_signal_handler(number, asked.append, number)
    async with open_runtime(settings) as runtime:
        await runtime.start(worker=True)
        if asked:
            return
        await _answer(runtime, listener, ready=ready, access_log=access_log)


async def _answer(
    runtime: Runtime, listener: socket.socket, *, ready: Callable[[Listening], None], access_log: bool
) -> None:
    settings = runtime.settings
    responses = Responses()
    console = console_of(runtime, responses=responses)
    served = Served(runtime, console=console, tools=LateTools(runtime), responses=responses)
    gateway = gateway_of(runtime)
    dispatcher = Dispatcher(gateway, served)
    halting: list[asyncio.Task[None]] = []

    def stopping() -> None:
        served.drain()
        dispatcher.stop()
        halting.append(asyncio.create_task(runtime.worker.halt()))

    config = configured(dispatcher, settings, access_log=access_log, websockets=True)
    server = Server(config, ready, stopping=stopping, notice_s=settings.stop_notice_s)
    beside = [
        asyncio.create_task(runtime.tend()),
        asyncio.create_task(verify_on_schedule(runtime.store, runtime.clock, every_s=settings.audit_verify_every_s)),
    ]
    settle_memory()
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in [*beside, *halting]:
            task.cancel()
        for task in [*beside, *halting]:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        gateway.stopped()
        await runtime.models.health.flush(runtime.store, closing=True)
