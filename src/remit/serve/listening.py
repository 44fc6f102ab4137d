"""The listening socket and the server on it: where it may listen, and how it stops.

Stopping is graceful: no new connection is taken, running calls get their time to end, and what still runs then is
cancelled. A second signal ends it at once. What was opened for the server is closed by whoever opened it, afterwards.
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

from remit.kernel.errors import InvalidInput, Unavailable
from remit.serve.connections import connections
from remit.settings import Settings

#: Objects made, less those freed, between two looks for cycles. A call makes some hundred that live until its end, and
#: hardly a cycle: at Python's own 700 a tenth of a call's time went into looking.
COLLECT_AFTER = (20_000, 20, 50)
BACKLOG = 2048
SOCKET_BYTES = 64 << 10  # of a message that a client of a WebSocket sends: none of ours says anything
_FIRST_SIGNAL, _SECOND_SIGNAL = 1, 2


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it answers: the base URLs that clients are given."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """For browsers and for programs that ask the API."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def anthropic(self) -> str:
        """For Anthropic's SDKs, which add ``/v1`` themselves."""
        return self.url

    @property
    def openai(self) -> str:
        """For OpenAI's SDKs."""
        return f"{self.url}/v1"


class Server(uvicorn.Server):
    """Uvicorn's, that tells when it listens and leaves signals to the loop: what it needs is closed after it.

    Args:
        config: Uvicorn's.
        ready: Told once, when it listens.
        stopping: Told once, at the first signal, before anything is closed.
        notice_s: Seconds between that and the end of listening, for those who ask whether it is ready.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[Listening], None],
        *,
        stopping: Callable[[], None] = lambda: None,
        notice_s: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping
        self._notice_s = notice_s
        self._signals = 0

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ask for a graceful stop; a second time, for one at once."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """As a signal would."""
        self._signals += 1
        if self._signals == _FIRST_SIGNAL:
            self._stopping()
        if self._signals == _FIRST_SIGNAL and self._notice_s:
            asyncio.get_running_loop().call_later(self._notice_s, self._leave)
            return
        self.force_exit = self._signals >= _SECOND_SIGNAL
        self._leave()

    def _leave(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if sockets and self.started:
            host, port = sockets[0].getsockname()[:2]
            self._ready(Listening(host, port))


def configured(
    app: object, settings: Settings, *, access_log: bool = False, websockets: bool = False
) -> uvicorn.Config:
    """How a server of ours is set up."""
    if access_log:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType] - an ASGI callable; uvicorn's own types are narrower than ASGI's
        http=connections(settings),  # pyright: ignore[reportArgumentType] - what makes a protocol; uvicorn says its class
        ws="websockets-sansio" if websockets else "none",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level=None,
        access_log=access_log,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        ws_max_size=SOCKET_BYTES,
        timeout_graceful_shutdown=int(settings.gateway_drain_s) or None,
    )


def listen(host: str, port: int, *, anywhere: bool, command: str) -> socket.socket:
    """A bound socket; port 0 is any that is free.

    Args:
        host: Where.
        port: Where.
        anywhere: Whether an address that other machines can reach is meant.
        command: What was typed, for the hint.

    Raises:
        InvalidInput: The address is not of this machine's own, and nobody said that it should be.
        Unavailable: It can't be listened at.
    """
    if not anywhere and not own(host):
        told = f"Other machines can reach {host}, and this speaks plain HTTP: keys would travel in the clear."
        raise InvalidInput(told, code=f"{command}.host", hint=_HINTS[command, "host"])
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Named TCP: else asyncio leaves Nagle's algorithm on, and an answer may wait 40 ms for an acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
    except OSError as error:
        told = f"Remit can't listen at {host}:{port}: {error.strerror}."
        raise Unavailable(told, code=f"{command}.listen", hint=_HINTS[command, "listen"]) from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


_HINTS = {
    ("gateway", "host"): "remit gateway --host HOST --anywhere, behind TLS",
    ("gateway", "listen"): "remit gateway --port 0",
    ("up", "host"): "remit up --host HOST --anywhere, behind TLS",
    ("up", "listen"): "remit up --port 0",
}


def settle_memory() -> None:
    """Have the collector look less often, and never at what is there now: rules, tables, modules stay."""
    gc.set_threshold(*COLLECT_AFTER)
    gc.collect()
    gc.freeze()


def own(host: str) -> bool:
    """Whether an address is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
