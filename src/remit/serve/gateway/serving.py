"""The process that answers: one event loop with the store, the guard and the listening socket, from start to stop.

Stopping is graceful: no new connection is taken, running calls get their time to end, what still runs then is cancelled
and settled, and only after that the store is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

import uvicorn

from remit.bootstrap import open_runtime, prepare_home
from remit.kernel.errors import InvalidInput, Unavailable
from remit.serve.gateway.wiring import gateway_of
from remit.settings import Settings

_log = logging.getLogger(__name__)

#: Objects made, less those freed, between two looks for cycles. A call makes some hundred that live until its end, and
#: hardly a cycle: at Python's own 700 a tenth of a call's time went into looking.
COLLECT_AFTER = (20_000, 20, 50)
KEEP_ALIVE_S = 75  # longer than clients keep idle connections, so that they close them first
BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the gateway answers: the base URLs that clients are given."""

    host: str
    port: int

    @property
    def anthropic(self) -> str:
        """For Anthropic's SDKs, which add ``/v1`` themselves."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def openai(self) -> str:
        """For OpenAI's SDKs."""
        return f"{self.anthropic}/v1"


class _Server(uvicorn.Server):
    """Uvicorn's, that tells when it listens and leaves signals to the loop: the store is closed after it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[Listening], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ask for a graceful stop; a second time, for one at once."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if sockets and self.started:
            host, port = sockets[0].getsockname()[:2]
            self._ready(Listening(host, port))


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
    if not anywhere and not _own(host):
        told = f"Other machines can reach {host}, and the gateway speaks plain HTTP: keys would travel in the clear."
        raise InvalidInput(told, code="gateway.host", hint="remit gateway --host HOST --anywhere, behind TLS")
    listener = _listen(host, port)
    import uvloop  # noqa: PLC0415 - only who serves pays for it

    with listener:
        asyncio.run(_serve(settings, listener, access_log=access_log, ready=ready), loop_factory=uvloop.new_event_loop)


async def _serve(
    settings: Settings, listener: socket.socket, *, access_log: bool, ready: Callable[[Listening], None]
) -> None:
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        await runtime.guard.restore(settings.workspace)
        server = _Server(configured(gateway_of(runtime), settings, access_log=access_log), ready)
        tending = asyncio.create_task(runtime.tend(missions=False))
        gc.set_threshold(*COLLECT_AFTER)
        gc.collect()
        gc.freeze()  # what is there now stays: rules, tables, modules
        try:
            await server.serve(sockets=[listener])
        finally:
            tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending
            await runtime.models.health.flush(runtime.store, closing=True)


def configured(gateway: object, settings: Settings, *, access_log: bool = False) -> uvicorn.Config:
    """How the gateway's server is set up."""
    if access_log:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    return uvicorn.Config(
        gateway,  # pyright: ignore[reportArgumentType] - an ASGI callable; uvicorn's own types are narrower than ASGI's
        http="httptools",
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level=None,
        access_log=access_log,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.gateway_drain_s) or None,
    )


def _own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
    except OSError as error:
        told = f"The gateway can't listen at {host}:{port}: {error.strerror}."
        raise Unavailable(told, code="gateway.listen", hint="remit gateway --port 0") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener
