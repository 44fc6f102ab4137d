"""The two clients: the same calls, run by a thread that waits or by an event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from remit.client.heads import HEADER, Heads, state_folder
from remit.client.operations import AsyncOperations, Operations
from remit.client.steps import Answer, Ask, Call, Steps, Wait, asked, read
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import httpcore

TIMEOUT_S = 60.0
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
        header = answer.headers.get(HEADER, "")
        now = time.monotonic()
        if header and now - self._checked_at >= CHECK_EVERY_S:
            yield from self._heads.check(header)
            self._checked_at = now
        return read(answer)

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

    def _run(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        steps = self._call(call)
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
        return _answer(found)

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

    async def _run(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        steps = self._call(call)
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
        return _answer(found)

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


def _answer(found: httpcore.Response) -> Answer:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found.headers}
    return Answer(found.status, headers, found.content)


def _own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
