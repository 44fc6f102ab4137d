"""The two clients: the same calls, run by a thread that waits or by an event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from remit.client.heads import HEADER, Heads, state_folder
from remit.client.live import Event, Reading
from remit.client.operations import AsyncOperations, Operations
from remit.client.steps import Answer, Ask, Call, Steps, Wait, asked, read
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import httpcore

TIMEOUT_S = 60.0
OK = 200
CHECK_EVERY_S = 10.0  # between looks whether a newer head extends the one that is remembered


class _Terms:
    """What both clients are made of.

    Args:
        url: The server's address, ``https://remit.example.org``.
        token: An API key or an access token.
        audit_key: The audit log's public key, if it is known already; else the server's word is taken the first time.
        heads: Where heads are remembered; the platform's state folder when left out, ``None``: in memory alone.
        timeout_s: Seconds without a byte after which an answer is given up.
        plain_http: Whether to send the token over plain HTTP to another machine.

    Raises:
        InvalidInput: No address, or one that would send the token over plain HTTP to another machine.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        audit_key: str = "",
        heads: Path | str | None = "",
        timeout_s: float = TIMEOUT_S,
        plain_http: bool = False,
    ) -> None:
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.path:
            message = f"{url[:100]!r} is no server's address: it is a scheme, a host and maybe a port."
            raise InvalidInput(message, code="client.url", hint="https://remit.example.org")
        if parts.scheme == "http" and not plain_http and not _own(parts.hostname or ""):
            message = f"Over plain HTTP everybody between here and {parts.hostname} could read the token."
            raise InvalidInput(message, code="client.plain", hint="use https://, or say plain_http=True")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        folder = None if heads is None else Path(heads) if heads else state_folder()
        self._heads = Heads(self.url, folder=folder, key=audit_key)
        self._checked_at = -CHECK_EVERY_S

    def _call(self, call: Call) -> Steps[Any]:
        answer = yield from asked(call.ask())
        yield from self._hold(answer.headers.get(HEADER, ""))
        return read(answer)

    def _hold(self, header: str) -> Steps[None]:
        """Hold the log to the head that it shows."""
        now = time.monotonic()
        if header and now - self._checked_at >= CHECK_EVERY_S:
            yield from self._heads.check(header)
            self._checked_at = now

    def _sent(self, ask: Ask) -> list[tuple[bytes, bytes]]:
        headers = {"accept": "application/json", "authorization": f"Bearer {self._token}", **ask.headers}
        return [(name.encode("ascii"), value.encode("ascii", "replace")) for name, value in headers.items()]


class Client(Operations, _Terms):
    """Calls that wait. Threads may share one. Close it, or use it in a ``with``."""

    def __init__(self, url: str, token: str, **terms: Any) -> None:  # noqa: ANN401 - those of ``_Terms``, by name
        _Terms.__init__(self, url, token, **terms)
        import httpcore  # noqa: PLC0415 - whoever imports the client need not use it

        self._pool = httpcore.ConnectionPool(max_connections=20, keepalive_expiry=30)
        Operations.__init__(self, self._run)

    __init__.__doc__ = _Terms.__doc__

    def events(
        self, *, mission: str = "", kinds: str = "", after: int | None = None, follow: bool = True
    ) -> Generator[Event]:
        """What happens, as it happens, without a gap and nothing twice, whatever becomes of the connection.

        Args:
            mission: Only this mission's events, and where its steps stand.
            kinds: Words before the dot of an action, ``mission,step``; all when left out.
            after: Begin after this number; now when left out.
            follow: ``False``: end where the log ends.

        Raises:
            RemitError: As the server refuses it, or when it does not come back.
            IntegrityError: The log that it shows does not continue the one that is known.
        """
        import httpcore  # noqa: PLC0415 - see above

        reading = Reading(mission, kinds, after, follow)
        while not reading.over:
            ask = reading.ask()
            answer = Answer(0, error="the stream ended")
            try:
                with self._pool.stream(
                    "GET", f"{self.url}{ask.target}", headers=self._sent(ask), extensions={"timeout": self._timeout}
                ) as found:
                    if found.status == OK:
                        self._drive(self._hold(_answer(found, b"").headers.get(HEADER, "")))
                        for chunk in found.iter_stream():
                            yield from reading.feed(chunk)
                    else:
                        answer = _answer(found, found.read())
            except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
                answer = Answer(0, error=str(error) or type(error).__name__)
            if not reading.over:
                time.sleep(reading.failed(answer))

    def _run(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        return self._drive(self._call(call))

    def _drive[T](self, steps: Steps[T]) -> T:
        answer: Answer | None = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                else:
                    answer = self._ask(step)
        except StopIteration as stop:
            return stop.value

    def _ask(self, ask: Ask) -> Answer:
        import httpcore  # noqa: PLC0415 - see above

        try:
            found = self._pool.request(
                ask.method,
                f"{self.url}{ask.target}",
                headers=self._sent(ask),
                content=ask.body,
                extensions={"timeout": self._timeout},
            )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return Answer(0, error=str(error) or type(error).__name__)
        return _answer(found, found.content)

    def close(self) -> None:
        """End its connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class AsyncClient(AsyncOperations, _Terms):
    """Calls that are awaited, on one event loop. Close it, or use it in an ``async with``."""

    def __init__(self, url: str, token: str, **terms: Any) -> None:  # noqa: ANN401 - those of ``_Terms``, by name
        _Terms.__init__(self, url, token, **terms)
        import httpcore  # noqa: PLC0415 - whoever imports the client need not use it

        self._pool = httpcore.AsyncConnectionPool(max_connections=20, keepalive_expiry=30)
        AsyncOperations.__init__(self, self._run)

    async def events(
        self, *, mission: str = "", kinds: str = "", after: int | None = None, follow: bool = True
    ) -> AsyncGenerator[Event]:
        """As ``Client.events``."""
        import httpcore  # noqa: PLC0415 - see above

        reading = Reading(mission, kinds, after, follow)
        while not reading.over:
            ask = reading.ask()
            answer = Answer(0, error="the stream ended")
            try:
                async with self._pool.stream(
                    "GET", f"{self.url}{ask.target}", headers=self._sent(ask), extensions={"timeout": self._timeout}
                ) as found:
                    if found.status == OK:
                        await self._drive(self._hold(_answer(found, b"").headers.get(HEADER, "")))
                        async for chunk in found.aiter_stream():
                            for event in reading.feed(chunk):
                                yield event
                    else:
                        answer = _answer(found, await found.aread())
            except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
                answer = Answer(0, error=str(error) or type(error).__name__)
            if not reading.over:
                await asyncio.sleep(reading.failed(answer))

    async def _run(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        return await self._drive(self._call(call))

    async def _drive[T](self, steps: Steps[T]) -> T:
        answer: Answer | None = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = await self._ask(step)
        except StopIteration as stop:
            return stop.value

    async def _ask(self, ask: Ask) -> Answer:
        import httpcore  # noqa: PLC0415 - see above

        try:
            found = await self._pool.request(
                ask.method,
                f"{self.url}{ask.target}",
                headers=self._sent(ask),
                content=ask.body,
                extensions={"timeout": self._timeout},
            )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return Answer(0, error=str(error) or type(error).__name__)
        return _answer(found, found.content)

    async def close(self) -> None:
        """End its connections."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()


def _answer(found: httpcore.Response, body: bytes) -> Answer:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found.headers}
    return Answer(found.status, headers, body)


def _own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
