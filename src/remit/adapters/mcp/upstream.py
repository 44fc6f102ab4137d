"""One connection to a tool server: opened once, asked by many, everything as plain JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import mcp_types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from remit import __version__
from remit.adapters.mcp.program import Streams, program
from remit.kernel.canonical import Json
from remit.kernel.errors import Failed, RemitError, Unavailable

OPEN_S = 30.0
_MOST_PAGES = 100
_CLOSED = (mcp_types.CONNECTION_CLOSED,)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is: a program, or an address. References to secrets are resolved already."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Upstream:
    """A connection. ``open`` first; ``close`` at the end. Any task of its event loop may ask.

    Args:
        target: Where.
        changed: Called when the server says that what it offers has changed: ``tools``, ``resources`` or ``prompts``.
    """

    def __init__(self, target: Target, *, changed: Callable[[str], None] = lambda _what: None) -> None:
        self.target = target
        self.info: dict[str, Json] = {}
        self._changed = changed
        self._session: ClientSession | None = None
        self._over = asyncio.Event()
        self._words: list[str] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._session is not None

    async def open(self) -> None:
        """Start or reach it, and shake hands.

        Raises:
            Unavailable: It can't be started, does not answer in 30 s, or speaks another protocol.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(ready))
        try:
            async with asyncio.timeout(OPEN_S):
                await asyncio.shield(ready)
        except TimeoutError as error:
            await self.close()
            message = f"The tool server {self.target.name!r} did not answer within {OPEN_S:g} s."
            raise Unavailable(message, code="mcp.open", hint="remit mcp servers") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection, and the program if it is one."""
        self._over.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=10.0)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        """The connection's own task: its scopes are entered and left here."""
        try:
            async with (
                self._streams() as (incoming, outgoing),
                ClientSession(
                    incoming,
                    outgoing,
                    message_handler=self._hear,
                    client_info=mcp_types.Implementation(name="remit", version=__version__),
                ) as session,
            ):
                said = await session.initialize()
                self.info = _json(said)
                self._session = session
                if not ready.done():
                    ready.set_result(None)
                await self._over.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(self._unreachable(error))
                ready.exception()  # looked at by ``open``, unless that was cancelled
            if not isinstance(error, Exception):
                raise
        finally:
            self._session = None

    def _unreachable(self, error: BaseException) -> RemitError:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = cast("BaseExceptionGroup[BaseException]", inner).exceptions[0]
        if isinstance(inner, RemitError):
            return inner
        said = f" It said: {self._words[-1][:300]}" if self._words else ""
        message = (
            f"The tool server {self.target.name!r} can't be reached: {type(inner).__name__}: {str(inner)[:300]}.{said}"
        )
        return Unavailable(f"{message.rstrip('.')}.", code="mcp.open", hint="remit mcp servers")

    @asynccontextmanager
    async def _streams(self) -> AsyncGenerator[Streams]:
        target = self.target
        if target.command:
            async with program(target.command, env=target.env, cwd=target.cwd or None, words=self._words) as streams:
                yield streams
            return
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        from remit.adapters.mcp.bounded import BoundedTransport

        timeout = httpx2.Timeout(30.0, read=300.0)
        async with (
            httpx2.AsyncClient(
                headers=dict(target.headers),
                timeout=timeout,
                trust_env=False,
                transport=BoundedTransport(trust_env=False),
            ) as client,
            streamable_http_client(target.url, http_client=client) as streams,
        ):
            yield cast("Streams", streams)

    async def _hear(self, message: object) -> None:
        match message:
            case mcp_types.ToolListChangedNotification():
                self._changed("tools")
            case mcp_types.ResourceListChangedNotification():
                self._changed("resources")
            case mcp_types.PromptListChangedNotification():
                self._changed("prompts")
            case _:
                return  # what else it says unasked is not passed on

    # --------------------------------------------------------------------------------------------------------- asking

    async def tools(self) -> list[dict[str, Json]]:
        """Every tool that it offers, as it describes it.

        Raises:
            Unavailable: It is not there any more. Failed: It answers with an error.
        """
        return await self._pages("tools", lambda session, cursor: session.list_tools(params=cursor))

    async def resources(self) -> list[dict[str, Json]]:
        """Every resource that it lists. Raises as ``tools``."""
        return await self._pages("resources", lambda session, cursor: session.list_resources(params=cursor))

    async def templates(self) -> list[dict[str, Json]]:
        """Every template of resources. Raises as ``tools``."""
        return await self._pages(
            "resourceTemplates", lambda session, cursor: session.list_resource_templates(params=cursor)
        )

    async def prompts(self) -> list[dict[str, Json]]:
        """Every prompt that it lists. Raises as ``tools``."""
        return await self._pages("prompts", lambda session, cursor: session.list_prompts(params=cursor))

    async def call(self, name: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Call a tool once; its result, errors of the tool included. Raises as ``tools``."""
        params = mcp_types.CallToolRequestParams(name=name, arguments=dict(arguments))
        request = mcp_types.CallToolRequest(params=params)
        return await self._ask(lambda session: session.send_request(request, mcp_types.CallToolResult))

    async def read(self, uri: str) -> dict[str, Json]:
        """Read a resource. Raises as ``tools``."""
        return await self._ask(lambda session: session.read_resource(uri))

    async def prompt(self, name: str, arguments: Mapping[str, str]) -> dict[str, Json]:
        """Get a prompt. Raises as ``tools``."""
        return await self._ask(lambda session: session.get_prompt(name, arguments=dict(arguments)))

    async def _pages(
        self,
        key: str,
        ask: Callable[[ClientSession, mcp_types.PaginatedRequestParams], Awaitable[BaseModel]],
    ) -> list[dict[str, Json]]:
        found: list[dict[str, Json]] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            params = mcp_types.PaginatedRequestParams(cursor=cursor)
            page = await self._ask(lambda session, params=params: ask(session, params))
            found += cast("Sequence[dict[str, Json]]", page.get(key) or ())
            following = page.get("nextCursor")
            if not isinstance(following, str) or following == cursor:
                return found
            cursor = following
        message = f"The tool server {self.target.name!r} lists its {key} on more than {_MOST_PAGES} pages."
        raise Failed(message, code="mcp.pages", hint="remit mcp servers")

    async def _ask(self, ask: Callable[[ClientSession], Awaitable[BaseModel]]) -> dict[str, Json]:
        session = self._session
        if session is None:
            raise self._gone()
        try:
            return _json(await ask(session))
        except MCPError as error:
            if error.error.code in _CLOSED:
                self._over.set()
                self._session = None
                raise self._gone() from error
            message = f"The tool server {self.target.name!r} answers with an error: {error.error.message[:500]}"
            raise Failed(f"{message.rstrip('.')}.", code="mcp.error", hint="correct the call") from error
        except (ValueError, RuntimeError) as error:  # what it answers is not of the protocol
            message = f"The tool server {self.target.name!r} answers with something that is no result of that call."
            raise Failed(message, code="mcp.garbage", hint="remit mcp servers") from error

    def _gone(self) -> Unavailable:
        message = f"The tool server {self.target.name!r} is gone: its program ended or its connection was cut."
        return Unavailable(message, code="mcp.gone", hint="call again: it is started anew")


def _json(answer: BaseModel) -> dict[str, Json]:
    told: Any = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    return cast("dict[str, Json]", told)
