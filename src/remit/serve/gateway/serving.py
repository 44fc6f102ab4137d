"""The process that answers: one event loop with the store, the guard and the listening socket, from start to stop.

Stopping is graceful: no new connection is taken, running calls get their time to end, what still runs then is cancelled
and settled, and only after that the store is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from remit.bootstrap import open_runtime, prepare_home
from remit.serve.gateway.wiring import gateway_of
from remit.serve.listening import Listening, Server, configured, listen, settle_memory
from remit.settings import Settings

__all__ = ["Listening", "configured", "serve"]


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    anywhere: bool,
    access_log: bool,
    ready: Callable[[Listening], None],
) -> None:
    """Answer until the process is asked to stop.

    Args:
        settings: The settings in force.
        host: Where to listen.
        port: Where to listen; 0: any port that is free.
        anywhere: Whether an address that other machines can reach is meant.
        access_log: Whether each request gets a line in the log.
        ready: Told once, when the gateway listens.

    Raises:
        InvalidInput: The address is not of this machine's own, and nobody said that it should be.
        Unavailable: It can't be listened at.
    """
    listener = listen(host, port, anywhere=anywhere, command="gateway")
    import uvloop  # noqa: PLC0415 - only who serves pays for it

    with listener:
        asyncio.run(_serve(settings, listener, access_log=access_log, ready=ready), loop_factory=uvloop.new_event_loop)


async def _serve(
    settings: Settings, listener: socket.socket, *, access_log: bool, ready: Callable[[Listening], None]
) -> None:
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        await runtime.guard.restore(settings.workspace)
        gateway = gateway_of(runtime)
        server = Server(configured(gateway, settings, access_log=access_log), ready)
        tending = asyncio.create_task(runtime.tend(missions=False))
        settle_memory()
        try:
            await server.serve(sockets=[listener])
        finally:
            tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending
            gateway.stopped()
            await runtime.models.health.flush(runtime.store, closing=True)
