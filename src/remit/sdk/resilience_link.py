"""A connection that is made again when it is lost, with exponential backoff."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from remit.kernel.backoff import Pace, connecting, too_soon
from remit.kernel.errors import Unavailable


def connection_lost(error: BaseException) -> bool:
    """Whether an error means that the connection is gone, or could not be made."""
    return isinstance(error, ConnectionError | TimeoutError | OSError | EOFError | Unavailable)


class Link[C]:
    """One long-lived connection, made when it is first used and made again when it is lost. Any thread may use it.

    Attempts to connect are ``first_s`` apart, then twice that and so on up to ``cap_s``, with jitter, whoever makes
    them. A call waits for up to ``patience_s``; when the next attempt is due later, it fails at once and learns when.

    Args:
        connect: Makes a connection.
        close: Ends one that is given up; its errors are ignored.
        lost: Which errors mean that it is gone.
        first_s: After the first failed attempt.
        cap_s: At most, after many.
        patience_s: How long one call waits for a connection.
        rand: Numbers in [0, 1), for jitter.
        monotonic: Seconds that never go back.
        sleep: How to wait.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        *,
        close: Callable[[C], object] = lambda _connection: None,
        lost: Callable[[BaseException], bool] = connection_lost,
        first_s: float = 0.1,
        cap_s: float = 5.0,
        patience_s: float = 10.0,
        rand: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._connect = connect
        self._close = close
        self._lost = lost
        self._patience_s = patience_s
        self._sleep = sleep
        self._pace = Pace(monotonic, rand=rand, first_s=first_s, cap_s=cap_s)
        self._connection: C | None = None
        self._lock = threading.Lock()

    def use[R](self, work: Callable[[C], R], *, repeat: bool = False) -> R:
        """Do something with the connection; when that loses it, the next use makes a new one.

        Args:
            work: What to do.
            repeat: Doing it twice does no harm: on a lost connection it is done again, once, on a new one.

        Raises:
            Unavailable: There is no connection now (``retry_after``).
            BaseException: What ``work`` or the last attempt to connect raised.
        """
        connection = self.get()
        try:
            return work(connection)
        except Exception as error:
            if not self._lost(error):
                raise
            self.drop(connection)
            if not repeat:
                raise
        return self.use(work)

    def get(self) -> C:
        """The connection, made if there is none.

        Raises:
            Unavailable: There is none now (``retry_after``).
        """
        with self._lock:
            if self._connection is None:
                self._connection = connecting(
                    self._connect, self._pace, patience_s=self._patience_s, sleep=self._sleep, lost=self._lost
                )
            return self._connection

    def drop(self, connection: C | None = None) -> None:
        """Give the connection up, unless it was replaced already."""
        with self._lock:
            if self._connection is None or (connection is not None and connection is not self._connection):
                return
            gone, self._connection = self._connection, None
        with suppress(Exception):  # it is gone either way
            self._close(gone)


class AsyncLink[C]:
    """As ``Link``, for one event loop."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[C]],
        *,
        close: Callable[[C], object] = lambda _connection: None,
        lost: Callable[[BaseException], bool] = connection_lost,
        first_s: float = 0.1,
        cap_s: float = 5.0,
        patience_s: float = 10.0,
        rand: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        self._close = close
        self._lost = lost
        self._patience_s = patience_s
        self._sleep = sleep
        self._pace = Pace(monotonic, rand=rand, first_s=first_s, cap_s=cap_s)
        self._connection: C | None = None
        self._lock = asyncio.Lock()

    async def use[R](self, work: Callable[[C], Awaitable[R]], *, repeat: bool = False) -> R:
        """As ``Link.use``."""
        connection = await self.get()
        try:
            return await work(connection)
        except Exception as error:
            if not self._lost(error):
                raise
            await self.drop(connection)
            if not repeat:
                raise
        return await self.use(work)

    async def get(self) -> C:
        """As ``Link.get``."""
        async with self._lock:
            if self._connection is None:
                self._connection = await self._make()
            return self._connection

    async def drop(self, connection: C | None = None) -> None:
        """As ``Link.drop``."""
        if self._connection is None or (connection is not None and connection is not self._connection):
            return
        gone, self._connection = self._connection, None
        with suppress(Exception):  # it is gone either way
            closing = self._close(gone)
            if isinstance(closing, Awaitable):
                await closing

    async def _make(self) -> C:
        pace = self._pace
        deadline = pace.monotonic() + self._patience_s
        while True:
            wait = pace.wait()
            if wait and pace.monotonic() + wait > deadline:
                raise too_soon(wait)
            if wait:
                await self._sleep(wait)
            try:
                made = await self._connect()
            except Exception as error:
                if not self._lost(error):
                    raise
                pace.failed()
                if pace.monotonic() + pace.wait() > deadline:
                    raise
            else:
                pace.succeeded()
                return made


def reconnecting[C](
    *,
    close: Callable[[C], object] = lambda _connection: None,
    lost: Callable[[BaseException], bool] = connection_lost,
    first_s: float = 0.1,
    cap_s: float = 5.0,
    patience_s: float = 10.0,
) -> Callable[[Callable[[], C]], Link[C]]:
    """A decorator: a function that connects becomes a ``Link``. For an async one make an ``AsyncLink`` of it."""

    def decorate(connect: Callable[[], C]) -> Link[C]:
        return Link(connect, close=close, lost=lost, first_s=first_s, cap_s=cap_s, patience_s=patience_s)

    return decorate
