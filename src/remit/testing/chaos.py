"""A TCP proxy with bad weather: latency, drip, cut, reset, blackhole, refusal; for real connections to real servers.

    async with Proxy(("127.0.0.1", port)) as proxy:
        client = connect(proxy.port)
        proxy.weather = Weather(latency_s=(0.05, 0.2))   # changed at any time, for open connections too
        proxy.weather = Weather(blackhole=True)          # bytes go in and nothing comes out
        proxy.cut()                                      # every open connection ends now

``running(upstream)`` is the same in a thread of its own, for tests that have no event loop.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CHUNK = 65_536

#: Host and port, or the path of a Unix socket.
type Upstream = tuple[str, int] | str


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to bytes and connections; times in seconds.

    Attributes:
        latency_s: Each piece is held back for a time between these.
        drip: So many bytes a second at most, in each direction; 0 is no limit.
        cut_after: A connection ends after so many bytes from upstream; negative is never.
        reset: Connections that are cut end with RST instead of FIN.
        blackhole: Bytes are taken and go nowhere; connections stay open.
        refuse: New connections are ended at once.
    """

    latency_s: tuple[float, float] = (0.0, 0.0)
    drip: int = 0
    cut_after: int = -1
    reset: bool = False
    blackhole: bool = False
    refuse: bool = False


FAIR = Weather()


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes bytes to ``upstream`` and back, as the weather allows.

    Attributes:
        weather: May be set at any time, from any thread.
        accepted: Connections so far, refused ones included.
    """

    def __init__(self, upstream: Upstream, *, weather: Weather = FAIR, seed: int = 0) -> None:
        self.weather = weather
        self.accepted = 0
        self.port = 0
        self._upstream = upstream
        self._more = asyncio.Event()
        self._random = random.Random(seed)  # noqa: S311 - a drill's repeatable chance
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def reached(self, accepted: int) -> None:
        """Wait, in the proxy's own loop, until so many connections were accepted."""
        while self.accepted < accepted:
            self._more.clear()
            await self._more.wait()

    def cut(self) -> None:
        """End every open connection now (as the weather says: RST or FIN); from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for task, client in list(self._open.items()):
            self._harden(client)
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._more.set()
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            if not self.weather.refuse:
                await self._pass(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the connection's end is what this is for; nobody awaits it
        finally:
            del self._open[task]
            if self.weather.refuse:
                self._harden(writer)
            await _close(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._upstream, str):
            back, forth = await asyncio.open_unix_connection(self._upstream)
        else:
            back, forth = await asyncio.open_connection(*self._upstream)
        pumps = [
            asyncio.ensure_future(self._pump(reader, forth, counted=False)),
            asyncio.ensure_future(self._pump(back, writer, counted=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forth.close()  # before anything is awaited: a second cancellation would leave it open
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await _close(forth)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        passed = 0
        while data := await source.read(CHUNK):
            weather = self.weather
            if weather.latency_s[1]:
                await asyncio.sleep(self._random.uniform(*weather.latency_s))
            if weather.blackhole:
                continue
            left = weather.cut_after - passed if counted and weather.cut_after >= 0 else len(data)
            await self._send(data[: max(left, 0)], sink, weather.drip)
            passed += len(data)
            if left < len(data):
                self._harden(sink)
                return

    async def _send(self, data: bytes, sink: asyncio.StreamWriter, drip: int) -> None:
        step = max(drip // 20, 1) if drip else len(data)
        for start in range(0, len(data), max(step, 1)):
            sink.write(data[start : start + step])
            await sink.drain()
            if drip:
                await asyncio.sleep(step / drip)

    def _harden(self, writer: asyncio.StreamWriter) -> None:
        """Make the close an abort, when the weather says so: SO_LINGER of zero sends RST."""
        if self.weather.reset:
            found: socket.socket | None = writer.get_extra_info("socket")
            if found is not None:
                with suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


@contextmanager
def running(upstream: Upstream, *, weather: Weather = FAIR, seed: int = 0) -> Generator[Proxy]:
    """A proxy in a thread of its own, until the block ends."""
    proxy = Proxy(upstream, weather=weather, seed=seed)
    ready, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def live() -> None:
        loops.append(asyncio.get_running_loop())
        async with proxy:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield proxy
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(10)
